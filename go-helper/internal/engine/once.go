package engine

import (
	"context"
	"sync"
)

// once runs a function for the first caller and gives all others its result. Unlike sync.OnceValues the
// wait ends with the waiter's context, and a failure is not kept: the next caller tries again.
type once[T any] struct {
	mu      sync.Mutex
	running chan struct{}
	done    bool
	value   T
}

func (o *once[T]) do(ctx context.Context, f func() (T, error)) (T, error) {
	for {
		o.mu.Lock()
		if o.done {
			defer o.mu.Unlock()
			return o.value, nil
		}
		if running := o.running; running != nil {
			o.mu.Unlock()
			select {
			case <-running:
				continue
			case <-ctx.Done():
				var zero T
				return zero, ctx.Err()
			}
		}
		running := make(chan struct{})
		o.running = running
		o.mu.Unlock()

		value, err := f()
		o.mu.Lock()
		o.running = nil
		if err == nil {
			o.value, o.done = value, true
		}
		o.mu.Unlock()
		close(running)
		return value, err
	}
}

// peek gives the value where it is there.
func (o *once[T]) peek() (T, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.value, o.done
}
