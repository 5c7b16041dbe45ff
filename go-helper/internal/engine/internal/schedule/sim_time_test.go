package schedule

import "time"

// oneByOne is how long it takes at most to do all of a set one after the other where nothing goes wrong. What does go wrong adds to the
// deadline as it happens.
func (w *world) oneByOne() time.Duration {
	sum := admitPatience + lookUpPatience
	seen := map[[3]int]bool{}
	for _, im := range w.c.Images {
		spec := &w.c.Registries[im.Registry]
		sum += im.LookUp + w.oneWrite(im) + 2*answering(spec) // to read it, where it is unchanged
		for _, b := range im.Blobs {
			if at := [3]int{im.Registry, im.Repository, b}; !seen[at] {
				seen[at] = true
				sum += w.oneNeed(spec, w.c.Blobs[b])
			}
		}
	}
	return sum
}

// oneNeed is for the requests that it takes to bring a blob to a repository, and the waits among them.
func (w *world) oneNeed(spec *simRegistrySpec, size int64) time.Duration {
	requests := time.Duration(6) // a mount that is too early, one after the commit, a start, one from an old origin, a probe, a HEAD
	if len(w.c.Told) > 0 {
		requests += 2 // mounts of what others told
	}
	return requests*answering(spec) + verdictPatience + joinPatience + 2*answering(spec) + sending(size)
}

// oneWrite is for writing an image's manifests, or for finding out what they lack.
func (w *world) oneWrite(im simImage) time.Duration {
	return 3 * answering(&w.c.Registries[im.Registry])
}

// befell gives the time that it takes to mend a fault.
func (w *world) befell(p Place) {
	w.deadline += w.oneNeed(&w.c.Registries[p.Registry], p.Blob.Size)
}

// answering is how long an answer takes at most, unless the registry stalls.
func answering(spec *simRegistrySpec) time.Duration {
	return time.Duration(spec.Latency) * time.Millisecond
}

// sending is how long the bytes of a blob take.
func sending(size int64) time.Duration { return time.Duration(size) * time.Microsecond / 100 }

// latency is how long an answer takes.
func (w *world) latency(spec *simRegistrySpec) time.Duration {
	d := time.Duration(1+w.r.IntN(spec.Latency)) * time.Millisecond
	if w.chance(spec.Stalls) {
		stall := time.Duration(w.r.IntN(10_000)) * time.Millisecond
		w.deadline += 2 * stall // a transfer waits for two answers at once
		d += stall
	}
	return d
}
