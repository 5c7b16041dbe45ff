package plan_test

import (
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/plan"
	"docker-mirror/go-helper/internal/spec"
)

// What tgolsson's oci_mirror_images says with source_repository, destination_repository and variants.
func TestVariantsGetTheirNewTag(t *testing.T) {
	files := []spec.File{{Name: "set.toml", Data: []byte(`[[image]]
source = "docker.io/library/python"
repository = "mirror/python"
registries = ["r.example"]
variants = { "3.11" = "` + testHex + `", "3.12-slim" = "` + otherDigest + `" }
`)}}
	copies, err := plan.Make(files, plan.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"docker.io/library/python@" + testDigest + " -> r.example/mirror/python:3.11",
		"docker.io/library/python@" + otherDigest + " -> r.example/mirror/python:3.12-slim",
	}
	if got := arrows(copies); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	copies, err = plan.Make(files, plan.Settings{ImageTags: []string{"{tag}-b7"}, Registries: to("never.example")})
	if err != nil {
		t.Fatal(err)
	}
	if got := copies[0].Dst; got != "r.example/mirror/python:3.11-b7" {
		t.Errorf("with a template for tags, the first goes to %s", got)
	}
}

func TestTheIndexIsSaidByTheImageTheOverrideOrTheSettings(t *testing.T) {
	files := []spec.File{
		{Name: "set.toml", Data: []byte("[defaults]\nindex = \"rewritten\"\nplatforms = [\"linux/amd64\"]\n[[image]]\nsource = \"a:1\"\n[[image]]\nsource = \"b:1\"\nindex = \"sparse\"\n" +
			"[[image]]\nsource = \"all:1\"\nindex = \"sparse\"\nplatforms = []\n")},
		{Name: "list.txt", Data: []byte("--platform=linux/arm64 c:1\nd:1\n")},
		{Name: "specs.json", Data: []byte(`[{"src": "e:1", "dst": "r.example/e:1", "transform": {"limitPlatforms": ["linux/arm64"]}},
			{"src": "f:1", "dst": "r.example/f:1", "transform": {"limitPlatforms": ["linux/arm64"], "index": "rewritten"}}]`)},
	}
	copies, err := plan.Make(files, plan.Settings{
		Registries: to("r.example"), Platforms: []string{"linux/386"}, Index: "sparse",
		Overrides: map[string]plan.Override{"d": {Index: "rewritten"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range copies {
		got = append(got, fmt.Sprint(path.Base(c.Src), " ", c.Sparse(), " ", c.Transform != nil))
	}
	if want := []string{"a:1 false true", "b:1 true true", "all:1 false false", "c:1 true true", "d:1 false true", "e:1 true true", "f:1 false true"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	files = []spec.File{
		{Name: "set.toml", Data: []byte("[[image]]\nsource = \"a\"\nindex = \"original\"\n")},
		{Name: "s.json", Data: []byte(`{"src": "a", "dst": "r.example/a", "transform": {"index": 1, "limitPlatforms": []}}`)},
	}
	_, err = plan.Make(files, plan.Settings{Registries: to("r.example"), Index: "whole", Overrides: map[string]plan.Override{"x": {Index: "none"}}})
	want := []string{
		`index: unknown kind of index "whole": known are rewritten, sparse`,
		`overrides["x"].index: unknown kind of index "none": known are rewritten, sparse`,
		`set.toml:3: unknown kind of index "original": known are rewritten, sparse`,
		`s.json:1: "index" must be a string, not a number`,
	}
	if got := lines(err); !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestReferrersAreSaidByTheImageTheOverrideOrTheSettings(t *testing.T) {
	files := []spec.File{
		{Name: "set.toml", Data: []byte("[defaults]\nreferrers = \"all\"\n[[image]]\nsource = \"a:1\"\n[[image]]\nsource = \"b:1\"\nreferrers = \"signatures\"\n")},
		{Name: "list.txt", Data: []byte("c:1\nd:1\n")},
		{Name: "specs.json", Data: []byte(`[{"src": "e:1", "dst": "r.example/e:1"}, {"src": "f:1", "dst": "r.example/f:1", "referrers": "signatures"}]`)},
	}
	copies, err := plan.Make(files, plan.Settings{Registries: to("r.example"), Referrers: "none", Overrides: map[string]plan.Override{"d": {Referrers: "all"}}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range copies {
		got = append(got, c.Referrers)
	}
	if want := []string{"all", "signatures", "none", "all", "none", "signatures"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	files[0].Data = []byte("[[image]]\nsource = \"a\"\nreferrers = \"signature\"\n")
	_, err = plan.Make(files, plan.Settings{Registries: to("r.example"), Referrers: "some"})
	want := []string{
		`referrers: unknown choice of referrers "some": known are none, signatures, all, require`,
		`set.toml:3: unknown choice of referrers "signature": known are none, signatures, all, require`,
	}
	if got := lines(err); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What a bare copy spec doesn't say means what it means to magic-mirror, unless the settings say otherwise.
func TestCopySpecsTakeNoAttachmentsUnlessToldTo(t *testing.T) {
	file := spec.File{Name: "specs.json", Data: []byte(`[{"src": "e:1", "dst": "r.example/e:1"}]`)}
	for settings, want := range map[string]string{"": "none", "all": "all"} {
		copies, err := plan.Make([]spec.File{file}, plan.Settings{Referrers: settings})
		if err != nil || len(copies) != 1 || copies[0].Referrers != want {
			t.Errorf("referrers %q in the settings: %+v, %v", settings, copies, err)
		}
	}
}

func TestListsMayNameTheirRegistries(t *testing.T) {
	files := []spec.File{{Name: "set.toml", Data: []byte(`[defaults]
registries = ["@prod"]
[[image]]
source = "a:1"
[[image]]
source = "b:1"
registries = ["@frozen", "s.example/team", "t.example"]
[[image]]
source = "c:1"
registries = ["@nope", "x"]
[[image]]
source = "d:1"
registries = []
`)}}
	settings := plan.Settings{
		Registries: to("never.example"), KnownAliases: []string{"@frozen", "@prod"},
		KnownRegistries: []plan.Registry{
			{Address: "r.example", Alias: "@prod", Repository: "own/{repository}"},
			{Address: "f.example", Alias: "@frozen", SkipPush: true},
			{Address: "t.example", Alias: "@t", ExtraTags: []string{"more"}},
		},
	}
	copies, err := plan.Make(files, settings)
	want := []string{
		"docker.io/library/a:1 -> r.example/own/a:1",
		"docker.io/library/b:1 -> skip f.example/b:1: skip_push is set for registry @frozen",
		"docker.io/library/b:1 -> s.example/team/b:1",
		"docker.io/library/b:1 -> t.example/b:1",
		"docker.io/library/b:1 -> t.example/b:more",
	}
	if got := arrows(copies); !reflect.DeepEqual(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	wantErrs := []string{
		"set.toml:8: unknown registry alias @nope: known aliases are @frozen, @prod",
		`set.toml:8: registry "x" is not a host name: it needs a dot or a port, as in registry.example or localhost:5000`,
		"set.toml:11: no destination registry: name one or more, by address or @alias (known aliases are @frozen, @prod)",
	}
	if got := lines(err); !reflect.DeepEqual(got, wantErrs) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(wantErrs, "\n  "))
	}
}

func TestPoliciesArePlannedWithTemplates(t *testing.T) {
	files := []spec.File{{Name: "set.toml", Data: []byte(`[[image]]
source = "quay.io/a/b"
tags = ["latest"]
select = { semver = "^1", latest = 2 }
`)}}
	settings := plan.Settings{
		Registries: []plan.Registry{{Address: "r.example", ExtraTags: []string{"{tag}-extra"}}, {Address: "s.example", SkipPush: true}},
		Repository: "m/{repository}/{tag}",
	}
	copies, err := plan.Make(files, settings)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"quay.io/a/b:latest -> r.example/m/a/b/latest:latest",
		"quay.io/a/b:latest -> r.example/m/a/b/latest:latest-extra",
		"quay.io/a/b:latest -> skip s.example/m/a/b/latest:latest: skip_push is set for registry s.example",
		"quay.io/a/b:{tag} -> r.example/m/a/b/{tag}:{tag} select",
		"quay.io/a/b:{tag} -> r.example/m/a/b/{tag}:{tag}-extra select",
		"quay.io/a/b -> skip s.example/m/a/b/{tag}:{tag}: skip_push is set for registry s.example",
	}
	if got := arrows(copies); !reflect.DeepEqual(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	var written, again strings.Builder
	if err := plan.Write(&written, copies); err != nil {
		t.Fatal(err)
	}
	if err := plan.Write(&again, read(t, written.String())); err != nil || again.String() != written.String() {
		t.Errorf("wrote\n%s, and read back\n%s", written.String(), again.String())
	}
	expanded, err := plan.Expand(copies[4], []string{"1.0.0", "1.1.0", "1.2.0", "2.0.0"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want = []string{"quay.io/a/b:1.1.0 -> r.example/m/a/b/1.1.0:1.1.0-extra", "quay.io/a/b:1.2.0 -> r.example/m/a/b/1.2.0:1.2.0-extra"}
	if got := arrows(expanded); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}

	files[0].Data = []byte("[[image]]\nsource = \"a\"\nselect = { mode = \"higher\" }\nrepository = \"{tag}/x\"\n[[image]]\nsource = \"b\"\nselect = { latest = 1 }\nimage_tags = [\"{digest}\", \"{tag}{\"]\n")
	_, err = plan.Make(files, settings)
	wantErrs := []string{
		`set.toml:1: mode "higher" looks at the tags that the destination has, so {tag} can't be in its repository ({tag}/x)`,
		`set.toml:5: template "{digest}": {digest} has no value here: a tag policy chooses the images`,
		`set.toml:5: unbalanced '{' in template "{tag}{"`,
	}
	if got := lines(err); !reflect.DeepEqual(got, wantErrs) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(wantErrs, "\n  "))
	}
}

// replicant's results, seen at 824b891, through the whole way from its configuration to copies.
func TestReplicantsConfigurationIsPlanned(t *testing.T) {
	source := []string{"1", "1.2", "1.2.0", "1.2.3", "01.2.3", "v1.3.0", "2", "2.0", "2.0.0", "0.9.1", "1.3.0-alpine", "1.3.0-alpine3.18", "latest"}
	for _, test := range []struct {
		config      string
		destination []string
		want        string
	}{
		{"mode: highest", nil, "2.0.0"},
		{"", nil, "2.0.0"},
		{"mode: higher", []string{"1.2.3"}, "v1.3.0 2 2.0 2.0.0"},
		{"mode: semver", nil, "0.9.1 1 1.2 1.2.0 01.2.3 1.2.3 v1.3.0 2 2.0 2.0.0"},
		{"mode: highest, compatibility: alpine", nil, "1.3.0-alpine"},
		{"mode: semver, pinned-major: 9", nil, ""},
		{"mode: all, pinned-major: 9", []string{"latest", "2"}, "1 1.2 1.2.0 1.2.3 01.2.3 v1.3.0 2.0 2.0.0 0.9.1 1.3.0-alpine 1.3.0-alpine3.18"},
	} {
		config := "images:\n  x: {source: nginx, destination: r.example/x" + strings.TrimSuffix(", "+test.config, ", ") + "}\n"
		copies, err := plan.Make([]spec.File{{Name: "r.yaml", Data: []byte(config)}}, plan.Settings{})
		if err != nil {
			t.Fatal(err)
		}
		expanded, err := plan.Expand(copies[0], source, test.destination)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range expanded {
			tag := strings.TrimPrefix(c.Src, "docker.io/library/nginx:")
			if c.Dst != "r.example/x:"+tag {
				t.Errorf("%s goes to %s", c.Src, c.Dst)
			}
			got = append(got, tag)
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%q: got %q, want %q", test.config, got, test.want)
		}
	}
}
