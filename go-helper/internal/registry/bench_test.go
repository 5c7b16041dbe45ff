package registry

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/auth"
)

// benchServer answers as fast as it can.
func benchServer(b *testing.B, blob []byte) *Client {
	b.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodHead:
			w.Header().Set("Docker-Content-Digest", DigestOf(nil).String())
			w.Header().Set("Content-Length", "1000")
		case r.Method == http.MethodPost:
			w.Header().Set("Location", "/v2/a/b/blobs/uploads/1?_state=x")
			w.WriteHeader(http.StatusAccepted)
		case r.Method == http.MethodPut:
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusCreated)
		case strings.Contains(r.URL.Path, "/blobs/"):
			_, _ = w.Write(blob)
		}
	}))
	b.Cleanup(server.Close)
	pool, err := NewPool(Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	return pool.Client(strings.TrimPrefix(server.URL, "http://"))
}

func BenchmarkHeadManifest(b *testing.B) {
	c := benchServer(b, nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.HeadManifest(b.Context(), "a/b", "v1"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadBlob(b *testing.B) {
	blob := make([]byte, 64<<20)
	c := benchServer(b, blob)
	buf := make([]byte, 128<<10)
	b.ReportAllocs()
	b.SetBytes(int64(len(blob)))
	for b.Loop() {
		r, err := c.OpenBlob(b.Context(), "a/b", DigestOf(nil), 0)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, buf); err != nil {
			b.Fatal(err)
		}
		r.Close()
	}
}

func BenchmarkPutBlob(b *testing.B) {
	blob := make([]byte, 64<<20)
	c := benchServer(b, nil)
	b.ReportAllocs()
	b.SetBytes(int64(len(blob)))
	for b.Loop() {
		u, err := c.StartUpload(b.Context(), "a/b", DigestOf(nil), "")
		if err != nil {
			b.Fatal(err)
		}
		if err := u.Put(b.Context(), DigestOf(nil), int64(len(blob)), struct{ io.Reader }{bytes.NewReader(blob)}, 0); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkThrottle(b *testing.B) {
	c := benchServer(b, nil)
	t := c.throttle
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := t.acquire(context.Background(), false); err != nil {
				b.Error(err)
			}
			if err := c.gate(context.Background()); err != nil {
				b.Error(err)
			}
			t.release()
		}
	})
}

func BenchmarkAuthorize(b *testing.B) {
	c := benchServer(b, nil)
	c.auth.Challenged(auth.Challenge{Scheme: "basic"})
	scopes := []auth.Scope{auth.Pull("a/b")}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.auth.Authorize(b.Context(), scopes); err != nil {
			b.Fatal(err)
		}
	}
}
