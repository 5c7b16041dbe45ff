package schedule

import (
	"fmt"
	"time"
)

const (
	// admitPatience: an image that takes longer to look up than this no longer holds up the order of those after it.
	admitPatience = 2 * time.Second
	// lookUpPatience is how long a run waits, in all, for images that are being looked up to tell where large blobs are.
	lookUpPatience = 2 * time.Second
	// verdictPatience is how long a large blob waits to learn whether mounts work before it asks with a HEAD.
	verdictPatience = time.Second
	// joinPatience is how long the first registry that is ready for a blob waits for the others, so that one download serves
	// them all.
	joinPatience = 400 * time.Millisecond

	// smallBlob is up to where asking first costs more than sending: an upload that small goes out at once.
	smallBlob = 64 << 10
	// maxSinks bounds the uploads that one download feeds.
	maxSinks = 8
	// maxTurns bounds the transfers that one place takes part in; each transfer has its own bounds.
	maxTurns = 24
	// maxSources bounds the repositories that a blob is read from.
	maxSources = 8
)

// Config is what a run is about.
type Config struct {
	// Images in the order of work: the copies of one source to several places side by side.
	Images []Image
	// Registries is the number of destination registries.
	Registries int
	// Concurrency is the number of blobs in transfer at once.
	Concurrency int
	Limits
}

// Limits bound a run.
type Limits struct {
	// LookUps is how many images are looked up at once; each registry's own window decides how many requests that makes.
	LookUps int
	// UnderWay bounds the images between being looked up and being done, and so the memory of large sets.
	UnderWay int
}

// DefaultLimits are those of real runs.
var DefaultLimits = Limits{LookUps: 64, UnderWay: 512}

// Image is one copy. Its number in events and actions is its index in [Config].
type Image struct {
	Registry   int
	Repository string
	// Group has the images of one source; those of a group stand side by side.
	Group int
}

// Scheduler is the state of a run. It is not safe for concurrent use.
type Scheduler struct {
	images     []*image
	registries []*registry
	blobs      map[Blob]*blob
	needs      []*need

	limits    Limits
	lookups   lookups
	opening   slots // blobs with a turn
	transfers slots // blobs in transfer
	unsettled int   // images that have not ended
	admitted  int
	flying    int // actions under way
	timers    map[int]timer
	lastTimer int
	hears     bool // other processes tell of what they bring to the registries
	over      bool // interrupted, or every image has ended: nothing new is begun

	out []Action
}

type timer struct {
	expired func()
}

// New makes the scheduler of a run.
func New(c Config) *Scheduler {
	s := &Scheduler{
		limits:    c.Limits,
		blobs:     map[Blob]*blob{},
		timers:    map[int]timer{},
		opening:   newSlots(2 * c.Concurrency),
		transfers: newSlots(c.Concurrency),
		unsettled: len(c.Images),
	}
	s.transfers.alwaysBeside, s.transfers.maxBeside = alwaysBeside, maxBeside
	for range c.Registries {
		s.registries = append(s.registries, newRegistry(len(s.registries)))
	}
	s.images = make([]*image, len(c.Images))
	for i, im := range c.Images {
		s.images[i] = &image{id: i, registry: s.registries[im.Registry], repository: im.Repository, group: im.Group}
	}
	return s
}

// Remember notes, before the run begins, that a repository had a blob in an earlier one.
func (s *Scheduler) Remember(registry int, origin Origin) {
	s.registries[registry].addOrigin(origin.Digest, origin.Repository)
}

// Step takes in what has happened and gives what is to be begun.
func (s *Scheduler) Step(e Event) []Action {
	s.out = nil
	s.take(e)
	if !s.over {
		s.proceed()
		s.failStalled()
	}
	switch {
	case s.unsettled == 0 && !s.over:
		s.end()
	case s.over && s.flying == 0:
		s.finish()
	}
	return s.out
}

// Over tells that nothing new will be begun: every image has ended, or the run was interrupted.
func (s *Scheduler) Over() bool { return s.over }

