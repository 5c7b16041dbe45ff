package registry

import "context"

type throttle struct{ slots chan struct{} }

func newThrottle(most int) *throttle { return &throttle{slots: make(chan struct{}, most)} }

func (t *throttle) acquire(ctx context.Context) (func(), error) {
	select {
	case t.slots <- struct{}{}:
		return func() { <-t.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
