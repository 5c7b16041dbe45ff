package stream

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"docker-mirror/go-helper/internal/registry"
)

// judge says what is wrong with the ends of uploads.
func (w *simWorld) judge(outcomes []Outcome, turns int) error {
	unreadable, corrupt, sourceTime := true, false, time.Duration(0)
	for _, s := range w.sources {
		unreadable, corrupt = unreadable && s.gone, corrupt || s.final
		sourceTime += s.takes(stallTimeout)
	}
	for i, o := range outcomes {
		h := w.sinks[i]
		if has := h.HasBlob("x", w.digest); (o.End == Sent) != has || has && h.final {
			return fmt.Errorf("sink %d: end %d, %v, and has the blob: %t", i, o.End, o.Err, has)
		}
		// Without a status no address to cancel is to be had, and a registry that is paused is not asked to.
		if n := h.OpenUploads(); n > len(h.lost) && !h.dialect.NoUploadStatus && !slices.ContainsFunc(h.met, mishap.overload) {
			return fmt.Errorf("sink %d: %d sessions are left open", i, n)
		}
		if o.End != Sent {
			if err := excuse(h, o, unreadable, corrupt); err != nil {
				return fmt.Errorf("sink %d: %w", i, err)
			}
			continue
		}
		if most := w.size * int64(1+h.breaks()); h.Log().UploadedBytes() > most {
			return fmt.Errorf("sink %d got %d bytes", i, h.Log().UploadedBytes())
		}
		if err := w.inTime(i, sourceTime); err != nil {
			return err
		}
	}
	if err := w.judgeLoad(); err != nil {
		return err
	}
	if most := w.turns(); turns > most || w.read > w.size*int64(turns) {
		return fmt.Errorf("%d bytes are read in %d transfers, of which %d have a reason", w.read, turns, most)
	}
	return nil
}

// judgeLoad says whether it was told that a registry had too much to do, and only then.
func (w *simWorld) judgeLoad() error {
	said, certain := false, false
	for i, h := range slices.Concat(w.sources, w.sinks) {
		for n, m := range h.met {
			if !m.overload() {
				continue
			}
			said = true
			if i < len(w.sources) { // else another source is turned to, or nothing comes of it
				certain = certain || len(w.sources) == 1 && !h.gone
			} else { // else the connection can break before it is heard, or the registry was asked before a body was sent
				certain = certain || n == 0 && w.size > 0 && w.size <= 100_000 && h.HasBlob("x", w.digest)
			}
		}
	}
	if told := w.busy.Load() > 0; told && !said || certain && !told {
		return fmt.Errorf("told of too much to do: %t, and said by a registry: %t", told, said)
	}
	return nil
}

// turns is how many transfers have a reason.
func (w *simWorld) turns() int {
	n, patience := 1, stallTimeout
	if len(w.sinks) > 1 {
		patience = detachPatience
	}
	for _, h := range w.sinks {
		for _, m := range h.met {
			if m.what != "pause" || slices.ContainsFunc(m.pauses, func(p pause) bool { return p.d >= patience }) {
				n++
			}
		}
	}
	return n
}

// breaks is how many of the mishaps may have cost bytes: not that an answer is lost, as the blob is there.
func (h *simHost) breaks() (n int) {
	for _, m := range h.met {
		if m.what != "answer lost" {
			n++
		}
	}
	return n
}

// silences is how often it said nothing for longer than anybody waits.
func (h *simHost) silences() (n int) {
	for _, m := range h.met {
		for _, p := range m.pauses {
			if p.d >= stallTimeout {
				n++
			}
		}
	}
	return n
}

// excuse says whether an upload had a reason to fail, and failed for that.
func excuse(h *simHost, o Outcome, unreadable, corrupt bool) error {
	var refused *registry.Error
	var mismatch *registry.DigestMismatchError
	var silence *registry.SilenceError
	switch {
	case unreadable && o.End == SourceFailed && errors.Is(o.Err, registry.ErrNotFound):
	case h.final && o.End == Failed && errors.As(o.Err, &refused) && (refused.Status == http.StatusForbidden || digestInvalid(o.Err)):
	case h.hopeless && o.End == Failed && o.Err != nil && len(h.met) > maxRestarts && len(h.met) < 50:
	case errors.As(o.Err, &silence) && o.End == Failed && silence.Host == h.name && h.silences() >= silence.Times &&
		(silence.Times > 2 || silence.Times == 2 && silence.For > 5*time.Minute):
	case corrupt && errors.As(o.Err, &mismatch):
	case corrupt && len(h.met) > 0 && digestInvalid(o.Err): // of what was read from the middle on
	default:
		return fmt.Errorf("end %d after %d mishaps, without a reason: %w", o.End, len(h.met), o.Err)
	}
	return nil
}

// inTime says whether an upload ended as soon as what befell it, the source and the others allowed.
func (w *simWorld) inTime(i int, source time.Duration) error {
	limit := time.Second + source + w.sinks[i].takes(answerTimeout)
	for j, h := range w.sinks {
		if j != i {
			limit += h.holdUp()
		}
	}
	if len(w.sinks[i].mishaps) > 0 { // which may have cost it its place in a transfer
		for _, h := range w.sinks {
			limit += h.takes(answerTimeout)
		}
	}
	if got := w.sinks[i].got; got > limit {
		return fmt.Errorf("sink %d got the blob after %s, and was to have it within %s", i, got, limit)
	}
	return nil
}
