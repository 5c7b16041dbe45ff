// Package plan turns lists of images into a plan: the copies to be made, checked as a set. Pure functions; nothing here
// touches the network or a file.
package plan

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/platform"
	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/spec"
	"docker-mirror/go-helper/internal/tags"
)

// Copy is one entry of a plan. What magic-mirror knows of it are `src`, `dst` and `transform`.
//
// An entry with Select is not yet a copy: Src is a repository with {tag} for its tag, and Dst one with a template for the tag;
// [Expand] makes copies of it. magic-mirror can't take such references for anything else, and refuses them. An entry with Skip
// is no copy at all and has no Dst: it says what is left out, and why.
type Copy struct {
	Src       string     `json:"src"`
	Dst       string     `json:"dst,omitempty"`
	Transform *Transform `json:"transform,omitempty"`
	// Origin is where the user asked for it, `file:line`.
	Origin string `json:"origin,omitempty"`
	// Name is what the image is called in its list (AS name).
	Name string `json:"name,omitempty"`
	// Labels are for choosing a part of a plan.
	Labels []string `json:"labels,omitempty"`
	// Referrers says which attachments come along: none, signatures, all or require; empty is the run's choice.
	Referrers string `json:"referrers,omitempty"`
	// Select is a tag policy that waits for the repository's tags.
	Select *tags.Policy `json:"select,omitempty"`
	// Skip says that the image doesn't go to a destination, and why.
	Skip *spec.Skip `json:"skip,omitempty"`
	// Locked says which lock has decided the digest of Src.
	Locked *spec.Locked `json:"locked,omitempty"`
}

// Transform is what changes on the way.
type Transform struct {
	// LimitPlatforms copies only these of a multi-platform image, each `os/arch[/variant]`.
	LimitPlatforms []string `json:"limitPlatforms,omitempty"`
	// Index is "sparse" where the index keeps its bytes and its digest, and only what it names of these platforms is copied.
	// Without it the index is cut down to them.
	Index string `json:"index,omitempty"`
}

// Ready tells whether the entry is a copy that can be made as it stands.
func (c Copy) Ready() bool { return c.Select == nil && c.Skip == nil }

// Source gives Src in full. With Select only registry and repository mean anything.
func (c Copy) Source() (reference.Reference, error) { return reference.Parse(c.sourceRepository()) }

// sourceRepository is Src without the {tag} of an entry with Select.
func (c Copy) sourceRepository() string { return strings.TrimSuffix(c.Src, ":"+tagPlaceholder) }

// Destination gives Dst in full; an error on entries that aren't [Copy.Ready].
func (c Copy) Destination() (reference.Reference, error) { return reference.Parse(c.Dst) }

// Platforms gives the platforms that the copy is limited to; none means all.
func (c Copy) Platforms() ([]v1.Platform, error) {
	if c.Transform == nil {
		return nil, nil
	}
	platforms := make([]v1.Platform, 0, len(c.Transform.LimitPlatforms))
	for _, s := range c.Transform.LimitPlatforms {
		p, err := platform.Parse(s)
		if err != nil {
			return nil, err
		}
		platforms = append(platforms, p)
	}
	return platforms, nil
}

// Sparse tells whether the index is copied as it is although not all of its platforms are.
func (c Copy) Sparse() bool {
	return c.Transform != nil && len(c.Transform.LimitPlatforms) > 0 && c.Transform.Index == spec.IndexSparse
}

// limit gives the transform that leaves only these platforms. Where nothing is limited, index means nothing, and what is
// the default isn't said.
func limit(platforms []v1.Platform, index string) *Transform {
	if len(platforms) == 0 {
		return nil
	}
	t := &Transform{LimitPlatforms: make([]string, len(platforms))}
	for i, p := range platforms {
		t.LimitPlatforms[i] = p.String()
	}
	if index == spec.IndexSparse {
		t.Index = index
	}
	return t
}

// Read reads a plan back. It takes what [spec.Parse] takes as copy specs; the error joins a *[spec.Error] for each
// thing wrong.
func Read(file string, data []byte) ([]Copy, error) {
	images, err := spec.Parse(file, spec.FormatJSON, data)
	copies := make([]Copy, len(images))
	for i, image := range images {
		copies[i] = asWritten(image)
	}
	return copies, err
}

// asWritten is the entry of an image that names its own destination.
func asWritten(image spec.Image) Copy {
	c := Copy{
		Src:       image.Ref.String(),
		Transform: limit(image.Platforms, image.Index),
		Origin:    image.Place(),
		Name:      image.Name,
		Labels:    image.Labels,
		Referrers: image.Referrers,
		Select:    image.Select,
		Skip:      image.Skip,
		Locked:    image.Locked,
	}
	switch {
	case image.Skip != nil:
		if image.Bare() { // a repository whose tags a policy would have chosen
			c.Src = image.Ref.Name()
		}
	case image.Select != nil:
		c.Src, c.Dst = image.Ref.Name()+":"+tagPlaceholder, image.Destination.Name()+":"+image.ImageTags[0]
	default:
		c.Dst = image.Destination.String()
	}
	return c
}

// Write writes a plan, an entry a line, the same bytes for the same plan.
func Write(w io.Writer, copies []Copy) error {
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	line.WriteString("[")
	for i, c := range copies {
		if i > 0 {
			line.WriteString(",")
		}
		line.WriteString("\n")
		if err := enc.Encode(c); err != nil {
			return err
		}
		if _, err := w.Write(line.Bytes()[:line.Len()-1]); err != nil { // without the encoder's line break
			return err
		}
		line.Reset()
	}
	if len(copies) > 0 {
		line.WriteString("\n")
	}
	line.WriteString("]\n")
	_, err := w.Write(line.Bytes())
	return err
}
