package schedule

import (
	"errors"
	"fmt"
	"time"
)

// transfer plays a download and the uploads that it feeds.
func (w *world) transfer(a Transfer) error {
	blob := blobIndex[a.Blob.Digest]
	readable := false
	var failure error
	for _, source := range a.Sources {
		if !w.c.Gone[[2]int{repoIndex[source.Repository], blob}] {
			readable = true
		}
	}
	if !readable {
		failure = &simError{what: "blob GET", image: -1, registry: -1, repo: -1, blob: blob}
	}
	seen, sinks := map[int]bool{}, map[int]int{}
	duration := time.Duration(0)
	for _, sink := range a.Sinks {
		if sink.Offset > 0 && len(a.Sinks) > 1 {
			return fmt.Errorf("a transfer goes on at %d for one of %d sinks", sink.Offset, len(a.Sinks))
		}
		id, ok := sink.Session.(int)
		if !ok || !w.sessions[id] || seen[id] {
			return fmt.Errorf("a transfer to session %v, which is not open", sink.Session)
		}
		seen[id] = true
		if sinks[sink.Registry]++; sinks[sink.Registry] > 1 && w.registries[sink.Registry].stalled {
			return fmt.Errorf("registry %d gets two uploads of a download again", sink.Registry)
		}
		if err := errors.Join(w.turn(sink.Place), w.heeds(sink)); err != nil {
			return err
		}
		duration = max(duration, w.latency(w.registries[sink.Registry].spec)*2+sending(a.Blob.Size))
	}
	if w.read[blob] {
		return fmt.Errorf("blob %d is downloaded twice at once", blob)
	}
	w.read[blob] = true
	w.downloads[blob]++
	if err := w.tally.transfer(a.Blob, w.c.Concurrency); err != nil {
		return err
	}
	if r := w.registries[a.Sinks[0].Registry]; w.chance(r.spec.Overloads) {
		asked := time.Unix(0, 0).Add(w.now)
		w.in(duration/2, func() Event { return Overloaded{asked, time.Unix(0, 0).Add(w.now)} })
	}
	w.in(duration, func() Event {
		w.read[blob] = false
		e, taken := Transferred{Blob: a.Blob}, map[int]bool{}
		for _, sink := range a.Sinks {
			w.leave(sink.Place)
			e.Outcomes = append(e.Outcomes, w.sink(sink, blob, failure, taken[sink.Registry]))
			taken[sink.Registry] = true
		}
		w.tally.transferred(e)
		return e
	})
	return nil
}

func (w *world) sink(sink Sink, blob int, failure error, beside bool) Outcome {
	r, repo, id := w.registries[sink.Registry], repoIndex[sink.Repository], sink.Session.(int)
	o := Outcome{Session: id, Offset: sink.Offset}
	cut := func(end End) Outcome {
		w.cuts[blob]++
		w.befell(sink.Place)
		o.End = end
		o.Err = &simError{what: "PUT", image: -1, registry: sink.Registry, repo: repo, blob: blob}
		return o
	}
	switch {
	case failure != nil:
		w.befell(sink.Place)
		o.End, o.Err = SourceFailed, failure
		return o
	case w.ctxDone && w.chance(80):
		o.End, o.Err = Failed, errSimInterrupted
		return o
	case r.spec.Serial && beside: // another upload is taken first
		r.stalled, o.Stalled = true, true
		o.Offset = min(1, sink.Blob.Size)
		if o.Offset == 0 {
			r.close(repo, blob, o.Session)
		}
		return cut([]End{Restart, Resume}[o.Offset])
	case w.chance(r.spec.Errors):
		return cut(Failed)
	case w.chance(r.spec.Cuts):
		o.Offset = 1 + int64(w.r.IntN(int(max(1, sink.Blob.Size))))
		return cut(Resume)
	case w.chance(r.spec.Losses):
		if w.chance(50) { // nothing is left of it
			delete(w.sessions, id)
			o.Session = nil
		}
		o.Offset = 0
		r.close(repo, blob, o.Session)
		return cut(Restart)
	}
	delete(w.sessions, id)
	o.Session = nil
	if r.has[repo][blob] && sink.Blob.Size > smallBlob && r.spec.tells() && w.again == nil {
		w.again = fmt.Errorf("blob %d is sent to repository %d of registry %d, which has it", blob, repo, sink.Registry)
	}
	r.has[repo][blob], r.lost[repo][blob] = true, false
	r.sent[blob]++
	o.End = Sent
	return o
}

// close notes the session of an upload that is to begin anew, unless that was its last turn.
func (r *simRegistry) close(repo, blob int, session Session) {
	if at := [2]int{repo, blob}; r.turns[at] < maxTurns {
		r.closed[at] = session
	}
}

// tells says whether a registry's answers to mounts show what is there.
func (s *simRegistrySpec) tells() bool {
	return s.Mounts == "work" && s.Vanish+s.Lies+s.Late+len(s.Unreadable) == 0
}
