// Package tags decides which of a repository's tags a tag policy selects. Pure functions over lists of tags.
package tags

// Mode is one of replicant's ways to select tags.
type Mode string

// replicant's modes. None of them is what a policy without a mode does: that keeps whatever its filters leave.
const (
	ModeHighest Mode = "highest" // the highest version, unless the destination has that tag
	ModeHigher  Mode = "higher"  // every version above the destination's highest
	ModeSemver  Mode = "semver"  // every version
	ModeAll     Mode = "all"     // every tag, versions or not
)

// Order is how tags are ranked where only the latest are wanted.
type Order string

// The orders of tags.
const (
	OrderSemver  Order = "semver"  // by semantic version; tags that are none are left out
	OrderNatural Order = "natural" // by name, digits compared as numbers: build-9 before build-10
	OrderListed  Order = "listed"  // as the registry lists them, the last being the latest
)

// Policy selects tags. All its conditions hold together; the zero policy selects every tag.
//
// Where versions are compared, tags are read as leniently as replicant reads them (1, v1.2 and 01.2.3 are versions),
// numbers above 1024 in front are taken for dates, and pre-releases are left out unless Compatibility names them or a
// range of Semver admits them (">=2.0.0-0").
type Policy struct {
	// Mode is replicant's; empty for none.
	Mode Mode `json:"mode,omitempty"`
	// Compatibility is the pre-release that a version must have, exactly ("alpine" in 1.2.3-alpine). Empty: none.
	Compatibility string `json:"compatibility,omitempty"`
	// PinnedMajor is the only major version wanted; nil for any.
	PinnedMajor *uint64 `json:"pinnedMajor,omitempty"`
	// ReplaceTag also copies a selected tag that the destination has with another digest.
	ReplaceTag bool `json:"replaceTag,omitempty"`
	// Semver holds version ranges (">=1.2, <2", "^1.2 || ~3.1"); a tag must be in one of them.
	Semver []string `json:"semver,omitempty"`
	// Include holds globs or /regular expressions/; a tag must match one. Empty: every tag does.
	Include []string `json:"include,omitempty"`
	// Exclude holds globs or /regular expressions/; a tag must match none.
	Exclude []string `json:"exclude,omitempty"`
	// Latest keeps this many of what is left, the highest in Order; 0 keeps all.
	Latest int `json:"latest,omitempty"`
	// Order ranks for Latest; empty is "semver".
	Order Order `json:"order,omitempty"`
	// AllowEmpty makes selecting nothing no error.
	AllowEmpty bool `json:"allowEmpty,omitempty"`
}
