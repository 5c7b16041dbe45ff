package run

import (
	"sync"

	"docker-mirror/go-helper/internal/engine"
)

// endQueue hands over how copies ended, so that the engine never waits for who hears of it.
type endQueue struct {
	more chan struct{} // one slot: there may be something to take

	mu   sync.Mutex
	ends []engine.CopyEnded
}

func newEndQueue() *endQueue { return &endQueue{more: make(chan struct{}, 1)} }

func (q *endQueue) add(e engine.CopyEnded) {
	q.mu.Lock()
	q.ends = append(q.ends, e)
	q.mu.Unlock()
	select {
	case q.more <- struct{}{}:
	default:
	}
}

func (q *endQueue) take() []engine.CopyEnded {
	q.mu.Lock()
	defer q.mu.Unlock()
	ends := q.ends
	q.ends = nil
	return ends
}
