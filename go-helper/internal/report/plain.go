package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"docker-mirror/go-helper/internal/engine"
)

// plain writes a line every few seconds, for logs that a person reads later.
type plain struct {
	w      io.Writer
	silent bool // --progress none: failures and logs only
	last   string
}

func (p *plain) interval() (delay, every time.Duration) {
	if p.silent {
		return 0, 0
	}
	return 5 * time.Second, 5 * time.Second
}

func (p *plain) expect([]engine.Copy) {}

func (p *plain) snapshot(s Snapshot) {
	if text := snapshotText(s); text != p.last {
		p.last = text
		fmt.Fprintln(p.w, text)
	}
}

func (p *plain) event(engine.Event) {}

func (p *plain) line(kind lineKind, text string) {
	if p.silent && kind == lineNotice {
		return
	}
	fmt.Fprintln(p.w, text)
}

func (p *plain) rest() {}

// snapshotText is a run's state in one line.
func snapshotText(s Snapshot) string {
	parts := []string{fmt.Sprintf("%d/%s", s.Ended, Plural(s.Copies, "image"))}
	if s.Failed > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", s.Failed))
	}
	if s.BytesQueued > 0 {
		parts = append(parts, byteText(s.BytesDone)+" of "+byteText(s.BytesQueued))
	}
	if s.Rate > 0 {
		parts = append(parts, byteText(int64(s.Rate))+"/s")
	}
	if len(s.InFlight) > 0 {
		parts = append(parts, Plural(len(s.InFlight), "blob")+" in flight")
	}
	if s.Idle >= idleFrom {
		parts = append(parts, "nothing moved for "+durationText(s.Idle.Round(time.Second)))
	} else if s.Left >= 0 && s.BytesQueued > s.BytesDone {
		parts = append(parts, durationText(s.Left)+" left")
	}
	return strings.Join(append(parts, durationText(s.Elapsed)), " · ")
}

func (p *plain) tellsTrouble() bool { return false }
