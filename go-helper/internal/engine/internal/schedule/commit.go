package schedule

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
		places := make([]Place, len(im.needs))
		for i, n := range im.needs {
			places[i] = n.place()
		}
		s.begin(Recheck{im.id, places})
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

// again has an image wait until what it lacks has been sent again.
func (s *Scheduler) again(im *image) {
	im.phase = transferred
	s.writeIfReady(im)
}
