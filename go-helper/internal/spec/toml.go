package spec

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/strictjson"
	"docker-mirror/go-helper/internal/stricttoml"
	"docker-mirror/go-helper/internal/tags"
)

// parseTOML reads image sets: a [defaults] table, and an [[image]] table an image with its tags, variants (new tag ->
// digest of the source) or tag policy. A set that a program wrote can say where it comes from: its lines are of no use to
// anybody then, and messages name that origin alone.
func parseTOML(c *collector, data []byte) {
	root, err := stricttoml.Parse(data)
	d := &strictjson.Decoder{}
	var problem *strictjson.Problem
	if errors.As(err, &problem) {
		c.errorf(problem.Line, "%s", problem.Msg)
		return
	}
	if message := foreign([]strictjson.Value{root}); message != "" && !hasAny(root, "image", "defaults") {
		c.errorf(1, "%s", message)
		return
	}
	set := imageSet{collector: c, decoder: d}
	var images []strictjson.Value
	var origin string
	d.Object(root, "image set",
		strictjson.Member{Key: "origin", Decode: func(v strictjson.Value) { origin, _ = d.NonEmpty(v, `"origin"`) }},
		strictjson.Member{Key: "defaults", Decode: set.readDefaults},
		strictjson.Member{Key: "image", Decode: func(v strictjson.Value) {
			d.Array(v, "image", func(item strictjson.Value) { images = append(images, item) })
		}},
	)
	for _, image := range images { // after the defaults, wherever those stand
		set.readImage(image)
	}
	if origin != "" {
		c.file = origin
		for i := range d.Problems {
			d.Problems[i].Line = 0
		}
		for i := range c.images {
			c.images[i].File, c.images[i].Line = origin, 0
		}
	}
	c.report(d)
}

// report takes over what a decoder found.
func (c *collector) report(d *strictjson.Decoder) {
	for _, problem := range d.Problems {
		c.errorf(problem.Line, "%s", problem.Msg)
	}
}

// shared is what [defaults] and [[image]] both have. Nil means: not said.
type shared struct {
	registries, imageTags, labels []string
	repository, index, referrers  string
	platforms                     []v1.Platform
	policy                        *tags.Policy
}

type imageSet struct {
	collector *collector
	decoder   *strictjson.Decoder
	defaults  shared
}

func (s *imageSet) members(into *shared) []strictjson.Member {
	d := s.decoder
	texts := func(key string, into *[]string) strictjson.Member {
		return strictjson.Member{Key: key, Decode: func(v strictjson.Value) {
			if *into = d.Strings(v, `"`+key+`"`); *into == nil {
				*into = []string{}
			}
		}}
	}
	return []strictjson.Member{
		texts("registries", &into.registries),
		{Key: "repository", Decode: func(v strictjson.Value) { into.repository, _ = d.NonEmpty(v, `"repository"`) }},
		texts("image_tags", &into.imageTags),
		texts("labels", &into.labels),
		{Key: "platforms", Decode: func(v strictjson.Value) { into.platforms = platformList(d, v, `"platforms"`) }},
		indexMember(d, &into.index),
		referrersMember(d, &into.referrers),
		{Key: "select", Decode: func(v strictjson.Value) { into.policy = tagPolicy(d, v, snakeCase) }},
	}
}

func (s *imageSet) readDefaults(v strictjson.Value) {
	s.decoder.Object(v, "[defaults]", s.members(&s.defaults)...)
}

