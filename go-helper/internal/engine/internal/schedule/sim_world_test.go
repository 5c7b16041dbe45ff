package schedule

import (
	"container/heap"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// world is what a simulated run happens in: registries that answer, fail and stand still, and a clock that jumps to whatever is next.
type world struct {
	c      *simCase
	r      *rand.Rand
	s      *Scheduler
	now    time.Duration
	events moments
	steps  int

	deadline time.Duration // that everything done one after the other would meet

	registries []*simRegistry
	sessions   map[int]bool // open
	session    int
	downloads  []int
	cuts       []int  // faults that a blob's transfers met
	read       []bool // the blob is being downloaded
	ended      []*Ended
	writing    []bool // the image's manifests are being written
	tagged     []bool
	unanswered []bool // and the answer was an error
	awaits     []int  // how often it was waited for that they are taken
	vague      []bool // a refusal only may have said that something is missing
	tally      tally
	told       [][2]map[int]bool // of a registry, blobs that others told of: falsely, truly
	again      error             // a large blob was sent to where it is
	ctxDone    bool
	checkEvery int
	course     *string
}

// simRegistry is a destination registry.
type simRegistry struct {
	spec     *simRegistrySpec
	has      [][]bool // repository, blob
	referred [][]bool // a committed manifest refers to it
	lost     [][]bool // vanished, or was never there although a mount was claimed
	busy     [][]bool // a request or an upload is under way
	sent     []int
	faults   []int // that explain sending a blob again
	stalled  bool  // uploads were, and the scheduler was told
	probes   int
	turns    map[[2]int]int     // of a repository's blob, in transfers
	closed   map[[2]int]Session // of an upload that is to begin anew
}

type moment struct {
	at     time.Duration
	number int
	event  func() Event
}

type moments []moment

func (m moments) Len() int { return len(m) }
func (m moments) Less(i, j int) bool {
	return m[i].at < m[j].at || m[i].at == m[j].at && m[i].number < m[j].number
}
func (m moments) Swap(i, j int) { m[i], m[j] = m[j], m[i] }
func (m *moments) Push(x any)   { *m = append(*m, x.(moment)) }
func (m *moments) Pop() any {
	old := *m
	last := old[len(old)-1]
	*m = old[:len(old)-1]
	return last
}

// simError is a fault of the simulation, and what it befell.
type simError struct {
	what           string
	image          int // -1: any that needs the blob there
	registry, repo int // -1: any
	blob           int // -1: any
}

func (e *simError) Error() string { return fmt.Sprintf("%+v", *e) }

var errSimInterrupted = errors.New("interrupted")

func newWorld(c *simCase) *world {
	w := &world{
		c: c, r: rand.New(rand.NewPCG(c.Seed, 99)), sessions: map[int]bool{},
		downloads: make([]int, len(c.Blobs)), cuts: make([]int, len(c.Blobs)),
		read: make([]bool, len(c.Blobs)), ended: make([]*Ended, len(c.Images)), writing: make([]bool, len(c.Images)),
		tagged: make([]bool, len(c.Images)), unanswered: make([]bool, len(c.Images)),
		awaits: make([]int, len(c.Images)), vague: make([]bool, len(c.Images)), checkEvery: 1,
	}
	config := Config{Registries: len(c.Registries), Concurrency: c.Concurrency, Limits: c.Limits}
	for i := range c.Registries {
		spec := &c.Registries[i]
		w.registries = append(w.registries, &simRegistry{
			spec: spec, has: c.grid(spec.Shared), referred: c.grid(spec.Shared), lost: c.grid(spec.Shared), busy: c.grid(false), turns: map[[2]int]int{}, closed: map[[2]int]Session{},
			sent: make([]int, len(c.Blobs)), faults: make([]int, len(c.Blobs)),
		})
	}
	for _, im := range c.Images {
		config.Images = append(config.Images, Image{Registry: im.Registry, Repository: repoNames[im.Repository], Group: im.Group})
		if im.Unchanged || im.There {
			for _, b := range im.Blobs {
				w.registries[im.Registry].has[im.Repository][b] = true
				w.registries[im.Registry].referred[im.Repository][b] = im.Unchanged
			}
		}
	}
	w.deadline = w.oneByOne()
	w.s = New(config)
	for _, o := range c.Remembered {
		w.s.Remember(o[0], Origin{repoNames[o[1]], digests[o[2]]})
	}
	w.others()
	if len(c.Images) > 100 {
		w.checkEvery = len(c.Images)
	}
	return w
}

// grid has a cell for each blob of each repository, or the same one for it in all of them.
func (c *simCase) grid(shared bool) [][]bool {
	g := make([][]bool, c.Repositories)
	for i := range g {
		if shared && i > 0 {
			g[i] = g[0]
			continue
		}
		g[i] = make([]bool, len(c.Blobs))
	}
	return g
}

var (
	repoNames []string
	repoIndex = map[string]int{}
	digests   []v1.Hash
	blobIndex = map[v1.Hash]int{}
)

func init() {
	for i := range 3000 {
		name := fmt.Sprintf("r%d", i)
		repoNames, repoIndex[name] = append(repoNames, name), i
		h := v1.Hash{Algorithm: "sha256", Hex: fmt.Sprintf("%08x", i)}
		digests, blobIndex[h] = append(digests, h), i
	}
}

// run plays a case through, and says what is wrong.
func (w *world) run() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	if err := w.take(Begin{}); err != nil {
		return err
	}
	maxSteps := 2000 + 400*len(w.c.Images)*(2+len(w.c.Blobs)/4)
	for !w.s.Done() {
		if w.steps++; w.steps > maxSteps {
			return fmt.Errorf("goes on after %d steps", w.steps)
		}
		if w.steps == w.c.InterruptAt {
			w.ctxDone = true
			if err := w.take(Interrupt{}); err != nil {
				return err
			}
			continue
		}
		if len(w.events) == 0 {
			return errors.New("hangs: nothing will happen any more")
		}
		m := heap.Pop(&w.events).(moment)
		if w.now = m.at; w.now > w.deadline {
			return fmt.Errorf("goes on after %s, by when everything could have been done one after the other", w.deadline)
		}
		if e := m.event(); e != nil {
			if err := w.take(e); err != nil {
				return fmt.Errorf("after %T: %w", e, err)
			}
		}
	}
	return w.judge()
}

