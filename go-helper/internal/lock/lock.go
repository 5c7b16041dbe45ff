// Package lock is the lock of a list of images: a file beside it that says which digest each image has, as it was reviewed.
// Pure functions over bytes; who asks the registries stands in package run.
package lock

import (
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/spec"
)

// Suffix is what a lock's name has more than its list's. No format of lists ends so.
const Suffix = ".lock"

// FileName is where the lock of a list stands.
func FileName(list string) string { return list + Suffix }

// version is that of the format.
const version = "1"

// What is accepted of a lock; real ones stay far below it.
const (
	maxEntries   = 100_000 // images and policies together
	maxPlatforms = 2000    // that one index names, as for the engine
	maxNext      = 8
	maxTags      = 20_000 // that one policy selects
)

// File is what a lock says. Nothing of it is about the file itself, so that two branches only conflict where they change
// the same entry.
type File struct {
	Name    string // for messages
	Selects []Select
	Images  []Image
}

// Select is a [[select]] entry: which tags a policy selected of a repository.
type Select struct {
	Source string // the repository, in full
	Policy string // the policy's canonical text
	Tags   []string
	Line   int // where it was read; 0: nowhere
}

// Image is an [[image]] entry: what an image of the list is.
type Image struct {
	Source    string // in full, without a digest unless the list has nothing else; unique in a file
	Digest    v1.Hash
	MediaType string
	// Seen is when this digest was first seen under this name.
	Seen time.Time
	// Platforms are the manifests that an index names, attestations left out.
	Platforms []Manifest
	// Limited are the digests that the index has once it is rewritten to some platforms, which Platform names with commas.
	Limited []Manifest
	// Signed and Because are kept as they are found: who signed the digest, and why a rule was set aside for it.
	Signed, Because string
	// Next are digests that were seen under the name and wait; nothing is mirrored from them.
	Next []Next

	Line   int  // where it was read; 0: nowhere
	Edited bool // its sum doesn't fit
}

// Manifest is what an index has for a platform.
type Manifest struct {
	Platform string
	Digest   v1.Hash
}

// Next is a digest that waits.
type Next struct {
	Digest v1.Hash
	Seen   time.Time
}

// Waiting tells whether nothing is mirrored of the image yet.
func (i *Image) Waiting() bool { return i.Digest == v1.Hash{} }

// waits tells whether a digest has been seen under the name and is not locked yet.
func (i *Image) waits(digest v1.Hash) bool {
	return slices.ContainsFunc(i.Next, func(n Next) bool { return n.Digest == digest })
}

// newest is what was last seen of what waits, nil where nothing does.
func (i *Image) newest() *Next {
	if len(i.Next) == 0 {
		return nil
	}
	return &i.Next[len(i.Next)-1]
}

// IsIndex tells whether the digest is that of a multi-platform image.
func (i *Image) IsIndex() bool { return types.MediaType(i.MediaType).IsIndex() }

// LimitedTo gives the digest of the index once it is rewritten to these platforms; false where the lock doesn't know it.
func (i *Image) LimitedTo(platforms []v1.Platform) (v1.Hash, bool) {
	subset := Subset(platforms)
	for _, m := range i.Limited {
		if m.Platform == subset {
			return m.Digest, true
		}
	}
	return v1.Hash{}, false
}

// Subset is the one spelling of some platforms.
func Subset(platforms []v1.Platform) string {
	names := make([]string, len(platforms))
	for i, p := range platforms {
		names[i] = p.String()
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ",")
}

// Key is the source under which a lock knows an image.
func Key(image spec.Image) string {
	ref := image.Ref
	if ref.Tag != "" {
		ref.Digest = reference.Reference{}.Digest
	}
	return ref.String()
}

// BySource gives the images by their sources.
func (f *File) BySource() map[string]*Image {
	all := make(map[string]*Image, len(f.Images))
	for i := range f.Images {
		all[f.Images[i].Source] = &f.Images[i]
	}
	return all
}

// Selected gives the entry of an image's policy, nil where there is none.
func (f *File) Selected(image spec.Image) *Select {
	return f.selected(image.Ref.Name(), PolicyText(*image.Select))
}

// selected gives the entry of a policy over a repository, nil where there is none.
func (f *File) selected(source, policy string) *Select {
	for i := range f.Selects {
		if f.Selects[i].Source == source && f.Selects[i].Policy == policy {
			return &f.Selects[i]
		}
	}
	return nil
}

// place is where an entry stands, for messages.
func (f *File) place(line int) string {
	return spec.Image{File: f.Name, Line: line}.Place()
}
