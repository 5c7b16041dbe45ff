package schedule

import (
	"container/heap"
	"time"
)

const (
	// overloadCut is what a registry that is too busy leaves of the slots, which come back by one for each time that all of
	// them were used; minSlots are never taken.
	overloadCut = 0.75
	minSlots    = 2
	// alwaysBeside and maxBeside bound what an interrupted run loses: beyond the largest blob in transfer only maxBeside
	// bytes are under way, except that alwaysBeside blobs always are, as one connection alone seldom fills a long line.
	alwaysBeside = 3
	maxBeside    = 16 << 20
)

// rank orders work: the smaller goes first.
type rank struct{ image, blob int }

func (a rank) before(b rank) bool {
	return a.image < b.image || a.image == b.image && a.blob < b.blob
}

// slots are what blobs wait for, and get by rank. How many there are can adapt, and the bytes in them can be bounded, too.
type slots struct {
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
	changed      bool // since grant last looked
}

func newSlots(n int) slots { return slots{most: n, limit: float64(n), held: map[int64]int{}} }

// overloaded takes slots away because what began at a given time was too much for a registry: once for all that was
// under way together.
func (s *slots) overloaded(began, now time.Time) {
	if began.After(s.cut) {
		s.limit = max(s.limit*overloadCut, min(minSlots, float64(s.most)))
		s.cut = now
	}
}

// succeeded gives slots back, step by step.
func (s *slots) succeeded() {
	s.limit = min(s.limit+1/s.limit, float64(s.most))
	s.changed = true
}

func (s *slots) wait(b *blob, size int64) {
	heap.Push(&s.waiting, waiter{b, size})
	s.changed = true
}

func (s *slots) release(size int64) {
	s.holders--
	s.sum -= size
	if s.held[size]--; s.held[size] == 0 {
		delete(s.held, size)
	}
	s.changed = true
}

func (s *slots) grantable() bool { return s.changed && len(s.waiting) > 0 && s.holders < int(s.limit) }

// grant serves waiters by rank; one that is too large for now lets smaller ones pass.
func (s *slots) grant() (granted []*blob) {
	if !s.grantable() {
		return nil
	}
	s.changed = false
	var passed []waiter
	for s.holders < int(s.limit) && len(s.waiting) > 0 {
		w := heap.Pop(&s.waiting).(waiter)
		if !s.fits(w.size) {
			passed = append(passed, w)
			continue
		}
		s.holders++
		s.sum += w.size
		s.held[w.size]++
		granted = append(granted, w.blob)
	}
	for _, w := range passed {
		heap.Push(&s.waiting, w)
	}
	return granted
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

type waiter struct {
	blob *blob
	size int64
}

type waiters []waiter

func (w waiters) Len() int           { return len(w) }
func (w waiters) Less(i, j int) bool { return w[i].blob.rank.before(w[j].blob.rank) }
func (w waiters) Swap(i, j int)      { w[i], w[j] = w[j], w[i] }
func (w *waiters) Push(x any)        { *w = append(*w, x.(waiter)) }

func (w *waiters) Pop() any {
	old := *w
	last := old[len(old)-1]
	old[len(old)-1] = waiter{}
	*w = old[:len(old)-1]
	return last
}
