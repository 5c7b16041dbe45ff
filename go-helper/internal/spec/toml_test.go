package spec

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// inDetail is describe with what only image sets and replicant's configuration say.
func inDetail(i Image) string {
	s := describe(i)
	if i.Tag != "" {
		s += " tag=" + i.Tag
	}
	if i.Platforms != nil && len(i.Platforms) == 0 {
		s += " for all"
	}
	for _, list := range []struct {
		name   string
		values []string
	}{{"registries", i.Registries}, {"image_tags", i.ImageTags}, {"labels", i.Labels}} {
		if list.values != nil {
			s += fmt.Sprintf(" %s=%s", list.name, strings.Join(list.values, ","))
		}
	}
	if i.Repository != "" {
		s += " repository=" + i.Repository
	}
	if i.Select != nil {
		s += fmt.Sprintf(" select=%+v", *i.Select)
		if i.Select.PinnedMajor != nil {
			s = strings.Replace(s, fmt.Sprintf("PinnedMajor:%p", i.Select.PinnedMajor), fmt.Sprintf("PinnedMajor:%d", *i.Select.PinnedMajor), 1)
		}
	}
	return s
}

const noPolicy = "{Mode: Compatibility: PinnedMajor:<nil> ReplaceTag:false Semver:[] Include:[] Exclude:[] Latest:0 Order: AllowEmpty:false}"

// policy writes a policy that differs from the zero one.
func policy(changes ...string) string {
	return " select=" + strings.NewReplacer(changes...).Replace(noPolicy)
}

func TestTOML(t *testing.T) {
	images, err := Parse("set.toml", FormatAuto, []byte(`# a set
[[image]]
source = "nginx:1.25"

[[image]]
source = "quay.io/cilium/cilium"
name = "cilium"
tags = [
  "v1.15.1",
  # a comment
  "v1.15.2@`+testDigest+`",
]
platforms = []
labels = ["net"]
repository = "{name}"
image_tags = ["{tag}", "x"]
registries = ["@prod"]

[image.variants]
hardened = "`+testHex+`"
"1.2-slim" = "`+testDigest+`"

[image.select]
semver = ">=1.16"
latest = 3

[[image]]
source = "localhost:5000/x"

[[image]]
source = "y"
select = { mode = "higher", pinned_major = 0, include = ["1.*", "2.*"] }

[[image]]
source = "z"
tags = []
variants = { a = "`+testHex+`" }

[defaults]
registries = ["r.example"]
repository = "mirror/{repository}"
platforms = ["linux/amd64"]
labels = ["all"]
select.latest = 2
`))
	if err != nil {
		t.Fatal(err)
	}
	defaults := " for linux/amd64 registries=r.example labels=all repository=mirror/{repository}"
	cilium := " for all registries=@prod image_tags={tag},x labels=all,net repository={name}"
	want := []string{
		"set.toml:2 docker.io/library/nginx:1.25" + defaults,
		"set.toml:9 quay.io/cilium/cilium:v1.15.1 AS cilium" + cilium,
		"set.toml:11 quay.io/cilium/cilium:v1.15.2@" + testDigest + " AS cilium" + cilium,
		"set.toml:20 quay.io/cilium/cilium@" + testDigest + " AS cilium tag=hardened" + cilium,
		"set.toml:21 quay.io/cilium/cilium@" + testDigest + " AS cilium tag=1.2-slim" + cilium,
		"set.toml:5 quay.io/cilium/cilium:latest AS cilium" + cilium + policy("Semver:[]", "Semver:[>=1.16]", "Latest:0", "Latest:3"),
		"set.toml:27 localhost:5000/x:latest" + defaults + policy("Latest:0", "Latest:2"),
		"set.toml:30 docker.io/library/y:latest" + defaults + policy("Mode:", "Mode:higher", "<nil>", "0", "Include:[]", "Include:[1.* 2.*]"),
		"set.toml:37 docker.io/library/z@" + testDigest + " tag=a" + strings.Replace(defaults, " for", " for", 1),
	}
	var got []string
	for _, i := range images {
		got = append(got, inDetail(i))
	}
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || !sameWords(got[i], want[i]) {
			t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
			break
		}
	}
}

