package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
)

// many runs n calls at once, and fails the test with what went wrong.
func many(t testing.TB, n int, call func(i int) error) {
	t.Helper()
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = call(i) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func notFoundIsFine(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err == nil {
		return errors.New("found what isn't there")
	}
	return err
}

func TestRateLimitedRegistry(t *testing.T) {
	for _, tt := range []struct {
		name   string
		faults devregistry.Faults
		n      int
		most   float64 // times the ideal
	}{
		{"Retry-After of a second", devregistry.Faults{Rate: 30, Burst: 30, RetryAfter: time.Second}, 180, 1.2},
		{"no Retry-After", devregistry.Faults{Rate: 30, Burst: 30}, 120, 1.6},
		{"Retry-After longer than the burst", devregistry.Faults{Rate: 30, Burst: 10, RetryAfter: time.Second}, 60, 3.5},
		{"with latency", devregistry.Faults{Rate: 30, Burst: 30, RetryAfter: time.Second, Latency: 30 * time.Millisecond}, 180, 1.2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := devregistrytest.Start(t, devregistry.Options{Faults: tt.faults})
			pool := newPool(t, Options{})
			c := pool.Client(server.Host)
			start := time.Now()
			many(t, tt.n, func(i int) error {
				_, err := c.HeadManifest(t.Context(), fmt.Sprintf("r%d", i), "v1")
				return notFoundIsFine(err)
			})
			took := time.Since(start)
			ideal := time.Duration(float64(tt.n) / tt.faults.Rate * float64(time.Second))
			const onTheWay = 300 * time.Millisecond // what was sent before the answer had come, on a busy machine
			refused, unasked := 0, 0
			var paused time.Time
			for _, e := range server.Log().Entries() {
				if e.Status == 429 {
					refused++
				}
				if e.Start.Before(paused) && e.Start.After(paused.Add(-tt.faults.RetryAfter+onTheWay)) {
					unasked++
				}
				if e.Status == 429 {
					paused = e.Start.Add(tt.faults.RetryAfter)
				}
			}
			t.Logf("%d requests in %s, %.2f times the ideal; %d refused, %d to a paused registry", tt.n, took, float64(took)/float64(ideal), refused, unasked)
			if took > time.Duration(tt.most*float64(ideal)) {
				t.Errorf("took more than %.2f times the ideal", tt.most)
			}
			if tt.faults.RetryAfter > 0 && unasked > 0 {
				t.Errorf("%d requests were sent to a registry that had asked to be left alone", unasked)
			}
			if stats := pool.Stats()[server.Host]; stats.Throttled != int64(refused) {
				t.Errorf("counted %d answers 429 of %d", stats.Throttled, refused)
			}
		})
	}
}

func TestWindowWidensForMoreThanARoundTripServes(t *testing.T) {
	for _, waiting := range []int{0, startWindow - 1, startWindow} {
		ctx, stop := context.WithCancel(t.Context())
		th := newThrottle(64, 0)
		var queue sync.WaitGroup
		for range startWindow + waiting {
			queue.Go(func() { _ = th.acquire(ctx, false) })
		}
		for queued := -1; queued < startWindow+waiting; time.Sleep(time.Millisecond) {
			th.mu.Lock()
			queued = th.inFlight + th.waiting.Len()
			th.mu.Unlock()
		}
		th.answered(200, time.Now())
		want := float64(startWindow)
		if waiting >= startWindow {
			want++
		}
		if th.window != want {
			t.Errorf("%d wait: window %v, want %v", waiting, th.window, want)
		}
		stop()
		queue.Wait()
	}
}

