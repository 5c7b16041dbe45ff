// Package mount knows how a registry treats mounts of blobs from other repositories (distribution-spec, "Mounting a blob from
// another repository": a registry may always answer 202, with an upload, instead).
package mount

// Mode is what a run knows of a registry.
type Mode int

// The modes, in the order in which they can be learned.
const (
	// Unknown: nothing was seen yet. A blob is asked for before its bytes are sent.
	Unknown Mode = iota
	// Works: a mount was answered 201. A mount request is check, mount and start of an upload in one.
	Works
	// AfterCommit: a mount of a blob that this run had uploaded was refused while no manifest referred to it. ECR wants a
	// committed one, so followers wait for an image of a repository that has the blob.
	AfterCommit
	// Never: refused although the origin's manifest was committed.
	Never

	modes = iota
)

// Evidence is what an answer shows.
type Evidence int

// The kinds of evidence.
const (
	// Mounted: a mount was answered 201.
	Mounted Evidence = iota
	// MountedEarly: so was one from a repository that got the blob by this run, before a manifest there referred to it.
	MountedEarly
	// RefusedEarly: a mount from a repository that got the blob by this run was answered 202 before a manifest there
	// referred to it.
	RefusedEarly
	// RefusedLate: the same after that.
	RefusedLate

	kinds = iota
)

// learned is the whole state machine. A proof that mounts work is never taken back by a refusal, which may have other reasons (the
// origin was garbage-collected).
var learned = [kinds][modes]Mode{
	//             Unknown      Works  AfterCommit  Never
	Mounted:      {Works, Works, AfterCommit, Never}, // after a commit it works where it must be waited for, too
	MountedEarly: {Works, Works, Works, Works},
	RefusedEarly: {AfterCommit, Works, AfterCommit, Never},
	RefusedLate:  {Never, Works, Never, Never},
}

// After gives the mode that an answer leads to.
func (m Mode) After(e Evidence) Mode { return learned[e][m] }

func (m Mode) String() string {
	return [modes]string{"unknown", "work", "after commit", "never"}[m]
}
