package plan_test

import (
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"docker-mirror/go-helper/internal/plan"
	"docker-mirror/go-helper/internal/spec"
	"docker-mirror/go-helper/internal/tags"
)

var update = flag.Bool("update", false, "write docs/schema again")

const schemaFolder = "../../../docs/schema/"

// docs/schema/plan.schema.json and images.schema.json are made from Go types: go test ./go-helper/internal/plan -update.
func TestSchemasAreThoseOfTheTypes(t *testing.T) {
	for file, schema := range map[string]*jsonschema.Schema{"plan.schema.json": planSchema(t), "images.schema.json": imageSetSchema(t)} {
		want, err := json.MarshalIndent(schema, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, '\n')
		if *update {
			if err := os.WriteFile(schemaFolder+file, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(schemaFolder + file)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("docs/schema/%s is not what the types say; run this test with -update", file)
		}
	}
}

func planSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	entry := schemaFor[plan.Copy](t)
	describe(entry, map[string]string{
		"src":       "The image, as for `docker pull`. With select: a repository, with {tag} for its tag.",
		"dst":       "Where it goes, as for `docker push`. With select: a repository, with {tag} for the tags that are selected. Not beside skip.",
		"transform": "What changes on the way; nothing where this is missing.",
		"origin":    "Where the user asked for it: file:line.",
		"name":      "What the image is called in its list.",
		"labels":    "For choosing a part of a plan.",
		"referrers": "Which attachments (signatures, attestations, SBOMs) come along; where this is missing, the run decides.",
		"select":    "Which of the repository's tags are meant; they are listed when the copies are made.",
		"locked":    "Which entry of a lock has decided the digest of src.",
		"skip":      "The image doesn't go to this destination, for this reason.",
	})
	describe(entry.Properties["transform"], map[string]string{
		"limitPlatforms": "Copy only these of a multi-platform image.",
		"index": "rewritten (the default): the index is cut down to limitPlatforms, and its digest changes. sparse: it is copied as it " +
			"is, under its digest, without what it names of other platforms.",
	})
	describe(entry.Properties["locked"], map[string]string{
		"file":    "Its place: file:line.",
		"seen":    "When the digest was first seen under the image's name.",
		"because": "Why a rule was set aside for it.",
		"expect":  "The digest that the destination has once the index is rewritten to limitPlatforms.",
	})
	entry.Properties["transform"].Properties["index"].Enum = anySlice(spec.IndexChoices())
	entry.Properties["referrers"].Enum = anySlice(spec.ReferrersChoices())
	entry.OneOf = []*jsonschema.Schema{{Required: []string{"dst"}}, {Required: []string{"skip"}}}
	return &jsonschema.Schema{
		Schema: "https://json-schema.org/draft/2020-12/schema",
		Title:  "A plan of docker-mirror, or magic-mirror's copy specs",
		Types:  []string{"array", "object"}, Items: entry,
		If:   &jsonschema.Schema{Type: "object"},
		Then: entry.CloneSchemas(),
	}
}

// imageSet is a TOML list, as its parser takes it; a test below holds the two together.
type imageSet struct {
	Origin   string       `json:"origin,omitempty" jsonschema:"What messages name in place of this file and its lines; for sets that a program writes."`
	Defaults defaults     `json:"defaults,omitempty" jsonschema:"What images that don't say otherwise have in common."`
	Image    []imageTable `json:"image,omitempty" jsonschema:"The images."`
}

type defaults struct {
	Registries []string  `json:"registries,omitempty" jsonschema:"Addresses or @aliases of the registries to copy to, in place of the target's own."`
	Repository string    `json:"repository,omitempty" jsonschema:"Template of the destination's repository, in place of the target's own."`
	ImageTags  []string  `json:"image_tags,omitempty" jsonschema:"Templates of the destination's tags, in place of the target's own; without any: the source's tag."`
	Labels     []string  `json:"labels,omitempty" jsonschema:"For choosing a part of a plan; those of [defaults] and of the image."`
	Platforms  []string  `json:"platforms,omitempty" jsonschema:"The platforms to copy of a multi-platform image (os/arch or os/arch/variant); an empty list is all of them."`
	Index      index     `json:"index,omitempty" jsonschema:"What becomes of an index of which only some platforms are copied: rewritten to them, so that its digest changes (the default), or sparse, as it is under its digest."`
	Referrers  referrers `json:"referrers,omitempty" jsonschema:"Which attachments (signatures, attestations, SBOMs) come along."`
	Select     policy    `json:"select,omitempty" jsonschema:"Which of the repository's tags are meant; they are listed when the copies are made."`
}

