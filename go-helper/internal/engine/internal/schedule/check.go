package schedule

import (
	"fmt"

	"docker-mirror/go-helper/internal/engine/internal/mount"
)

// Check tells, after a step, what is wrong with the state: every image that hasn't ended must have an action under way, or wait for
// something that has.
func (s *Scheduler) Check() error {
	if s.over {
		return nil // only what is under way is waited for
	}
	live := map[any]bool{}
	for _, im := range s.images {
		if im.ended {
			continue
		}
		if im.phase == unstarted {
			if s.lookups.looking < s.limits.LookUps && s.lookups.underWay < s.limits.UnderWay {
				return fmt.Errorf("image %d is not looked up, and nothing keeps it", im.id)
			}
			break // so is all that follows, and what keeps it is checked by itself
		}
		if err := s.liveImage(im, live); err != nil {
			return err
		}
	}
	return nil
}

// liveImage says why nothing will wake an image; live has what is known to be woken, and what is being found out, which must not
// wait for itself.
func (s *Scheduler) liveImage(im *image, live map[any]bool) error {
	switch im.phase {
	case unstarted:
		return fmt.Errorf("image %d is not looked up", im.id)
	case lookingUp, writing:
		return nil // an action is under way
	case lookedUp:
		for _, other := range s.images[s.lookups.admit:im.id] {
			if other.phase == lookingUp {
				return nil
			}
		}
		for _, other := range s.images[im.id:] {
			if other.group != im.group {
				break
			}
			if other.phase == lookingUp {
				return nil
			}
		}
		return fmt.Errorf("image %d waits for no image to be looked up", im.id)
	}
	known, ok := live[im]
	if known {
		return nil
	}
	if ok {
		return fmt.Errorf("image %d waits for itself", im.id)
	}
	live[im] = false
	pending := 0
	for _, n := range im.needs {
		if n.state == needDone {
			continue
		}
		pending++
		if err := s.liveNeed(n, live); err != nil {
			return fmt.Errorf("image %d: %w", im.id, err)
		}
	}
	if pending != im.pending || pending == 0 {
		return fmt.Errorf("image %d waits for %d blobs, and lacks %d", im.id, im.pending, pending)
	}
	live[im] = true
	return nil
}

func (s *Scheduler) liveNeed(n *need, live map[any]bool) error {
	if live[n] || n.flying {
		return nil
	}
	h, r := n.host, n.host.registry
	err := error(nil)
	lost := func(why string) error {
		return fmt.Errorf("repository %s of registry %d, blob %s: %s, %s", n.repository, r.id, h.blob.Digest, n.state, why)
	}
	switch n.state {
	case needIdle:
		err = s.liveInLine(n, live, lost)
	case needWanted:
		if b := h.blob; b.turn == nil && !b.queued {
			err = lost("but its blob has none to come")
		} else if b.turn == nil && s.opening.holders == 0 {
			err = lost("and nobody has one")
		}
	case needLookUps:
		if _, ok := s.timers[s.lookups.until]; !ok || s.lookups.waited {
			err = lost("but they are over")
		}
	case needReading:
		if !r.reading {
			err = lost("but nobody reads")
		}
	case needVerdict:
		if _, ok := s.timers[n.timer]; !ok {
			err = lost("with no limit")
		}
	case needOpen:
		switch t := h.blob.turn; {
		case t == nil:
			err = lost("but its turn is over")
		case t.sending:
			err = lost("which has begun without it")
		case t.waiting && s.transfers.holders == 0:
			err = lost("and nobody has a slot")
		case !t.waiting && s.timers[t.joining].expired == nil:
			err = lost("which waits for nobody")
		}
	default:
		err = lost("and nothing is under way")
	}
	live[n] = err == nil
	return err
}

func (s *Scheduler) liveInLine(n *need, live map[any]bool, lost func(string) error) error {
	h := n.host
	if !n.inLine {
		return lost("but is not in line")
	}
	holder, wait := h.holderFor(n)
	switch {
	case wait:
		for _, m := range h.holders {
			if m.alive() && m.first() < n.first() {
				return s.liveImage(m.images[m.head], live)
			}
		}
		return lost("which has failed")
	case holder != nil:
		return lost("which is ready")
	case h.registry.mayShare() && h.registry.sharing == mount.Perhaps && h.registry.asker != nil:
		return s.liveNeed(h.registry.asker, live)
	case h.leader == nil, h.leader == n:
		return lost("and nobody leads")
	case h.leader.state == needIdle || h.leader.state == needDone || h.leader.state == needDropped:
		return lost("but the leader " + h.leader.state.String())
	}
	return s.liveNeed(h.leader, live)
}
