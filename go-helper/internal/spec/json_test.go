package spec

import (
	"reflect"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/tags"
)

func TestJSONTakesAStreamOfObjectsAndArrays(t *testing.T) {
	images, err := Parse("specs.json", FormatAuto, []byte(`{"src": "nginx", "dst": "r.example/nginx"}
[
  {
    "src": "quay.io/a/b:v1",
    "dst": "r.example/a/b:v1",
    "transform": {"limitPlatforms": ["linux/amd64", "linux/arm/v7"]}
  },
  {"src": "x@`+testDigest+`", "dst": "r.example/x@`+testDigest+`", "transform": {}}
]
[] {"src": "y:1@`+testDigest+`", "dst": "r.example/y:1", "transform": {"limitPlatforms": []},
  "name": "why", "labels": ["a", "b"], "origin": "lists/y.txt:7"}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"specs.json:1 docker.io/library/nginx:latest -> r.example/nginx:latest",
		"specs.json:3 quay.io/a/b:v1 for linux/amd64,linux/arm/v7 -> r.example/a/b:v1",
		"specs.json:8 docker.io/library/x@" + testDigest + " -> r.example/x@" + testDigest,
		"lists/y.txt:7 docker.io/library/y:1@" + testDigest + " AS why -> r.example/y:1",
	}
	if got := describeAll(images); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := images[3].Labels; !reflect.DeepEqual(got, []string{"a", "b"}) {
		t.Errorf("labels %q", got)
	}
}

// Each of these passes or misleads in magic-mirror.
func TestJSONReportsEveryErrorWithItsLine(t *testing.T) {
	for _, test := range []struct {
		name, data string
		want       []string
	}{
		{"unknown key in transform", `{"src": "a", "dst": "r.example/a",
			"transform": {"limitPlatform": ["linux/amd64"]}}`, []string{`2: unknown key "limitPlatform" in "transform": did you mean "limitPlatforms"?`}},
		{"wrong case", `{"Src": "a", "dst": "r.example/a"}`, []string{
			`1: unknown key "Src" in copy spec: keys are case-sensitive, did you mean "src"?`, `1: copy spec has no "src"`,
		}},
		{"duplicate key", `{"src": "a",
			"src": "b", "dst": "r.example/a"}`, []string{`2: duplicate key "src" in copy spec, first on line 1`}},
		{"missing both", "\n{}", []string{`2: copy spec has no "src"`, `2: copy spec has no "dst"`}},
		{"empty", `{"src": "", "dst": " "}`, []string{`1: "src" is empty`, `1: "dst" is empty`}},
		{"null value", `{"src": null, "dst": "r.example/a"}`, []string{`1: "src" must be a string, not null`}},
		{"null", `null`, []string{`1: copy spec must be an object, not null`}},
		{"null in an array", "[\nnull]", []string{`2: copy spec must be an object, not null`}},
		{"bad element of an array", `[{"src": "a", "dst": "r.example/a"},
			{"src": 1, "dst": "r.example/b"}]`, []string{`2: "src" must be a string, not a number`}},
		{"array in an array", `[[]]`, []string{`1: copy spec must be an object, not an array`}},
		{"string", `"nginx"`, []string{`1: copy spec must be an object, not a string`}},
		{"transform is null", `{"src": "a", "dst": "r.example/a", "transform": null}`, []string{`1: "transform" must be an object, not null`}},
		{"platforms are a string", `{"src": "a", "dst": "r.example/a", "transform": {"limitPlatforms": "linux/amd64"}}`, []string{
			`1: "limitPlatforms" must be an array, not a string`,
		}},
		{"bad platforms", `{"src": "a", "dst": "r.example/a", "transform": {"limitPlatforms": [
			"linux/amd64",
			"amd64",
			"linux/x86_64",
			7, ""]}}`, []string{
			`3: invalid platform "amd64": want os/arch[/variant], as in linux/amd64`, `4: duplicate platform "linux/x86_64"`,
			`5: an entry of "limitPlatforms" must be a string, not a number`, `5: an entry of "limitPlatforms" is empty`,
		}},
		{"bad references", `[{"src": "A", "dst": "r.example/a"},
			{"src": "a", "dst": "r.example/a@sha256:1"}]`, []string{
			`1: image reference "A" does not match expected format: a repository can't have upper-case letters`,
			`2: invalid digest in "r.example/a@sha256:1": wrong number of hex digits for sha256: 1`,
		}},
		{"trailing garbage", `{"src": "a", "dst": "r.example/a"}
			garbage`, []string{`2: invalid JSON: invalid character 'g' looking for beginning of value`}},
		{"cut short", `[{"src": "a", "dst": "r.example/a"},`, []string{`1: invalid JSON: the file ends in the middle of a value`}},
		{"errors before a syntax error", "{\"src\": 1, \"dst\": \"r.example/a\"}\n]", []string{
			`1: "src" must be a string, not a number`, `2: invalid JSON: invalid character ']' looking for beginning of value`,
		}},
		{"password", `{"src": "a", "dst": "me:hunter2@r.example/a"}`, []string{
			`1: image reference has a user name or password in it: credentials come from the keychain, never from a list`,
		}},
		{"unknown policy", `{"src": "a", "dst": "r.example/a", "select": {"mode": "newest"}}`, []string{
			`1: "select": unknown mode "newest": known are highest, higher, semver, all`,
		}},
		{"policy and digest", `{"src": "a@` + testDigest + `", "dst": "r.example/a:1@` + testDigest + `", "select": {}}`, []string{
			`1: "src" has a tag or digest beside "select", which is what chooses the tags`,
			`1: "dst" has a digest beside "select", which can't be known yet`,
		}},
		{"policy and a bad tag template", `{"src": "a", "dst": "r.example/a:{tagg}", "select": {}}`, []string{
			`1: "dst": tag template "{tagg}" would make bad tags: the only placeholder is {tag}`,
		}},
		{"policy that asks a repository which isn't one yet", `{"src": "a", "dst": "r.example/a/{tag}", "select": {"mode": "semver"}}`, []string{
			`1: "dst": mode "semver" looks at the tags that the destination has, so {tag} can't be in its repository`,
		}},
		{"skip", `{"src": "a", "skip": {"dst": "r.example/a:1"}}`, []string{`1: "skip" has no "reason"`}},
		{"skip and dst", `{"src": "a", "dst": "r.example/a", "skip": {"dst": "r.example/a:1", "reason": "x"}}`, []string{`1: copy spec has both "dst" and "skip"`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse("s.json", FormatJSON, []byte(test.data))
			got := messages(t, err)
			for i := range test.want {
				test.want[i] = "s.json:" + test.want[i]
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

func TestJSONCarriesPolicies(t *testing.T) {
	images, err := Parse("s.json", FormatJSON, []byte(`[
{"src": "nginx", "dst": "r.example/nginx", "select": {"semver": ["^1.25"], "latest": 3}},
{"src": "nginx", "dst": "r.example:5000/nginx:{tag}-mirror", "select": {"mode": "higher", "pinnedMajor": 0, "compatibility": "alpine", "replaceTag": true,
  "include": ["1.*"], "exclude": ["/rc/"], "latest": 2, "order": "natural", "allowEmpty": true}}]`))
	if err != nil {
		t.Fatal(err)
	}
	zero := uint64(0)
	if got, want := *images[0].Select, (tags.Policy{Semver: []string{"^1.25"}, Latest: 3}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	want := tags.Policy{
		Mode: tags.ModeHigher, PinnedMajor: &zero, Compatibility: "alpine", ReplaceTag: true, Include: []string{"1.*"}, Exclude: []string{"/rc/"},
		Latest: 2, Order: tags.OrderNatural, AllowEmpty: true,
	}
	if got := *images[1].Select; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for i, want := range []string{"{tag}", "{tag}-mirror"} {
		if got := images[i].ImageTags; !reflect.DeepEqual(got, []string{want}) {
			t.Errorf("image %d goes to tags %q, want %q", i, got, want)
		}
	}
	if got := images[1].Destination.Name(); got != "r.example:5000/nginx" {
		t.Errorf("destination %s", got)
	}
}

func TestJSONOfNothingIsEmpty(t *testing.T) {
	for _, data := range []string{"", "\n", "[]", "[] []"} {
		if images, err := Parse("s.json", FormatJSON, []byte(data)); err != nil || len(images) != 0 {
			t.Errorf("%q: %v, %v", data, images, err)
		}
	}
}

func FuzzJSON(f *testing.F) {
	for _, seed := range []string{
		`{"src":"a","dst":"r.example/a","transform":{"limitPlatforms":["linux/amd64"]}}`, `[{"src":"a"}]`, `[] {}`, `null`, `[[`, `{"select":{"latest":1e9}}`,
		`{"src":"a","skip":{"dst":"b","reason":"c"}}`, `{"src":"a","dst":"r.example/a:{tag}","select":{"mode":"higher"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		images, err := Parse("f.json", FormatJSON, data)
		for _, i := range images {
			if i.Ref.Repository == "" || (i.Destination == nil) == (i.Skip == nil) || strings.TrimSpace(i.Source) == "" {
				t.Fatalf("%q gave %+v", data, i)
			}
		}
		checkPlaces(t, data, err)
	})
}
