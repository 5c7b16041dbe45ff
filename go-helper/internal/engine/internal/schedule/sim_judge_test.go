package schedule

import (
	"errors"
	"fmt"
	"slices"
)

// judge says what is wrong with the end of a run.
func (w *world) judge() error {
	for i, im := range w.c.Images {
		e := w.ended[i]
		if e == nil {
			return fmt.Errorf("image %d has no end", i)
		}
		if err := w.judgeImage(i, im, e); err != nil {
			return fmt.Errorf("image %d: %w", i, err)
		}
	}
	if n := len(w.sessions); n > 0 {
		return fmt.Errorf("%d upload sessions are left open", n)
	}
	if err := errors.Join(w.again, w.judgeRequests()); err != nil {
		return err
	}
	return w.judgeBlobs()
}

func (w *world) judgeImage(i int, im simImage, e *Ended) error {
	r := w.registries[im.Registry]
	switch e.Result {
	case Copied:
		if !w.tagged[i] {
			return errors.New("is called copied, and has no tag")
		}
		for _, b := range im.Blobs {
			if !r.has[im.Repository][b] && r.faults[b] == 0 {
				return fmt.Errorf("is called copied, and lacks blob %d", b)
			}
		}
		return nil
	case Settled:
		if !im.Unchanged {
			return errors.New("is called settled")
		}
		return nil
	case Interrupted, Unstarted:
		if !w.ctxDone {
			return errors.New("is called interrupted")
		}
	case Broken:
		var cause *simError
		switch {
		case w.ctxDone && errors.Is(e.Err, errSimInterrupted):
		case !errors.As(e.Err, &cause):
			return fmt.Errorf("failed with %w", e.Err)
		case cause.image >= 0 && cause.image != i,
			cause.registry >= 0 && cause.registry != im.Registry,
			cause.repo >= 0 && cause.repo != im.Repository,
			cause.blob >= 0 && !slices.Contains(im.Blobs, cause.blob):
			return fmt.Errorf("failed because of what has nothing to do with it: %w", cause)
		case cause.what == "BLOB_UNKNOWN" && r.spec.Vanish+r.spec.Errors == 0 && !w.ctxDone && w.awaits[i] <= simAttempts && !w.vague[i]: // a lie about a mount is found out and mended
			return fmt.Errorf("failed although all that it lacked could be sent: %w", cause)
		}
	}
	if w.tagged[i] && !w.unanswered[i] {
		return fmt.Errorf("has its tag, and is not called copied: %+v", *e)
	}
	return nil
}

// judgeBlobs says which blobs were moved more often than what befell them explains.
func (w *world) judgeBlobs() error {
	for b := range w.c.Blobs {
		sent, broken := 0, false
		for i, r := range w.registries {
			repositories := map[int]bool{}
			for _, im := range w.c.Images {
				if im.Registry == i && slices.Contains(im.Blobs, b) {
					repositories[im.Repository] = true
				}
			}
			allowed := len(repositories) + r.faults[b]
			// Where a mount was refused because the origin was gone or can't be read, the registry seems not to mount.
			if r.spec.Mounts == "work" && !slices.ContainsFunc(r.faults, func(n int) bool { return n > 0 }) && len(r.spec.Unreadable) == 0 {
				allowed = min(allowed, 1)
			}
			if r.spec.Shared { // what is lost is lost to all of them
				allowed += (len(repositories) - 1) * r.faults[b]
			}
			// An image that failed may have left a blob behind that nobody knows of.
			if r.spec.Shared && r.spec.Errors+r.spec.Vanish+r.spec.Late+len(w.c.Gone)+w.c.InterruptAt == 0 {
				allowed = min(allowed, 1)
			}
			if w.mountable(i, b) {
				allowed = 0
			}
			if r.sent[b] > allowed {
				return fmt.Errorf("blob %d is uploaded %d times to registry %d, which mounts: %s", b, r.sent[b], i, r.spec.Mounts)
			}
			sent += r.sent[b]
		}
		for source := range w.c.Gone {
			broken = broken || source[1] == b
		}
		// A download without an upload needs a reason.
		if allowed := sent + w.cuts[b]; w.downloads[b] > allowed && !broken && !w.ctxDone {
			return fmt.Errorf("blob %d is downloaded %d times for %d uploads and %d faults", b, w.downloads[b], sent, w.cuts[b])
		}
		if broken && w.downloads[b] > sent+w.cuts[b]+maxSources {
			return fmt.Errorf("blob %d, which can't be read, is downloaded %d times", b, w.downloads[b])
		}
	}
	return nil
}
