package spec

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/strictjson"
	"docker-mirror/go-helper/internal/strictyaml"
	"docker-mirror/go-helper/internal/suggest"
	"docker-mirror/go-helper/internal/tags"
)

// parseReplicant reads replicant's configuration as it is:
//
//	mode: highest | higher | semver | all    # highest
//	images:
//	  NAME:
//	    source: REPOSITORY
//	    destination: REPOSITORY
//	    mode: …                              # the file's
//	    compatibility: alpine                # none: plain versions only
//	    replace-tag: true                    # false
//	    pinned-major: 6                      # any
//
// Where replicant ignores or forgives (unknown keys, bad references), there are errors here.
func parseReplicant(c *collector, data []byte) {
	documents, err := strictyaml.Parse(data)
	var problem *strictjson.Problem
	switch {
	case errors.As(err, &problem):
		c.errorf(problem.Line, "%s", problem.Msg)
		return
	case len(documents) == 0:
		return
	case !isReplicants(documents[0]) && c.refusedAsForeign(documents):
		return
	case len(documents) > 1:
		c.errorf(documents[1].Line, "a second document: want only one")
		return
	}
	root := documents[0]
	d := &strictjson.Decoder{}
	defaultMode := tags.ModeHighest
	var images []strictjson.Field
	d.Object(root, "replicant's configuration",
		strictjson.Member{Key: "mode", Decode: func(v strictjson.Value) {
			if mode := readMode(d, v); mode != "" {
				defaultMode = mode
			}
		}},
		strictjson.Member{Key: "images", Required: len(root.Fields) > 0, Decode: func(v strictjson.Value) {
			d.Map(v, `"images"`, func(name string, v strictjson.Value) {
				images = append(images, strictjson.Field{Key: name, Value: v})
			})
		}},
	)
	for _, image := range images { // after the mode, wherever that stands
		c.replicantImage(d, image.Key, image.Value, defaultMode)
	}
	c.report(d)
}

// refusedAsForeign says what YAML is that isn't replicant's.
func (c *collector) refusedAsForeign(documents []strictjson.Value) bool {
	root := documents[0]
	message := foreign(documents)
	if message == "" && len(root.Fields) > 0 && !slices.ContainsFunc(root.Fields, func(f strictjson.Field) bool {
		return suggest.Closest(f.Key, []string{"images", "mode"}) != ""
	}) {
		message = `has no "images", so it isn't replicant's configuration, and no other YAML is a list of images: ` + formatsRead +
			". The images of what is or holds Kubernetes manifests are listed by `docker-mirror extract`"
	}
	if message != "" {
		c.errorf(root.Line, "%s", message)
	}
	return message != ""
}

// readMode reads a mode; an empty one is the default, as for replicant.
func readMode(d *strictjson.Decoder, v strictjson.Value) tags.Mode {
	s, ok := d.String(v, `"mode"`)
	if ok && s != "" && !slices.Contains(tags.Modes(), s) {
		d.Errorf(v.Line, "unknown mode %q: known are %s", s, strings.Join(tags.Modes(), ", "))
		return ""
	}
	return tags.Mode(s)
}

func (c *collector) replicantImage(d *strictjson.Decoder, name string, v strictjson.Value, mode tags.Mode) {
	before := len(d.Problems)
	// Selecting nothing is no error for replicant.
	policy := tags.Policy{Mode: mode, AllowEmpty: true}
	image := Image{File: c.file, Line: v.Line, Name: name, Select: &policy, ImageTags: []string{tagPlaceholder}}
	var source, destination text
	d.Object(v, fmt.Sprintf("image %q", name),
		strictjson.Member{Key: "source", Required: true, Decode: func(v strictjson.Value) { source.decode(d, v, `"source"`) }},
		strictjson.Member{Key: "destination", Required: true, Decode: func(v strictjson.Value) { destination.decode(d, v, `"destination"`) }},
		strictjson.Member{Key: "mode", Decode: func(v strictjson.Value) {
			if own := readMode(d, v); own != "" {
				policy.Mode = own
			}
		}},
		strictjson.Member{Key: "compatibility", Decode: func(v strictjson.Value) { policy.Compatibility = scalar(d, v, `"compatibility"`) }},
		strictjson.Member{Key: "replace-tag", Decode: func(v strictjson.Value) { policy.ReplaceTag = yamlBool(d, v, `"replace-tag"`) }},
		strictjson.Member{Key: "pinned-major", Decode: func(v strictjson.Value) { policy.PinnedMajor = pinnedMajor(d, v) }},
	)
	if policy.Mode == tags.ModeAll { // which ignores both
		policy.Compatibility, policy.PinnedMajor = "", nil
	}
	if source.ok {
		image.Line, image.Source = source.line, source.value
		image.Ref = readRepository(d, source, "source")
	}
	if destination.ok {
		ref := readRepository(d, destination, "destination")
		ref.Tag = ""
		image.Destination = &ref
	}
	if len(d.Problems) == before {
		c.images = append(c.images, image)
	}
}

func readRepository(d *strictjson.Decoder, t text, key string) reference.Reference {
	ref, problem := parseSource(t.value)
	switch {
	case problem != "":
		d.Errorf(t.line, "%s", problem)
	case !Image{Source: t.value}.Bare():
		d.Errorf(t.line, "%q must be a repository, without a tag or digest: the mode chooses the tags", key)
	}
	return ref
}

// scalar reads what may look like a number to YAML but is text.
func scalar(d *strictjson.Decoder, v strictjson.Value, what string) string {
	if v.Kind == strictjson.Number || v.Kind == strictjson.Bool {
		return v.Text
	}
	s, _ := d.String(v, what)
	return s
}

// yamlBool also takes the booleans of YAML 1.1, as go-yaml does where it decodes into one.
func yamlBool(d *strictjson.Decoder, v strictjson.Value, what string) bool {
	if v.Kind == strictjson.String {
		switch strings.ToLower(v.Text) {
		case "yes", "y", "on":
			return true
		case "no", "n", "off":
			return false
		}
	}
	return d.Bool(v, what)
}

func pinnedMajor(d *strictjson.Decoder, v strictjson.Value) *uint64 {
	text := scalar(d, v, `"pinned-major"`)
	if text == "" {
		return nil
	}
	major, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		d.Errorf(v.Line, `"pinned-major" must be a whole number from 0 on, not %s`, text)
		return nil
	}
	return &major
}
