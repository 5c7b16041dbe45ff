package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// firewall forwards connections, and can forget those that there are: nothing comes through any more, and nobody is told.
type firewall struct {
	address string

	mu    sync.Mutex
	kept  map[net.Conn]bool // false: forgotten
	count int
}

func newFirewall(t *testing.T, to string) *firewall {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &firewall{address: listener.Addr().String(), kept: map[net.Conn]bool{}}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				client.Close()
				continue
			}
			f.mu.Lock()
			f.kept[client], f.kept[server] = true, true
			f.count++
			f.mu.Unlock()
			wg.Go(func() { f.forward(client, server, client) })
			wg.Go(func() { f.forward(server, client, client) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		f.mu.Lock()
		for conn := range f.kept {
			conn.Close()
		}
		f.mu.Unlock()
		wg.Wait()
	})
	return f
}

func (f *firewall) forward(to, from net.Conn, client net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		f.mu.Lock()
		kept := f.kept[client]
		f.mu.Unlock()
		if !kept {
			if err != nil {
				return
			}
			continue
		}
		if _, writeErr := to.Write(buffer[:n]); err != nil || writeErr != nil {
			to.Close()
			return
		}
	}
}

// forget drops all connections that there are, and tells how many there were since the last time.
func (f *firewall) forget() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	for conn := range f.kept {
		f.kept[conn] = false
	}
	n := f.count
	f.count = 0
	return n
}

// A connection that a firewall has forgotten costs the requests on it one try, not all that they have.
func TestForgottenConnections(t *testing.T) {
	content := []byte("content")
	// Requests to "meet" wait for each other, so that each has a connection of its own over HTTP/1.1.
	const together = 4
	var meeting sync.WaitGroup
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/meet") || strings.Contains(r.URL.Path, "/meet/blobs/") {
			meeting.Done()
			meeting.Wait()
		}
		if strings.Contains(r.URL.Path, "/blobs/") {
			_, _ = w.Write(content)
			return
		}
		http.NotFound(w, r)
	})
	for _, tt := range []struct {
		name  string
		http2 bool
		first func(ctx context.Context, c *Client, meet bool) error
		says  string
	}{
		{name: "small requests over HTTP/2", http2: true, first: headTag, says: "client connection lost"},
		{name: "small requests over HTTP/1.1", first: headTag, says: "timeout awaiting response headers"},
		{name: "blobs", http2: true, first: readBlob(content), says: "timeout awaiting response headers"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(handler)
			server.EnableHTTP2 = tt.http2
			server.StartTLS()
			defer server.Close()
			wall := newFirewall(t, server.Listener.Addr().String())
			roots := x509.NewCertPool()
			roots.AddCert(server.Certificate())
			var mu sync.Mutex
			var failures []string
			c := newPool(t, Options{
				PlainHTTP: func(string) bool { return false },
				Host:      func(string) HostOptions { return HostOptions{TLS: &tls.Config{RootCAs: roots}} },
				Retry:     RetryPolicy{Attempts: 3, Backoff: time.Millisecond, ResponseTimeout: 400 * time.Millisecond, StallTimeout: 400 * time.Millisecond},
				OnRetry: func(r Retry) {
					mu.Lock()
					failures = append(failures, r.Err.Error())
					mu.Unlock()
				},
			}).Client(wall.address)
			if err := c.Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
			meeting.Add(together)
			many(t, together, func(int) error { return tt.first(t.Context(), c, true) })
			if n := wall.forget(); n < 1 || strings.HasSuffix(tt.name, "1.1") && n < together {
				t.Fatalf("%d connections", n)
			}
			for range 2 {
				if err := tt.first(t.Context(), c, false); err != nil {
					t.Error(err)
				}
			}
			if len(failures) != 1 || !strings.Contains(failures[0], tt.says) {
				t.Errorf("failed %d times: %q", len(failures), failures)
			}
		})
	}
}

func headTag(ctx context.Context, c *Client, meet bool) error {
	tag := "v1"
	if meet {
		tag = "meet"
	}
	_, err := c.HeadManifest(ctx, "a/b", tag)
	return notFoundIsFine(err)
}

func readBlob(content []byte) func(ctx context.Context, c *Client, meet bool) error {
	return func(ctx context.Context, c *Client, meet bool) error {
		repository := "a/b"
		if meet {
			repository = "a/meet"
		}
		r, err := c.OpenBlob(ctx, repository, DigestOf(content), 0)
		if err != nil {
			return err
		}
		defer r.Close()
		_, err = io.Copy(io.Discard, r)
		return err
	}
}

// What stalls within a blob's body leaves its connections as well.
func TestStalledBodiesLeaveTheirConnections(t *testing.T) {
	hang := make(chan struct{})
	host, connections := countingServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/blobs/") {
			w.Header().Set("Content-Length", "2")
			_, _ = w.Write([]byte("x"))
			_ = http.NewResponseController(w).Flush()
			<-hang
		}
	}))
	defer close(hang)
	c := newPool(t, Options{Retry: RetryPolicy{StallTimeout: 50 * time.Millisecond}}).Client(host)
	before := c.down.current
	r, err := c.OpenBlob(t.Context(), "a/b", DigestOf(nil), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadAll(r); !Temporary(err) {
		t.Errorf("got %v", err)
	}
	c.down.mu.Lock()
	defer c.down.mu.Unlock()
	if c.down.current == before {
		t.Errorf("%d connections, and the old ones stay", connections.Load())
	}
}
