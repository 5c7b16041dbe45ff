package schedule

import (
	"math"
	"slices"
)

type phase int

const (
	unstarted   phase = iota // waits for its turn to be looked up
	lookingUp                // an action is under way
	lookedUp                 // waits until those before it are
	transferred              // its needs are under way
	writing                  // an action is under way
)

// image is one copy on its way.
type image struct {
	id         int // also its position in the order of work
	registry   *registry
	repository string
	group      int

	phase     phase
	ended     bool
	order     int // in which it was admitted, from 1
	blobs     []Blob
	source    Source
	needs     []*need
	pending   int   // needs that are not done
	refused   error // why its manifests were not written
	doomed    error // a blob that it lacks can't be had, as was found out while they were being written
	rechecked bool  // its blobs were asked for again
	resending bool  // one of them was found missing since its manifests were last begun to be written
}

// lookups are the images before they are admitted to the transfer.
type lookups struct {
	next     int // first image that isn't looked up
	underWay int // images that are being looked up, or worked on
	looking  int
	admit    int  // first image of the first group that isn't admitted
	late     bool // that group no longer holds up those after it
	patience int  // timer until it doesn't

	awaiting []*need // that wait for images that are being looked up
	waited   bool    // long enough
	until    int     // timer until then
}

// lookUpMore begins to look up images, in the order of work.
func (s *Scheduler) lookUpMore() {
	l := &s.lookups
	for l.next < len(s.images) && l.looking < s.limits.LookUps && l.underWay < s.limits.UnderWay {
		im := s.images[l.next]
		l.next++
		l.looking++
		l.underWay++
		im.phase = lookingUp
		s.begin(LookUp{im.id})
	}
	// Those that are looked up only once others have ended can't be waited for.
	if l.looking == 0 {
		s.lookUpsAwaited()
		if l.admit < l.next {
			s.admitLate()
		}
	}
}

// lookUpsAwaited lets go on what waited for images that were being looked up.
func (s *Scheduler) lookUpsAwaited() {
	awaiting := s.lookups.awaiting
	s.lookups.awaiting = nil
	for _, n := range awaiting {
		n.host.registry.seeking--
		s.beginReading(n)
	}
	for _, n := range awaiting {
		s.awaitReading(n)
	}
}

func (s *Scheduler) lookedUp(e LookedUp) {
	im := s.images[e.Image]
	s.lookups.looking--
	im.phase = lookedUp
	switch {
	case e.Err != nil:
		s.endImage(im, Broken, e.Err)
	case e.Settled:
		if e.Unchanged {
			im.registry.unread = append(im.registry.unread, im.id)
		}
		s.endImage(im, Settled, nil)
	case !s.over:
		if e.Fresh {
			im.registry.fresh[im.repository] = true
		}
		im.blobs, im.source = e.Blobs, e.Source
	}
	if !s.over {
		s.admit()
	}
}

// admit hands looked-up images to the transfer, in the order of work and a group at a time, so that which repository leads a blob
// does not depend on who answered first. Once that has been too long a wait, groups that are still being looked up are passed over.
func (s *Scheduler) admit() {
	l := &s.lookups
	for i := l.admit; i < len(s.images); {
		end, ready := i, true
		for ; end < len(s.images) && s.images[end].group == s.images[i].group; end++ {
			ready = ready && s.images[end].phase >= lookedUp
		}
		if !ready && !l.late {
			if s.images[end-1].phase != unstarted && l.patience == 0 {
				l.patience = s.arm(admitPatience, s.admitLate)
			}
			return
		}
		if i >= l.next {
			return
		}
		for _, im := range s.images[i:end] {
			if im.phase == lookedUp {
				s.start(im)
			}
		}
		if ready && i == l.admit {
			l.admit, l.late = end, false
			s.disarm(&l.patience)
		}
		i = end
	}
}

func (s *Scheduler) admitLate() {
	s.disarm(&s.lookups.patience)
	s.lookups.late = true
	s.admit()
}

// start sets an image to work: it registers what its repository needs.
func (s *Scheduler) start(im *image) {
	im.phase = transferred
	if im.ended {
		return
	}
	s.admitted++
	im.order = s.admitted
	all := im.blobs
	im.blobs = nil
	// Small ones first: they cost nothing, and teach how the registry treats mounts. Then the largest, so that none of them
	// comes last.
	slices.SortStableFunc(all, func(a, b Blob) int {
		if sa, sb := a.Size <= smallBlob, b.Size <= smallBlob; sa != sb {
			if sa {
				return -1
			}
			return 1
		}
		return int(min(max(b.Size-a.Size, -1), 1))
	})
	seen := make(map[Blob]bool, len(all))
	for i, key := range all {
		if seen[key] {
			continue
		}
		seen[key] = true
		b := s.blobFor(im, key, i)
		h := b.host(im.registry)
		if len(h.needs) == 0 {
			s.tell(Queued{im.registry.id, key})
		}
		n := s.need(h, im.repository)
		n.images = append(n.images, im)
		im.needs = append(im.needs, n)
		switch n.state {
		case needDone:
			continue
		case needDropped:
			n.state = needIdle
		}
		im.pending++
		if n.state == needIdle {
			s.step(n)
		}
	}
	s.writeIfReady(im)
}

// endImage settles an image.
func (s *Scheduler) endImage(im *image, result Result, err error) {
	if im.ended {
		return
	}
	im.ended = true
	s.unsettled--
	if im.phase != unstarted {
		s.lookups.underWay--
	}
	s.tell(Ended{Image: im.id, Result: result, Err: err})
	if !s.over {
		s.releaseFollowers(im)
	}
	im.needs = nil
}

// alive tells whether any image still waits.
func (n *need) alive() bool { return n.first() < math.MaxInt }

// first is the order of the first image that still waits.
func (n *need) first() int {
	for ; n.head < len(n.images); n.head++ { // in the order in which they were admitted
		if im := n.images[n.head]; !im.ended {
			return im.order
		}
	}
	return math.MaxInt
}
