package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
)

// impatient is a policy for tests in which something never mends; stalling for those in which it stalls.
var (
	impatient = RetryPolicy{Attempts: 3, Backoff: time.Millisecond, ThrottleBackoff: 20 * time.Millisecond}
	stalling  = RetryPolicy{Attempts: 3, Backoff: time.Millisecond, StallTimeout: time.Second}
)

// noise is content that has no repetition to hide a misplaced part.
func noise(n int) []byte {
	b := make([]byte, n)
	source := rand.NewChaCha8([32]byte{1})
	_, _ = source.Read(b)
	return b
}

// readOn reads a blob to its end, going on after what breaks.
func readOn(t *testing.T, c *Client, repository string, want []byte) (breaks int) {
	t.Helper()
	var got []byte
	for {
		r, err := c.OpenBlob(t.Context(), repository, DigestOf(want), int64(len(got)))
		if err != nil {
			t.Fatal(err)
		}
		got = got[:r.Offset]
		part, err := io.ReadAll(r)
		r.Close()
		got = append(got, part...)
		if err == nil {
			break
		}
		if !Temporary(err) || breaks > 20 {
			t.Fatalf("after %d breaks: %v", breaks, err)
		}
		breaks++
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%d bytes, not the %d that they should be", len(got), len(want))
	}
	return breaks
}

func isKind(kind devregistry.Kind) func(devregistry.Request) bool {
	return func(r devregistry.Request) bool { return r.Kind == kind }
}

func TestBlobsResume(t *testing.T) {
	blob := noise(3 << 20)
	for _, tt := range []struct {
		name    string
		dialect devregistry.Dialect
		fault   devregistry.Fault
		breaks  int
	}{
		{name: "whole"},
		{name: "redirected", dialect: devregistry.Dialect{RedirectBlobs: true}},
		{name: "cut", fault: devregistry.Fault{CutDownload: devregistry.Halfway()}, breaks: 1},
		{name: "cut, no ranges", dialect: devregistry.Dialect{NoRange: true}, fault: devregistry.Fault{CutDownload: devregistry.Halfway()}, breaks: 1},
		{name: "stalled", fault: devregistry.Fault{StallDownload: devregistry.Halfway()}, breaks: 1},
		{name: "503", fault: devregistry.Fault{Status: 503}},
		{name: "429", fault: devregistry.Fault{Status: 429}},
		{name: "reset", fault: devregistry.Fault{Reset: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := devregistrytest.Start(t, devregistry.Options{Dialect: tt.dialect})
			policy := impatient
			if tt.name == "stalled" {
				policy = stalling
			}
			pool := newPool(t, Options{Retry: policy})
			c := pool.Client(server.Host)
			push(t, newPool(t, Options{}).Client(server.Host), "a/b", blob)
			server.SetFaults(devregistry.Faults{Intercept: devregistry.Once(isKind(devregistry.KindBlobGet), tt.fault)})
			if breaks := readOn(t, c, "a/b", blob); breaks != tt.breaks {
				t.Errorf("broke %d times, want %d", breaks, tt.breaks)
			}
			down := pool.Stats()[server.Host].BytesDown
			if tt.dialect.NoRange || tt.name == "cut" || tt.name == "stalled" {
				return
			}
			if down != int64(len(blob)) {
				t.Errorf("counted %d bytes of %d", down, len(blob))
			}
		})
	}
}

func TestBlobsTellOfOverload(t *testing.T) {
	for status, want := range map[int]bool{0: false, 429: true, 502: false, 503: true} {
		server := devregistrytest.Start(t, devregistry.Options{})
		c := newPool(t, Options{Retry: impatient}).Client(server.Host)
		push(t, c, "a/b", []byte("content"))
		if status != 0 {
			server.SetFaults(devregistry.Faults{Intercept: devregistry.Once(isKind(devregistry.KindBlobGet), devregistry.Fault{Status: status})})
		}
		b, err := c.OpenBlob(t.Context(), "a/b", DigestOf([]byte("content")), 0)
		if err != nil {
			t.Fatal(err)
		}
		b.Close()
		if b.Refused != want {
			t.Errorf("%d: refused %v", status, b.Refused)
		}
	}
}

