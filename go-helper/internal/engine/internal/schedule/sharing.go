package schedule

import (
	"slices"

	"docker-mirror/go-helper/internal/engine/internal/mount"
)

// mayShare tells that a registry mounts nothing, and may have one place for the blobs of all repositories. So one of them uploads a
// blob, and the others ask for it afterwards.
func (r *registry) mayShare() bool { return r.mode == mount.Never && r.sharing != mount.Separate }

// lookShared asks a repository for a blob that another one has got. The first answer shows what is to be expected of others, which
// wait for it.
func (s *Scheduler) lookShared(n *need) {
	r := n.host.registry
	if r.sharing == mount.Perhaps {
		if r.asker != nil && r.asker != n && n.session == nil {
			s.waitInLine(n)
			return
		}
		r.asker = n
	}
	s.askHead(n, needHeadShared)
}

// shared takes in what lookShared found.
func (s *Scheduler) shared(n *need, e Headed) {
	r := n.host.registry
	before, asked := r.sharing, r.asker == n
	if asked {
		r.asker = nil
	}
	if e.Err == nil {
		r.sharing = before.After(e.Exists)
	}
	switch {
	case e.Err != nil:
		s.fail(n, e.Err)
	case e.Exists:
		s.there(n, "")
	default:
		n.absent = true
		s.want(n)
	}
	if asked || r.sharing != before {
		s.tell(Learned{r.id, r.mode.String() + ", blobs " + r.sharing.String()})
		for _, h := range r.hosts {
			s.advance(h)
		}
	}
}

// oneAtATime takes those out of a turn that would hold each other up: all but one of a registry that has shown that it takes only one
// upload at a time. They get turns of their own.
func (s *Scheduler) oneAtATime(t *turn) {
	var open, later []*need
	for _, n := range t.open {
		if r := n.host.registry; r.serial && slices.ContainsFunc(open, r.has) {
			later = append(later, n)
			continue
		}
		open = append(open, n)
	}
	t.open = open
	for _, n := range later {
		s.want(n)
	}
}

// stalled notes that an upload stood still while another one of its registry, fed by the same download, did not.
func (s *Scheduler) stalled(n *need, t *turn) {
	r := n.host.registry
	beside := slices.ContainsFunc(t.open, func(m *need) bool { return m != n && r.has(m) })
	if beside && !r.serial {
		r.serial = true
		s.tell(Learned{r.id, r.mode.String() + ", one upload at a time"})
	}
}

func (r *registry) has(n *need) bool { return n.host.registry == r }