// readImage makes an [Image] of each tag, each variant and the policy of a table.
func (s *imageSet) readImage(v strictjson.Value) {
	d := s.decoder
	before := len(d.Problems)
	var own shared
	var source, name text
	var tagList []text
	var variants []variant
	hasTags, hasVariants := false, false
	d.Object(v, "[[image]]", append(s.members(&own),
		strictjson.Member{Key: "source", Required: true, Decode: func(v strictjson.Value) { source.decode(d, v, `"source"`) }},
		strictjson.Member{Key: "name", Decode: func(v strictjson.Value) { name.decode(d, v, `"name"`) }},
		strictjson.Member{Key: "tags", Decode: func(v strictjson.Value) {
			hasTags = true
			tagList = readTags(d, v)
		}},
		strictjson.Member{Key: "variants", Decode: func(v strictjson.Value) {
			hasVariants = true
			variants = readVariants(d, v)
		}},
	)...)
	if name.ok && !stageName.MatchString(name.value) {
		d.Errorf(name.line, "invalid name %q: want letters, digits, '_', '.' and '-', the first a letter or digit", name.value)
	}
	if !source.ok {
		return
	}
	ref, problem := parseSource(source.value)
	if problem != "" {
		d.Errorf(source.line, "%s", problem)
		return
	}
	bare := Image{Source: source.value}.Bare()
	if !bare && (hasTags || hasVariants || own.policy != nil) {
		d.Errorf(source.line, `"source" has a tag or digest beside "tags", "variants" or "select", which are what chooses the images`)
		return
	}
	if hasTags && len(tagList) == 0 && hasVariants && len(variants) == 0 && own.policy == nil {
		d.Errorf(v.Line, `"tags" and "variants" are both empty`)
	}

	base := Image{File: s.collector.file, Line: v.Line, Source: source.value, Ref: ref, Name: name.value}
	s.apply(&base, own)
	var images []Image
	for _, tag := range tagList {
		image := base
		image.Line, image.Source = tag.line, source.value+":"+tag.value
		if image.Ref, problem = parseSource(image.Source); problem != "" {
			d.Errorf(tag.line, "%s", problem)
		}
		images = append(images, image)
	}
	for _, variant := range variants {
		image := base
		image.Line, image.Source, image.Tag = variant.line, source.value+"@"+variant.digest.String(), variant.tag
		image.Ref.Tag, image.Ref.Digest = "", variant.digest
		images = append(images, image)
	}
	policy := own.policy
	if policy == nil && bare && !hasTags && !hasVariants {
		policy = s.defaults.policy
	}
	if policy != nil {
		image := base
		image.Select = policy
		images = append(images, image)
	}
	if policy == nil && !hasTags && !hasVariants {
		images = append(images, base)
	}
	if len(d.Problems) == before {
		s.collector.images = append(s.collector.images, images...)
	}
}

// apply sets what an image says itself, else what the defaults say.
func (s *imageSet) apply(image *Image, own shared) {
	image.Registries = firstSaid(own.registries, s.defaults.registries)
	image.ImageTags = firstSaid(own.imageTags, s.defaults.imageTags)
	image.Platforms = firstSaid(own.platforms, s.defaults.platforms)
	image.Labels = slices.Concat(s.defaults.labels, own.labels)
	if image.Repository = own.repository; image.Repository == "" {
		image.Repository = s.defaults.repository
	}
	if image.Index = own.index; image.Index == "" {
		image.Index = s.defaults.index
	}
	if image.Referrers = own.referrers; image.Referrers == "" {
		image.Referrers = s.defaults.referrers
	}
}

func firstSaid[T any](own, defaults []T) []T {
	if own != nil {
		return own
	}
	return defaults
}

// hasTag tells whether a reference names a tag; a colon before the last slash belongs to the host's port.
func hasTag(s string) bool {
	i := strings.LastIndexByte(s, ':')
	return i >= 0 && !strings.Contains(s[i:], "/")
}

// readTags reads a list of tags, each once, with a digest where one is wanted (tag@digest).
func readTags(d *strictjson.Decoder, v strictjson.Value) []text {
	var all []text
	seen := map[string]bool{}
	d.Array(v, `"tags"`, func(item strictjson.Value) {
		var t text
		t.decode(d, item, `an entry of "tags"`)
		if !t.ok {
			return
		}
		tag, _, _ := strings.Cut(t.value, "@")
		if err := reference.CheckTag(tag); err != nil {
			d.Errorf(item.Line, "%s", err)
			return
		}
		if seen[tag] {
			d.Errorf(item.Line, "duplicate tag %q", tag)
			return
		}
		seen[tag] = true
		all = append(all, t)
	})
	return all
}

// variant is an image known by its digest that gets a tag of its own.
type variant struct {
	tag    string
	digest v1.Hash
	line   int
}

// readVariants reads a table of new tag -> digest, as `sha256:…` or its bare hex.
func readVariants(d *strictjson.Decoder, v strictjson.Value) []variant {
	var all []variant
	d.Map(v, `"variants"`, func(tag string, v strictjson.Value) {
		if err := reference.CheckTag(tag); err != nil {
			d.Errorf(v.Line, `"variants": %s`, err)
			return
		}
		s, ok := d.NonEmpty(v, fmt.Sprintf("variant %q", tag))
		if !ok {
			return
		}
		if !strings.Contains(s, ":") {
			s = "sha256:" + s
		}
		digest, err := v1.NewHash(s)
		if err != nil {
			d.Errorf(v.Line, "variant %q: invalid digest %q: %s", tag, s, err)
			return
		}
		all = append(all, variant{tag, digest, v.Line})
	})
	return all
}