type imageTable struct {
	Source string `json:"source" jsonschema:"The image, as for docker pull; without a tag beside tags, variants or select."`
	Name   string `json:"name,omitempty" jsonschema:"What the image is called: for {name} and as a key of overrides."`
	defaults
	Tags     []string          `json:"tags,omitempty" jsonschema:"Tags of the source, or tag@digest."`
	Variants map[string]string `json:"variants,omitempty" jsonschema:"New tag -> digest of the source (sha256:... or its hex alone)."`
}

type policy struct {
	Mode          tags.Mode   `json:"mode,omitempty" jsonschema:"replicant's mode. With one, tags that the destination has are left alone, unless replace_tag."`
	Compatibility string      `json:"compatibility,omitempty" jsonschema:"The pre-release that a version must have, exactly: alpine in 1.2.3-alpine."`
	PinnedMajor   uint        `json:"pinned_major,omitempty" jsonschema:"The only major version wanted."`
	ReplaceTag    bool        `json:"replace_tag,omitempty" jsonschema:"With a mode: copy tags that the destination has, too."`
	Semver        oneOrMore   `json:"semver,omitempty" jsonschema:"Version ranges; a tag must be in one of them."`
	Include       oneOrMore   `json:"include,omitempty" jsonschema:"Globs or /regular expressions/; a tag must match one."`
	Exclude       oneOrMore   `json:"exclude,omitempty" jsonschema:"Globs or /regular expressions/; a tag must match none."`
	Latest        latestCount `json:"latest,omitempty" jsonschema:"Keep this many, the highest."`
	Order         tags.Order  `json:"order,omitempty" jsonschema:"How latest ranks; semver where it isn't said."`
	AllowEmpty    bool        `json:"allow_empty,omitempty" jsonschema:"Selecting nothing is no error."`
}

type (
	oneOrMore   []string
	latestCount int
	referrers   string
	index       string
)

func imageSetSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	schema := schemaFor[imageSet](t)
	schema.Schema = "https://json-schema.org/draft/2020-12/schema"
	schema.Title = "An image set of docker-mirror (TOML)"
	return schema
}