// sameWords compares without minding where the platforms stand in the line.
func sameWords(a, b string) bool {
	count := map[string]int{}
	for _, word := range strings.Fields(a) {
		count[word]++
	}
	for _, word := range strings.Fields(b) {
		count[word]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}

func TestTOMLReportsEveryErrorWithItsLine(t *testing.T) {
	for _, test := range []struct {
		name, data string
		want       []string
	}{
		{"syntax", "[[image]]\nsource = nginx\n", []string{`2: invalid TOML: not a value: strings need quotes`}},
		{"duplicate key", "[[image]]\nsource = \"a\"\nsource = \"b\"\n", []string{`3: invalid TOML: key source is already defined`}},
		{"several errors", `image_tags = ["x"]
[defaults]
platform = ["linux/amd64"]
platforms = ["amd64", 1]

[[image]]
Source = "nginx"

[[image]]
source = "Nginx"
tags = "1.25"

[[image]]
source = "nginx"
name = "a b"
tags = ["1.25", "-x", "1.25", ""]
variants = { "a b" = "x", b = "12", c = 1 }
[image.select]
semver = ["^1"]
pinned-major = 1

[[image]]
source = "nginx:1"
tags = ["2"]

[[image]]
source = 1979-05-27

[[image]]
source = "x"
select.latest = 0
[[image]]
source = "x"
select.latest = -1
[[image]]
source = "x"
select.mode = "al"
`, []string{
			`1: unknown key "image_tags" in image set: known keys are defaults, image, origin`,
			`3: unknown key "platform" in [defaults]: did you mean "platforms"?`,
			`4: invalid platform "amd64": want os/arch[/variant], as in linux/amd64`,
			`4: an entry of "platforms" must be a string, not a number`,
			`6: [[image]] has no "source"`,
			`7: unknown key "Source" in [[image]]: keys are case-sensitive, did you mean "source"?`,
			`10: image reference "Nginx" does not match expected format: a repository can't have upper-case letters`,
			`11: "tags" must be an array, not a string`,
			`15: invalid name "a b": want letters, digits, '_', '.' and '-', the first a letter or digit`,
			`16: tag "-x": a tag is made of letters, digits, '_', '.' and '-', and begins with none of the last two`,
			`16: duplicate tag "1.25"`,
			`16: an entry of "tags" is empty`,
			`17: "variants": tag "a b": a tag is made of letters, digits, '_', '.' and '-', and begins with none of the last two`,
			`17: variant "b": invalid digest "sha256:12": wrong number of hex digits for sha256: 12`,
			`17: variant "c" must be a string, not a number`,
			`20: unknown key "pinned-major" in "select": did you mean "pinned_major"?`,
			`23: "source" has a tag or digest beside "tags", "variants" or "select", which are what chooses the images`,
		}},
		{"not tables", "image = 1\ndefaults = []\n", []string{`1: image must be an array, not a number`, `2: [defaults] must be an object, not an array`}},
		{"table instead of array", "[image]\nsource = \"a\"\n", []string{`1: image must be an array, not an object`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse("s.toml", FormatTOML, []byte(test.data))
			got := messages(t, err)
			if test.name == "several errors" {
				test.want = append(test.want,
					`27: "source" must be a string, not a date or time`,
					`31: "latest" must be 1 or more; without it all are selected`,
					`34: "latest" must be a whole number from 0 on, not -1`,
					`37: "select": unknown mode "al": did you mean "all"?`,
				)
			}
			for i := range test.want {
				test.want[i] = "s.toml:" + test.want[i]
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(test.want, "\n  "))
			}
		})
	}
}

func TestTOMLOfAnotherOrigin(t *testing.T) {
	const list = `image = [{ source = "nginx:1" }, { source = "Nginx", name = "a b" }]
origin = "3rdparty:nginx"
`
	images, err := Parse("s.toml", FormatAuto, []byte(list))
	if len(images) != 1 || images[0].Place() != "3rdparty:nginx" {
		t.Errorf("got %+v", images)
	}
	want := []string{
		`3rdparty:nginx: invalid name "a b": want letters, digits, '_', '.' and '-', the first a letter or digit`,
		`3rdparty:nginx: image reference "Nginx" does not match expected format: a repository can't have upper-case letters`,
	}
	if got := messages(t, err); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestTOMLLinesOfEveryWayToWriteTables(t *testing.T) {
	// Each has its one mistake, a number where a string is wanted, on the line that says so.
	for data, line := range map[string]int{
		"[[image]]\nsource = \"a\"\nname = 1":                                                       3,
		"image = [\n{ source = \"a\",\n name = 1 }]":                                                3,
		"image = [\n{ source = \"a\" },\n{ source = \"b\", name = 1 }]":                             3,
		"[[image]]\nsource = \"a\"\n[[image]]\nsource = \"b\"\nselect.mode = 1":                     5,
		"[[image]]\nsource = \"a\"\n[image.select]\nmode = 1\n[[image]]\nsource = \"b\"":            4,
		"[[image]]\nsource = \"a\"\n[[image]]\nsource = \"b\"\n[image.select]\n\nmode=1":            7,
		"[[image]]\nsource = \"a\"\n\"select\".\"mode\" = 1":                                        3,
		"[[image]]\nsource = \"a\"\nlabels = [\n\"x\",\n\n1]":                                       6,
		"\r\n[[image]]\r\nsource = \"a\"\r\nname = 1\r\n":                                           4,
		"[[image]]\nsource = \"\"\"\na b\"\"\"\nname = \"x\"":                                       2, // where the text begins
		"[[image]]\nsource = \"a\"\n[image.variants]\n\"1.2\" = \"" + testHex + "\"\n\"1.2.3\" = 1": 5,
	} {
		_, err := Parse("s.toml", FormatTOML, []byte(data))
		got := messages(t, err)
		if len(got) == 0 || !strings.HasPrefix(got[0], fmt.Sprintf("s.toml:%d: ", line)) {
			t.Errorf("%q: got %q, want line %d", data, got, line)
		}
	}
}

func FuzzTOML(f *testing.F) {
	for _, seed := range []string{
		"[[image]]\nsource = \"a\"\ntags = [\"1\"]\n[image.select]\nlatest = 1\n", "[defaults]\nplatforms = [\"linux/amd64\"]\n",
		"image = [{source = \"a\", variants = {x = \"" + testHex + "\"}}]", "a.b.c = 1\n[a.b.d]\n", "[[a]]\n[[a.b]]\n[a.b.c]\n", "x = [[[[", "\"a.b\".'c' = 1",
		"[[image]]\nsource = \"a@" + testDigest + "\"",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		images, err := Parse("f.toml", FormatTOML, data)
		checkImages(t, data, images)
		checkPlaces(t, data, err)
	})
}

func checkImages(t *testing.T, data []byte, images []Image) {
	t.Helper()
	for _, i := range images {
		if i.Ref.Repository == "" || i.Line < 1 || i.Line > 1+strings.Count(string(data), "\n") {
			t.Fatalf("%q gave %+v", data, i)
		}
	}
}
