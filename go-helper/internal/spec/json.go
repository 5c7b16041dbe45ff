package spec

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/strictjson"
)

// parseJSON reads magic-mirror's copy specs: a stream of objects and arrays of objects
//
//	{"src": IMAGE, "dst": IMAGE, "transform": {"limitPlatforms": [P, ...]}}
//
// with our optional keys beside them ("index" in "transform"), so that a plan can be read back.
func parseJSON(c *collector, data []byte) {
	d := &strictjson.Decoder{}
	// A plan can have a hundred thousand entries: room for them at once, but never much more than the text itself has.
	c.images = slices.Grow(c.images, min(bytes.Count(data, []byte(`"src"`)), len(data)/64))
	err := strictjson.Each(data, func(v strictjson.Value) { c.copySpec(d, v) })
	var problem *strictjson.Problem
	if errors.As(err, &problem) {
		d.Problems = append(d.Problems, *problem)
	}
	if len(d.Problems) > 0 {
		values, _ := strictjson.Parse(data) // what is whole before an error is enough
		if len(values) > 0 && !hasAny(values[0], "src", "dst") {
			if message := foreign(values); message != "" {
				c.images = nil
				c.errorf(values[0].Line, "%s", message)
				return
			}
		}
	}
	for _, problem := range d.Problems {
		c.errorf(problem.Line, "%s", problem.Msg)
	}
}

func (c *collector) copySpec(d *strictjson.Decoder, v strictjson.Value) {
	const what = "copy spec"
	before := len(d.Problems)
	image := Image{File: c.file, Line: v.Line}
	var src, dst text
	d.Object(v, what,
		strictjson.Member{Key: "src", Required: true, Decode: func(v strictjson.Value) { src.decode(d, v, `"src"`) }},
		strictjson.Member{Key: "dst", Decode: func(v strictjson.Value) { dst.decode(d, v, `"dst"`) }},
		strictjson.Member{Key: "transform", Decode: func(v strictjson.Value) { transform(d, v, &image) }},
		strictjson.Member{Key: "origin", Decode: func(v strictjson.Value) { image.Origin, _ = d.NonEmpty(v, `"origin"`) }},
		strictjson.Member{Key: "name", Decode: func(v strictjson.Value) { image.Name, _ = d.NonEmpty(v, `"name"`) }},
		strictjson.Member{Key: "labels", Decode: func(v strictjson.Value) { image.Labels = d.Strings(v, `"labels"`) }},
		referrersMember(d, &image.Referrers),
		strictjson.Member{Key: "select", Decode: func(v strictjson.Value) { image.Select = tagPolicy(d, v, camelCase) }},
		strictjson.Member{Key: "skip", Decode: func(v strictjson.Value) { image.Skip = skip(d, v) }},
		strictjson.Member{Key: "locked", Decode: func(v strictjson.Value) { image.Locked = locked(d, v) }},
	)
	if v.Kind != strictjson.Object {
		return
	}
	if image.Skip == nil && !dst.given {
		d.Errorf(v.Line, "%s has no %q", what, "dst")
	}
	if image.Skip != nil && dst.given {
		d.Errorf(dst.line, `%s has both "dst" and "skip"`, what)
	}
	if src.ok {
		if image.Select != nil {
			src.value = strings.TrimSuffix(src.value, ":"+tagPlaceholder)
		}
		image.Source = src.value
		ref, problem := parseSource(src.value)
		if problem == "" && image.Select != nil {
			problem = whyNotRepository("src", src.value)
		}
		if problem != "" {
			d.Errorf(src.line, "%s", problem)
		}
		image.Ref = ref
	}
	if dst.ok {
		c.destination(d, dst, &image)
	}
	image.CopySpec = image.Origin == ""
	if len(d.Problems) == before {
		c.images = append(c.images, image)
	}
}

// text is a string with its line.
type text struct {
	value     string
	line      int
	given, ok bool
}

