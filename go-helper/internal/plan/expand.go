package plan

import (
	"errors"
	"fmt"
	"strings"

	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/spec"
	"docker-mirror/go-helper/internal/tags"
)

// tagPlaceholder stands in an entry's Dst for the tags that its policy will select.
const tagPlaceholder = "{tag}"

// NeedsDestinationTags tells whether [Expand] looks at the tags that the entry's destination has.
func NeedsDestinationTags(c Copy) bool {
	return c.Select != nil && c.Select.NeedsDestination()
}

// TagRepositories gives the repositories whose tags [Expand] wants to know: those of the source, and, where
// [NeedsDestinationTags], of the destination. Only Registry and Repository of them are set.
func TagRepositories(c Copy) (source, destination reference.Reference, err error) {
	src, err := c.Source()
	if err != nil {
		return source, destination, err
	}
	source = reference.Reference{Registry: src.Registry, Repository: src.Repository}
	if !NeedsDestinationTags(c) {
		return source, destination, nil
	}
	repository, _ := splitDestination(c.Dst)
	dst, err := reference.Parse(repository)
	if err != nil {
		return source, destination, err
	}
	return source, reference.Reference{Registry: dst.Registry, Repository: dst.Repository}, nil
}

// Repositories gives the names of the repositories that an entry reads and writes; empty where nothing is written.
func Repositories(c Copy) (source, destination string) {
	source = c.Src
	if src, err := c.Source(); err == nil {
		source = src.Name()
	}
	if c.Select != nil && c.Skip == nil {
		destination, _ = splitDestination(c.Dst)
	} else if dst, err := c.Destination(); err == nil {
		destination = dst.Name()
	}
	return source, destination
}

// splitDestination cuts an entry's destination template into repository and tag.
func splitDestination(dst string) (repository, tag string) {
	i := strings.LastIndexByte(dst, ':')
	if i < 0 || strings.Contains(dst[i:], "/") {
		return dst, tagPlaceholder
	}
	return dst[:i], dst[i+1:]
}

// Expand makes copies of an entry with a tag policy, now that the tags of its source and, where [NeedsDestinationTags]
// says so, of its destination are known. Without a policy the entry is returned as it is. Where mode higher finds nothing
// to compare with, the only entry returned is one with Skip that says so. The error is a *[spec.Error] at the entry's Origin.
//
// What comes out must go through [Check] and [Merge] again, together with the rest of the plan.
func Expand(c Copy, source, destination []string) ([]Copy, error) {
	if c.Select == nil || c.Skip != nil {
		return []Copy{c}, nil
	}
	repository, tagTemplate := splitDestination(c.Dst)
	selected, err := c.Select.Select(source, sourceTags(tagTemplate, destination))
	if errors.Is(err, tags.ErrNothingBelow) {
		c.Skip, c.Src, c.Dst, c.Select = &spec.Skip{Destination: repository, Reason: err.Error()}, c.sourceRepository(), "", nil
		return []Copy{c}, nil
	}
	if err != nil {
		return nil, &spec.Error{File: c.Origin, Msg: fmt.Sprintf("%s: %s", c.sourceRepository(), err)}
	}
	copies := make([]Copy, 0, len(selected))
	var errs []error
	for _, tag := range selected {
		expanded := c
		expanded.Select = nil
		expanded.Src = c.sourceRepository() + ":" + tag
		expanded.Dst = strings.ReplaceAll(repository+":"+tagTemplate, tagPlaceholder, tag)
		if r := resolve(expanded); r.err != nil {
			errs = append(errs, &spec.Error{File: c.Origin, Msg: fmt.Sprintf("tag %s of %s: %s", tag, c.sourceRepository(), r.err)})
			continue
		}
		copies = append(copies, expanded)
	}
	return copies, errors.Join(errs...)
}

// sourceTags tells which of the source's tags a destination's tags stand for, given the template that made them.
func sourceTags(template string, destination []string) []string {
	prefix, suffix, found := strings.Cut(template, tagPlaceholder)
	if !found || strings.Contains(suffix, tagPlaceholder) {
		return nil
	}
	var all []string
	for _, tag := range destination {
		if len(tag) > len(prefix)+len(suffix) && strings.HasPrefix(tag, prefix) && strings.HasSuffix(tag, suffix) {
			all = append(all, tag[len(prefix):len(tag)-len(suffix)])
		}
	}
	return all
}
