package schedule

import (
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// write plays the writing of an image's manifests: at one moment the registry takes them, or not; at a later one it answers.
func (w *world) write(a Write) error {
	im := w.c.Images[a.Image]
	r := w.registries[im.Registry]
	switch {
	case w.writing[a.Image]:
		return fmt.Errorf("image %d is written twice at once", a.Image)
	case w.ended[a.Image] != nil || w.tagged[a.Image]:
		return fmt.Errorf("image %d is written again", a.Image)
	case w.ctxDone:
		return fmt.Errorf("image %d is written after the interrupt", a.Image)
	}
	for _, b := range im.Blobs {
		if !r.has[im.Repository][b] && !r.lost[im.Repository][b] {
			return fmt.Errorf("image %d is written before its blob %d", a.Image, b)
		}
	}
	w.writing[a.Image] = true
	w.in(w.latency(r.spec), func() Event {
		e := w.takeManifests(a.Image, r, im)
		w.in(w.latency(r.spec), func() Event {
			w.writing[a.Image] = false
			if w.tagged[a.Image] && (w.ctxDone && w.chance(50) || w.chance(r.spec.Errors/4)) { // the answer is lost
				w.unanswered[a.Image] = true
				e.Err = &simError{what: "manifest PUT unanswered", image: a.Image, registry: -1, repo: -1, blob: -1}
			}
			return e
		})
		return nil
	})
	return nil
}

// takeManifests has the registry take the manifests of an image, or refuse them.
func (w *world) takeManifests(i int, r *simRegistry, im simImage) Written {
	e := Written{Image: i}
	if w.ctxDone && w.chance(50) {
		e.Err = errSimInterrupted
		return e
	}
	if w.chance(r.spec.Errors / 2) {
		e.Err = &simError{what: "manifest PUT", image: i, registry: -1, repo: -1, blob: -1}
		return e
	}
	w.vanish(i, r, im)
	for _, b := range im.Blobs {
		if !r.has[im.Repository][b] {
			return w.refuse(i, r, im, b)
		}
	}
	if len(im.Blobs) > 0 && w.chance(r.spec.Late) {
		return w.refuse(i, r, im, im.Blobs[w.r.IntN(len(im.Blobs))])
	}
	for _, b := range im.Blobs {
		r.referred[im.Repository][b] = true
	}
	w.tagged[i] = true
	return e
}

// refuse has a registry say that an image lacks a blob, in one of the ways in which that is said.
func (w *world) refuse(i int, r *simRegistry, im simImage, blob int) Written {
	e := Written{Image: i, Missing: true, Certain: i%5 > 0, Err: &simError{what: "BLOB_UNKNOWN", image: i, registry: -1, repo: -1, blob: -1}}
	w.vague[i] = w.vague[i] || !e.Certain
	suspect := im.Blobs
	if i%2 == 0 {
		e.Lacks, suspect = []v1.Hash{digests[blob]}, []int{blob}
	}
	w.deadline += 2 * w.oneWrite(im)
	for _, b := range suspect {
		r.faults[b]++
		w.deadline += w.oneNeed(r.spec, w.c.Blobs[b])
	}
	return e
}

// simAttempts is how often an image's manifests are waited for.
const simAttempts = 7

func (w *world) await(a Await) error {
	r := w.registries[w.c.Images[a.Image].Registry]
	if w.writing[a.Image] || w.ended[a.Image] != nil {
		return fmt.Errorf("image %d is waited for, and is written or has ended", a.Image)
	}
	w.awaits[a.Image]++
	wait := w.latency(r.spec)
	w.deadline += wait
	w.in(wait, func() Event {
		e := Awaited{Image: a.Image}
		switch {
		case w.ctxDone:
			e.Err = errSimInterrupted
		case w.awaits[a.Image] > simAttempts:
			e.Err = a.Refused
		}
		return e
	})
	return nil
}

// vanish takes a blob of an image away, likelier where others of its repository are being written, too.
func (w *world) vanish(i int, r *simRegistry, im simImage) {
	percent := r.spec.Vanish
	for j, other := range w.c.Images {
		if w.writing[j] && j != i && other.Registry == im.Registry && other.Repository == im.Repository {
			percent *= 2
		}
	}
	if len(im.Blobs) == 0 || !w.chance(percent) {
		return
	}
	b := im.Blobs[w.r.IntN(len(im.Blobs))]
	r.has[im.Repository][b], r.lost[im.Repository][b] = false, true
	r.faults[b]++
	losses := 1
	if r.spec.Shared {
		losses = w.c.Repositories
	}
	w.deadline += time.Duration(losses) * w.oneNeed(r.spec, w.c.Blobs[b])
}

func (w *world) recheck(a Recheck) {
	r := w.registries[w.c.Images[a.Image].Registry]
	w.in(w.latency(r.spec), func() Event {
		e := Rechecked{Image: a.Image}
		for _, p := range a.Places {
			if err := w.fault(r.spec.Errors/4, "HEAD again", r, p); err != nil {
				e.Err = err
			}
			if _, repo, blob := w.at(p); !r.has[repo][blob] {
				e.Missing = append(e.Missing, p.Need)
			}
		}
		return e
	})
}