func TestWindow(t *testing.T) {
	ctx := t.Context()
	th := newThrottle(64, 0)
	for range startWindow {
		if err := th.acquire(ctx, false); err != nil {
			t.Fatal(err)
		}
	}
	short, stop := context.WithTimeout(ctx, 20*time.Millisecond)
	defer stop()
	if err := th.acquire(short, false); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the window let more in than it has: %v", err)
	}

	order := make(chan string, 2)
	var wg sync.WaitGroup
	for i, who := range []string{"late", "again"} {
		wg.Go(func() {
			if err := th.acquire(ctx, who == "again"); err != nil {
				t.Error(err)
			}
			order <- who
			th.release()
		})
		for waiting := 0; waiting <= i; time.Sleep(time.Millisecond) {
			th.mu.Lock()
			waiting = th.waiting.Len()
			th.mu.Unlock()
		}
	}
	th.release()
	wg.Wait()
	if first := <-order; first != "again" {
		t.Errorf("what was refused before came after %s", first)
	}

	sent := time.Now()
	for range 10 { // one burst, one cut
		th.answered(429, sent)
	}
	if th.window != startWindow*throttledCut {
		t.Errorf("window %v after a burst of 429", th.window)
	}
	for range 20 {
		time.Sleep(time.Millisecond)
		th.answered(503, time.Now())
	}
	if th.window != minWindow {
		t.Errorf("window %v after many 503, want the floor", th.window)
	}
}

func TestPause(t *testing.T) {
	c := newPool(t, Options{}).Client("127.0.0.1:1")
	th := c.throttle
	sent := time.Now()
	if !th.pause(80*time.Millisecond, "", sent) {
		t.Error("the first pause is none")
	}
	if th.pause(90*time.Millisecond, "", sent) {
		t.Error("the same pause told twice is two")
	}
	if err := c.gate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if waited := time.Since(sent); waited < 90*time.Millisecond {
		t.Errorf("the gate opened after %s", waited)
	}
	th.pause(2*time.Minute, "", time.Now())
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer stop()
	if err := c.gate(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the gate: %v", err)
	}
	if !th.pause(time.Hour, "429 with Retry-After", sent) {
		t.Error("a pause that has become far longer isn't told")
	}
	var paused *PausedError
	if err := c.gate(t.Context()); !errors.As(err, &paused) || paused.Asked != time.Hour || paused.Reason != "429 with Retry-After" || !Temporary(err) {
		t.Errorf("the gate of a pause that is longer than any request waits: %v", err)
	}
}

// Who comes while a registry has answered nothing but 429 for longer than a request waits isn't made to wait as well.
func TestHopelessPause(t *testing.T) {
	c := newPool(t, Options{}).Client("127.0.0.1:1")
	c.throttle.pause(time.Minute, "429", time.Now())
	c.throttle.refusing = time.Now().Add(-c.opts.Retry.Budget - time.Second)
	var paused *PausedError
	if err := c.gate(t.Context()); !errors.As(err, &paused) || !strings.Contains(err.Error(), "answered nothing else for 5m1s") {
		t.Errorf("got %v", err)
	}
	c.throttle.answered(404, time.Now())
	if !c.throttle.refusing.IsZero() {
		t.Error("an answer doesn't end it")
	}
}

// Who comes while a registry has answered nobody for longer than a request waits isn't made to wait as well, but for a probe.
func TestSilentRegistryIsGivenUp(t *testing.T) {
	var mended atomic.Bool
	host, _ := countingServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !mended.Load() && r.URL.Path != "/v2/" {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	pool := newPool(t, Options{Retry: impatient})
	c := pool.Client(host)
	head := func() error {
		_, err := c.HeadManifest(t.Context(), "a/b", "v1")
		return err
	}
	if err := head(); !Temporary(err) || c.throttle.silentFor() == 0 {
		t.Fatalf("silent for %s, %v", c.throttle.silentFor(), err)
	}
	c.throttle.silent = time.Now().Add(-c.opts.Retry.Budget - time.Second)
	before := pool.Stats()[host].Requests["manifest HEAD"]
	for range 5 {
		if err := head(); Temporary(err) || !Unreachable(err) || !strings.Contains(err.Error(), "has given no answer for 5m1s") {
			t.Errorf("got %v", err)
		}
	}
	if n := pool.Stats()[host].Requests["manifest HEAD"] - before; n != 1 {
		t.Errorf("%d probes", n)
	}
	mended.Store(true)
	c.throttle.probed = time.Time{}
	for range 2 {
		if err := head(); !errors.Is(err, ErrNotFound) {
			t.Errorf("mended: %v", err)
		}
	}
}
