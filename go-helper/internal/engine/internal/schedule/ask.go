package schedule

import "docker-mirror/go-helper/internal/engine/internal/mount"

// ask sends a need's request to mount from a repository, or where from is empty to start an upload.
func (s *Scheduler) ask(n *need, from string) {
	n.from = from
	n.flying = true
	closed := n.closed
	n.closed = nil
	s.begin(Start{Place: n.place(), From: from, Session: closed})
}

func (s *Scheduler) askHead(n *need, state needState) {
	n.state, n.flying = state, true
	s.begin(Head{n.place()})
}

// open brings a need to the point where it wants bytes: it has a session then. Or it is settled: the blob was there, could be
// mounted, or something failed.
func (s *Scheduler) open(n *need) {
	switch {
	case n.session != nil:
		s.ready(n)
	case n.host.registry.mode == mount.Never || n.distrust:
		if !n.absent && (n.host.blob.Size > smallBlob || n.distrust) && s.mayHave(n) {
			s.askHead(n, needHeadFirst)
			return
		}
		n.state = needPlain
		s.ask(n, "")
	default:
		n.state = needStarting
		s.ask(n, s.mountFrom(n))
	}
}

// mayHave tells whether a repository can have a blob that this run did not bring it.
func (s *Scheduler) mayHave(n *need) bool {
	r := n.host.registry
	return !r.fresh[n.repository] || r.sharing == mount.Shared || r.hadBlob(n.host.blob.Digest, n.repository)
}

// mountFrom names the repository to mount from: one that had the blob before this run, else the need's own,
// which makes the request ask whether the blob is there; "" where the repository is known to be new.
func (s *Scheduler) mountFrom(n *need) string {
	r, digest := n.host.registry, n.host.blob.Digest
	switch origin := r.origin(digest, n.repository); {
	case r.hadBlob(digest, n.repository):
		return n.repository
	case origin != "":
		return origin
	case r.fresh[n.repository]:
		return ""
	}
	return n.repository
}

// started takes in the answer to ask.
func (s *Scheduler) started(n *need, e Started) {
	if s.over {
		s.cancel(e.Session)
		s.giveUpSession(n)
		if e.Mounted {
			s.there(n, n.from)
		}
		return
	}
	r := n.host.registry
	if e.Mounted {
		s.learn(r, evidence(true, n.state == needMounting && n.early))
	}
	switch n.state {
	case needMounting:
		s.mountAnswered(n, e)
	case needMountOld:
		if e.Mounted {
			s.there(n, n.from)
			return
		}
		s.cancel(e.Session)
		if e.Err == nil {
			r.forgetOrigin(n.host.blob.Digest, n.from)
		}
		s.seekVerdict(n)
	case needStarting:
		switch {
		case e.Mounted:
			s.there(n, n.from)
		case e.Err != nil:
			s.fail(n, e.Err)
		default:
			n.session, n.asked = e.Session, n.from
			if n.from != n.repository {
				r.forgetOrigin(n.host.blob.Digest, n.from)
			}
			s.seekOrigin(n)
		}
	case needPlain:
		if e.Err != nil {
			s.fail(n, e.Err)
			return
		}
		n.session = e.Session
		s.ready(n)
	default:
		panic("an answer to a need that " + n.state.String())
	}
}

// mountAnswered takes in the answer to a mount from a repository that has got the blob by this run.
func (s *Scheduler) mountAnswered(n *need, e Started) {
	r := n.host.registry
	switch {
	case e.Err != nil:
		s.fail(n, e.Err)
		return
	case e.Mounted:
		s.there(n, n.from)
		return
	case n.early && (r.mode == mount.Unknown || r.mode == mount.AfterCommit):
		// Some registries (ECR) mount only what a committed manifest refers to: ask again then.
		s.cancel(e.Session)
		s.waitInLine(n)
		s.learn(r, mount.RefusedEarly)
		s.advance(n.host)
		return
	case !n.early:
		s.learn(r, mount.RefusedLate)
	}
	n.session = e.Session
	if r.mayShare() {
		s.lookShared(n)
		return
	}
	s.want(n)
}

// seekVerdict finds out, for a large blob whose mount was refused, whether that says that it isn't there: this registry may not mount
// at all.
func (s *Scheduler) seekVerdict(n *need) {
	r := n.host.registry
	switch {
	case n.judged, n.host.blob.Size <= smallBlob, n.asked == "",
		r.mode == mount.Works && (n.asked == n.repository || r.fresh[n.repository]):
		s.ready(n)
	case r.mode != mount.Unknown, r.small == 0 && !r.probing && r.uploaded == nil:
		s.askHead(n, needHeadLast)
	default:
		n.state = needVerdict
		r.awaitVerdict = append(r.awaitVerdict, n)
		s.probe(r)
		n.timer = s.arm(verdictPatience, func() {
			n.timer = 0
			r.stopAwaiting(n)
			s.askHead(n, needHeadLast)
		})
	}
}

// verdict goes on with those that waited to know how a registry mounts.
func (s *Scheduler) verdict(r *registry) {
	awaiting := r.awaitVerdict
	r.awaitVerdict = nil
	for _, n := range awaiting {
		s.disarm(&n.timer)
		if r.mode == mount.Works && n.asked == n.repository {
			s.ready(n)
			continue
		}
		s.askHead(n, needHeadLast)
	}
}

// headed takes in the answer to askHead.
func (s *Scheduler) headed(n *need, e Headed) {
	switch {
	case s.over:
		s.giveUpSession(n)
	case n.state == needHeadShared:
		s.shared(n, e)
	case e.Err != nil:
		s.fail(n, e.Err)
	case e.Exists:
		s.there(n, "")
	case n.state == needHeadFirst:
		n.state = needPlain
		s.ask(n, "")
	default:
		s.ready(n)
	}
}
