package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/sample"
)

// pushSmall puts many small images into a registry at the cost of a request each: they share one config and one layer.
func pushSmall(t *testing.T, registry *devregistry.Server, images ...string) {
	t.Helper()
	send := func(method, url, contentType string, body []byte, want int) http.Header {
		request, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
		if err != nil {
			t.Error(err)
			return nil
		}
		request.Header.Set("Content-Type", contentType)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Error(err)
			return nil
		}
		_ = answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("%s %s: %s", method, url, answer.Status)
		}
		return answer.Header
	}
	config := []byte(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}`)
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256(config))
	uploaded := map[string]bool{}
	var wait sync.WaitGroup
	slots := make(chan struct{}, 8)
	for i, image := range images {
		repository, tag, _ := strings.Cut(image, ":")
		base := "http://" + registry.Host + "/v2/" + repository
		if !uploaded[repository] {
			uploaded[repository] = true
			send(http.MethodPost, base+"/blobs/uploads/?digest="+digest, "application/octet-stream", config, http.StatusCreated)
		}
		manifest := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":`+
			`"application/vnd.oci.image.config.v1+json","digest":"%s","size":%d},"layers":[],"annotations":{"n":"%d"}}`, digest, len(config), i)
		wait.Add(1)
		slots <- struct{}{}
		go func() {
			defer wait.Done()
			send(http.MethodPut, base+"/manifests/"+tag, "application/vnd.oci.image.manifest.v1+json", manifest, http.StatusCreated)
			<-slots
		}()
	}
	wait.Wait()
}

// list writes a text list of a registry's images.
func (w *workplace) list(name string, registry *devregistry.Server, images ...string) string {
	var b strings.Builder
	for _, image := range images {
		b.WriteString(registry.Host + "/" + image + "\n")
	}
	return w.write(name, b.String())
}

func (w *workplace) read(name string) string {
	w.t.Helper()
	data, err := os.ReadFile(w.path(name))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(data)
}

// wantRequests compares what a registry was asked, pings aside.
func wantRequests(t *testing.T, registry *devregistry.Server, want map[devregistry.Kind]int) {
	t.Helper()
	got := registry.Log().Counts()
	delete(got, devregistry.KindPing)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("requests %v, want %v", got, want)
	}
}

func seedSamples(t *testing.T, registry *devregistry.Server) []string {
	t.Helper()
	pushed, err := sample.Push(t.Context(), nil, "http://"+registry.Host, "")
	if err != nil {
		t.Fatal(err)
	}
	var images []string
	for _, image := range pushed {
		if image.Tag != "" {
			images = append(images, image.Repository+":"+image.Tag)
		}
	}
	return images
}

func numbered(n int, format string) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(format, i))
	}
	return all
}

func deleteTag(t *testing.T, registry *devregistry.Server, repository, tag string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, "http://"+registry.Host+"/v2/"+repository+"/manifests/"+tag, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusAccepted {
		t.Fatalf("deleting %s of %s: %s", tag, repository, answer.Status)
	}
}
