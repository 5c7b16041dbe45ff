package schedule

import "time"

// Action is something to be begun, or told; one of the types below.
type Action interface{ action() }

// What takes time, and ends with an event each.
type (
	// LookUp finds out what is to be done for an image.
	LookUp struct{ Image int }
	// Start asks to mount a blob from another repository of the registry, or the place's own, which asks whether it is there, else
	// to start an upload. From may be empty.
	Start struct {
		Place
		From    string
		Session Session // of an earlier upload to the place, which is over
	}
	// Probe is a Start from the place itself, which has got the blob by this run, that is to show whether the registry mounts.
	Probe struct{ Place }
	// Head asks whether the place has the blob.
	Head struct{ Place }
	// ReadUnchanged reads the manifests of images that are unchanged at a registry.
	ReadUnchanged struct {
		Registry int
		Images   []int
	}
	// Transfer reads a blob once and sends it to all sinks.
	Transfer struct {
		Blob    Blob
		Sources []Source
		Sinks   []Sink
	}
	// Write writes an image's manifests, the tag last.
	Write struct{ Image int }
	// Recheck asks for every blob of an image again.
	Recheck struct {
		Image  int
		Places []Place
		Sent   []bool // by this run, which the registry may not see yet
	}
	// Await waits until an image's manifests are worth another try, which were refused.
	Await struct {
		Image   int
		Refused error
	}
	// Timer fires after a time.
	Timer struct {
		Timer int
		After time.Duration
	}
)

// Sink is an upload that is fed by a transfer.
type Sink struct {
	Place
	Session Session
	Offset  int64
}

// What ends with no event.
type (
	// Cancel ends a session that nobody will use.
	Cancel struct{ Session Session }
	// Queued tells that a registry will need a blob, once each.
	Queued struct {
		Registry int
		Blob     Blob
	}
	// Got tells that a place has its blob now. Its bytes count for an image of it.
	Got struct {
		Place
		Image    int
		Uploaded bool
		Down     bool   // and this is the one upload that the download counts for
		From     string // mounted from there; empty where it was there before
		Early    bool   // the registry is known to mount it although no manifest refers to it yet
	}
	// Learned tells that it became known how a registry mounts.
	Learned struct {
		Registry int
		Mode     string
	}
	// Ended tells how an image ended, once each.
	Ended struct {
		Image  int
		Result Result
		Err    error
	}
)

// Result is how an image ended.
type Result int

// The results.
const (
	Copied      Result = iota
	Settled            // by being looked up
	Broken             // with an error
	Interrupted        // under way when the run was interrupted
	Unstarted          // not begun when the run was interrupted
)

func (LookUp) action()        {}
func (Start) action()         {}
func (Probe) action()         {}
func (Head) action()          {}
func (ReadUnchanged) action() {}
func (Transfer) action()      {}
func (Write) action()         {}
func (Recheck) action()       {}
func (Await) action()         {}
func (Timer) action()         {}
func (Cancel) action()        {}
func (Queued) action()        {}
func (Got) action()           {}
func (Learned) action()       {}
func (Ended) action()         {}
