package spec

import (
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/strictjson"
	"docker-mirror/go-helper/internal/tags"
)

// What several formats have in common.

// platformList reads a list of platforms, each once; it is never nil.
func platformList(d *strictjson.Decoder, v strictjson.Value, what string) []v1.Platform {
	all := []v1.Platform{}
	seen := map[string]bool{}
	d.Array(v, what, func(item strictjson.Value) {
		s, ok := d.NonEmpty(item, "an entry of "+what)
		if !ok {
			return
		}
		platforms, problems := parsePlatforms([]string{s})
		for _, problem := range problems {
			d.Errorf(item.Line, "%s", problem)
		}
		for _, p := range platforms {
			if seen[p.String()] {
				d.Errorf(item.Line, "duplicate platform %q", s)
				continue
			}
			seen[p.String()] = true
			all = append(all, p)
		}
	})
	return all
}

// ReferrersNone is the choice to leave attachments behind.
const ReferrersNone = "none"

// ReferrersChoices are what can be said about an image's attachments: none of them, only signatures, all that can be had, or
// all without fail.
func ReferrersChoices() []string { return []string{ReferrersNone, "signatures", "all", "require"} }

// CheckReferrers tells why a choice of attachments is none; empty is one.
func CheckReferrers(s string) error {
	if s == "" || slices.Contains(ReferrersChoices(), s) {
		return nil
	}
	return fmt.Errorf("unknown choice of referrers %q: known are %s", s, strings.Join(ReferrersChoices(), ", "))
}

// What becomes of an index of which only some platforms are copied.
const (
	IndexRewritten = "rewritten" // cut down to those platforms: its digest changes
	IndexSparse    = "sparse"    // left as it is, under its digest, although not all that it names is there
)

// IndexChoices are what can be said about an index of which only some platforms are copied.
func IndexChoices() []string { return []string{IndexRewritten, IndexSparse} }

// CheckIndex tells why a choice for an index is none; empty is one.
func CheckIndex(s string) error {
	if s == "" || slices.Contains(IndexChoices(), s) {
		return nil
	}
	return fmt.Errorf("unknown kind of index %q: known are %s", s, strings.Join(IndexChoices(), ", "))
}

func indexMember(d *strictjson.Decoder, into *string) strictjson.Member {
	return choiceMember(d, "index", CheckIndex, into)
}

func choiceMember(d *strictjson.Decoder, key string, check func(string) error, into *string) strictjson.Member {
	return strictjson.Member{Key: key, Decode: func(v strictjson.Value) {
		s, ok := d.NonEmpty(v, `"`+key+`"`)
		if err := check(s); ok && err != nil {
			d.Errorf(v.Line, "%s", err)
			return
		}
		*into = s
	}}
}

func referrersMember(d *strictjson.Decoder, into *string) strictjson.Member {
	return choiceMember(d, "referrers", CheckReferrers, into)
}

// naming is how a format writes keys of two words.
type naming func(camel, snake string) string

func camelCase(camel, _ string) string { return camel }
func snakeCase(_, snake string) string { return snake }

// tagPolicy reads "select"; it is never nil.
func tagPolicy(d *strictjson.Decoder, v strictjson.Value, named naming) *tags.Policy {
	p := &tags.Policy{}
	before := len(d.Problems)
	pinnedMajor, replaceTag, allowEmpty := named("pinnedMajor", "pinned_major"), named("replaceTag", "replace_tag"), named("allowEmpty", "allow_empty")
	text := func(key string, into func(s string)) strictjson.Member {
		return strictjson.Member{Key: key, Decode: func(v strictjson.Value) {
			if s, ok := d.NonEmpty(v, `"`+key+`"`); ok {
				into(s)
			}
		}}
	}
	texts := func(key string, into *[]string) strictjson.Member {
		return strictjson.Member{Key: key, Decode: func(v strictjson.Value) { *into = oneOrMore(d, v, `"`+key+`"`) }}
	}
	d.Object(v, `"select"`,
		text("mode", func(s string) { p.Mode = tags.Mode(s) }),
		text("compatibility", func(s string) { p.Compatibility = s }),
		strictjson.Member{Key: pinnedMajor, Decode: func(v strictjson.Value) {
			if n, ok := d.Int(v, `"`+pinnedMajor+`"`); ok {
				major := uint64(n)
				p.PinnedMajor = &major
			}
		}},
		strictjson.Member{Key: replaceTag, Decode: func(v strictjson.Value) { p.ReplaceTag = d.Bool(v, `"`+replaceTag+`"`) }},
		texts("semver", &p.Semver),
		texts("include", &p.Include),
		texts("exclude", &p.Exclude),
		strictjson.Member{Key: "latest", Decode: func(v strictjson.Value) {
			n, ok := d.Int(v, `"latest"`)
			if p.Latest = n; ok && n == 0 {
				d.Errorf(v.Line, `"latest" must be 1 or more; without it all are selected`)
			}
		}},
		text("order", func(s string) { p.Order = tags.Order(s) }),
		strictjson.Member{Key: allowEmpty, Decode: func(v strictjson.Value) { p.AllowEmpty = d.Bool(v, `"`+allowEmpty+`"`) }},
	)
	if len(d.Problems) > before {
		return p
	}
	for _, err := range unjoin(p.Validate()) {
		d.Errorf(v.Line, `"select": %s`, err)
	}
	return p
}

// oneOrMore reads a string or an array of them.
func oneOrMore(d *strictjson.Decoder, v strictjson.Value, what string) []string {
	if v.Kind != strictjson.String {
		return d.Strings(v, what)
	}
	if s, ok := d.NonEmpty(v, what); ok {
		return []string{s}
	}
	return nil
}
