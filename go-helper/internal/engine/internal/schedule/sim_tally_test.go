package schedule

import (
	"fmt"
	"slices"
)

// tally counts what a run does at once, and how often.
type tally struct {
	looking   int // images that are being looked up
	underWay  int // or worked on
	transfers int // of blobs that need a slot
	useful    int // transfers that brought a blob somewhere
	counted   int // as downloads, in what is told
}

func (t *tally) lookUp(limits Limits) error {
	t.looking++
	t.underWay++
	if t.looking > limits.LookUps || t.underWay > limits.UnderWay {
		return fmt.Errorf("%d images are looked up, and %d under way, at once: %+v", t.looking, t.underWay, limits)
	}
	return nil
}

func (t *tally) end(e Ended) {
	if e.Result != Unstarted {
		t.underWay--
	}
}

func (t *tally) transfer(b Blob, most int) error {
	if b.Size <= smallBlob {
		return nil
	}
	if t.transfers++; t.transfers > most {
		return fmt.Errorf("%d blobs are in transfer at once", t.transfers)
	}
	return nil
}

func (t *tally) transferred(e Transferred) {
	if e.Blob.Size > smallBlob {
		t.transfers--
	}
	for _, o := range e.Outcomes {
		if o.End == Sent {
			t.useful++
			return
		}
	}
}

// turn has a place take part in a transfer.
func (w *world) turn(p Place) error {
	r, repo, blob := w.at(p)
	at := [2]int{repo, blob}
	if r.turns[at]++; r.turns[at] > maxTurns+len(w.c.Images) { // who comes after it was given up gets one more
		return fmt.Errorf("blob %d has %d turns in repository %d", blob, r.turns[at], repo)
	}
	return w.enter(p)
}

// judgeRequests says which requests had no use.
func (w *world) judgeRequests() error {
	if w.tally.counted != w.tally.useful {
		return fmt.Errorf("%d downloads are told of, and %d were of use", w.tally.counted, w.tally.useful)
	}
	for i, r := range w.registries {
		large := false
		for _, im := range w.c.Images {
			for _, b := range im.Blobs {
				large = large || im.Registry == i && w.c.Blobs[b] > smallBlob
			}
		}
		if r.probes > 0 && !large || r.probes > 1 && r.spec.Errors+len(r.spec.Forbidden) == 0 { // an error shows nothing
			return fmt.Errorf("registry %d is probed %d times", i, r.probes)
		}
	}
	return nil
}

// mountable tells whether a large blob must be mounted, as an unchanged image of the registry has it, is found in time, and nothing is
// in the way.
func (w *world) mountable(i, b int) bool {
	spec := &w.c.Registries[i]
	if w.c.Blobs[b] < largeBlob || spec.Mounts != "work" || spec.Errors+spec.Vanish+spec.Lies+spec.Late+spec.Stalls+len(spec.Forbidden)+len(spec.Unreadable) > 0 ||
		w.c.InterruptAt > 0 || w.c.Limits != DefaultLimits || len(w.c.Images) > 60 || len(w.c.Remembered) > 0 {
		return false
	}
	known, wanted := lookUpPatience, lookUpPatience // when an unchanged image with the blob is found, and one that needs it
	for _, im := range w.c.Images {
		if im.LookUp > lookUpPatience/2 {
			return false
		}
		if im.Registry != i || im.Fails || !slices.Contains(im.Blobs, b) {
			continue
		}
		if im.Unchanged {
			known = min(known, im.LookUp)
		} else {
			wanted = min(wanted, im.LookUp)
		}
	}
	return known < wanted
}
