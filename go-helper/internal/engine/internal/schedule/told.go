package schedule

import (
	"slices"

	"docker-mirror/go-helper/internal/engine/internal/mount"
)

// maxTold bounds the repositories that are kept of what other processes told of a blob.
const maxTold = 8

// told takes in that repositories have got blobs by other processes, as these say.
func (s *Scheduler) told(r *registry, origins []Origin) {
	s.hears = true
	for _, o := range origins {
		if len(r.origins[o.Digest]) < maxTold {
			r.addOrigin(o.Digest, o.Repository)
		}
	}
}

// askOthers takes those needs out of a turn that others have told of since they were opened, and asks to mount. It is the last moment
// before bytes flow: sessions are opened ahead, and the wait for a slot can be long. A need asks once: what was told may be false.
func (s *Scheduler) askOthers(t *turn) {
	if !s.hears {
		return
	}
	t.open = slices.DeleteFunc(t.open, func(n *need) bool {
		from := s.toldFrom(n)
		if from == "" {
			return false
		}
		n.sought, n.toldOf = true, true
		n.state = needMountOld
		s.ask(n, from)
		return true
	})
}

// toldFrom names the repository that a need can mount from since others have told of it, or "".
func (s *Scheduler) toldFrom(n *need) string {
	r, b := n.host.registry, n.host.blob
	switch {
	case n.toldOf, n.distrust, b.Size <= smallBlob, r.mode == mount.Never:
		return ""
	case n.asked != n.repository && r.hadBlob(b.Digest, n.repository):
		return n.repository
	}
	return r.origin(b.Digest, n.repository)
}
