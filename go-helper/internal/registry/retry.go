package registry

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// RetryPolicy says how often, how patiently and how long in all a failure that may pass is retried.
type RetryPolicy struct {
	// Attempts at one request, the first included, as long as the registry doesn't throttle; default 8.
	Attempts int
	// Backoff is the first wait after a broken connection or a 5xx, doubling up to MaxBackoff, with jitter;
	// default 75 ms: on a flaky line a retry must be cheap.
	Backoff time.Duration
	// ThrottleBackoff is the first wait after a 429 without Retry-After; default 500 ms.
	ThrottleBackoff time.Duration
	// MaxBackoff caps a single wait of ours; default 15 s.
	MaxBackoff time.Duration
	// MaxPause caps what a registry can ask for in one Retry-After or RateLimit-Reset; default 60 s.
	MaxPause time.Duration
	// Budget is how long one request may be put off by throttling in all; default 5 min.
	Budget time.Duration
	// StallTimeout ends a blob's transfer when no byte moves for this long while we read or write; default 60 s.
	StallTimeout time.Duration
	// ResponseTimeout is how long an answer's header may take once the request is out; default 60 s, and five
	// times as long where a blob's body went first (registries check and move it before they answer).
	ResponseTimeout time.Duration
}

func (p RetryPolicy) withDefaults() (RetryPolicy, error) {
	if p.Attempts < 0 {
		return p, errors.New("registry: Retry.Attempts is negative")
	}
	if p.Attempts == 0 {
		p.Attempts = 8
	}
	for _, d := range []struct {
		name  string
		value *time.Duration
		def   time.Duration
	}{
		{"Backoff", &p.Backoff, 75 * time.Millisecond},
		{"ThrottleBackoff", &p.ThrottleBackoff, 500 * time.Millisecond},
		{"MaxBackoff", &p.MaxBackoff, 15 * time.Second},
		{"MaxPause", &p.MaxPause, time.Minute},
		{"Budget", &p.Budget, 5 * time.Minute},
		{"StallTimeout", &p.StallTimeout, time.Minute},
		{"ResponseTimeout", &p.ResponseTimeout, time.Minute},
	} {
		if *d.value < 0 {
			return p, fmt.Errorf("registry: Retry.%s is negative", d.name)
		}
		if *d.value == 0 {
			*d.value = d.def
		}
	}
	return p, nil
}

// wait is how long to hold off after the given failure, the attempt-th (from 0) in a row.
func (p RetryPolicy) wait(attempt int, err error) time.Duration {
	first := p.Backoff
	if throttled(err) {
		first = p.ThrottleBackoff
	}
	b := backoff.ExponentialBackOff{
		InitialInterval: min(first, p.MaxBackoff), RandomizationFactor: backoff.DefaultRandomizationFactor,
		Multiplier: 2, MaxInterval: p.MaxBackoff,
	}
	for range min(attempt, 32) { // far past MaxInterval
		b.NextBackOff()
	}
	return b.NextBackOff()
}

// throttled tells whether the registry said "not so fast" rather than failing.
func throttled(err error) bool {
	var refused *Error
	return errors.As(err, &refused) && (refused.Status == http.StatusTooManyRequests ||
		refused.Status == http.StatusServiceUnavailable && refused.RetryAfter > 0)
}

// attempts counts the tries of one request against the policy.
type attempts struct {
	most   int // 0: the policy's
	made   int
	failed int       // other than by throttling
	since  time.Time // when it was first throttled
}

// next says how long to wait before another try after err, or that there is none.
func (a *attempts) next(c *Client, err error) (time.Duration, bool) {
	if !Temporary(err) {
		return 0, false
	}
	a.made++
	policy := &c.opts.Retry
	var refused *Error
	if !throttled(err) || !errors.As(err, &refused) {
		a.failed++
		most := policy.Attempts
		if a.most > 0 {
			most = min(most, a.most)
		}
		return policy.wait(a.failed-1, err), a.failed < most
	}
	if a.since.IsZero() {
		a.since = time.Now()
	}
	if time.Since(a.since) >= policy.Budget {
		return 0, false
	}
	if refused.elsewhere {
		return max(policy.wait(a.made-1, err), min(refused.RetryAfter, policy.MaxPause)), true
	}
	// The registry is paused for all, and the gate will hold us; sleeping here keeps the window free.
	return c.throttle.remaining() + rand.N(resumeJitter), true
}

// Backoff waits before another try of what failed with err for the attempt-th time in a row (from 0): jittered
// and exponential, and at least until the registry's pause ends. It returns err at once where the policy allows
// no further try, and ctx's error where that ends first.
func (c *Client) Backoff(ctx context.Context, attempt int, err error) error {
	if !Temporary(err) {
		return err
	}
	policy := &c.opts.Retry
	most, wait := policy.Attempts, policy.wait(attempt, err)
	if throttled(err) {
		// Being told to wait is no failure; how long it may go on is only known here as a number of times.
		most = max(most, int(policy.Budget/max(policy.ThrottleBackoff, time.Second)))
		wait = c.throttle.remaining() + rand.N(resumeJitter)
	}
	if attempt+1 >= most {
		return err
	}
	c.stats.retries.Add(1)
	c.opts.OnRetry(c.host, "transfer", err, wait)
	if err := sleep(ctx, wait); err != nil {
		return err
	}
	return c.throttle.gate(ctx)
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Overloaded tells whether a registry said that it has too much to do: 429 or 503.
func Overloaded(err error) bool {
	var refused *Error
	return errors.As(err, &refused) &&
		(refused.Status == http.StatusTooManyRequests || refused.Status == http.StatusServiceUnavailable)
}
