package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
)

// waits notes how long each retry waited.
type waits struct {
	mu  sync.Mutex
	all []time.Duration
}

func (w *waits) onRetry(r Retry) {
	w.mu.Lock()
	w.all = append(w.all, r.Wait)
	w.mu.Unlock()
}

func (w *waits) sum() (total time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.all {
		total += d
	}
	return total
}

// One request, or one blob with all its requests, is tried so often and put off so long, whatever it fails with.
func TestAttemptsAndBudgetEnd(t *testing.T) {
	policy := RetryPolicy{Attempts: 5, Backoff: time.Millisecond, ThrottleBackoff: 10 * time.Millisecond, MaxBackoff: 40 * time.Millisecond, Budget: 300 * time.Millisecond}
	blob := DigestOf(nil)
	work := map[string]func(context.Context, *Client) error{
		"a small request": func(ctx context.Context, c *Client) error {
			_, err := c.GetManifest(ctx, "a/b", "v1")
			return err
		},
		"a download that its caller begins again": func(ctx context.Context, c *Client) error {
			tries := c.Tries()
			for {
				r, err := c.OpenBlob(tries.With(ctx), "a/b", blob, 0)
				if err == nil {
					r.Close()
					return nil
				}
				if err := tries.Again(ctx, err); err != nil {
					return err
				}
			}
		},
		"an upload with what it asks between": func(ctx context.Context, c *Client) error {
			c.pinging.done = make(chan struct{})
			close(c.pinging.done)
			up := &Upload{c: c, repository: "a/b", digest: blob, location: c.endpoint("a/b", "blobs/uploads/1", nil)}
			tries := c.Tries()
			ctx = tries.With(ctx)
			for {
				err := up.Put(ctx, blob, 3, strings.NewReader("abc"), 0)
				if err := tries.Again(ctx, err); err != nil {
					return err
				}
				_, _ = up.Status(ctx)
			}
		},
	}
	for name, do := range work {
		t.Run(name, func(t *testing.T) {
			server := devregistrytest.Start(t, devregistry.Options{Faults: devregistry.Faults{RejectEvery: 1, RejectStatus: 500, SparePing: true}})
			var told waits
			c := newPool(t, Options{Retry: policy, OnRetry: told.onRetry}).Client(server.Host)
			if err := do(t.Context(), c); !Temporary(err) || !strings.Contains(err.Error(), "500") {
				t.Errorf("500: %v", err)
			}
			asked := len(server.Log().Entries()) - len(entries(server, devregistry.KindPing))
			if asked < policy.Attempts || asked > policy.Attempts+1 { // the status that an upload ends with
				t.Errorf("500: asked %d times", asked)
			}
			told.all = nil
			server.SetFaults(devregistry.Faults{RejectEvery: 1, RejectStatus: 429, SparePing: true})
			if err := do(t.Context(), c); !Temporary(err) || !strings.Contains(err.Error(), "429") {
				t.Errorf("429: %v", err)
			}
			if waited := told.sum(); waited > policy.Budget || waited < policy.Budget/2 || len(told.all) < policy.Attempts {
				t.Errorf("429: waited %s in all, %v", waited, told.all)
			}
		})
	}
}

// Throttling at a blob's storage, which is another host, isn't the registry's pause.
func TestBudgetElsewhere(t *testing.T) {
	server := devregistrytest.Start(t, devregistry.Options{Dialect: devregistry.Dialect{RedirectBlobs: true}})
	plain := newPool(t, Options{}).Client(server.Host)
	push(t, plain, "a/b", []byte("content"))
	server.SetFaults(devregistry.Faults{Intercept: devregistry.Always(isKind(devregistry.KindCDN), devregistry.Fault{Status: 429})})
	policy := RetryPolicy{ThrottleBackoff: 10 * time.Millisecond, MaxBackoff: 40 * time.Millisecond, Budget: 300 * time.Millisecond}
	var told waits
	c := newPool(t, Options{Retry: policy, OnRetry: told.onRetry}).Client(server.Host)
	if _, err := c.OpenBlob(t.Context(), "a/b", DigestOf([]byte("content")), 0); !Temporary(err) {
		t.Errorf("got %v", err)
	}
	if waited := told.sum(); waited > policy.Budget || len(told.all) < 4 {
		t.Errorf("waited %s in all, %v", waited, told.all)
	}
	if left := c.throttle.remaining(); left > 0 {
		t.Errorf("the registry is paused for %s", left)
	}
}

