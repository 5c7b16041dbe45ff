package mount

// Sharing is what a run knows of where a registry that never mounts keeps its blobs. Some have one place for all repositories
// (`crane registry serve`): what one repository has got by an upload, all of them have.
type Sharing int

// The kinds of sharing, in the order in which they can be learned.
const (
	// Perhaps: nothing was seen yet.
	Perhaps Sharing = iota
	// Shared: a repository had what only another one's upload can have brought.
	Shared
	// Separate: a repository lacked what another one had.
	Separate
)

// After gives what is known once a repository was asked for a blob that another one has got. That it lacked one is never taken back;
// that it had one can have other reasons.
func (s Sharing) After(found bool) Sharing {
	if !found {
		return Separate
	}
	return max(s, Shared)
}

func (s Sharing) String() string { return [...]string{"perhaps", "shared", "separate"}[s] }
