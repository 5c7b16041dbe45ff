package schedule

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// simCase is a set of images, the registries that it goes to, and the seed of whatever happens.
type simCase struct {
	Seed         uint64
	Concurrency  int
	Limits       Limits
	Repositories int
	Blobs        []int64
	Images       []simImage
	Registries   []simRegistrySpec
	Gone         map[[2]int]bool // source repository and blob
	Remembered   [][3]int        // registry, repository, blob
	InterruptAt  int             // step; 0 never
}

type simImage struct {
	Registry, Repository, Group, Source int
	Blobs                               []int
	LookUp                              time.Duration
	Fails, Unchanged, There, Fresh      bool
}

// simRegistrySpec is how a registry behaves; numbers are percent.
type simRegistrySpec struct {
	Mounts                                                string
	Latency                                               int // ms at most
	Stalls, Errors, Cuts, Losses, Overloads, Vanish, Lies int
	Forbidden, Unreadable                                 map[int]bool
}

func newCase(seed uint64) *simCase {
	r := rand.New(rand.NewPCG(seed, 1))
	maybe := func(percent, value int) int {
		if r.IntN(100) < percent {
			return 1 + r.IntN(value)
		}
		return 0
	}
	images := 1 + r.IntN(8)
	switch n := r.IntN(10_000); {
	case n < 2:
		images = 500 + r.IntN(1500)
	case n < 20:
		images = 100 + r.IntN(300)
	case n < 1500:
		images = 10 + r.IntN(30)
	}
	c := &simCase{
		Seed: seed, Concurrency: 1 + r.IntN(4), Limits: DefaultLimits, Gone: map[[2]int]bool{},
		Repositories: 1 + r.IntN(min(images+1, 2000)),
	}
	if r.IntN(2) == 0 {
		c.Limits = Limits{LookUps: 1 + r.IntN(4), UnderWay: 2 + r.IntN(6)}
	}
	for range 1 + r.IntN(4+images/2) {
		c.Blobs = append(c.Blobs, []int64{0, 10, 2000, smallBlob, smallBlob + 1, 1 << 20, 5 << 20, 40 << 20}[r.IntN(8)])
		if len(c.Blobs) == 200 {
			break
		}
	}
	for range 1 + maybe(30, 2) {
		spec := simRegistrySpec{
			Mounts: []string{"work", "work", "after commit", "after commit", "never"}[r.IntN(5)], Latency: 1 + r.IntN(200),
			Stalls: maybe(15, 20), Errors: maybe(30, 8), Cuts: maybe(25, 30), Losses: maybe(25, 30), Overloads: maybe(20, 30),
			Vanish: maybe(20, 30), Lies: maybe(10, 20), Forbidden: map[int]bool{}, Unreadable: map[int]bool{},
		}
		if percent := maybe(20, 95); percent > 0 {
			for i := range c.Repositories {
				spec.Forbidden[i] = r.IntN(100) < percent
			}
		}
		if percent := maybe(10, 50); percent > 0 {
			for i := range c.Repositories {
				spec.Unreadable[i] = r.IntN(100) < percent
			}
		}
		c.Registries = append(c.Registries, spec)
	}
	unchanged, slow, failing := maybe(40, 60), maybe(15, 30), maybe(15, 20)
	group := 0
	for len(c.Images) < images {
		im := simImage{Group: group, Source: r.IntN(c.Repositories)}
		group++
		for range r.IntN(6) {
			im.Blobs = append(im.Blobs, r.IntN(len(c.Blobs)))
		}
		copies := 1
		if r.IntN(4) == 0 {
			copies = 1 + r.IntN(2*len(c.Registries))
		}
		for range copies {
			im.Registry, im.Repository = r.IntN(len(c.Registries)), r.IntN(c.Repositories)
			im.LookUp = time.Duration(1+r.IntN(300)) * time.Millisecond
			if r.IntN(100) < slow {
				im.LookUp = time.Duration(r.IntN(20_000)) * time.Millisecond
			}
			im.Fails = r.IntN(100) < failing
			im.Unchanged = !im.Fails && r.IntN(100) < unchanged
			im.There = r.IntN(15) == 0
			c.Images = append(c.Images, im)
		}
	}
	c.mend()
	if percent := maybe(20, 30); percent > 0 {
		for i := range c.Repositories {
			for b := range c.Blobs {
				if r.IntN(100) < percent {
					c.Gone[[2]int{i, b}] = true
				}
			}
		}
	}
	for range maybe(20, 10) {
		c.Remembered = append(c.Remembered, [3]int{r.IntN(len(c.Registries)), r.IntN(c.Repositories), r.IntN(len(c.Blobs))})
	}
	c.InterruptAt = maybe(15, 20*images)
	return c
}

// mend makes that a repository which is said not to exist has nothing.
func (c *simCase) mend() {
	has := map[[2]int]bool{}
	for _, im := range c.Images {
		if im.Unchanged || im.There {
			has[[2]int{im.Registry, im.Repository}] = true
		}
	}
	for i := range c.Images {
		im := &c.Images[i]
		im.Fresh = !has[[2]int{im.Registry, im.Repository}] && im.Repository%2 == 0
	}
}

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

// Whatever the set and whatever happens: every copy ends as it should, soon, for the true reason, and no blob is moved without one.
func TestSimulation(t *testing.T) {
	from, to := simulations(t, 20_000)
	if testing.Short() {
		to = min(to, from+2000)
	}
	var next, failed atomic.Uint64
	next.Store(from)
	failed.Store(to)
	var workers sync.WaitGroup
	var longest, steps atomic.Int64
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
				if took := int64(w.now); took > longest.Load() {
					longest.Store(took)
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
	t.Logf("%d pairs, %d steps, the longest run took %s", to-from, steps.Load(), time.Duration(longest.Load()).Round(time.Second))
}

func (c *simCase) String() string {
	s := fmt.Sprintf("concurrency %d, limits %+v, %d repositories, blobs %v, interrupt at %d, gone %v, remembered %v",
		c.Concurrency, c.Limits, c.Repositories, c.Blobs, c.InterruptAt, c.Gone, c.Remembered)
	for i, r := range c.Registries {
		s += fmt.Sprintf("\n  registry %d: %+v", i, r)
	}
	for i, im := range c.Images {
		s += fmt.Sprintf("\n  image %d: %+v", i, im)
	}
	return s
}

// Courses in which the simulation found a fault once, each among many without.
func TestCoursesThatFailedOnce(t *testing.T) {
	for _, seed := range []uint64{26, 71, 881, 4453, 45508, 95233, 209268} {
		if err := newWorld(newCase(seed)).run(); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}