// Done tells that every image has ended, and everything that was begun.
func (s *Scheduler) Done() bool { return s.unsettled == 0 && s.flying == 0 }

func (s *Scheduler) take(e Event) {
	switch e := e.(type) {
	case Begin:
	case Interrupt:
		s.end()
	case Fired:
		if t, ok := s.timers[e.Timer]; ok {
			delete(s.timers, e.Timer)
			if !s.over {
				t.expired()
			}
		}
	case Overloaded:
		s.transfers.overloaded(e.Asked, e.Now)
	case Told:
		s.told(s.registries[e.Registry], e.Origins)
	case LookedUp:
		s.flying--
		s.lookedUp(e)
	case Started:
		s.flying--
		if e.Probe {
			s.probed(s.needs[e.Need], e)
			return
		}
		s.started(s.landed(e.Need), e)
	case Headed:
		s.flying--
		s.headed(s.landed(e.Need), e)
	case UnchangedRead:
		s.flying--
		s.unchangedRead(s.registries[e.Registry], e)
	case Transferred:
		s.flying--
		s.transferred(s.blobs[e.Blob], e)
	case Written:
		s.flying--
		s.written(s.images[e.Image], e)
	case Rechecked:
		s.flying--
		s.recheckEnded(s.images[e.Image], e)
	case Awaited:
		s.flying--
		s.awaited(s.images[e.Image], e)
	default:
		panic(fmt.Sprintf("unknown event %T", e))
	}
}

// proceed begins what there is room for.
func (s *Scheduler) proceed() {
	for before := -1; before != len(s.out) || s.opening.grantable() || s.transfers.grantable(); {
		before = len(s.out)
		s.lookUpMore()
		for _, b := range s.opening.grant() {
			s.beginTurn(b)
		}
		for _, b := range s.transfers.grant() {
			s.beginTransfer(b)
		}
	}
}

// tell hands out an action that ends with no event.
func (s *Scheduler) tell(a Action) { s.out = append(s.out, a) }

// begin hands out an action that ends with an event.
func (s *Scheduler) begin(a Action) {
	s.flying++
	s.out = append(s.out, a)
}

func (s *Scheduler) cancel(session Session) {
	if session != nil {
		s.tell(Cancel{session})
	}
}

// arm has expired called after a time, and gives the timer's number.
func (s *Scheduler) arm(after time.Duration, expired func()) int {
	s.lastTimer++
	s.timers[s.lastTimer] = timer{expired}
	s.out = append(s.out, Timer{s.lastTimer, after})
	return s.lastTimer
}

// disarm makes a timer mean nothing.
func (s *Scheduler) disarm(timer *int) {
	delete(s.timers, *timer)
	*timer = 0
}

// end gives up the sessions that wait for something. Those that a request or a transfer has are given up when it ends.
func (s *Scheduler) end() {
	s.over = true
	for _, n := range s.needs {
		if !n.flying {
			s.giveUpSession(n)
		}
	}
}

// finish ends what an interrupt left. Nothing is under way any more.
func (s *Scheduler) finish() {
	for _, im := range s.images {
		switch {
		case im.ended:
		case im.phase == unstarted:
			s.endImage(im, Unstarted, nil)
		default:
			s.endImage(im, Interrupted, nil)
		}
	}
}

// failStalled ends a run whose images wait for nothing that will come: a defect of ours, which must neither hang nor be taken for
// success.
func (s *Scheduler) failStalled() {
	if s.flying > 0 || len(s.timers) > 0 || s.unsettled == 0 {
		return
	}
	for _, im := range s.images {
		if !im.ended {
			err := s.liveImage(im, map[any]bool{})
			s.endImage(im, Broken, fmt.Errorf("the engine lost track of it, please report this: %w", err))
		}
	}
}

// landed gives a need whose request has ended.
func (s *Scheduler) landed(id int) *need {
	n := s.needs[id]
	n.flying = false
	return n
}
