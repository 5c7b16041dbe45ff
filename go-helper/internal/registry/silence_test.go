package registry

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// mute serves what is asked, but for the first so many requests of a kind, which it reads and never answers. It tells how many came.
func mute(t *testing.T, silent int, kind func(*http.Request) bool, serve http.HandlerFunc) (host string, came *atomic.Int64) {
	t.Helper()
	came = &atomic.Int64{}
	over := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if kind(r) && came.Add(1) <= int64(silent) {
			<-over
			return
		}
		serve(w, r)
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(over) })
	return strings.TrimPrefix(server.URL, "http://"), came
}

// soon has many tries, and little patience with who says nothing.
var soon = RetryPolicy{Attempts: 8, Backoff: time.Millisecond, ResponseTimeout: time.Second, StallTimeout: time.Second}

// wantSilence checks that a host was given up, which one, and after how many silences.
func wantSilence(t *testing.T, err error, host string, most int64, came *atomic.Int64) {
	t.Helper()
	var silence *SilenceError
	if !errors.As(err, &silence) || silence.Host != host || !strings.Contains(err.Error(), "given up: "+host+" was silent ") || Temporary(err) || !TimedOut(err) {
		t.Errorf("got %v; want that %s was silent", err, host)
		return
	}
	if int64(silence.Times) != most || came.Load() != most || silence.For < time.Duration(most)*soon.ResponseTimeout {
		t.Errorf("%d silences in %s, and %d requests; want %d", silence.Times, silence.For, came.Load(), most)
	}
}

// A host that says nothing is given up after three times, not after all tries; a stall or two are survived.
func TestASilentHostIsGivenUp(t *testing.T) {
	t.Parallel()
	blob := []byte("content")
	fine := func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost:
			w.Header().Set("Location", "/v2/a/b/blobs/uploads/1")
			w.WriteHeader(http.StatusAccepted)
		case r.Method == http.MethodPut:
			w.WriteHeader(http.StatusCreated)
		case strings.Contains(r.URL.Path, "/blobs/"):
			_, _ = w.Write(blob)
		default:
			_, _ = io.WriteString(w, "{}")
		}
	}
	work := map[string]func(*testing.T, *Client) error{
		"/manifests/": func(t *testing.T, c *Client) error {
			_, err := c.GetManifest(t.Context(), "a/b", "v1")
			return err
		},
		"/blobs/sha256": func(t *testing.T, c *Client) error {
			_, err := c.ReadBlob(t.Context(), "a/b", DigestOf(blob), int64(len(blob)), io.Discard)
			return err
		},
		"/blobs/uploads/1": func(t *testing.T, c *Client) error {
			tries := c.Tries()
			for {
				u, err := c.StartUpload(tries.With(t.Context()), "a/b", DigestOf(blob), "")
				if err != nil {
					return err
				}
				err = u.Put(tries.With(t.Context()), DigestOf(blob), int64(len(blob)), bytes.NewReader(blob), 0)
				if err == nil || !Temporary(err) {
					return err
				}
				if err := tries.Again(t.Context(), err); err != nil {
					return err
				}
			}
		},
	}
	for path, do := range work {
		for silences, most := range map[int]int64{2: 0, 100: 3} {
			t.Run(path, func(t *testing.T) {
				t.Parallel()
				host, came := mute(t, silences, func(r *http.Request) bool { return strings.Contains(r.URL.Path, path) }, fine)
				policy := soon
				if most == 0 {
					policy.ResponseTimeout *= 2 // what is answered must be in time on a busy machine
				}
				err := do(t, newPool(t, Options{Retry: policy}).Client(host))
				if most == 0 {
					if err != nil || came.Load() != 3 {
						t.Errorf("silent twice: %v, asked %d times", err, came.Load())
					}
					return
				}
				wantSilence(t, err, host, most, came)
			})
		}
	}
}

// Where a registry points at a host that says nothing, that host is named, and the cause of all that wait for it.
func TestASilentHostThatARegistryPointsAtIsNamed(t *testing.T) {
	t.Parallel()
	elsewhere, came := mute(t, 100, func(*http.Request) bool { return true }, nil)
	host, _ := mute(t, 0, func(*http.Request) bool { return false }, func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/blobs/") {
			http.Redirect(w, r, "http://"+elsewhere+"/signed?secret=s3cret", http.StatusTemporaryRedirect)
		}
	})
	c := newPool(t, Options{Retry: soon}).Client(host)
	_, err := c.OpenBlob(t.Context(), "a/b", DigestOf(nil), 0)
	wantSilence(t, err, elsewhere, 3, came)
	if cause, ok := CauseOf(err); !ok || cause.Host != elsewhere || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), "from "+elsewhere+": ") {
		t.Errorf("%v, of %+v", err, cause)
	}
	if _, err := c.GetManifest(t.Context(), "a/b", "v1"); err != nil {
		t.Errorf("the registry itself: %v", err)
	}
}

// Two silences are enough where they took longer than any wait may: of an upload that nobody answers, for example.
func TestLongSilencesAreFewer(t *testing.T) {
	t.Parallel()
	policy := soon
	policy.Budget = policy.ResponseTimeout
	host, came := mute(t, 100, func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/manifests/") }, func(http.ResponseWriter, *http.Request) {})
	_, err := newPool(t, Options{Retry: policy}).Client(host).GetManifest(t.Context(), "a/b", "v1")
	wantSilence(t, err, host, 2, came)
	policy = soon
	policy.Silences = 5
	host, came = mute(t, 100, func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/manifests/") }, func(http.ResponseWriter, *http.Request) {})
	_, err = newPool(t, Options{Retry: policy}).Client(host).GetManifest(t.Context(), "a/b", "v1")
	wantSilence(t, err, host, 5, came)
}

// Progress makes the next silence the first one again.
func TestProgressEndsSilences(t *testing.T) {
	c := newPool(t, Options{Retry: RetryPolicy{Attempts: 8, Backoff: time.Microsecond, MaxBackoff: time.Microsecond}}).Client("registry.example")
	tries := c.Tries()
	silence := &timeoutError{what: "no byte came", limit: time.Minute}
	for range 10 {
		for range 2 {
			if err := tries.Again(t.Context(), silence); err != nil {
				t.Fatal(err)
			}
		}
		tries.Progress()
	}
	for range 2 {
		_ = tries.Again(t.Context(), silence)
	}
	if err := tries.Again(t.Context(), silence); !errors.As(err, new(*SilenceError)) {
		t.Errorf("got %v", err)
	}
}
