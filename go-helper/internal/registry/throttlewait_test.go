package registry

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// Who stops waiting for a place in the window leaves the queue: a place that came to it would never be given back.
func TestWhoStopsWaitingTakesNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(1, 0)
		if err := th.acquire(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		gaveUp, next := make(chan error, 1), make(chan error, 1)
		go func() { gaveUp <- th.acquire(ctx, false) }()
		synctest.Wait()
		go func() { next <- th.acquire(t.Context(), false) }()
		synctest.Wait()
		cancel()
		if err := <-gaveUp; !errors.Is(err, context.Canceled) {
			t.Errorf("who stopped waiting: %v", err)
		}
		th.release()
		synctest.Wait()
		select {
		case err := <-next:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Fatal("the next one isn't let in")
		}
		th.release()
		if th.inFlight != 0 || th.waiting.Len() != 0 {
			t.Errorf("%d in flight, %d waiting", th.inFlight, th.waiting.Len())
		}
	})
}
