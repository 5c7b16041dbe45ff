package report

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"docker-mirror/go-helper/internal/engine"
)

const (
	// barWidth leaves room for the figures on a terminal of 100 columns.
	barWidth = 100
	// mostBars keeps a run with many blobs in flight from filling the screen.
	mostBars = 10
	// drawEvery is fast enough to look alive and slow enough for a remote terminal.
	drawEvery = 150 * time.Millisecond
)

// terminal draws a bar for the whole run and one for each blob in flight, below the lines written so far. Bars show
// up with the first snapshot, so a run that is over at once draws none.
type terminal struct {
	w     io.Writer
	extra []mpb.ContainerOption // tests draw on a buffer
	bars  *mpb.Progress         // nil while nothing is drawn
	total *mpb.Bar
	wait  *mpb.Bar                 // a line that says which registries hold the run up; nil where none does
	state atomic.Pointer[Snapshot] // what total's decorators show; mpb calls them from goroutines of its own
	blobs map[v1.Hash]*mpb.Bar
}

func newTerminal(w io.Writer, extra ...mpb.ContainerOption) *terminal {
	return &terminal{w: w, extra: extra}
}

func (t *terminal) interval() (delay, every time.Duration) {
	return 700 * time.Millisecond, drawEvery
}

func (t *terminal) start() {
	options := append([]mpb.ContainerOption{
		mpb.WithOutput(t.w), mpb.WithRefreshRate(drawEvery), mpb.WithWidth(barWidth),
	}, t.extra...)
	t.bars = mpb.New(options...)
	t.blobs = map[v1.Hash]*mpb.Bar{}
	t.total = t.bars.New(0, mpb.BarStyle().Lbound("[").Filler("=").Tip(">").Padding(" ").Rbound("]"),
		mpb.BarPriority(-1),
		mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return headText(*t.state.Load()) })),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return figuresText(*t.state.Load()) })),
	)
}

func headText(s Snapshot) string {
	text := fmt.Sprintf("%d/%s ", s.Ended, Plural(s.Copies, "image"))
	if s.Failed > 0 {
		text += fmt.Sprintf("(%d failed) ", s.Failed)
	}
	return text
}

func figuresText(s Snapshot) string {
	text := fmt.Sprintf(" %s/%s", byteText(s.BytesDone), byteText(s.BytesQueued))
	if s.Rate > 0 {
		text += " " + byteText(int64(s.Rate)) + "/s"
	}
	if s.Idle >= idleFrom && len(s.Waiting) == 0 {
		text += " nothing moved for " + durationText(s.Idle.Round(time.Second))
	} else if s.Left >= 0 && s.BytesQueued > s.BytesDone {
		text += " " + durationText(s.Left) + " left"
	}
	if more := len(s.InFlight) - mostBars; more > 0 {
		text += fmt.Sprintf(" (+%d blobs)", more)
	}
	return text
}

func (t *terminal) expect([]engine.Copy) {}

func (t *terminal) snapshot(s Snapshot) {
	t.state.Store(&s)
	if t.bars == nil {
		t.start()
	}
	t.total.SetTotal(max(s.BytesQueued, 1), false)
	t.total.SetCurrent(s.BytesDone)
	t.showTrouble(s)

	shown := map[v1.Hash]bool{}
	for _, f := range s.InFlight {
		if len(shown) == mostBars {
			break
		}
		shown[f.Digest] = true
		bar := t.blobs[f.Digest]
		if bar == nil {
			bar = t.addBlob(f)
			t.blobs[f.Digest] = bar
		}
		bar.SetCurrent(f.Read)
	}
	for digest, bar := range t.blobs {
		if !shown[digest] {
			bar.Abort(true)
			delete(t.blobs, digest)
		}
	}
}

func (t *terminal) addBlob(f Flight) *mpb.Bar {
	label := fmt.Sprintf("  %.12s %s ", f.Digest.Hex, Clean(tail(f.Source, 28)))
	bar := t.bars.New(0, mpb.BarStyle().Lbound("[").Filler("-").Tip("-").Padding(" ").Rbound("]"),
		mpb.PrependDecorators(decor.Name(label, decor.WC{W: 44, C: decor.DindentRight})),
		mpb.AppendDecorators(decor.Any(func(s decor.Statistics) string {
			return fmt.Sprintf(" %s/%s", byteText(s.Current), byteText(f.Size))
		})),
	)
	bar.SetTotal(max(f.Size, 1), false)
	return bar
}

// showTrouble adds the line about registries that hold the run up, or takes it away.
func (t *terminal) showTrouble(s Snapshot) {
	switch {
	case len(s.Waiting) == 0 && t.wait != nil:
		t.wait.Abort(true)
		t.wait = nil
	case len(s.Waiting) > 0 && t.wait == nil:
		t.wait = t.bars.New(1, mpb.NopStyle(), mpb.BarPriority(0),
			mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return troubleText(*t.state.Load()) })))
	}
}

// tail keeps the end of a repository's name, which tells images apart.
func tail(s string, length int) string {
	runes := []rune(s)
	if len(runes) <= length {
		return s
	}
	return "…" + string(runes[len(runes)-length+1:])
}

func (t *terminal) event(engine.Event) {}

func (t *terminal) line(_ lineKind, text string) {
	if t.bars != nil {
		if _, err := fmt.Fprintln(t.bars, text); err == nil {
			return
		}
	}
	fmt.Fprintln(t.w, text)
}

func (t *terminal) rest() {
	if t.bars == nil {
		return
	}
	for _, bar := range t.blobs {
		bar.Abort(true)
	}
	if t.wait != nil {
		t.wait.Abort(true)
	}
	t.total.Abort(true)
	t.bars.Wait()
	t.bars, t.wait = nil, nil
}

func (t *terminal) tellsTrouble() bool { return true }
