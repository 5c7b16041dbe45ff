package schedule

import (
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Blob names a blob. The size is part of it, so that a manifest that lies about a size fails alone.
type Blob struct {
	Digest v1.Hash
	Size   int64
}

// BlobError tells for which of its blobs an image is broken.
type BlobError struct {
	Digest v1.Hash
	Err    error
}

func (e *BlobError) Error() string { return e.Err.Error() }
func (e *BlobError) Unwrap() error { return e.Err }

// Source is a repository where a blob can be read.
type Source struct{ Registry, Repository string }

// Place is where a blob goes: a repository of a destination registry, which has a number.
type Place struct {
	Need       int // names it in events
	Registry   int
	Repository string
	Blob       Blob
}

// Session is an upload session with whatever the workers want to keep of it; the scheduler only hands it on.
type Session any

// Event is something that has happened; one of the types below.
type Event interface{ event() }

type (
	// Begin starts the run.
	Begin struct{}
	// Interrupt ends it: nothing new is begun, and what is under way is waited for.
	Interrupt struct{}
	// Fired ends a [Timer].
	Fired struct{ Timer int }

	// LookedUp ends a [LookUp].
	LookedUp struct {
		Image int
		Err   error
		// Settled: there is nothing to do for it.
		Settled bool
		// Unchanged: its manifests at the destination may name what others can mount.
		Unchanged bool
		// Fresh: its repository does not exist yet.
		Fresh bool
		// Blobs are what its repository shall have, and Source where they are.
		Blobs  []Blob
		Source Source
	}
	// Started ends a [Start] or a [Probe]: the blob is mounted, or there is a session, or an error.
	Started struct {
		Need    int
		Probe   bool
		Mounted bool
		Session Session
		Err     error
	}
	// Headed ends a [Head].
	Headed struct {
		Need   int
		Exists bool
		Err    error
	}
	// UnchangedRead ends a [ReadUnchanged].
	UnchangedRead struct {
		Registry int
		Origins  []Origin
	}
	// Transferred ends a [Transfer]: one outcome a sink, in their order.
	Transferred struct {
		Blob     Blob
		Outcomes []Outcome
	}
	// Overloaded tells that a registry had too much to do for what was asked of it at a given time, during a [Transfer].
	Overloaded struct{ Asked, Now time.Time }
	// Told tells of repositories that have got blobs by other processes, as these say: it may be true no longer, or never have been.
	Told struct {
		Registry int
		Origins  []Origin
	}
	// Written ends a [Write].
	Written struct {
		Image int
		Err   error
		// Missing: the error may say that a blob isn't there; Certain: it does.
		Missing, Certain bool
		// Lacks are the digests that it names.
		Lacks []v1.Hash
	}
	// Awaited ends an [Await]; with an error where there is no patience left.
	Awaited struct {
		Image int
		Err   error
	}
	// Rechecked ends a [Recheck].
	Rechecked struct {
		Image   int
		Missing []int // needs
		Err     error
	}
)

// Origin is a repository that has a blob.
type Origin struct {
	Repository string
	Digest     v1.Hash
}

// Outcome is how a transfer to one place ended.
type Outcome struct {
	End     End
	Session Session // that goes on, or is to be cancelled; nil where there is none
	Offset  int64   // what it has
	Err     error
	Stalled bool // it stood still, and was detached from the download
}

// End is a kind of [Outcome].
type End int

// The ends of a transfer to one place.
const (
	Sent         End = iota
	Failed           // for good
	Resume           // goes on at an offset that the download has passed
	Restart          // must begin anew
	SourceFailed     // the download failed, not the upload
)

func (Begin) event()         {}
func (Interrupt) event()     {}
func (Fired) event()         {}
func (LookedUp) event()      {}
func (Started) event()       {}
func (Headed) event()        {}
func (UnchangedRead) event() {}
func (Transferred) event()   {}
func (Overloaded) event()    {}
func (Told) event()          {}
func (Written) event()       {}
func (Rechecked) event()     {}
func (Awaited) event()       {}
