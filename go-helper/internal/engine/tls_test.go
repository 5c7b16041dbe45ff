package engine_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/engine"
	"docker-mirror/go-helper/internal/registry"
)

// front serves a registry under TLS, with HTTP/2 where the client takes it, and counts requests by protocol.
type front struct {
	*httptest.Server
	mu        sync.Mutex
	protocols map[string]int // "HTTP/2.0 body" and the like
}

func newFront(t *testing.T, behind *devregistry.Server) *front {
	t.Helper()
	f := &front{protocols: map[string]int{}}
	f.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind := " small"
		upload := strings.Contains(r.URL.Path, "/blobs/uploads/")
		if upload && r.Method == http.MethodPut || strings.Contains(r.URL.Path, "/blobs/") && !upload && r.Method == http.MethodGet {
			kind = " body"
		}
		f.mu.Lock()
		f.protocols[r.Proto+kind]++
		f.mu.Unlock()
		behind.ServeHTTP(w, r)
	}))
	f.EnableHTTP2 = true
	f.StartTLS()
	t.Cleanup(f.Close)
	return f
}

func (f *front) host() string { return f.Listener.Addr().String() }

// What most registries speak: TLS, and HTTP/2 for all but the bodies of blobs, whose connections don't share a fate.
func TestOverTLSAndHTTP2(t *testing.T) {
	for name, faults := range map[string]devregistry.Faults{
		"undisturbed":   {},
		"5xx":           {RejectEvery: 5},
		"cut downloads": {CutDownloadEvery: 4},
		"resets":        {ResetEvery: 9},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source, destination := pair(t)
			names := randomSet(t, rand.New(rand.NewPCG(3, 4)), source.Host, 12)
			from, to := newFront(t, source), newFront(t, destination)
			list := copies(t, from.host(), []string{to.host()}, names...)
			source.SetFaults(faults)
			destination.SetFaults(faults)

			trusted := x509.NewCertPool()
			trusted.AddCert(from.Certificate())
			trusted.AddCert(to.Certificate())
			pool, err := registry.NewPool(registry.Options{
				Retry:     patient,
				PlainHTTP: func(string) bool { return false },
				Host:      func(string) registry.HostOptions { return registry.HostOptions{TLS: &tls.Config{RootCAs: trusted}} },
			})
			if err != nil {
				t.Fatal(err)
			}
			defer pool.Close()
			wantStatus(t, list, engine.Run(context.Background(), list, engine.Options{Pool: pool}), engine.StatusCopied)
			for _, c := range list {
				checkMirrored(t, source, destination, c)
			}
			for _, f := range []*front{from, to} {
				f.mu.Lock()
				if f.protocols["HTTP/2.0 small"] == 0 || f.protocols["HTTP/1.1 body"] == 0 || f.protocols["HTTP/2.0 body"] > 0 {
					t.Errorf("requests by protocol: %v", f.protocols)
				}
				f.mu.Unlock()
			}
		})
	}
}
