package schedule

import (
	"fmt"
	"math/rand/v2"
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
	Told         []simTold
}

// simTold is what another process tells, or makes up.
type simTold struct {
	Registry, Repository, Blob int
	At                         time.Duration
	True                       bool
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
	Shared                                                bool // what one repository has, all have; where it mounts nothing
	Serial                                                bool // it takes one upload of a download at a time
	Late                                                  int  // manifests are refused for what is there
}

// draw makes cases.
type draw struct{ *rand.Rand }

// maybe gives up to value with a chance of so many percent, else 0.
func (r draw) maybe(percent, value int) int {
	if r.IntN(100) < percent {
		return 1 + r.IntN(value)
	}
	return 0
}

// some gives numbers below n, each with a chance of so many percent.
func (r draw) some(percent, n int) map[int]bool {
	set := map[int]bool{}
	if percent > 0 {
		for i := range n {
			if r.IntN(100) < percent {
				set[i] = true
			}
		}
	}
	return set
}

func newCase(seed uint64) *simCase {
	r := draw{rand.New(rand.NewPCG(seed, 1))}
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
	for range 1 + r.maybe(30, 2) {
		c.Registries = append(c.Registries, r.registry(c))
	}
	r.images(c, images)
	c.mend()
	if percent := r.maybe(20, 30); percent > 0 {
		for i := range c.Repositories {
			for b := range r.some(percent, len(c.Blobs)) {
				c.Gone[[2]int{i, b}] = true
			}
		}
	}
	for range r.maybe(20, 10) {
		c.Remembered = append(c.Remembered, [3]int{r.IntN(len(c.Registries)), r.IntN(c.Repositories), r.IntN(len(c.Blobs))})
	}
	c.InterruptAt = r.maybe(15, 20*images)
	beside := rand.New(rand.NewPCG(seed, 2)) // of its own, so that what was drawn before stays
	for i := range c.Registries {
		spec := &c.Registries[i]
		spec.Shared = spec.Mounts == "never" && beside.IntN(3) > 0
		spec.Serial = beside.IntN(8) == 0
	}
	late := draw{rand.New(rand.NewPCG(seed, 4))}
	for i := range c.Registries {
		if c.Registries[i].Late = late.maybe(15, 60); late.IntN(100) == 0 {
			c.Registries[i].Late = 100
		}
	}
	c.Told = draw{rand.New(rand.NewPCG(seed, 3))}.told(c)
	return c
}

// told draws what others tell of repositories that are theirs, and what isn't so of any.
func (r draw) told(c *simCase) (all []simTold) {
	ours := map[[2]int]bool{}
	for _, im := range c.Images {
		ours[[2]int{im.Registry, im.Repository}] = true
	}
	for range r.maybe(30, 2*len(c.Blobs)) {
		told := simTold{
			Registry: r.IntN(len(c.Registries)), Repository: r.IntN(c.Repositories), Blob: r.IntN(len(c.Blobs)),
			At: time.Duration(r.IntN(2000)) * time.Millisecond, True: r.IntN(4) > 0,
		}
		if ours[[2]int{told.Registry, told.Repository}] {
			told.True = false
		}
		all = append(all, told)
	}
	return all
}

func (r draw) registry(c *simCase) simRegistrySpec {
	spec := simRegistrySpec{
		Mounts: []string{"work", "work", "after commit", "after commit", "never"}[r.IntN(5)], Latency: 1 + r.IntN(200),
		Stalls: r.maybe(15, 20), Errors: r.maybe(30, 8), Cuts: r.maybe(25, 30), Losses: r.maybe(25, 30), Overloads: r.maybe(20, 30),
		Vanish: r.maybe(20, 30), Lies: r.maybe(10, 20),
		Forbidden: r.some(r.maybe(20, 95), c.Repositories), Unreadable: r.some(r.maybe(10, 50), c.Repositories),
	}
	switch r.IntN(100) { // some are beyond help
	case 0:
		spec.Cuts = 100
	case 1:
		spec.Losses = 100
	case 2:
		spec.Lies = 100
	}
	return spec
}

func (r draw) images(c *simCase, n int) {
	unchanged, slow, failing := r.maybe(40, 60), r.maybe(15, 30), r.maybe(15, 20)
	for group := 0; len(c.Images) < n; group++ {
		im := simImage{Group: group, Source: r.IntN(c.Repositories)}
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

func (c *simCase) String() string {
	s := fmt.Sprintf("concurrency %d, limits %+v, %d repositories, blobs %v, interrupt at %d, gone %v, remembered %v, told %+v",
		c.Concurrency, c.Limits, c.Repositories, c.Blobs, c.InterruptAt, c.Gone, c.Remembered, c.Told)
	for i, r := range c.Registries {
		s += fmt.Sprintf("\n  registry %d: %+v", i, r)
	}
	for i, im := range c.Images {
		s += fmt.Sprintf("\n  image %d: %+v", i, im)
	}
	return s
}
