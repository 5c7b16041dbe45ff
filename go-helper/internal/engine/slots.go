package engine

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// rank orders work: the smaller goes first.
type rank struct{ image, blob int }

func (a rank) before(b rank) bool {
	return a.image < b.image || a.image == b.image && a.blob < b.blob
}

const (
	// overloadCut is what a registry that is too busy leaves of the slots, which come back by one for each time that
	// all of them were used; minSlots are never taken.
	overloadCut = 0.75
	minSlots    = 2
)

// slots is a semaphore whose waiters are served by rank, whose size can adapt, and which can also bound the bytes in
// flight.
type slots struct {
	mu      sync.Mutex
	most    int
	limit   float64       // how many there are now
	cut     time.Time     // when there were last made fewer
	held    map[int64]int // number of holders by size
	sum     int64
	holders int
	// alwaysBeside holders may be in at once whatever their sizes; beyond that, all but the largest may have
	// maxBeside bytes together (0: no limit).
	alwaysBeside int
	maxBeside    int64
	waiting      waiters
}

func newSlots(n int) *slots { return &slots{most: n, limit: float64(n), held: map[int64]int{}} }

// overloaded takes slots away because what began at a given time was too much for a registry: once for all that was
// under way together.
func (s *slots) overloaded(began time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if began.After(s.cut) {
		s.limit = max(s.limit*overloadCut, min(minSlots, float64(s.most)))
		s.cut = time.Now()
	}
}

// succeeded gives slots back, step by step.
func (s *slots) succeeded() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit = min(s.limit+1/s.limit, float64(s.most))
	s.grant()
}

type waiter struct {
	rank  rank
	size  int64
	ready chan struct{}
	index int
}

// acquire waits for a slot for size bytes. It fails only where ctx ends.
func (s *slots) acquire(ctx context.Context, r rank, size int64) error {
	w := &waiter{rank: r, size: size, ready: make(chan struct{})}
	s.mu.Lock()
	heap.Push(&s.waiting, w)
	s.grant()
	s.mu.Unlock()
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-w.ready: // granted meanwhile: give it back
		s.put(size)
	default:
		heap.Remove(&s.waiting, w.index)
	}
	return ctx.Err()
}

func (s *slots) release(size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(size)
}

func (s *slots) put(size int64) {
	s.holders--
	s.sum -= size
	if s.held[size]--; s.held[size] == 0 {
		delete(s.held, size)
	}
	s.grant()
}

// grant serves waiters by rank; one that is too large for now lets smaller ones pass.
func (s *slots) grant() {
	var passed []*waiter
	for s.holders < int(s.limit) && len(s.waiting) > 0 {
		w := heap.Pop(&s.waiting).(*waiter)
		if !s.fits(w.size) {
			passed = append(passed, w)
			continue
		}
		s.holders++
		s.sum += w.size
		s.held[w.size]++
		close(w.ready)
	}
	for _, w := range passed {
		heap.Push(&s.waiting, w)
	}
}

func (s *slots) fits(size int64) bool {
	if s.maxBeside == 0 || s.holders < s.alwaysBeside {
		return true
	}
	largest := size
	for held := range s.held {
		largest = max(largest, held)
	}
	return s.sum+size-largest <= s.maxBeside
}

type waiters []*waiter

func (w waiters) Len() int           { return len(w) }
func (w waiters) Less(i, j int) bool { return w[i].rank.before(w[j].rank) }
func (w waiters) Swap(i, j int) {
	w[i], w[j] = w[j], w[i]
	w[i].index, w[j].index = i, j
}

func (w *waiters) Push(x any) {
	x.(*waiter).index = len(*w)
	*w = append(*w, x.(*waiter))
}

func (w *waiters) Pop() any {
	old := *w
	last := old[len(old)-1]
	*w = old[:len(old)-1]
	return last
}