func TestBlobErrors(t *testing.T) {
	server := devregistrytest.Start(t, devregistry.Options{})
	c := newPool(t, Options{Retry: impatient}).Client(server.Host)
	if _, err := c.OpenBlob(t.Context(), "a/b", DigestOf(nil), 0); !errors.Is(err, ErrNotFound) || Temporary(err) {
		t.Errorf("missing: %v", err)
	}
	push(t, c, "a/b", []byte("content"))
	digest := DigestOf([]byte("content"))
	if _, err := c.OpenBlob(t.Context(), "a/b", digest, 7); err == nil || Temporary(err) {
		t.Errorf("from its end on: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, err := c.OpenBlob(ctx, "a/b", digest, 0)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.ReadAll(r); err != nil && (!errors.Is(err, context.Canceled) || Temporary(err)) {
		t.Errorf("cancelled: %v", err)
	}
	r.Close()
	if _, err := c.OpenBlob(ctx, "a/b", digest, 0); !errors.Is(err, context.Canceled) || Temporary(err) {
		t.Errorf("cancelled before: %v", err)
	}
	server.SetFaults(devregistry.Faults{Intercept: devregistry.Always(isKind(devregistry.KindBlobGet), devregistry.Fault{Status: 502})})
	server.Log().Reset()
	if _, err := c.OpenBlob(t.Context(), "a/b", digest, 0); !Temporary(err) {
		t.Errorf("always 502: %v", err)
	}
	if n := len(server.Log().Entries()); n != impatient.Attempts {
		t.Errorf("%d attempts", n)
	}
}

// The stall timer runs only while somebody reads.
func TestSlowReaderIsNoStall(t *testing.T) {
	server := devregistrytest.Start(t, devregistry.Options{})
	policy := stalling
	policy.StallTimeout = 150 * time.Millisecond
	c := newPool(t, Options{Retry: policy}).Client(server.Host)
	blob := noise(8 << 20)
	push(t, newPool(t, Options{}).Client(server.Host), "a/b", blob)
	r, err := c.OpenBlob(t.Context(), "a/b", DigestOf(blob), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	buf := make([]byte, 2<<20)
	var got int
	for {
		n, err := io.ReadFull(r, buf)
		got += n
		if err != nil {
			if got != len(blob) {
				t.Fatalf("after %d bytes: %v", got, err)
			}
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func TestMisplacedRange(t *testing.T) {
	for _, contentRange := range []string{"bytes 0-3/7", "bytes 5-6/7", "", "nonsense"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "blobs") {
				w.Header().Set("Content-Range", contentRange)
				w.WriteHeader(http.StatusPartialContent)
				fmt.Fprint(w, "tent")
			}
		}))
		c := newPool(t, Options{Retry: impatient}).Client(strings.TrimPrefix(server.URL, "http://"))
		if _, err := c.OpenBlob(t.Context(), "a/b", DigestOf(nil), 3); err == nil || Temporary(err) {
			t.Errorf("Content-Range %q: %v", contentRange, err)
		}
		server.Close()
	}
}

func TestRedirects(t *testing.T) {
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	mux.HandleFunc("GET /v2/{$}", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /v2/loop/", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.String(), http.StatusFound)
	})
	mux.HandleFunc("GET /v2/odd/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "file:///etc/passwd")
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("POST /v2/moved/", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/v2/odd/blobs", http.StatusFound)
	})
	c := newPool(t, Options{Retry: impatient}).Client(strings.TrimPrefix(server.URL, "http://"))
	for repository, want := range map[string]string{"loop": "redirects", "odd": "unusable Location"} {
		if _, err := c.OpenBlob(t.Context(), repository, DigestOf(nil), 0); err == nil || Temporary(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", repository, err)
		}
	}
	if _, err := c.StartUpload(t.Context(), "moved", DigestOf(nil), ""); err == nil || Temporary(err) || !strings.Contains(err.Error(), "302") {
		t.Errorf("a POST redirected: %v", err)
	}
}
