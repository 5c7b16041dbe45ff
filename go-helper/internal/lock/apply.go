package lock

import (
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/spec"
	"docker-mirror/go-helper/internal/tags"
)

// Rule is what a list and its lock must keep to.
type Rule string

// The rules that a lock and its list can break by themselves.
const (
	// Stale is an image or a policy without an entry, an entry that nobody asks for, or digests that differ.
	Stale Rule = "lock-stale"
	// Edited is an entry whose sum doesn't fit.
	Edited Rule = "lock-edited"
)

// Problem is a rule that is broken, at a place in the list or in its lock.
type Problem struct {
	Rule Rule
	At   *spec.Error
}

func (p *Problem) Error() string { return p.At.Error() }

// Unwrap makes it a [spec.Error] for whoever only wants to know where.
func (p *Problem) Unwrap() error { return p.At }

// Apply gives the images of a list as the lock has them: each with its digest, and the tags that were selected in the place
// of a policy. Half a lock is never used: with any problem the images mean nothing.
func (f *File) Apply(images []spec.Image) ([]spec.Image, []*Problem) {
	a := &applier{file: f, bySource: f.BySource(), asked: map[string]spec.Image{}, policies: map[int]bool{}}
	for _, image := range images {
		switch {
		case image.Locked != nil || image.Skip != nil: // of a plan
			a.images = append(a.images, image)
		case image.Select != nil:
			a.policy(image)
		default:
			a.image(image)
		}
	}
	a.unasked()
	return a.images, a.problems
}

type applier struct {
	file     *File
	bySource map[string]*Image
	asked    map[string]spec.Image // key -> the first that asks
	policies map[int]bool          // lines of the [[select]] entries that are asked for
	images   []spec.Image
	problems []*Problem
}

func (a *applier) stale(image spec.Image, format string, args ...any) {
	a.problem(Stale, image.File, image.Line, format, args...)
}

func (a *applier) problem(rule Rule, file string, line int, format string, args ...any) {
	a.problems = append(a.problems, &Problem{rule, &spec.Error{File: file, Line: line, Msg: fmt.Sprintf(format, args...)}})
}

func (a *applier) image(image spec.Image) {
	key := Key(image)
	first, twice := a.asked[key]
	if twice && image.Ref.HasDigest() && first.Ref.HasDigest() && image.Ref.Digest != first.Ref.Digest {
		a.stale(image, "%s is pinned to %s here and to %s at %s: a lock has one digest for a tag", key, image.Ref.Digest, first.Ref.Digest, first.Place())
		return
	}
	if !twice || image.Ref.HasDigest() {
		a.asked[key] = image
	}
	entry := a.bySource[key]
	switch {
	case entry == nil:
		a.stale(image, "%s has no entry in %s", key, a.file.Name)
		return
	case image.Ref.HasDigest() && image.Ref.Digest != entry.Digest && entry.waits(image.Ref.Digest):
		image.Locked = a.locked(entry)
		image.Locked.Waiting = waitingSince(entry.Next, image.Ref.Digest)
		a.images = append(a.images, image)
		return
	case image.Ref.HasDigest() && image.Ref.Digest != entry.Digest:
		a.stale(image, "%s is pinned to %s here, and locked to %s at %s", key, image.Ref.Digest, digestOrNone(entry.Digest), a.file.place(entry.Line))
		return
	}
	image.Ref.Digest = entry.Digest
	image.Locked = a.locked(entry)
	a.images = append(a.images, image)
}

func digestOrNone(digest v1.Hash) string {
	if digest == (v1.Hash{}) {
		return "no digest yet"
	}
	return digest.String()
}

func (a *applier) locked(entry *Image) *spec.Locked {
	l := &spec.Locked{File: a.file.place(entry.Line), Seen: entry.Seen, Because: entry.Because, Signed: entry.Signed != "", Single: !entry.IsIndex()}
	if entry.Waiting() {
		l.Waiting = waitingSince(entry.Next, entry.newest().Digest)
	}
	if entry.IsIndex() {
		l.Limited = make(map[string]string, len(entry.Limited))
		for _, m := range entry.Limited {
			l.Limited[m.Platform] = m.Digest.String()
		}
	}
	return l
}