func (t *text) decode(d *strictjson.Decoder, v strictjson.Value, what string) {
	t.given, t.line = true, v.Line
	t.value, t.ok = d.NonEmpty(v, what)
}

// destination reads "dst". Beside a tag policy it is a repository with a template for the tag, {tag} where there is none.
func (c *collector) destination(d *strictjson.Decoder, dst text, image *Image) {
	written := dst.value
	if image.Select != nil {
		var tag string
		written, tag = splitTag(written)
		if tag == "" {
			tag = tagPlaceholder
		}
		if strings.Contains(written, "@") && !strings.Contains(written[strings.Index(written, "@"):], "/") {
			d.Errorf(dst.line, `"dst" has a digest beside "select", which can't be known yet`)
			return
		}
		if err := CheckTagTemplate(tag); err != nil {
			d.Errorf(dst.line, `"dst": %s`, err)
			return
		}
		image.ImageTags = []string{tag}
	}
	ref, err := parseTemplated(written, image.Select != nil)
	if err != nil {
		d.Errorf(dst.line, "%s", err)
		return
	}
	if image.Select != nil && image.Select.NeedsDestination() && strings.Contains(ref.Repository, tagPlaceholder) {
		d.Errorf(dst.line, `"dst": mode %q looks at the tags that the destination has, so {tag} can't be in its repository`, image.Select.Mode)
	}
	image.Destination = &ref
}

// parseTemplated reads a destination. Where it is a template, it has no tag, and its repository may have {tag} in it.
func parseTemplated(s string, template bool) (reference.Reference, error) {
	if !template {
		return reference.Parse(s)
	}
	stand := "0tag0"
	for strings.Contains(s, stand) {
		stand += "0"
	}
	ref, err := reference.Parse(strings.ReplaceAll(s, tagPlaceholder, stand))
	if err != nil {
		return ref, errors.New(strings.ReplaceAll(err.Error(), stand, tagPlaceholder))
	}
	ref.Tag = ""
	ref.Repository = strings.ReplaceAll(ref.Repository, stand, tagPlaceholder)
	return ref, nil
}

// tagPlaceholder stands for the tags that a policy selects.
const tagPlaceholder = "{tag}"

// CheckTagTemplate tells why a template whose only placeholder is {tag} can't make tags.
func CheckTagTemplate(template string) error {
	if reference.CheckTag(strings.ReplaceAll(template, tagPlaceholder, "x")) != nil {
		return fmt.Errorf("tag template %q would make bad tags: the only placeholder is {tag}", template)
	}
	return nil
}

// splitTag cuts a tag off where a digest isn't in the way; a colon before the last slash belongs to the host's port.
func splitTag(s string) (repository, tag string) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.ContainsAny(s[i:], "/") || strings.Contains(s, "@") {
		return s, ""
	}
	return s[:i], s[i+1:]
}

// whyNotRepository is the problem of an image that should be a repository, as a policy chooses the tags.
func whyNotRepository(key, s string) string {
	if _, tag := splitTag(s); tag != "" || strings.Contains(s, "@") {
		return fmt.Sprintf("%q has a tag or digest beside \"select\", which is what chooses the tags", key)
	}
	return ""
}

func transform(d *strictjson.Decoder, v strictjson.Value, image *Image) {
	d.Object(v, `"transform"`, strictjson.Member{Key: "limitPlatforms", Decode: func(v strictjson.Value) {
		if platforms := platformList(d, v, `"limitPlatforms"`); len(platforms) > 0 {
			image.Platforms = platforms
		}
	}}, indexMember(d, &image.Index))
}

func skip(d *strictjson.Decoder, v strictjson.Value) *Skip {
	s := &Skip{}
	d.Object(v, `"skip"`,
		strictjson.Member{Key: "dst", Required: true, Decode: func(v strictjson.Value) { s.Destination, _ = d.NonEmpty(v, `"dst"`) }},
		strictjson.Member{Key: "reason", Required: true, Decode: func(v strictjson.Value) { s.Reason, _ = d.NonEmpty(v, `"reason"`) }},
	)
	return s
}
