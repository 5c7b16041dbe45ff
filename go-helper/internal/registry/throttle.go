package registry

import (
	"container/list"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

const (
	startWindow = 32
	minWindow   = 3
	// A 429 says that we are too fast, a 503 often only that one server of many is ill.
	throttledCut, unavailableCut = 0.5, 0.75
	// resumeJitter spreads what waited for a pause to end.
	resumeJitter = 30 * time.Millisecond
)

// throttle holds back requests to one registry: small ones by a window that adapts (additive increase,
// multiplicative decrease), all of them while the registry wants to be left alone.
type throttle struct {
	max int

	mu       sync.Mutex
	window   float64
	growing  bool // nothing was refused yet: grow by one an answer
	inFlight int
	waiting  list.List // of chan struct{}, closed when its turn has come
	lastCut  time.Time

	pausedAt, pausedUntil time.Time
	asked                 time.Duration // how long the pause was meant to be, and why
	reason                string
	strikes               int       // pauses in a row without an accepted answer between them
	refusing              time.Time // since when there were nothing but those; zero: not now

	silent time.Time // since when requests broke without any answer between them; zero: not now
	probed time.Time // when one was last let through nevertheless

	interval time.Duration // between two requests; 0: no rate was set
	next     time.Time     // when the next one may go out
}

// newThrottle has a window of at most so many, and lets at most rate requests a second out; 0 is no limit.
func newThrottle(most int, rate float64) *throttle {
	t := &throttle{max: most, window: float64(min(startWindow, most)), growing: true}
	if rate > 0 {
		t.interval = time.Duration(float64(time.Second) / rate)
	}
	return t
}

// acquire takes a place in the window; again puts a request that was refused before to the front.
func (t *throttle) acquire(ctx context.Context, again bool) error {
	t.mu.Lock()
	if t.inFlight < int(t.window) && t.waiting.Len() == 0 {
		t.inFlight++
		t.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	var place *list.Element
	if again {
		place = t.waiting.PushFront(turn)
	} else {
		place = t.waiting.PushBack(turn)
	}
	t.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		t.mu.Lock()
		defer t.mu.Unlock()
		select {
		case <-turn: // in the same moment: pass it on
			t.inFlight--
			t.admit()
		default:
			t.waiting.Remove(place)
		}
		return ctx.Err()
	}
}

// release gives the place back.
func (t *throttle) release() {
	t.mu.Lock()
	t.inFlight--
	t.admit()
	t.mu.Unlock()
}

// admit lets those in whose turn it is; it needs the lock.
func (t *throttle) admit() {
	for t.inFlight < int(t.window) && t.waiting.Len() > 0 {
		close(t.waiting.Remove(t.waiting.Front()).(chan struct{}))
		t.inFlight++
	}
}

// gate waits for the set rate, and until the registry isn't paused. Every request passes it right before it is sent.
func (c *Client) gate(ctx context.Context) error {
	if c.throttle.interval > 0 {
		if err := sleep(ctx, c.throttle.reserve()); err != nil {
			return err
		}
	}
	if silent := c.throttle.silentFor(); silent > c.opts.Retry.Budget && !c.throttle.mayProbe() {
		return &silentError{silent}
	}
	return c.unpaused(ctx)
}

// silentError tells that a request wasn't sent, as nobody has been answered for long.
type silentError struct{ since time.Duration }

func (e *silentError) Error() string {
	return fmt.Sprintf("not sent: the registry has given no answer for %s", e.since.Round(time.Second))
}

// heard takes in whether a request got an answer. Where none does, what is queued would otherwise wait as long for each: who
// comes after a while fails at once, but for a probe now and then.
func (t *throttle) heard(answered bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case answered:
		t.silent = time.Time{}
	case t.silent.IsZero():
		t.silent = time.Now()
	}
}

func (t *throttle) silentFor() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.silent.IsZero() {
		return 0
	}
	return time.Since(t.silent)
}

// mayProbe lets one request through for each unreachableMemory.
func (t *throttle) mayProbe() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Since(t.probed) < unreachableMemory {
		return false
	}
	t.probed = time.Now()
	return true
}

