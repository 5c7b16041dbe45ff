package engine

import (
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Event is something that happened in a run; one of the types below.
type Event interface{ event() }

// Observer is told of everything that happens, from many goroutines at once. It must be quick.
type Observer func(Event)

type (
	// RunStarted comes once, first.
	RunStarted struct{ Copies int }
	// BlobQueued adds to the bytes that the run will move: once a blob and destination registry.
	BlobQueued struct {
		Registry string // the destination's
		Digest   v1.Hash
		Size     int64
	}
	// BlobStarted opens a download.
	BlobStarted struct {
		Digest v1.Hash
		Size   int64
		Source string // repository it is read from, with its registry
	}
	// BlobRead reports bytes as they come in.
	BlobRead struct {
		Digest v1.Hash
		Bytes  int64
	}
	// BlobEnded closes a download; Err is nil where it arrived whole.
	BlobEnded struct {
		Digest v1.Hash
		Err    error
	}
	// BlobUploaded: one destination has it by upload.
	BlobUploaded struct {
		Registry, Repository string
		Digest               v1.Hash
		Size                 int64
	}
	// BlobMounted: one destination has it without bytes. From is empty where it was there before.
	BlobMounted struct {
		Registry, Repository, From string
		Digest                     v1.Hash
		Size                       int64
	}
	// CopyEnded comes once a copy, with its index in the run.
	CopyEnded struct {
		Index  int
		Result Result
	}
	// RegistryPaused: no request is sent there for this long.
	RegistryPaused struct {
		Registry string
		For      time.Duration
		Reason   string
	}
	// Retried: something failed and is tried again.
	Retried struct {
		Registry string
		What     string
		Err      error
		Why      string // the core of Err: "connection refused"
		Wait     time.Duration
		TimedOut bool // nothing came for long
		// Try is the one that failed, of so many Tries; 0 where the registry asked for the wait.
		Try, Tries int
	}
)

func (RunStarted) event()     {}
func (BlobQueued) event()     {}
func (BlobStarted) event()    {}
func (BlobRead) event()       {}
func (BlobEnded) event()      {}
func (BlobUploaded) event()   {}
func (BlobMounted) event()    {}
func (CopyEnded) event()      {}
func (RegistryPaused) event() {}
func (Retried) event()        {}
