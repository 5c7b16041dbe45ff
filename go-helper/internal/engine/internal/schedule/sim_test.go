package schedule

import (
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

// simulations is how many pairs of a set and a course of events are played; SIMULATIONS and SIMULATIONS_FROM say which.
func simulations(t *testing.T, byDefault uint64) (from, to uint64) {
	number := func(name string, value uint64) uint64 {
		if s := os.Getenv(name); s != "" {
			n, err := strconv.ParseUint(s, 10, 64)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return n
		}
		return value
	}
	from = number("SIMULATIONS_FROM", 0)
	return from, from + number("SIMULATIONS", byDefault)
}

// Whatever the set and whatever happens: every copy ends as it should, soon, for the true reason, and nothing is moved or written
// without one.
func TestSimulation(t *testing.T) {
	from, to := simulations(t, 20_000)
	if testing.Short() {
		to = min(to, from+2000)
	}
	var next, failed atomic.Uint64
	next.Store(from)
	failed.Store(to)
	var workers sync.WaitGroup
	var slowest, steps atomic.Int64
	for range 2 {
		workers.Go(func() {
			for {
				seed := next.Add(1) - 1
				if seed >= failed.Load() {
					return
				}
				w := newWorld(newCase(seed))
				if w.run() != nil {
					for old := failed.Load(); seed < old && !failed.CompareAndSwap(old, seed); old = failed.Load() {
					}
				}
				steps.Add(int64(w.steps))
				if share := 100 * int64(w.now) / int64(w.deadline); share > slowest.Load() {
					slowest.Store(share)
				}
			}
		})
	}
	workers.Wait()
	if seed := failed.Load(); seed < to {
		c := newCase(seed)
		err := newWorld(c).run()
		small := shrink(c)
		last, course := newWorld(small), ""
		last.course = &course
		t.Fatalf("seed %d, after %d: %v\nshrunk: %v\n%s%s", seed, seed-from, err, last.run(), small, course)
	}
	t.Logf("%d pairs, %d steps, the slowest run took %d %% of its time", to-from, steps.Load(), slowest.Load())
}
