package engine

import (
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/engine/internal/tree"
	"docker-mirror/go-helper/internal/reference"
)

// Copy is one image to be copied to one place.
type Copy struct {
	Source      reference.Reference
	Destination reference.Reference
	// Platforms limits a multi-platform image to these; empty means all, byte for byte.
	Platforms []v1.Platform
	// Sparse leaves the index as it is, under the source's digest, although only what it names of Platforms is copied; else it
	// is cut down to that. Without Platforms it means nothing.
	Sparse bool
	// Expect is the digest that an index has once it is rewritten, where that is known; a copy that comes to another one fails.
	// A destination that has it is settled without asking the source.
	Expect v1.Hash
	// Referrers says which attachments (signatures, attestations, SBOMs) come along.
	Referrers Referrers
	// Origin is where the user asked for it, `file:line`; it goes into every message.
	Origin string
}

// Status is how one copy ended.
type Status string

// The statuses of a finished copy.
const (
	StatusCopied    Status = "copied"
	StatusUnchanged Status = "unchanged"
	StatusSkipped   Status = "skipped" // never started: the run was interrupted
	StatusFailed    Status = "failed"
	StatusPlanned   Status = "planned" // --dry-run: would be copied
)

// Result tells how the copy of the same index ended.
type Result struct {
	Status Status
	// Digest is what the destination has, or would have; zero where it is not known.
	Digest v1.Hash
	// SourceDigest differs from Digest only where an index was cut down to some platforms.
	SourceDigest v1.Hash
	// ReadFrom is the destination of the run that was read in place of the source, as Gone, which the source said, was the
	// end of it there; zero mostly.
	ReadFrom reference.Reference
	Gone     error
	// Replaced is what the destination had under the tag where that is something else; zero where it had nothing or the same.
	Replaced v1.Hash
	// Subset is nil where all that an index names was wanted, and for what is no index.
	Subset *Subset
	Err    error
	Bytes  Bytes
	// Foreign is how many foreign layers are left where their URLs say; 0 where the image was not looked into.
	Foreign int
	// Attached is the number of attachments that were copied with it.
	Attached int
	// Missed are attachments that don't come along, and questions after them that weren't answered.
	Missed []Missed
}

// Missed is something that is attached to an image, or may be, and isn't copied with it.
type Missed struct {
	What string // of the image's repository
	More int    // others of the same cause
	Err  error
}

func (m Missed) String() string {
	what := m.What
	if m.More > 0 {
		what = fmt.Sprintf("%s and %d more", what, m.More)
	}
	return what + ": " + m.Err.Error()
}

// Subset tells what of an index a copy takes.
type Subset = tree.Subset

// MissingManifestsError tells that an index names what its source doesn't have.
type MissingManifestsError = tree.MissingError

// Bytes counts the blob bytes of a copy or a run. Where several copies share a blob, its bytes stand with the
// copy whose repository they were uploaded to, and as mounted with the others.
type Bytes struct {
	Down    int64 `json:"down"`
	Up      int64 `json:"up"`
	Mounted int64 `json:"mounted"`
}
