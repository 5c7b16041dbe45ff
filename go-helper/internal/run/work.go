package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"docker-mirror/go-helper/internal/engine"
	"docker-mirror/go-helper/internal/registry"
	"docker-mirror/go-helper/internal/report"
)

// work is what one run of the engine has to do, and who waits for it.
type work struct {
	session *session
	entries []*entry
	jobs    []*entry      // those that the engine copies
	copies  []engine.Copy // and how, at the same index
	waiting map[*target]int
	judging *judging
	ended   func(*target)
}

// work settles what needs no engine, and has the rest copied.
func (s *session) work(entries []*entry, j *judging, ended func(*target)) *work {
	w := &work{session: s, entries: entries, judging: j, waiting: map[*target]int{}, ended: ended}
	for _, e := range entries {
		if e.Skip != nil {
			e.copy.Destination = e.Skip.Destination
			e.settle(engine.StatusSkipped, e.Skip.Reason)
		}
		if e.settled() {
			continue
		}
		c, err := e.engineCopy(s.ListReferrers())
		if err != nil {
			e.settle(engine.StatusFailed, err.Error())
			continue
		}
		e.copy.Source, e.copy.Destination = c.Source.String(), c.Destination.String()
		s.layouts.place(e, &c)
		e.copy.Destination = c.Destination.String()
		if from := s.readFrom(c.Source); from != c.Source {
			c.Source, e.copy.ReadFrom = from, from.String()
		}
		w.jobs, w.copies = append(w.jobs, e), append(w.copies, c)
		for _, a := range e.askers {
			w.waiting[a.target]++
		}
	}
	return w
}

// tellSettled tells what is settled before the engine begins.
func (w *work) tellSettled(targets []*target) {
	for _, e := range w.entries {
		if e.settled() {
			for _, a := range e.askers {
				a.target.copies = append(a.target.copies, &e.copy)
			}
		}
	}
	for _, t := range targets {
		if w.waiting[t] == 0 {
			w.ended(t)
		}
	}
}

// errStopped is why a copy is skipped after another one failed.
var errStopped = errors.New("stopped because another copy failed")

// finish takes in how a copy ended, once. It tells whether that shall stop the others, which ends ctx; where outer has ended, too, it
// was the user.
func (w *work) finish(ctx, outer context.Context, index int, result engine.Result) (stop bool) {
	e, s := w.jobs[index], w.session
	if e.settled() {
		return false
	}
	unfinished := result.Status == engine.StatusSkipped ||
		ctx.Err() != nil && (errors.Is(result.Err, engine.ErrInterrupted) || errors.Is(result.Err, context.Canceled))
	interrupted := unfinished && outer.Err() != nil
	switch {
	case interrupted && result.Status == engine.StatusFailed:
		result.Err = fmt.Errorf("%w before it was done", engine.ErrInterrupted) // not in which request
	case unfinished && !interrupted:
		result.Status, result.Err = engine.StatusSkipped, errStopped
	case failing(result.Status) && s.StopOnError:
		stop = true
	}
	e.copy.SetResult(result)
	w.judging.tell(s, index, &e.copy)
	w.explain(index, result)
	e.copy.Interrupted = interrupted
	if !unfinished { // after an interrupt the report itself is at hand
		s.note(&e.copy)
	}
	for _, a := range e.askers {
		a.target.copies = append(a.target.copies, &e.copy)
		a.target.interrupted = a.target.interrupted || interrupted
		if w.waiting[a.target]--; w.waiting[a.target] == 0 {
			w.ended(a.target)
		}
	}
	return stop
}

// explain adds to a result what its reader wants to know: why, what to do, and what is not as one would expect.
func (w *work) explain(index int, result engine.Result) {
	e, c, s := w.jobs[index], w.copies[index], w.session
	if result.Gone != nil {
		e.copy.ReadFrom = result.ReadFrom.String()
		s.console.Notice(fmt.Sprintf("%s is gone from its source, and read from %s: %s", e.copy.Source, e.copy.ReadFrom, report.Clean(result.Gone.Error())))
	}
	if result.Err != nil {
		e.copy.Drift = errors.Is(result.Err, engine.ErrDrift)
		e.copy.Hint = cmp.Or(s.layouts.hint(result.Err), hint(c, result.Err, s.ForeignLayers == foreignCopied))
		if cause, ok := registry.CauseOf(result.Err); ok && missingProject(result.Err) == "" {
			e.copy.Cause = report.Clean(cause.String())
		}
	}
	if result.Status == engine.StatusFailed {
		return
	}
	if subset := result.Subset; subset != nil && len(subset.Missing) > 0 {
		s.console.Notice(missingNotice(c, subset))
	}
	if len(result.Missed) > 0 {
		s.console.Notice(missedNotice(c, result.Missed))
	}
}
