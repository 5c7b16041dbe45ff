package tree

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/registry"
)

// An index may name what its registry doesn't have: somebody deleted a platform, or copied only some of it; attestations go
// first.

// MissingError tells what an index names and its registry doesn't have.
type MissingError struct {
	Index   v1.Hash
	Missing []Missing
	// Kept says why it wasn't left out although that was allowed; empty where it wasn't.
	Kept string
}

// Missing is an entry of an index whose manifest isn't there, or not all below it.
type Missing struct {
	Digest v1.Hash
	What   string // its platform, or what it attests; empty where the index doesn't say
	// Attests is the digest of what it is an attestation of; empty where it is none.
	Attests string
	Err     error
}

func (m Missing) String() string {
	if m.What == "" {
		return m.Digest.String()
	}
	return m.What + " " + m.Digest.String()
}

// maxMissingNamed is more than an error has to name.
const maxMissingNamed = 10

func (e *MissingError) Error() string {
	var named []string
	for i, m := range e.Missing {
		if i == maxMissingNamed {
			named = append(named, fmt.Sprintf("%d more", len(e.Missing)-i))
			break
		}
		named = append(named, m.String())
	}
	text := fmt.Sprintf("index %s names what isn't there: %s: %v", e.Index, strings.Join(named, ", "), e.Missing[0].Err)
	if e.Kept != "" {
		text += "; " + e.Kept
	}
	return text
}

// Unwrap gives what was answered for the first.
func (e *MissingError) Unwrap() error { return e.Missing[0].Err }

// isMissing tells whether an entry couldn't be read because it, or something below it, isn't there.
func isMissing(err error) bool { return errors.Is(err, registry.ErrNotFound) }

// missingOf names entries of an index by what it says of them.
func missingOf(c *Content, lost map[int]error) []Missing {
	var out []Missing
	names := namesOf(c)
	for i, entry := range c.Manifests {
		if err := lost[i]; err != nil {
			out = append(out, Missing{Digest: entry.Digest, What: names[i], Attests: entry.Annotations[subjectAnnotation], Err: err})
		}
	}
	return out
}

// namesOf are what an index says of its entries: their platforms, or what they attest; empty where it says neither.
func namesOf(c *Content) []string {
	platforms, names := map[string]string{}, make([]string, len(c.Manifests))
	for i, entry := range c.Manifests {
		if p := entry.Platform; p != nil && p.OS != unknownOS {
			names[i] = p.String()
			platforms[entry.Digest.String()] = names[i]
		}
	}
	for i, entry := range c.Manifests {
		subject := entry.Annotations[subjectAnnotation]
		if subject == "" {
			continue
		}
		if names[i] = "attestation of " + subject; platforms[subject] != "" {
			names[i] = "attestation of " + platforms[subject]
		}
	}
	return names
}

// Without leaves out of an index what isn't there, and the attestations of that: it is cut down, or stays as it is where it is
// to be sparse. Lost are entries of its content, by their place there; it tells which are kept.
func (s Selected) Without(lost map[int]error) (Selected, []bool, error) {
	c := s.Content
	missing := missingOf(c, lost)
	keep := make([]bool, len(c.Manifests))
	gone := map[string]bool{}
	left := false
	for i, entry := range c.Manifests {
		if lost[i] != nil {
			gone[entry.Digest.String()] = true
		}
	}
	for i, entry := range c.Manifests {
		subject := entry.Annotations[subjectAnnotation]
		keep[i] = lost[i] == nil && !gone[subject]
		left = left || keep[i] && subject == ""
	}
	if !left {
		return Selected{}, nil, &MissingError{Index: s.Manifest.Digest, Missing: missing, Kept: "without it nothing is left of what is wanted"}
	}
	subset := subsetOf(c, keep, s.sparse)
	if subset == nil {
		return s, keep, nil
	}
	if before := s.Subset; before != nil {
		subset.Manifests = before.Manifests
		for _, p := range before.LeftOut {
			if !slices.ContainsFunc(subset.LeftOut, p.Equals) {
				subset.LeftOut = append(subset.LeftOut, p)
			}
		}
	}
	subset.Missing = missing
	if s.sparse {
		return Selected{s.Manifest, c.only(keep), subset, true}, keep, nil
	}
	m, cut, err := rewriteIndex(s.Manifest, c, keep)
	return Selected{m, cut, subset, false}, keep, err
}
