package schedule

import "docker-mirror/go-helper/internal/engine/internal/mount"

// worthReading tells that manifests of unchanged images are to be read to find a blob.
func (r *registry) worthReading(size int64) bool {
	unread := len(r.unread)
	return unread > 0 && size >= largeBlob && size >= int64(unread)*indexCost
}

// seekOrigin looks for a repository to mount a blob from that is about to be sent and of unknown whereabouts. For a large one, once each
// the manifests of the images that are unchanged at the registry are read, where that is worth the requests; what that finds is taken
// for smaller ones, too.
func (s *Scheduler) seekOrigin(n *need) {
	r, size := n.host.registry, n.host.blob.Size
	worth := r.worthReading(size)
	switch {
	case !worth && !s.mayComeFromOld(n):
		s.seekVerdict(n)
	case r.seeking > 0, worth && s.lookups.looking > 0 && !s.lookups.waited:
		// One of those that are being looked up may have it.
		n.sought, n.state = true, needLookUps
		r.seeking++
		s.lookups.awaiting = append(s.lookups.awaiting, n)
		if s.lookups.until == 0 {
			s.lookups.until = s.arm(lookUpPatience, func() {
				s.lookups.waited = true
				s.lookUpsAwaited()
			})
		}
	default:
		n.sought = true
		s.beginReading(n)
		s.awaitReading(n)
	}
}

// mayComeFromOld tells that an unchanged image has a blob that is about to be sent, or that this is being found out.
func (s *Scheduler) mayComeFromOld(n *need) bool {
	r, b := n.host.registry, n.host.blob
	if n.sought || n.distrust || n.offset > 0 || b.Size <= smallBlob || r.mode == mount.Never {
		return false
	}
	return r.seeking > 0 || r.reading || r.origin(b.Digest, n.repository) != ""
}

// beginReading has the manifests of unchanged images read that nobody has read yet, where a blob is worth it.
func (s *Scheduler) beginReading(n *need) {
	r := n.host.registry
	if !r.reading && r.worthReading(n.host.blob.Size) {
		r.reading = true
		s.begin(ReadUnchanged{r.id, r.unread})
		r.unread = nil
	}
}

// awaitReading goes on when those manifests are read that are being read, if any.
func (s *Scheduler) awaitReading(n *need) {
	r := n.host.registry
	if r.reading {
		n.state = needReading
		r.awaitRead = append(r.awaitRead, n)
		return
	}
	s.mountOld(n)
}

func (s *Scheduler) unchangedRead(r *registry, e UnchangedRead) {
	r.reading = false
	for _, o := range e.Origins {
		r.addOrigin(o.Digest, o.Repository)
	}
	if s.over {
		return
	}
	awaiting := r.awaitRead
	r.awaitRead = nil
	for _, n := range awaiting {
		s.mountOld(n)
	}
}

// mountOld asks to mount from an unchanged image.
func (s *Scheduler) mountOld(n *need) {
	origin := n.host.registry.origin(n.host.blob.Digest, n.repository)
	if origin == "" {
		s.seekVerdict(n)
		return
	}
	n.state = needMountOld
	s.ask(n, origin)
}
