package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// RetryPolicy says how often, how patiently and how long in all a failure that may pass is retried. It is kept by one
// [Tries] for each piece of work.
type RetryPolicy struct {
	// Attempts at one piece of work, the first included, that fail without progress between them, other than by
	// throttling; default 8.
	Attempts int
	// Silences are how many of them may fail because nothing came for one of the timeouts below; default 3, or fewer where
	// they took longer than Budget together. A silent host seldom speaks at the fourth try, and each takes long.
	Silences int
	// Backoff is the first wait after a broken connection or a 5xx, doubling up to MaxBackoff, with jitter;
	// default 75 ms: on a flaky line a retry must be cheap.
	Backoff time.Duration
	// ThrottleBackoff is the first wait after a 429 without Retry-After; default 500 ms.
	ThrottleBackoff time.Duration
	// MaxBackoff caps a single wait of ours; default 15 s.
	MaxBackoff time.Duration
	// MaxPause caps a pause that nobody asked for in so many words, as where a quota is said to be used up; default 60 s.
	MaxPause time.Duration
	// Budget is how long one piece of work waits in all, without progress, between its tries and for a registry that
	// asks to be left alone; default 5 min. Who would have to wait longer gives up at once.
	Budget time.Duration
	// StallTimeout ends a blob's transfer, and any answer, when no byte moves for this long while we read or write;
	// default 60 s.
	StallTimeout time.Duration
	// ResponseTimeout is how long an answer's header may take once the request is out; default 60 s, and five
	// times as long where a blob's body went first (registries check and move it before they answer). All of a small
	// answer may take five times as long as well.
	ResponseTimeout time.Duration
}

func (p RetryPolicy) withDefaults() (RetryPolicy, error) {
	if p.Attempts < 0 {
		return p, errors.New("registry: Retry.Attempts is negative")
	}
	if p.Attempts == 0 {
		p.Attempts = 8
	}
	if p.Silences < 0 {
		return p, errors.New("registry: Retry.Silences is negative")
	}
	if p.Silences == 0 {
		p.Silences = 3
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
	return errors.As(err, new(*PausedError)) || errors.As(err, &refused) && (refused.Status == http.StatusTooManyRequests ||
		refused.Status == http.StatusServiceUnavailable && refused.RetryAfter > 0)
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 || ctx.Err() != nil {
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
