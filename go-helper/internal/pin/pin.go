// Package pin puts the digests of mirrored images where they are used: into the FROM lines of Dockerfiles, and into lines of any
// file that carry a marker. Pure functions over bytes.
package pin

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/spec"
	"docker-mirror/go-helper/internal/suggest"
)

// Image is one that can be used from where it is mirrored to.
type Image struct {
	Names  []string // all that it can be called by
	Source reference.Reference
	// Destinations are where it is, each with its digest; the first is what consumers are pointed to.
	Destinations []reference.Reference
}

// Set is what files are pinned to.
type Set struct {
	images []Image
	byName map[string][]int
}

// NewSet takes the images of a plan.
func NewSet(images []Image) *Set {
	s := &Set{images: images, byName: map[string][]int{}}
	for i, image := range images {
		for _, name := range image.Names {
			s.byName[name] = append(s.byName[name], i)
		}
	}
	return s
}

// Named finds the one image of a name.
func (s *Set) Named(name string) (Image, error) {
	found := s.byName[name]
	if len(found) == 1 {
		return s.images[found[0]], nil
	}
	if len(found) > 1 {
		var sources []string
		for _, i := range found {
			sources = append(sources, tagged(s.images[i].Source))
		}
		return Image{}, fmt.Errorf("%s could be any of %s", name, strings.Join(sources, ", "))
	}
	known := make([]string, 0, len(s.byName))
	for name := range s.byName {
		known = append(known, name)
	}
	slices.Sort(known)
	if closest := suggest.Closest(name, known); closest != "" {
		return Image{}, fmt.Errorf("no image is called %s: did you mean %s?", name, closest)
	}
	return Image{}, fmt.Errorf("no image is called %s", name)
}

func tagged(ref reference.Reference) string {
	if ref.Tag != "" {
		ref.Digest = v1.Hash{}
	}
	return ref.String()
}

// Change is a line that says something else than the lock.
type Change struct {
	Line     int
	Old, New string // the reference or digest on it
}

// Result is a file as it should be.
type Result struct {
	Data    []byte
	Changes []Change
	Pins    int // references and digests that are right now, changed or not
	Errs    []error
}

// File pins a file. Its errors are *[spec.Error]s.
func (s *Set) File(name string, data []byte) Result {
	p := &pinner{set: s, file: name, dockerfile: isDockerfile(name), stages: map[string]bool{}}
	var out bytes.Buffer
	for number := 1; len(data) > 0; number++ {
		line := data
		if end := bytes.IndexByte(data, '\n'); end >= 0 {
			line = data[:end+1]
		}
		data = data[len(line):]
		p.number = number
		out.WriteString(p.line(string(line)))
	}
	if p.pending != "" {
		p.errorf("the marker of %s is the last line: it goes on the line that is pinned, or on the one before", p.pending)
	}
	p.result.Data = out.Bytes()
	return p.result
}

// dockerfileName is what Dockerfiles are called.
var dockerfileName = regexp.MustCompile(`(?i)^((docker|container)file(\..*)?|.*\.(docker|container)file)$`)

func isDockerfile(name string) bool {
	return dockerfileName.MatchString(name[strings.LastIndexByte(name, '/')+1:])
}

type pinner struct {
	set        *Set
	file       string
	dockerfile bool
	number     int
	stages     map[string]bool // that earlier FROM lines name
	pending    string          // name of a marker on a line of its own
	result     Result
}

func (p *pinner) errorf(format string, args ...any) {
	p.result.Errs = append(p.result.Errs, &spec.Error{File: p.file, Line: p.number, Msg: fmt.Sprintf(format, args...)})
}

// marker is a comment at the end of a line, or on the line before: Dockerfiles have no comments behind instructions.
var marker = regexp.MustCompile(`(?:#|//|--|;|/\*)\s*docker-mirror:\s*(\S+)\s*(?:-->|\*/|\}\})?\s*$`)

// fromLine is the instruction with its flags, the image, and what follows.
var fromLine = regexp.MustCompile(`(?i)^(\s*FROM\s+(?:--\S+\s+)*)([^\s]+)((?:\s+AS\s+(\S+))?\s*)$`)

