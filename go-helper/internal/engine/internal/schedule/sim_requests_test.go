package schedule

import "fmt"

func (w *world) lookUp(a LookUp) error {
	im := w.c.Images[a.Image]
	w.in(im.LookUp, func() Event {
		w.tally.looking--
		e := LookedUp{Image: a.Image, Fresh: im.Fresh}
		switch {
		case w.ctxDone && w.chance(80):
			e.Err = errSimInterrupted
		case im.Fails:
			e.Err = &simError{what: "look up", image: a.Image, registry: -1, repo: -1, blob: -1}
		case im.Unchanged:
			e.Settled, e.Unchanged = true, true
		default:
			e.Source = Source{Repository: repoNames[im.Source]}
			for _, b := range im.Blobs {
				e.Blobs = append(e.Blobs, Blob{digests[b], w.c.Blobs[b]})
			}
		}
		return e
	})
	return w.tally.lookUp(w.c.Limits)
}

func (w *world) start(a Start) error {
	r := w.registries[a.Registry]
	w.in(w.latency(r.spec), func() Event {
		w.leave(a.Place)
		return w.started(r, a.Place, a.From, false)
	})
	_, repo, blob := w.at(a.Place)
	if want := r.closed[[2]int{repo, blob}]; a.Session != want {
		return fmt.Errorf("blob %d is begun anew in repository %d with session %v, and not %v", blob, repo, a.Session, want)
	}
	delete(r.closed, [2]int{repo, blob})
	return w.enter(a.Place)
}

func (w *world) started(r *simRegistry, p Place, from string, probe bool) Event {
	repo, blob := repoIndex[p.Repository], blobIndex[p.Blob.Digest]
	e := Started{Need: p.Need, Probe: probe}
	if r.spec.Forbidden[repo] {
		e.Err = &simError{what: "forbidden", image: -1, registry: p.Registry, repo: repo, blob: -1}
		return e
	}
	if e.Err = w.fault(r.spec.Errors, "POST", r, p); e.Err != nil {
		return e
	}
	if origin := repoIndex[from]; from != "" && (from == p.Repository || !r.spec.Unreadable[origin]) {
		mounts := r.has[origin][blob] && (r.spec.Mounts == "work" || r.spec.Mounts == "after commit" && r.referred[origin][blob])
		switch {
		case mounts:
			r.has[repo][blob] = true
			e.Mounted = true
			return e
		case r.spec.Mounts != "never" && w.chance(r.spec.Lies):
			r.lost[repo][blob] = !r.has[repo][blob]
			r.faults[blob]++
			w.befell(p)
			e.Mounted = true
			return e
		}
	}
	w.session++
	w.sessions[w.session] = true
	e.Session = w.session
	return e
}

func (w *world) head(a Head) error {
	r, repo, blob := w.at(a.Place)
	w.in(w.latency(r.spec), func() Event {
		w.leave(a.Place)
		return Headed{Need: a.Need, Exists: r.has[repo][blob], Err: w.fault(r.spec.Errors, "HEAD", r, a.Place)}
	})
	return w.enter(a.Place)
}

func (w *world) readUnchanged(a ReadUnchanged) {
	r := w.registries[a.Registry]
	w.in(w.latency(r.spec)*2, func() Event {
		e := UnchangedRead{Registry: a.Registry}
		for _, i := range a.Images {
			im := w.c.Images[i]
			if im.Registry != a.Registry || !im.Unchanged {
				panic("an image is read that is not unchanged there")
			}
			for _, b := range im.Blobs {
				e.Origins = append(e.Origins, Origin{repoNames[im.Repository], digests[b]})
			}
		}
		return e
	})
}

// fault is an error that a request at a place meets by chance, or because the run is interrupted.
func (w *world) fault(percent int, what string, r *simRegistry, p Place) error {
	_, repo, blob := w.at(p)
	if w.ctxDone && w.chance(80) {
		return errSimInterrupted
	}
	if w.chance(percent) {
		w.befell(p)
		return &simError{what: what, image: -1, registry: p.Registry, repo: repo, blob: blob}
	}
	return nil
}
