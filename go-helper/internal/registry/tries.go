package registry

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Tries is the patience with one piece of work at a registry: a small request, a blob's download, or a blob's upload to
// one repository with all the requests that it takes. Each request makes its own, unless its context has the one of a
// larger piece of work (see [Tries.With]): then what the request tries again by itself counts there, too, and nothing
// is multiplied.
//
// Its limits are those of the [RetryPolicy]. Waits count as they are decided, so that what the work did meanwhile, or
// how long it stood in a queue, doesn't. It is safe for concurrent use.
type Tries struct {
	c    *Client
	most int // attempts, where they are fewer than the policy's; 0: those

	mu        sync.Mutex
	failed    int // without progress, other than by throttling
	throttled int
	waited    time.Duration
	silences  int // failures because nothing came
	silent    time.Duration
}

// Retry tells that something failed, and will be tried again.
type Retry struct {
	Host string
	What string // was being done
	Err  error
	Wait time.Duration
	// Try is the one that failed, of so many Tries; 0 where the registry asked for the wait, which counts as none.
	Try, Tries int
}

// Tries begins a piece of work that takes more than one request, or that the caller repeats.
func (c *Client) Tries() *Tries { return &Tries{c: c} }

type triesKey struct{}

// With makes the requests that are sent with the context to this client's registry parts of the work.
func (t *Tries) With(ctx context.Context) context.Context {
	return context.WithValue(ctx, triesKey{}, t)
}

// triesOf are those of the work that a request is part of, or its own.
func triesOf(ctx context.Context, c *Client) *Tries {
	if t, ok := ctx.Value(triesKey{}).(*Tries); ok && t.c == c {
		return t
	}
	return c.Tries()
}

// Again waits before another try of what failed with err: jittered and exponential, and at least until the registry's
// pause ends. It returns err, which then may say why, where there is none; ctx's error where that ends first.
func (t *Tries) Again(ctx context.Context, err error) error {
	return t.again(ctx, "transfer", err)
}

// Progress tells that the work got further: what fails now is the first failure again.
func (t *Tries) Progress() {
	t.mu.Lock()
	t.failed, t.throttled, t.waited, t.silences, t.silent = 0, 0, 0, 0, 0
	t.mu.Unlock()
}

// Await is [Tries.Again] for what was answered because something isn't there that this run has written: some registries take a
// moment until they show it.
func (t *Tries) Await(ctx context.Context, what string, err error) error {
	return t.hold(ctx, what, err)
}

func (t *Tries) again(ctx context.Context, what string, err error) error {
	if !Temporary(err) {
		return err
	}
	return t.hold(ctx, what, err)
}

// hold waits, whatever the error is.
func (t *Tries) hold(ctx context.Context, what string, err error) error {
	if given := t.silenced(err); given != nil {
		return given
	}
	wait, try, ok := t.next(err)
	if !ok {
		return err
	}
	t.c.stats.retries.Add(1)
	t.c.opts.OnRetry(Retry{Host: t.c.host, What: what, Err: err, Wait: wait, Try: try, Tries: t.c.opts.Retry.Attempts})
	if sleepErr := sleep(ctx, wait); sleepErr != nil {
		return fmt.Errorf("%w, after: %w", sleepErr, err)
	}
	return nil
}

// silenced counts a failure because nothing came. It gives the error to end with where there were enough of them.
func (t *Tries) silenced(err error) error {
	if !TimedOut(err) {
		return nil
	}
	policy := &t.c.opts.Retry
	t.mu.Lock()
	defer t.mu.Unlock()
	t.silences++
	t.silent += waited(err)
	if t.silences < policy.Silences && (t.silences < 2 || t.silent <= policy.Budget) {
		return nil
	}
	return &finalError{&SilenceError{Host: askedHost(err, t.c.host), Times: t.silences, For: t.silent, Err: err}}
}

// next says how long to wait before another try after err, and which one has failed; or that there is none.
func (t *Tries) next(err error) (wait time.Duration, try int, ok bool) {
	policy := &t.c.opts.Retry
	t.mu.Lock()
	defer t.mu.Unlock()
	var refused *Error
	switch {
	case errors.As(err, &refused) && refused.again && refused.learned:
		return 0, 0, true
	case !throttled(err):
		t.failed++
		if t.failed >= policy.Attempts || t.failed == t.most {
			return 0, 0, false
		}
		wait, try = policy.wait(t.failed-1, err), t.failed
	case errors.As(err, &refused) && refused.elsewhere:
		t.throttled++
		wait = max(policy.wait(t.throttled-1, err), refused.RetryAfter)
	default:
		// The registry is paused for all, and the gate will hold us; sleeping here keeps the window free.
		wait = t.c.throttle.remaining() + rand.N(resumeJitter)
	}
	if !t.spend(wait) {
		if refused != nil && refused.RetryAfter > 0 {
			refused.Detail = joinDetails(refused.Detail, fmt.Sprintf("it asks to be left alone for %s; no request waits longer than %s", refused.RetryAfter, policy.Budget))
		}
		return 0, 0, false
	}
	return wait, try, true
}

// spend takes from the budget, where it has so much left. It needs the lock.
func (t *Tries) spend(wait time.Duration) bool {
	if t.waited+wait > t.c.opts.Retry.Budget {
		return false
	}
	t.waited += wait
	return true
}

// waitOut spends the rest of a pause, where the budget has so much left.
func (t *Tries) waitOut(wait time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.spend(wait)
}

func joinDetails(details ...string) string {
	joined := ""
	for _, d := range details {
		switch {
		case d == "":
		case joined == "":
			joined = d
		default:
			joined += "; " + d
		}
	}
	return joined
}
