package schedule

import (
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// writeIfReady has the manifests of an image written whose repository has all blobs.
func (s *Scheduler) writeIfReady(im *image) {
	if im.pending > 0 || im.ended || im.phase != transferred {
		return
	}
	im.phase, im.resending = writing, false
	s.begin(Write{im.id})
}

func (s *Scheduler) written(im *image, e Written) {
	switch {
	case e.Err == nil:
		for _, n := range im.needs {
			if !n.committed {
				n.committed = true
				s.advance(n.host) // those that may only mount what a manifest refers to can go on
			}
		}
		s.endImage(im, Copied, nil)
	case s.over:
		s.endImage(im, Broken, e.Err)
	case im.doomed != nil:
		s.endImage(im, Broken, im.doomed)
	case e.Missing && im.resending: // and has been found out already
		s.again(im)
	case e.Missing && !im.rechecked:
		im.rechecked = true
		recheck := Recheck{Image: im.id}
		for _, n := range im.needs {
			recheck.Places, recheck.Sent = append(recheck.Places, n.place()), append(recheck.Sent, n.sent)
		}
		s.begin(recheck)
	case e.Certain && s.resend(im, e.Lacks):
		s.again(im)
	case e.Certain && im.names(e.Lacks):
		s.begin(Await{im.id, e.Err})
	default:
		s.endImage(im, Broken, e.Err)
	}
	im.refused = e.Err
}

// recheckEnded has those blobs of an image sent again that are missing. It happens once an image, unless another one of its repository
// has blobs sent again meanwhile.
func (s *Scheduler) recheckEnded(im *image, e Rechecked) {
	if s.over {
		return
	}
	if im.doomed != nil {
		s.endImage(im, Broken, im.doomed)
		return
	}
	if e.Err == nil {
		for _, id := range e.Missing {
			if n := s.needs[id]; n.state == needDone { // else another image has found it missing, too
				s.lost(n)
			}
		}
		for _, id := range e.Missing {
			s.advance(s.needs[id].host)
		}
	}
	if !im.resending && (e.Err != nil || len(e.Missing) > 0) {
		s.endImage(im, Broken, im.refused)
		return
	}
	s.again(im) // where nothing is missing the registry noticed it late, and writing once more will do
}

// resend has those blobs of an image sent that were only said to be there, where the registry refuses its manifests as if they
// weren't. It tells whether there are any; where the refusal names blobs, only those count.
func (s *Scheduler) resend(im *image, lacks []v1.Hash) bool {
	var needs []*need
	for _, n := range im.needs {
		if n.state == needDone && n.heard && (len(lacks) == 0 || slices.Contains(lacks, n.host.blob.Digest)) {
			needs = append(needs, n)
		}
	}
	for _, n := range needs {
		s.lost(n)
		n.absent = true // whatever it says
	}
	for _, n := range needs {
		s.advance(n.host)
	}
	return len(needs) > 0
}

// names tells whether what a refusal names is an image's, where it names anything.
func (im *image) names(lacks []v1.Hash) bool {
	return len(lacks) == 0 || slices.ContainsFunc(im.needs, func(n *need) bool { return slices.Contains(lacks, n.host.blob.Digest) })
}

// awaited has an image's manifests written once more.
func (s *Scheduler) awaited(im *image, e Awaited) {
	switch {
	case s.over:
	case im.doomed != nil:
		s.endImage(im, Broken, im.doomed)
	case e.Err != nil:
		s.endImage(im, Broken, e.Err)
	default:
		s.again(im)
	}
}

// again has an image wait until what it lacks has been sent again.
func (s *Scheduler) again(im *image) {
	im.phase = transferred
	s.writeIfReady(im)
}