func waitingSince(next []Next, digest v1.Hash) string {
	i := slices.IndexFunc(next, func(n Next) bool { return n.Digest == digest })
	return "is cooling down, first seen " + next[i].Seen.UTC().Format("2006-01-02 15:04 UTC")
}

func (a *applier) policy(image spec.Image) {
	if err := Lockable(image); err != nil {
		a.stale(image, "%s", err)
		return
	}
	source, policy := image.Ref.Name(), PolicyText(*image.Select)
	entry := a.file.selected(source, policy)
	if entry == nil {
		other := a.otherPolicy(source)
		if other == nil {
			a.stale(image, "%s has no [[select]] entry in %s for the policy %q", source, a.file.Name, policy)
			return
		}
		a.policies[other.Line] = true // told once
		for _, tag := range other.Tags {
			a.asked[source+":"+tag] = image
		}
		a.stale(image, "the tags of %s are selected by %q here, and by %q at %s", source, policy, other.Policy, a.file.place(other.Line))
		return
	}
	a.policies[entry.Line] = true
	for _, tag := range entry.Tags {
		expanded, err := WithTag(image, tag)
		if err != nil {
			a.stale(image, "tag %s of %s: %s", tag, source, err)
			continue
		}
		a.image(expanded)
	}
}

// otherPolicy finds an entry of the same repository that no policy of the list has asked for so far.
func (a *applier) otherPolicy(source string) *Select {
	for i := range a.file.Selects {
		if s := &a.file.Selects[i]; s.Source == source && !a.policies[s.Line] {
			return s
		}
	}
	return nil
}

// Lockable tells why what a policy selects can't be locked.
func Lockable(image spec.Image) error {
	if image.Select != nil && image.Select.Mode == tags.ModeHigher {
		return fmt.Errorf("%s can't be locked: mode %q depends on the tags that the destination has", image.Ref.Name(), image.Select.Mode)
	}
	return nil
}

// WithTag gives one of the images that a policy has selected.
func WithTag(image spec.Image, tag string) (spec.Image, error) {
	image.Select = nil
	image.Source += ":" + tag
	image.Ref = reference.Reference{Registry: image.Ref.Registry, Repository: image.Ref.Repository, Tag: tag}
	if image.Destination == nil {
		return image, nil
	}
	to := *image.Destination
	to.Repository = strings.ReplaceAll(to.Repository, tagPlaceholder, tag)
	to.Tag = strings.ReplaceAll(image.ImageTags[0], tagPlaceholder, tag)
	if _, err := reference.Parse(to.String()); err != nil {
		return image, err
	}
	image.Destination, image.ImageTags = &to, nil
	return image, nil
}

// tagPlaceholder stands in destinations for the tags that a policy selects.
const tagPlaceholder = "{tag}"

// unasked finds what nobody asks for, and what was edited.
func (a *applier) unasked() {
	for i := range a.file.Selects {
		if s := &a.file.Selects[i]; !a.policies[s.Line] {
			a.problem(Stale, a.file.Name, s.Line, "the list has no policy %q for %s", s.Policy, s.Source)
			for _, tag := range s.Tags {
				a.asked[s.Source+":"+tag] = spec.Image{}
			}
		}
	}
	for i := range a.file.Images {
		entry := &a.file.Images[i]
		if _, ok := a.asked[entry.Source]; !ok {
			a.problem(Stale, a.file.Name, entry.Line, "the list has no %s", entry.Source)
		}
		if entry.Edited {
			a.problem(Edited, a.file.Name, entry.Line, "the entry of %s was edited, or merged from two sides: its sum doesn't fit", entry.Source)
		}
	}
}
