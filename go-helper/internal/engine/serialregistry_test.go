package engine_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	craneregistry "github.com/google/go-containerregistry/pkg/registry"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
	"docker-mirror/go-helper/internal/engine"
)

// serialRegistry is what `crane registry serve` runs: it takes one upload at a time, mounts nothing, and what one repository has got all
// of them have.
type serialRegistry struct {
	handler http.Handler
	host    string

	mu   sync.Mutex
	sent map[string]int // bodies of blobs that came to their end, by digest
}

func startSerialRegistry(t *testing.T) *serialRegistry {
	r := &serialRegistry{handler: craneregistry.New(craneregistry.Logger(log.New(io.Discard, "", 0)))}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.host = strings.TrimPrefix(server.URL, "http://")
	r.forget()
	return r
}

// forget gives what was sent so far, and counts anew.
func (r *serialRegistry) forget() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	sent := r.sent
	r.sent = map[string]int{}
	return sent
}

func (r *serialRegistry) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.handler.ServeHTTP(w, request)
	if digest := request.URL.Query().Get("digest"); request.Method == http.MethodPut && digest != "" {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.sent[digest]++
	}
}

// Uploads to such a registry that share a download would hold each other up: each blob is sent once, and found by the others. So it is
// when all of it is repaired.
func TestARegistryThatTakesOneUploadAtATime(t *testing.T) {
	source := devregistrytest.Start(t, devregistry.Options{})
	destination := startSerialRegistry(t)
	p := newPusher(t, source.Host)
	base, runtime := content("base", 5<<20), content("runtime", 3<<20)
	var names []string
	for i := range 24 {
		name := fmt.Sprintf("r%d", i)
		p.image(name, "v", ociManifest, base, runtime, content("small", 2000), content(name, 100_000))
		names = append(names, name+":v")
	}
	list := copies(t, source.Host, []string{destination.host}, names...)
	wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusCopied)
	sent := destination.forget()
	if want := 3 + 2*len(names); len(sent) != want { // and a config an image
		t.Errorf("%d blobs arrived, want %d", len(sent), want)
	}
	for digest, n := range sent {
		if n != 1 {
			t.Errorf("%s was sent %d times", digest, n)
		}
	}

	wantStatus(t, list, run(t, list, engine.Options{Force: true}), engine.StatusCopied)
	sent = destination.forget()
	for _, blob := range [][]byte{base, runtime} {
		if n := sent[hashOf(t, blob).String()]; n != 0 {
			t.Errorf("%s of %d bytes was there, and was sent %d times", hashOf(t, blob), len(blob), n)
		}
	}
}