func (w *world) take(e Event) error {
	w.note(e)
	for _, a := range w.s.Step(e) {
		w.note(a)
		if err := w.do(a); err != nil {
			return err
		}
	}
	if w.steps%w.checkEvery == 0 {
		return w.s.Check()
	}
	return nil
}

// note keeps the course of a run, where it is to be shown.
func (w *world) note(what any) {
	if w.course != nil {
		*w.course += fmt.Sprintf("\n  %9s %T %+v", w.now, what, what)
	}
}

// in has an event come after a time.
func (w *world) in(d time.Duration, event func() Event) {
	w.session++
	heap.Push(&w.events, moment{w.now + d, w.session, event})
}

func (w *world) chance(percent int) bool { return percent > 0 && w.r.IntN(100) < percent }

func (w *world) do(a Action) error {
	switch a := a.(type) {
	case LookUp:
		return w.lookUp(a)
	case Start:
		return w.start(a)
	case Probe:
		r := w.registries[a.Registry]
		r.probes++
		w.in(w.latency(r.spec), func() Event { return w.started(r, a.Place, a.Repository, true) })
	case Head:
		return w.head(a)
	case ReadUnchanged:
		w.readUnchanged(a)
	case Transfer:
		return w.transfer(a)
	case Write:
		return w.write(a)
	case Recheck:
		w.recheck(a)
	case Await:
		return w.await(a)
	case Timer:
		w.in(a.After, func() Event { return Fired{a.Timer} })
	case Cancel:
		id := a.Session.(int)
		if !w.sessions[id] {
			return fmt.Errorf("session %d is cancelled, and is not open", id)
		}
		delete(w.sessions, id)
	case Ended:
		if w.ended[a.Image] != nil {
			return fmt.Errorf("image %d ends twice", a.Image)
		}
		if w.writing[a.Image] {
			return fmt.Errorf("image %d ends while it is written", a.Image)
		}
		w.ended[a.Image] = &a
		w.tally.end(a)
	case Got:
		if a.Down {
			w.tally.counted++
		}
		if r, repo, blob := w.at(a.Place); !r.has[repo][blob] && !r.lost[repo][blob] {
			return fmt.Errorf("said to have blob %d: repository %d", blob, repo)
		}
	case Queued, Learned:
	default:
		return fmt.Errorf("unknown action %T", a)
	}
	return nil
}

// at finds a place.
func (w *world) at(p Place) (r *simRegistry, repo, blob int) {
	return w.registries[p.Registry], repoIndex[p.Repository], blobIndex[p.Blob.Digest]
}

// enter has something begin at a place, where nothing else may be under way.
func (w *world) enter(p Place) error {
	r, repo, blob := w.at(p)
	if r.busy[repo][blob] {
		return fmt.Errorf("blob %d is worked on twice at once in repository %d of registry %d", blob, repo, p.Registry)
	}
	r.busy[repo][blob] = true
	return nil
}

func (w *world) leave(p Place) {
	r, repo, blob := w.at(p)
	r.busy[repo][blob] = false
}