func (p *pinner) line(line string) string {
	name, before := p.pending, line
	p.pending = ""
	if at := marker.FindStringSubmatchIndex(line); at != nil {
		own := line[at[2]:at[3]]
		if name != "" {
			p.errorf("the marker of %s stands before that of %s: it goes on the line that is pinned, or on the one before", name, own)
		}
		name, before = own, line[:at[0]]
		if strings.Trim(before, " \t<!-/*{") == "" {
			p.pending = own
			return line
		}
	}
	if name != "" {
		image, err := p.set.Named(name)
		if err != nil {
			p.errorf("%s", err)
			return line
		}
		return p.marked(image, name, before) + line[len(before):]
	}
	if p.dockerfile {
		return p.from(line)
	}
	return line
}

// from pins a FROM line whose image is mirrored.
func (p *pinner) from(line string) string {
	m := fromLine.FindStringSubmatch(line)
	if m == nil {
		return line
	}
	written, stage := m[2], m[4]
	defer func() { p.stages[strings.ToLower(stage)] = true }()
	if strings.Contains(written, "$") || p.stages[strings.ToLower(written)] || written == "scratch" {
		return line
	}
	ref, err := reference.Parse(written)
	if err != nil {
		return line
	}
	pinned, found := p.set.mirrored(ref)
	switch {
	case found:
		return m[1] + p.replace(written, pinned) + m[3]
	case p.set.knows(ref):
		p.errorf("%s is not among the images that are mirrored there: name a tag of the list", tagged(ref))
	}
	return line
}

// mirrored finds where an image is, which is named as its source or as one of its destinations.
func (s *Set) mirrored(ref reference.Reference) (string, bool) {
	for _, image := range s.images {
		if tagged(image.Source) == tagged(ref) {
			return image.Destinations[0].String(), true
		}
	}
	for _, image := range s.images {
		for _, destination := range image.Destinations {
			if tagged(destination) == tagged(ref) {
				return destination.String(), true
			}
		}
	}
	return "", false
}

// knows tells whether other tags of the repository are mirrored there.
func (s *Set) knows(ref reference.Reference) bool {
	return slices.ContainsFunc(s.images, func(image Image) bool {
		return slices.ContainsFunc(image.Destinations, func(d reference.Reference) bool { return d.Name() == ref.Name() })
	})
}

var (
	word   = regexp.MustCompile(`[A-Za-z0-9\[][A-Za-z0-9._:/@\[\]-]*`)
	digest = regexp.MustCompile(`sha256:[0-9a-f]*`)
)

// marked pins the one reference to the image, or the one digest, on a line with a marker.
func (p *pinner) marked(image Image, name, line string) string {
	var at [][]int
	pinned := ""
	for _, found := range word.FindAllStringIndex(line, -1) {
		ref, err := reference.Parse(line[found[0]:found[1]])
		if err == nil && image.is(ref) {
			at, pinned = append(at, found), image.Destinations[0].String()
		}
	}
	if len(at) == 0 {
		at, pinned = digest.FindAllStringIndex(line, -1), image.Destinations[0].Digest.String()
	}
	switch {
	case len(at) == 0:
		p.errorf("has no reference to %s, and no digest (sha256:…), that could be pinned", name)
		return line
	case len(at) > 1:
		p.errorf("has %d references or digests that the marker of %s could mean", len(at), name)
		return line
	}
	start, end := at[0][0], at[0][1]
	return line[:start] + p.replace(line[start:end], pinned) + line[end:]
}

// is tells whether a reference names the image's repository, at its source or at a destination.
func (i Image) is(ref reference.Reference) bool {
	return ref.Name() == i.Source.Name() || slices.ContainsFunc(i.Destinations, func(d reference.Reference) bool { return d.Name() == ref.Name() })
}

func (p *pinner) replace(written, pinned string) string {
	p.result.Pins++
	if written != pinned {
		p.result.Changes = append(p.result.Changes, Change{p.number, written, pinned})
	}
	return pinned
}
