package schedule

import (
	"fmt"
	"slices"
)

// turn is a blob's way through one transfer: the needs that were wanted are opened at the same time, and those that are ready within
// a moment of the first are served by one download.
type turn struct {
	blob    *blob
	opening int     // members that are neither open nor settled
	members []*need // to begin with
	open    []*need
	joining int  // timer: until then, others are waited for
	waiting bool // for a slot
	sending bool
	sources int
}

// queue has a blob wait for a turn.
func (s *Scheduler) queue(b *blob) {
	if b.turn == nil && !b.queued && len(b.wanted) > 0 {
		b.queued = true
		s.opening.wait(b, 0)
	}
}

// beginTurn opens what is wanted of a blob.
func (s *Scheduler) beginTurn(b *blob) {
	b.queued = false
	t := &turn{blob: b}
	b.turn = t
	t.members = s.takeWanted(b)
	if len(t.members) == 0 {
		s.endTurn(b)
		return
	}
	t.opening = len(t.members)
	for _, n := range t.members {
		n.turn = t
	}
	for _, n := range t.members {
		s.open(n)
	}
}

// takeWanted gives the needs to be served by one download, none where nothing is left to do. A need whose upload goes on in the middle
// of the blob is served alone.
func (s *Scheduler) takeWanted(b *blob) (take []*need) {
	var leave []*need
	for len(b.wanted) > 0 { // one that is dropped may have another one wanted
		n := b.wanted[0]
		b.wanted = b.wanted[1:]
		switch {
		case !n.alive():
			s.drop(n)
		case len(take) >= maxSinks, len(take) > 0 && (n.offset > 0 || take[0].offset > 0):
			leave = append(leave, n)
		default:
			take = append(take, n)
		}
	}
	b.wanted = leave
	return take
}

// ready tells that a need has a session, and wants bytes.
func (s *Scheduler) ready(n *need) {
	b, t := n.host.blob, n.turn
	if b.failed != nil && b.tried == len(b.sources) {
		s.fail(n, b.failed)
		return
	}
	n.judged = true
	if s.mayComeFromOld(n) { // as is known since
		s.seekOrigin(n)
		return
	}
	if t == nil { // its turn went without it: the next one is its own
		s.want(n)
		return
	}
	n.state = needOpen
	n.turn = nil
	t.opening--
	t.open = append(t.open, n)
	switch {
	case t.opening == 0:
		s.goOn(t)
	case t.joining == 0:
		t.joining = s.arm(joinPatience, func() {
			for _, m := range t.members {
				if m.turn == t {
					m.turn = nil
				}
			}
			t.joining, t.opening = 0, 0
			s.goOn(t)
		})
	}
}

// leaveTurn takes a need out of its turn.
func (s *Scheduler) leaveTurn(n *need) {
	t := n.turn
	if t == nil {
		return
	}
	n.turn = nil
	if t.opening--; t.opening == 0 {
		s.goOn(t)
	}
}

// goOn begins the transfer, or ends the turn where nobody wants it.
func (s *Scheduler) goOn(t *turn) {
	s.disarm(&t.joining)
	b := t.blob
	switch {
	case s.over:
	case len(t.open) == 0:
		s.endTurn(b)
	case b.Size > smallBlob:
		t.waiting = true
		s.transfers.wait(b, b.Size)
	default: // what is as small as a request needs no slot: on a long line it would keep one for two round trips
		s.beginTransfer(b)
	}
}

func (s *Scheduler) endTurn(b *blob) {
	b.turn = nil
	s.opening.release(0)
	s.queue(b)
}

func (s *Scheduler) beginTransfer(b *blob) {
	t := b.turn
	t.waiting, t.sending = false, true
	s.oneAtATime(t)
	s.askOthers(t)
	if len(t.open) == 0 {
		s.transfers.release(b.Size)
		s.endTurn(b)
		return
	}
	t.sources = len(b.sources)
	action := Transfer{Blob: b.Blob, Sources: slices.Clone(b.sources)}
	for _, n := range t.open {
		n.state, n.flying = needSending, true
		n.turns++
		action.Sinks = append(action.Sinks, Sink{Place: n.place(), Session: n.session, Offset: n.offset})
	}
	s.begin(action)
}

// transferred settles or requeues each need of a transfer.
func (s *Scheduler) transferred(b *blob, e Transferred) {
	t := b.turn
	if b.Size > smallBlob {
		s.transfers.release(b.Size)
	}
	if len(e.Outcomes) != len(t.open) {
		panic(fmt.Sprintf("%d outcomes of %d sinks", len(e.Outcomes), len(t.open)))
	}
	down := true // the one download is counted once
	for i, n := range t.open {
		outcome := e.Outcomes[i]
		n.flying = false
		n.session, n.offset = outcome.Session, outcome.Offset
		if outcome.Stalled {
			s.stalled(n, t)
		}
		if outcome.End == Sent {
			s.transfers.succeeded()
			s.sent(n, down)
			down = false
		}
	}
	for i, n := range t.open {
		if e.Outcomes[i].End != Sent {
			s.requeue(n, e.Outcomes[i], t)
		}
	}
	s.endTurn(b)
}

// sent settles a need that got its bytes.
func (s *Scheduler) sent(n *need, down bool) {
	n.session, n.offset = nil, 0
	n.sent, n.heard = true, false
	r := n.host.registry
	if r.uploaded == nil {
		r.uploaded = n
	}
	if !s.over {
		s.probe(r)
	}
	s.done(n, Got{Uploaded: true, Down: down})
}

// requeue gives a need whose upload did not end well another turn, or gives it up.
func (s *Scheduler) requeue(n *need, outcome Outcome, t *turn) {
	b := n.host.blob
	if outcome.End == SourceFailed && b.tried < t.sources {
		b.failed, b.tried = outcome.Err, t.sources
	}
	switch {
	case s.over:
		s.giveUpSession(n)
		return
	case n.turns >= maxTurns, outcome.End == Failed:
	case outcome.End == Resume && n.session != nil:
		s.want(n)
		return
	case outcome.End == Restart, outcome.End == Resume:
		n.closed = n.session
		s.giveUpSession(n)
		s.want(n)
		return
	case outcome.End == SourceFailed && t.sources < len(b.sources):
		// Another repository of the plan has the blob, as was found since.
		s.giveUpSession(n)
		s.want(n)
		return
	}
	s.fail(n, outcome.Err)
}