func schemaFor[T any](t *testing.T) *jsonschema.Schema {
	t.Helper()
	one := 1.0
	texts := &jsonschema.Schema{Type: "string", MinLength: jsonschema.Ptr(1)}
	schema, err := jsonschema.For[T](&jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[time.Time]():   {Type: "string", Format: "date-time"},
		reflect.TypeFor[tags.Mode]():   {Type: "string", Enum: anySlice(tags.Modes())},
		reflect.TypeFor[tags.Order]():  {Type: "string", Enum: anySlice(tags.Orders())},
		reflect.TypeFor[index]():       {Type: "string", Enum: anySlice(spec.IndexChoices())},
		reflect.TypeFor[referrers]():   {Type: "string", Enum: anySlice(spec.ReferrersChoices())},
		reflect.TypeFor[latestCount](): {Type: "integer", Minimum: &one},
		reflect.TypeFor[oneOrMore]():   {OneOf: []*jsonschema.Schema{texts, {Type: "array", Items: texts.CloneSchemas()}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	neverNull(schema)
	return schema
}

func anySlice(texts []string) []any {
	var all []any
	for _, text := range texts {
		all = append(all, text)
	}
	return all
}

// neverNull: what isn't there is left out.
func neverNull(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	if i := slices.Index(s.Types, "null"); i >= 0 {
		s.Type, s.Types = slices.Delete(s.Types, i, i+1)[0], nil
	}
	for _, property := range s.Properties {
		neverNull(property)
	}
	neverNull(s.Items)
	neverNull(s.AdditionalProperties)
}

func describe(s *jsonschema.Schema, descriptions map[string]string) {
	for key, text := range descriptions {
		s.Properties[key].Description = text
	}
}

func TestPlansKeepToTheirSchema(t *testing.T) {
	schema, err := planSchema(t).Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	copies, err := plan.Make([]spec.File{{Name: "set.toml", Data: []byte(everyKey)}}, plan.Settings{
		KnownRegistries: []plan.Registry{{Address: "s.example", Alias: "@skipped", SkipPush: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var written strings.Builder
	if err := plan.Write(&written, copies); err != nil {
		t.Fatal(err)
	}
	for data, valid := range map[string]bool{
		written.String():                     true,
		"[]":                                 true,
		`{"src": "a", "dst": "r.example/a"}`: true,
		`[{"src": "a", "dst": "r.example/a", "transform": {"limitPlatforms": ["linux/amd64"]}}]`:                    true,
		`[{"src": "a", "dst": "r.example/a", "transform": {"limitPlatform": ["linux/amd64"]}}]`:                     false,
		`[{"src": "a", "dst": "r.example/a", "transform": {"limitPlatforms": ["linux/amd64"], "index": "sparse"}}]`: true,
		`[{"src": "a", "dst": "r.example/a", "transform": {"limitPlatforms": ["linux/amd64"], "index": "cut"}}]`:    false,
		`[{"src": "a"}]`:                     false,
		`[{"dst": "a"}]`:                     false,
		`[null]`:                             false,
		`[{"src": 1, "dst": "a"}]`:           false,
		`[{"src": "a", "dst": "b", "x": 1}]`: false,
		`[{"src": "a", "dst": "b", "select": {"mode": "newest"}}]`:        false,
		`[{"src": "a", "dst": "b", "skip": {"dst": "b", "reason": "r"}}]`: false,
	} {
		if err := schema.Validate(decoded(t, data)); (err == nil) != valid {
			t.Errorf("%s: %v", data, err)
		}
	}
}

func decoded(t *testing.T, data string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(data), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// everyKey is an image set that has them all.
const everyKey = `
origin = "3rdparty:set"
[defaults]
registries = ["r.example", "@skipped"]
repository = "x/{repository}"
image_tags = ["{tag}"]
labels = ["l"]
platforms = ["linux/amd64"]
index = "sparse"
referrers = "none"
select = { latest = 1, allow_empty = true }
[[image]]
source = "quay.io/a/b"
name = "b"
registries = ["r.example", "@skipped"]
repository = "y/{repository}"
image_tags = ["{tag}"]
labels = ["m"]
platforms = []
index = "rewritten"
referrers = "signatures"
tags = ["1"]
variants = { x = "` + testHex + `" }
[image.select]
mode = "semver"
compatibility = "alpine"
pinned_major = 1
replace_tag = true
semver = "^1"
include = ["*"]
exclude = ["x"]
latest = 2
order = "semver"
allow_empty = false
`

// The schema knows the keys that the parser knows: those are what it lists for an unknown one.
func TestTheImageSetsSchemaAndItsParserKnowTheSameKeys(t *testing.T) {
	schema := imageSetSchema(t)
	table := schema.Properties["image"].Items
	for _, test := range []struct {
		toml   string
		schema *jsonschema.Schema
	}{
		{"zzzzzzzz = 1", schema},
		{"[defaults]\nzzzzzzzz = 1", schema.Properties["defaults"]},
		{"[[image]]\nsource = \"a\"\nzzzzzzzz = 1", table},
		{"[[image]]\nsource = \"a\"\nselect.zzzzzzzz = 1", table.Properties["select"]},
	} {
		_, err := spec.Parse("s.toml", spec.FormatTOML, []byte(test.toml))
		if err == nil {
			t.Fatalf("%q passes", test.toml)
		}
		_, list, found := strings.Cut(err.Error(), "known keys are ")
		if !found {
			t.Fatalf("%q: %v names no keys", test.toml, err)
		}
		var properties []string
		for key := range test.schema.Properties {
			properties = append(properties, key)
		}
		slices.Sort(properties)
		if known := strings.Split(list, ", "); !slices.Equal(known, properties) {
			t.Errorf("%q: the parser knows %q, the schema %q", test.toml, known, properties)
		}
	}
}
