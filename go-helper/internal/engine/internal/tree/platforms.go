package tree

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/platform"
	"docker-mirror/go-helper/internal/registry"
)

// subjectAnnotation is how BuildKit ties an attestation to the manifest that it speaks of.
const subjectAnnotation = "vnd.docker.reference.digest"

// unknownOS is the operating system of an attestation.
const unknownOS = "unknown"

var errNoPlatform = errors.New("has none of the requested platforms")

// keptEntries tells which entries of an index are of a wanted platform. One without a platform is only kept where nothing
// limits the platforms; an attestation (unknown/unknown) is kept exactly when its subject is.
func keptEntries(c *Content, wanted []v1.Platform) ([]bool, error) {
	keep := make([]bool, len(c.Manifests))
	kept := map[string]bool{}
	matched := false
	for i, entry := range c.Manifests {
		if matchesAny(entry.Platform, wanted) {
			keep[i], matched = true, true
			kept[entry.Digest.String()] = true
		}
	}
	if !matched {
		return nil, noPlatform(c, wanted)
	}
	for i, entry := range c.Manifests {
		if subject := entry.Annotations[subjectAnnotation]; subject != "" && kept[subject] {
			keep[i] = true
		}
	}
	return keep, nil
}

// only gives the content of an index without the entries that are not kept.
func (c *Content) only(keep []bool) *Content {
	kept := *c
	kept.Manifests = make([]v1.Descriptor, 0, len(c.Manifests))
	for i, entry := range c.Manifests {
		if keep[i] {
			kept.Manifests = append(kept.Manifests, entry)
		}
	}
	return &kept
}

// subsetOf says what is kept of an index; nil where that is all.
func subsetOf(c *Content, keep []bool, sparse bool) *Subset {
	if !slices.Contains(keep, false) {
		return nil
	}
	s := &Subset{Sparse: sparse, Manifests: len(c.Manifests)}
	seen := map[string]bool{}
	for i, entry := range c.Manifests {
		if keep[i] {
			s.Kept++
			continue
		}
		if p := entry.Platform; p != nil && p.OS != unknownOS && !seen[p.String()] {
			seen[p.String()] = true
			s.LeftOut = append(s.LeftOut, *p)
		}
	}
	return s
}

// Selected is what a copy takes of a manifest.
type Selected struct {
	Manifest *registry.Manifest // the one selected from, or what it was cut down to
	Content  *Content           // without the entries that are left out
	Subset   *Subset            // nil where nothing is

	sparse bool // what is left out stays named
}

// Select reads a manifest and limits it to what is wanted, if it is an index.
func Select(m *registry.Manifest, want Selection) (Selected, error) {
	c, err := Parse(m)
	if err != nil || len(want.Platforms) == 0 || !c.IsIndex() {
		return Selected{Manifest: m, Content: c, sparse: want.Sparse}, err
	}
	keep, err := keptEntries(c, want.Platforms)
	if err != nil {
		return Selected{}, err
	}
	subset := subsetOf(c, keep, want.Sparse)
	if want.Sparse {
		return Selected{m, c.only(keep), subset, true}, nil
	}
	m, c, err = rewriteIndex(m, c, keep)
	return Selected{m, c, subset, false}, err
}

// rewriteIndex drops the entries of an index that are not kept. Where all are it gives back m itself: bytes and digest
// stay.
func rewriteIndex(m *registry.Manifest, c *Content, keep []bool) (*registry.Manifest, *Content, error) {
	if !slices.Contains(keep, false) {
		return m, c, nil
	}
	body, _, err := replaceManifests(m.Body, func(i int) bool { return keep[i] })
	if err != nil {
		return nil, nil, err
	}
	digest, _, err := v1.SHA256(bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	limited := &registry.Manifest{MediaType: m.MediaType, Digest: digest, Body: body}
	parsed, err := Parse(limited)
	if err != nil {
		return nil, nil, err
	}
	// The result is compared before anything is pushed: it must list what was kept and nothing else.
	same := func(a, b v1.Descriptor) bool { return a.Digest == b.Digest }
	if !slices.EqualFunc(parsed.Manifests, c.only(keep).Manifests, same) {
		return nil, nil, errors.New("could not be limited to the requested platforms")
	}
	return limited, parsed, nil
}

// noPlatform says what the source has instead. Entries of no platform that an image could be asked for by are left out:
// attestations are unknown/unknown.
func noPlatform(c *Content, wanted []v1.Platform) error {
	var asked, has []string
	for _, p := range wanted {
		asked = append(asked, p.String())
	}
	for _, entry := range c.Manifests {
		if entry.Platform != nil && entry.Platform.OS != unknownOS {
			has = append(has, entry.Platform.String())
		}
	}
	slices.Sort(has)
	has = slices.Compact(has)
	switch {
	case len(has) == 0:
		return fmt.Errorf("%w, %s: it names no platform at all", errNoPlatform, strings.Join(asked, ", "))
	case len(has) > maxPlatformsNamed:
		has = append(has[:maxPlatformsNamed], fmt.Sprintf("%d more", len(has)-maxPlatformsNamed))
	}
	return fmt.Errorf("%w, %s: it has %s", errNoPlatform, strings.Join(asked, ", "), strings.Join(has, ", "))
}

// maxPlatformsNamed is more than images of real life have.
const maxPlatformsNamed = 20

func matchesAny(have *v1.Platform, wanted []v1.Platform) bool {
	return have != nil && slices.ContainsFunc(wanted, func(want v1.Platform) bool { return platform.Match(want, *have) })
}
