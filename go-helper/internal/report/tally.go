package report

import (
	"slices"
	"strings"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/engine"
)

// Tally keeps count of a run from its events. It is safe for concurrent use and takes well under a microsecond an
// event, so it may be an [engine.Observer] itself.
type Tally struct {
	mu      sync.Mutex
	started time.Time
	copies  int
	ended   []bool // copies, by index
	ends    int
	status  map[engine.Status]int
	blobs   map[v1.Hash]*blobTally

	queued, arrived int64 // bytes, a blob once a destination registry
	downloaded      int64
	retries         int64
	starts          int   // downloads so far
	moved           int64 // a sum of all that moves, as the last snapshot found it
	movedAt         time.Time

	downRate, doneRate meter
}

// blobTally is one blob on its way.
type blobTally struct {
	size    int64
	read    int64 // of the download that is running
	source  string
	open    int             // downloads running
	missing map[string]bool // destination registries that are still to get it
	order   int             // of its start, so that bars don't jump
}

// NewTally starts counting, and its clock.
func NewTally(now time.Time) *Tally {
	return &Tally{
		started: now,
		status:  map[engine.Status]int{},
		blobs:   map[v1.Hash]*blobTally{},
	}
}

// Observe takes in one event.
func (t *Tally) Observe(event engine.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch e := event.(type) {
	case engine.RunStarted:
		t.copies = e.Copies
	case engine.BlobQueued:
		b := t.blob(e.Digest, e.Size)
		if !b.missing[e.Registry] {
			b.missing[e.Registry] = true
			t.queued += e.Size
		}
	case engine.BlobStarted:
		b := t.blob(e.Digest, e.Size)
		b.open++
		b.read = 0
		b.source = e.Source
		t.starts++
		b.order = t.starts
	case engine.BlobRead:
		t.downloaded += e.Bytes
		if b := t.blobs[e.Digest]; b != nil {
			b.read += e.Bytes
		}
	case engine.BlobEnded:
		if b := t.blobs[e.Digest]; b != nil && b.open > 0 {
			b.open--
		}
	case engine.BlobUploaded:
		t.arrivedAt(e.Registry, e.Digest)
	case engine.BlobMounted:
		t.arrivedAt(e.Registry, e.Digest)
	case engine.CopyEnded:
		if e.Index >= len(t.ended) {
			t.ended = append(t.ended, make([]bool, max(t.copies, e.Index+1)-len(t.ended))...)
		}
		if !t.ended[e.Index] {
			t.ended[e.Index] = true
			t.ends++
			t.status[e.Result.Status]++
		}
	case engine.Retried:
		t.retries++
	}
}

func (t *Tally) blob(digest v1.Hash, size int64) *blobTally {
	b := t.blobs[digest]
	if b == nil {
		b = &blobTally{size: size, missing: map[string]bool{}}
		t.blobs[digest] = b
	}
	return b
}

// arrivedAt counts what was queued for a registry as done. Mounts of a blob that was never queued move nothing.
func (t *Tally) arrivedAt(registry string, digest v1.Hash) {
	b := t.blobs[digest]
	if b == nil || !b.missing[registry] {
		return
	}
	delete(b.missing, registry)
	t.arrived += b.size
}

// Snapshot is a run at one moment.
type Snapshot struct {
	Elapsed       time.Duration
	Copies, Ended int
	Failed        int
	// BytesQueued is all that is known to be moved, a blob once a destination registry; BytesDone how much of it
	// is done, with its share of the blobs in flight.
	BytesQueued, BytesDone int64
	// Downloaded counts what came over the wire.
	Downloaded int64
	// Rate is of the downloads, in bytes a second, over the last seconds.
	Rate float64
	// Left is how long the queued bytes will take at the present pace; negative where that is not known.
	Left     time.Duration
	Retries  int64
	InFlight []Flight
	// Idle is how long no byte came, no blob arrived and no copy ended.
	Idle time.Duration
	// Waiting says which registries hold the run up, a line each.
	Waiting []string
}

// idleFrom is how long nothing must have moved for that to be told.
const idleFrom = 5 * time.Second

// Flight is a blob being downloaded.
type Flight struct {
	Digest     v1.Hash
	Source     string
	Read, Size int64
}

// Snapshot takes stock. Rates come from the moments at which it was called.
func (t *Tally) Snapshot(now time.Time) Snapshot {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := Snapshot{
		Elapsed:     now.Sub(t.started),
		Copies:      t.copies,
		Ended:       t.ends,
		Failed:      t.status[engine.StatusFailed],
		BytesQueued: t.queued,
		BytesDone:   t.arrived,
		Downloaded:  t.downloaded,
		Left:        -1,
		Retries:     t.retries,
	}
	type ordered struct {
		Flight
		order int
	}
	var flights []ordered
	for digest, b := range t.blobs {
		if b.open == 0 {
			continue
		}
		read := min(b.read, b.size)
		s.BytesDone += read * int64(len(b.missing))
		flights = append(flights, ordered{Flight{digest, b.source, read, b.size}, b.order})
	}
	slices.SortFunc(flights, func(a, b ordered) int {
		if a.order != b.order {
			return a.order - b.order
		}
		return strings.Compare(a.Digest.String(), b.Digest.String())
	})
	for _, f := range flights {
		s.InFlight = append(s.InFlight, f.Flight)
	}
	if moved := t.arrived + t.downloaded + int64(t.ends+t.starts); moved != t.moved || t.movedAt.IsZero() {
		t.moved, t.movedAt = moved, now
	}
	s.Idle = now.Sub(t.movedAt)
	t.downRate.add(now, t.downloaded)
	t.doneRate.add(now, s.BytesDone)
	s.Rate = t.downRate.perSecond()
	if pace := t.doneRate.perSecond(); pace > 0 {
		s.Left = time.Duration(float64(s.BytesQueued-s.BytesDone) / pace * float64(time.Second))
	}
	return s
}