// unpaused waits until the registry isn't paused, or returns a *[PausedError] where that is more than the work that a
// request is part of waits, or than is to be expected of a registry that has been answering nothing else.
func (c *Client) unpaused(ctx context.Context) error {
	var tries *Tries
	for {
		left, paused := c.throttle.paused()
		if left <= 0 {
			return ctx.Err()
		}
		if tries == nil {
			tries = triesOf(ctx, c)
		}
		if paused.Refusing > c.opts.Retry.Budget || !tries.waitOut(left) {
			paused.Host = c.host
			return paused
		}
		if err := sleep(ctx, left+rand.N(resumeJitter)); err != nil {
			return err
		}
	}
}

// PausedError tells that a request wasn't sent, as the registry has asked to be left alone for longer than a request waits.
type PausedError struct {
	Host   string
	Asked  time.Duration // how long it asked to be left alone
	Reason string        // how it asked
	Until  time.Time
	// Refusing is for how long it has asked again and again, with no other answer between.
	Refusing time.Duration
}

func (e *PausedError) Error() string {
	said := fmt.Sprintf("not sent: %s asked to be left alone for %s (%s), until %s",
		e.Host, e.Asked.Round(time.Second), e.Reason, e.Until.Format(time.TimeOnly))
	if e.Refusing > e.Asked {
		said += fmt.Sprintf(", and has answered nothing else for %s", e.Refusing.Round(time.Second))
	}
	return said
}

// Temporary tells that it may be asked later.
func (e *PausedError) Temporary() bool { return true }

// reserve takes the next moment that the set rate allows.
func (t *throttle) reserve() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	t.next = maxTime(now, t.next.Add(t.interval))
	return t.next.Sub(now)
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// remaining is how long the pause still lasts.
func (t *throttle) remaining() time.Duration {
	left, _ := t.paused()
	return max(0, left)
}

// paused is how long the pause still lasts, and what it is.
func (t *throttle) paused() (time.Duration, *PausedError) {
	t.mu.Lock()
	defer t.mu.Unlock()
	left := time.Until(t.pausedUntil)
	if left <= 0 {
		return 0, nil
	}
	return left, &PausedError{Asked: t.asked, Reason: t.reason, Until: t.pausedUntil, Refusing: time.Since(t.refusing)}
}

// answered takes in an answer's status to a request sent at a given time. It widens the window, or cuts it once
// for all the requests that were under way together.
func (t *throttle) answered(status int, sent time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	cut := 1.0
	switch {
	case status == http.StatusTooManyRequests:
		cut = throttledCut
	case status == http.StatusServiceUnavailable:
		cut = unavailableCut
	case status >= 500:
		return
	default:
		if sent.After(t.pausedAt) {
			t.strikes, t.refusing = 0, time.Time{}
		}
		if t.waiting.Len() < t.inFlight {
			return // their turn comes within a round trip, on connections that are open; a wider window would open more
		}
		if t.growing {
			t.window++
		} else {
			t.window += 1 / t.window
		}
		t.window = min(t.window, float64(t.max))
		t.admit()
		return
	}
	if sent.After(t.lastCut) {
		t.window = max(t.window*cut, min(minWindow, float64(t.max)))
		t.lastCut, t.growing = time.Now(), false
	}
}

// pause holds back all requests for d from now on, where that is later than before. It tells whether this is a
// new pause, rather than the same one as told to several requests at once.
func (t *throttle) pause(d time.Duration, reason string, sent time.Time) (fresh bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	fresh = !sent.Before(t.pausedUntil)
	if fresh {
		t.pausedAt = now
		t.strikes++
		if t.refusing.IsZero() {
			t.refusing = now
		}
	}
	if until := now.Add(d); until.After(t.pausedUntil) {
		fresh = fresh || until.Sub(t.pausedUntil) > time.Second // it has come to be another one
		t.pausedUntil, t.asked, t.reason = until, d, reason
	}
	return fresh
}

// strike is how many pauses in a row came before one that begins now.
func (t *throttle) strike(sent time.Time) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if sent.Before(t.pausedUntil) {
		return max(0, t.strikes-1) // it belongs to the pause that has begun
	}
	return t.strikes
}
