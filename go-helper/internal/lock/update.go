package lock

import (
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/spec"
)

// Want is what a list asks of its lock about one source.
type Want struct {
	Key    string
	Ref    reference.Reference // with the digest that the list itself gives, if any
	Image  spec.Image          // the first that asks
	Limits [][]v1.Platform     // each subset of platforms that the index is rewritten to
	Old    *Image              // the entry that there is; nil: none
	// Upgrade asks for what the source names now, whatever Old says.
	Upgrade bool
}

// Wants gives what the images of a list, policies expanded, ask of a lock, in the images' order. limits says for each image to
// which platforms its index is rewritten; upgrade tells which images are to be resolved again. The error joins a
// *[spec.Error] for each pin that contradicts another.
func Wants(images []spec.Image, limits [][]v1.Platform, old *File, upgrade func(spec.Image) bool) ([]*Want, []error) {
	bySource := old.BySource()
	var wants []*Want
	var errs []error
	byKey := map[string]*Want{}
	for i, image := range images {
		key := Key(image)
		w := byKey[key]
		if w == nil {
			w = &Want{Key: key, Ref: image.Ref, Image: image, Old: bySource[key]}
			byKey[key] = w
			wants = append(wants, w)
		}
		switch {
		case !image.Ref.HasDigest() || image.Ref.Digest == w.Ref.Digest:
		case !w.Ref.HasDigest():
			w.Ref = image.Ref
		default:
			errs = append(errs, &spec.Error{File: image.File, Line: image.Line, Msg: fmt.Sprintf(
				"%s is pinned to %s here and to %s at %s: a lock has one digest for a tag", key, image.Ref.Digest, w.Ref.Digest, w.Image.Place())})
		}
		if len(limits[i]) > 0 && !w.has(limits[i]) {
			w.Limits = append(w.Limits, limits[i])
		}
		w.Upgrade = w.Upgrade || upgrade(image)
	}
	return wants, errs
}

func (w *Want) has(platforms []v1.Platform) bool {
	return slices.ContainsFunc(w.Limits, func(have []v1.Platform) bool { return Subset(have) == Subset(platforms) })
}

// Kept tells whether the entry that there is says all that is asked, so that nothing is to be found out.
func (w *Want) Kept() bool {
	if w.Old == nil || w.Upgrade {
		return false
	}
	if w.Old.Waiting() {
		return !w.Ref.HasDigest() || w.Old.waits(w.Ref.Digest)
	}
	return (w.digestFits() || w.Old.waits(w.Ref.Digest)) && w.limitsKnown(w.Old)
}

// Known is the digest that is settled without asking the source what the tag names; zero where it isn't.
func (w *Want) Known() v1.Hash {
	switch {
	case w.Ref.HasDigest():
		return w.Ref.Digest
	case w.Old != nil && !w.Upgrade:
		return w.Old.Digest
	}
	return v1.Hash{}
}

func (w *Want) digestFits() bool { return !w.Ref.HasDigest() || w.Ref.Digest == w.Old.Digest }

func (w *Want) limitsKnown(entry *Image) bool {
	if !entry.IsIndex() {
		return true
	}
	for _, platforms := range w.Limits {
		if _, ok := entry.LimitedTo(platforms); !ok {
			return false
		}
	}
	return true
}

// Facts are what a digest itself says; they hold under every name.
type Facts struct {
	MediaType string
	Platforms []Manifest
	Limited   []Manifest
}

// Entry makes the new entry that was decided on. The facts are those of its digest.
func (w *Want) Entry(d Decision, facts Facts) Image {
	old := w.old()
	entry := Image{Source: w.Key, Digest: d.Digest, MediaType: facts.MediaType, Platforms: facts.Platforms, Seen: d.Seen, Because: d.Because, Next: d.Next}
	switch {
	case d.Digest == v1.Hash{}:
		entry = old
		entry.Source, entry.Next, entry.Limited = w.Key, d.Next, slices.Clone(old.Limited)
	case d.Digest == old.Digest:
		entry.Signed, entry.Limited = old.Signed, slices.Clone(old.Limited)
	}
	for _, platforms := range w.Limits {
		if _, known := entry.LimitedTo(platforms); known || !entry.IsIndex() {
			continue
		}
		subset := Subset(platforms)
		for _, m := range facts.Limited {
			if m.Platform == subset {
				entry.Limited = append(entry.Limited, m)
			}
		}
	}
	return entry
}

// Change is how an entry of a new lock differs from the old one's.
type Change struct {
	Verb   string // added, moved, matured, waits, changed, dropped, selects
	Source string
	From   v1.Hash // of moved and dropped
	To     v1.Hash // of added, moved, matured and waits
	What   string  // of changed, waits and selects
}

// String is the change on one line, digests shortened.
func (c Change) String() string {
	switch c.Verb {
	case "moved", "matured":
		return fmt.Sprintf("%s %s %s → %s", c.Verb, c.Source, short(c.From), short(c.To))
	case "waits":
		return fmt.Sprintf("waits %s %s, first seen %s", c.Source, short(c.To), c.What)
	case "added":
		return fmt.Sprintf("added %s %s", c.Source, short(c.To))
	case "dropped":
		return fmt.Sprintf("dropped %s %s", c.Source, short(c.From))
	case "selects":
		return fmt.Sprintf("selects %s by %q", c.Source, c.What)
	}
	return fmt.Sprintf("changed %s: %s", c.Source, c.What)
}

// short is enough of a digest to tell two apart by eye.
func short(digest v1.Hash) string {
	if digest == (v1.Hash{}) {
		return "(waiting)"
	}
	return digest.Algorithm + ":" + digest.Hex[:min(12, len(digest.Hex))] + "…"
}

// Changes tells what differs, by source.
func Changes(old, changed *File) []Change {
	var all []Change
	before, after := old.BySource(), changed.BySource()
	sources := make([]string, 0, len(after))
	for source := range after {
		sources = append(sources, source)
	}
	for source := range before {
		if after[source] == nil {
			sources = append(sources, source)
		}
	}
	slices.Sort(sources)
	for _, source := range sources {
		was, is := before[source], after[source]
		switch {
		case is != nil && is.newest() != nil && (was == nil || !was.waits(is.newest().Digest)):
			n := is.newest()
			all = append(all, Change{Verb: "waits", Source: source, To: n.Digest, What: formatTime(n.Seen)})
		case was == nil:
			all = append(all, Change{Verb: "added", Source: source, To: is.Digest})
		case is == nil:
			all = append(all, Change{Verb: "dropped", Source: source, From: was.Digest})
		case was.Digest != is.Digest && was.waits(is.Digest):
			all = append(all, Change{Verb: "matured", Source: source, From: was.Digest, To: is.Digest})
		case was.Digest != is.Digest:
			all = append(all, Change{Verb: "moved", Source: source, From: was.Digest, To: is.Digest})
		case len(is.Limited) != len(was.Limited):
			all = append(all, Change{Verb: "changed", Source: source, What: "the platforms that its index is limited to"})
		case !slices.Equal(is.Next, was.Next):
			all = append(all, Change{Verb: "changed", Source: source, What: "what waits was withdrawn"})
		case was.Because != is.Because:
			all = append(all, Change{Verb: "changed", Source: source, What: "because " + is.Because})
		case was.Edited || was.sum() != is.sum():
			all = append(all, Change{Verb: "changed", Source: source, What: "its entry was not as written"})
		}
	}
	for _, s := range changed.Selects {
		if old.selected(s.Source, s.Policy) == nil {
			all = append(all, Change{Verb: "selects", Source: s.Source, What: s.Policy})
		}
	}
	return all
}
