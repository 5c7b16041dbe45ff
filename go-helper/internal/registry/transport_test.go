package registry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// countingServer counts the connections that were made to it.
func countingServer(t *testing.T, handler http.Handler) (host string, connections *atomic.Int32) {
	t.Helper()
	connections = &atomic.Int32{}
	server := httptest.NewUnstartedServer(handler)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://"), connections
}

func TestConnectionsAreKept(t *testing.T) {
	content := make([]byte, 100<<10)
	host, connections := countingServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Millisecond)
		switch {
		case strings.Contains(r.URL.Path, "/blobs/"):
			_, _ = w.Write(content)
		case strings.Contains(r.URL.Path, "/manifests/"):
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"errors": [{"code": "MANIFEST_UNKNOWN"}]}`))
		}
	}))
	c := newPool(t, Options{}).Client(host)
	const blobs, small = 10, 30
	for round := range 20 {
		var wg sync.WaitGroup
		for range blobs {
			wg.Go(func() {
				r, err := c.OpenBlob(t.Context(), "a/b", DigestOf(content), 0)
				if err != nil {
					t.Error(err)
					return
				}
				defer r.Close()
				if n, err := io.Copy(io.Discard, r); err != nil || n != int64(len(content)) {
					t.Errorf("%d bytes, %v", n, err)
				}
			})
		}
		for range small {
			wg.Go(func() {
				if _, err := c.GetManifest(t.Context(), "a/b", "v1"); !errors.Is(err, ErrNotFound) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := connections.Load(); n > blobs+small+1 {
			t.Fatalf("%d connections after round %d", n, round)
		}
	}
}

func TestTLS(t *testing.T) {
	var protocols sync.Map
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protocols.Store(r.Method, r.Proto)
		switch r.Method {
		case http.MethodPost:
			// As a registry says that doesn't know of the TLS before it.
			w.Header().Set("Location", "http://"+r.Host+"/v2/a/b/blobs/uploads/1")
			w.WriteHeader(http.StatusAccepted)
		case http.MethodPut:
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusCreated)
		}
	}))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // a client that doesn't trust it is part of the test
	server.StartTLS()
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "https://")
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	secure := func(string) bool { return false }

	trusting := newPool(t, Options{PlainHTTP: secure, Host: func(h string) HostOptions {
		if h != host {
			t.Errorf("options asked for %s", h)
		}
		return HostOptions{TLS: &tls.Config{RootCAs: roots}}
	}}).Client(host)
	push(t, trusting, "a/b", []byte("content"))
	if got, _ := protocols.Load(http.MethodPost); got != "HTTP/2.0" {
		t.Errorf("small requests over %v", got)
	}
	if got, _ := protocols.Load(http.MethodPut); got != "HTTP/1.1" {
		t.Errorf("bodies over %v", got)
	}

	start := time.Now()
	_, err := newPool(t, Options{PlainHTTP: secure, Retry: impatient}).Client(host).GetManifest(t.Context(), "a/b", "v1")
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) || Temporary(err) || time.Since(start) > 5*time.Second {
		t.Errorf("an unknown authority: %v", err)
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	_, err = newPool(t, Options{PlainHTTP: secure}).Client(strings.TrimPrefix(plain.URL, "http://")).GetManifest(t.Context(), "a/b", "v1")
	if err == nil || Temporary(err) {
		t.Errorf("no TLS there: %v", err)
	}
}

func TestProxy(t *testing.T) {
	var asked atomic.Value
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.URL.String())
		w.WriteHeader(http.StatusNotFound)
	}))
	defer proxy.Close()
	c := newPool(t, Options{
		PlainHTTP: func(string) bool { return true },
		Host: func(string) HostOptions {
			u, err := url.Parse(proxy.URL)
			return HostOptions{Proxy: func(*http.Request) (*url.URL, error) { return u, err }}
		},
	}).Client("registry.example")
	if _, err := c.HeadManifest(t.Context(), "a/b", "v1"); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	if got := asked.Load(); got != "http://registry.example/v2/a/b/manifests/v1" {
		t.Errorf("the proxy was asked for %v", got)
	}
}

// A PUT on a connection that the server has closed in the meantime isn't sent again by net/http.
func TestDeadConnection(t *testing.T) {
	var puts atomic.Int32
	host, _ := countingServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodPost:
			w.Header().Set("Location", "/v2/a/b/blobs/uploads/1")
			w.WriteHeader(http.StatusAccepted)
		case http.MethodPut:
			_, _ = io.CopyN(io.Discard, r.Body, 10)
			if puts.Add(1) == 2 {
				panic(http.ErrAbortHandler)
			}
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusCreated)
		}
	}))
	c := newPool(t, Options{Retry: impatient}).Client(host)
	push(t, c, "a/b", make([]byte, 1000))
	up, err := c.StartUpload(t.Context(), "a/b", DigestOf(nil), "")
	if err != nil {
		t.Fatal(err)
	}
	body := &countingReader{}
	if err := up.Put(t.Context(), DigestOf(nil), 1000, body, 0); !Temporary(err) {
		t.Errorf("got %v", err)
	}
	if puts.Load() != 2 || body.read > 1000 {
		t.Errorf("%d PUTs, %d bytes read", puts.Load(), body.read)
	}
}

type countingReader struct{ read int }

func (r *countingReader) Read(p []byte) (int, error) {
	r.read += len(p)
	return len(p), nil
}

func TestMaxRate(t *testing.T) {
	host, _ := countingServer(t, http.NotFoundHandler())
	c := newPool(t, Options{Host: func(string) HostOptions { return HostOptions{MaxRate: 50} }}).Client(host)
	start := time.Now()
	many(t, 25, func(int) error {
		_, err := c.HeadManifest(t.Context(), "a/b", "v1")
		return notFoundIsFine(err)
	})
	if took := time.Since(start); took < 480*time.Millisecond || took > 2*time.Second {
		t.Errorf("26 requests at 50 a second took %s", took)
	}
}

func TestLoopbackIsPlain(t *testing.T) {
	for host, plain := range map[string]bool{
		"localhost": true, "localhost:5000": true, "127.0.0.1": true, "127.1.2.3:5000": true, "[::1]:5000": true, "[::1]": true,
		"docker.io": false, "localhost.example": false, "10.0.0.1:5000": false, "128.0.0.1": false, "registry": false,
	} {
		if got := newPool(t, Options{}).Client(host).base.Scheme == "http"; got != plain {
			t.Errorf("%s: plain HTTP %v", host, got)
		}
	}
	if got := newPool(t, Options{}).Client("docker.io").endpoint("library/redis", "manifests/7", nil).String(); got != "https://registry-1.docker.io/v2/library/redis/manifests/7" {
		t.Error(got)
	}
}

func TestLocations(t *testing.T) {
	for _, tt := range []struct{ host, location, want string }{
		{"r.example", "/v2/a/blobs/uploads/1?_state=x", "https://r.example/v2/a/blobs/uploads/1?_state=x"},
		{"r.example", "2", "https://r.example/v2/a/blobs/uploads/2"},
		{"r.example", "https://store.example/x?y=z", "https://store.example/x?y=z"},
		{"r.example", "https://10.0.0.1:9000/x", "https://10.0.0.1:9000/x"},
		{"r.example", "http://r.example/x", "https://r.example/x"},
		{"r.example", "http://r.example:80/x", "https://r.example/x"},
		{"r.example", "https://user:pw@store.example/x#y", "https://store.example/x"},
		{"r.example", "https://169.254.169.254/latest", ""},
		{"r.example", "https://127.0.0.1/x", ""},
		{"r.example", "https://localhost/x", ""},
		{"r.example", "https://0.0.0.0/x", ""},
		{"r.example", "ftp://store.example/x", ""},
		{"r.example", "https://", ""},
		{"127.0.0.1:5000", "http://127.0.0.1:5001/x", "http://127.0.0.1:5001/x"},
	} {
		c := newPool(t, Options{}).Client(tt.host)
		got, err := c.resolve(c.endpoint("a", "blobs/uploads/", nil), tt.location)
		if (err == nil) != (tt.want != "") || err == nil && got.String() != tt.want {
			t.Errorf("%s, %s: %v, %v", tt.host, tt.location, got, err)
		}
	}
}
