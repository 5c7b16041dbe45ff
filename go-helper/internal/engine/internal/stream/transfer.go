package stream

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/registry"
)

// Source is where a blob can be read.
type Source struct {
	Client     *registry.Client
	Repository string
}

func (s Source) String() string { return s.Client.Host() + "/" + s.Repository }

// Sink is an upload to be fed.
type Sink struct {
	Session *Session
	Offset  int64 // that it has already; the same for all of a transfer
}

// Outcome is how an upload ended.
type Outcome struct {
	End    End
	Offset int64 // what the registry has
	Err    error
	// Stalled: it stood still while the download was held up by it, and was detached.
	Stalled bool
}

// End is a kind of [Outcome].
type End int

// The ends of an upload.
const (
	Sent         End = iota
	Failed           // for good
	Resume           // can go on from Outcome.Offset, which the download has passed
	Restart          // must begin anew
	SourceFailed     // the download failed, not the upload
)

// Watcher is told how a transfer goes; its functions may be called from several goroutines, and must be quick.
type Watcher interface {
	Started(Source)
	Read(bytes int64)
	Overloaded(asked time.Time) // a registry had too much to do for what was asked of it then
	Ended(error)
}

// Transfer is one download of a blob that feeds uploads.
type Transfer struct {
	Digest  v1.Hash
	Size    int64
	Sources []Source // in the order in which they are tried
	Sinks   []Sink
	Chunks  *Chunks
	Watcher Watcher
}

// sink is one upload on its way.
type sink struct {
	*Session
	transfer *Transfer
	window   *window
	offset   int64 // what the registry has
	end      End
	err      error
}

// Run reads the blob once and feeds it to all uploads. It gives their outcomes, in their order.
func (t *Transfer) Run(ctx context.Context) []Outcome {
	start := t.Sinks[0].Offset
	sinks := make([]*sink, len(t.Sinks))
	var sending sync.WaitGroup
	for i, s := range t.Sinks {
		sinks[i] = &sink{Session: s.Session, transfer: t, window: newWindow(start, t.Size), offset: start}
		sending.Go(func() { sinks[i].send(ctx) })
	}
	if err := t.download(ctx, start, slices.Clone(sinks)); err != nil {
		for _, s := range sinks {
			s.window.close(err)
		}
	}
	sending.Wait()
	outcomes := make([]Outcome, len(sinks))
	for i, s := range sinks {
		outcomes[i] = Outcome{
			End: s.end, Offset: s.offset, Err: s.err, Stalled: errors.Is(s.window.closedBy(), errDetached),
		}
	}
	return outcomes
}
