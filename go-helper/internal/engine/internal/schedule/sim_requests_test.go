package schedule

func (w *world) lookUp(a LookUp) {
	im := w.c.Images[a.Image]
	w.in(im.LookUp, func() Event {
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
}

func (w *world) start(r *simRegistry, p Place, from string, probe bool) Event {
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
			e.Mounted = true
			return e
		}
	}
	w.session++
	w.sessions[w.session] = true
	e.Session = w.session
	return e
}