// What a registry asks for is kept to, or said at once to be too long: never cut short.
func TestRetryAfterIsKept(t *testing.T) {
	for _, status := range []int{429, 503} {
		server := devregistrytest.Start(t, devregistry.Options{Faults: devregistry.Faults{
			RejectEvery: 1, RejectStatus: status, RetryAfter: time.Hour, SparePing: true,
		}})
		var told waits
		var pauses []string
		pool := newPool(t, Options{OnRetry: told.onRetry, OnPause: func(_ string, d time.Duration, reason string) {
			pauses = append(pauses, d.String()+" "+reason)
		}})
		c := pool.Client(server.Host)
		_, err := c.GetManifest(t.Context(), "a/b", "v1")
		if !Temporary(err) || !strings.Contains(err.Error(), "asks to be left alone for 1h0m0s; no request waits longer than 5m0s") {
			t.Errorf("%d: %v", status, err)
		}
		_, err = c.GetManifest(t.Context(), "a/b", "v2")
		var paused *PausedError
		if !Temporary(err) || !errors.As(err, &paused) || paused.Host != server.Host || !strings.Contains(err.Error(), "asked to be left alone for 1h0m0s") {
			t.Errorf("%d, the next request: %v", status, err)
		}
		if n := len(entries(server, devregistry.KindManifestGet)); n != 1 || len(told.all) > 0 {
			t.Errorf("%d: asked %d times, waited %v", status, n, told.all)
		}
		if want := fmt.Sprintf("1h0m0s %d with Retry-After", status); len(pauses) != 1 || pauses[0] != want {
			t.Errorf("%d: told of %q", status, pauses)
		}
		if stats := pool.Stats()[server.Host]; stats.Throttled != 1 {
			t.Errorf("%d: counted %d answers that throttle", status, stats.Throttled)
		}
	}
}

func TestOrdinary503IsNotThrottling(t *testing.T) {
	server := devregistrytest.Start(t, devregistry.Options{Faults: devregistry.Faults{RejectEvery: 1, SparePing: true}})
	pool := newPool(t, Options{Retry: impatient})
	if _, err := pool.Client(server.Host).GetManifest(t.Context(), "a/b", "v1"); err == nil {
		t.Error("no error")
	}
	if stats := pool.Stats()[server.Host]; stats.Throttled != 0 || stats.Retries != int64(impatient.Attempts-1) {
		t.Errorf("%d throttled, %d retries", stats.Throttled, stats.Retries)
	}
}

func TestTries(t *testing.T) {
	failure := error(&Error{Status: 502})
	c := newPool(t, Options{Retry: RetryPolicy{Attempts: 4, Backoff: time.Nanosecond, MaxBackoff: time.Nanosecond}}).Client("127.0.0.1:1")
	until := func(tries *Tries) (n int) {
		for n = 1; tries.Again(t.Context(), failure) == nil; n++ {
		}
		return n
	}
	tries := c.Tries()
	if n := until(tries); n != 4 {
		t.Errorf("%d tries", n)
	}
	if err := tries.Again(t.Context(), failure); err != failure { //nolint:errorlint // the very same
		t.Errorf("used up: %v", err)
	}
	tries.Progress()
	if n := until(tries); n != 4 {
		t.Errorf("%d tries after progress", n)
	}
	for _, final := range []error{ErrNotFound, io.EOF, &Error{Status: 401}} {
		if err := c.Tries().Again(t.Context(), final); !errors.Is(err, final) {
			t.Errorf("%v: %v", final, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Tries().Again(ctx, failure); !errors.Is(err, context.Canceled) || !errors.Is(err, failure) {
		t.Errorf("interrupted: %v", err)
	}
	other := newPool(t, Options{}).Client("127.0.0.1:2")
	if triesOf(tries.With(t.Context()), c) != tries || triesOf(tries.With(t.Context()), other) == tries {
		t.Error("tries are of one registry")
	}
}
