package plan_test

import (
	"reflect"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/plan"
)

const otherDigest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

func read(t *testing.T, data string) []plan.Copy {
	t.Helper()
	copies, err := plan.Read("p.json", []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	return copies
}

func TestSetRules(t *testing.T) {
	for _, test := range []struct {
		name string
		plan string
		want []plan.Conflict
	}{
		{"nothing wrong", `[{"src": "a", "dst": "r.example/a"}, {"src": "a:1", "dst": "r.example/a:1"}]`, nil},
		{"source and destination", `[{"src": "a", "dst": "r.example/b"},
{"src": "r.example/b:latest", "dst": "r.example/c"}]`, []plan.Conflict{
			{Msg: "p.json:1, p.json:2: r.example/b:latest is both a source and a destination", Copies: []int{0, 1}},
		}},
		{"onto itself, however spelled", `{"src": "nginx", "dst": "index.docker.io/library/nginx:latest"}`, []plan.Conflict{
			{Msg: "p.json:1: docker.io/library/nginx:latest is both a source and a destination", Copies: []int{0}},
		}},
		{"each reference is reported once", `[{"src": "a", "dst": "r.example/b"},
{"src": "a", "dst": "r.example/b"},
{"src": "r.example/b", "dst": "r.example/c"},
{"src": "r.example/b", "dst": "r.example/d"}]`, []plan.Conflict{
			{Msg: "p.json:1, p.json:2, p.json:3, p.json:4: r.example/b:latest is both a source and a destination", Copies: []int{0, 1, 2, 3}},
		}},
		{"a tag beside a digest is only a label of a source", `{"src": "r.example/a:1@` + testDigest + `", "dst": "r.example/a:1"}`, nil},
		{"digest without the same on the source", `{"src": "a", "dst": "r.example/a@` + testDigest + `"}`, []plan.Conflict{
			{Msg: "p.json:1: explicit digest on destination r.example/a@" + testDigest + " is inconsistent with source docker.io/library/a:latest", Copies: []int{0}},
		}},
		{"other digest", `{"src": "a@` + otherDigest + `", "dst": "r.example/a:1@` + testDigest + `"}`, []plan.Conflict{
			{Msg: "p.json:1: explicit digest on destination r.example/a:1@" + testDigest + " is inconsistent with source docker.io/library/a@" + otherDigest, Copies: []int{0}},
		}},
		{"same digest", `{"src": "a:2@` + testDigest + `", "dst": "r.example/a:1@` + testDigest + `"}`, nil},
		{"digest and transform", `{"src": "a@` + testDigest + `", "dst": "r.example/a@` + testDigest + `", "transform": {"limitPlatforms": ["linux/amd64"]}}`, []plan.Conflict{
			{Msg: "p.json:1: destination r.example/a@" + testDigest + " has an explicit digest, but also requests transforms: only a sparse index keeps its digest", Copies: []int{0}},
		}},
		{"digest and a sparse index", `{"src": "a@` + testDigest + `", "dst": "r.example/a@` + testDigest + `", "transform": {"limitPlatforms": ["linux/amd64"], "index": "sparse"}}`, nil},
		{"digest and an empty transform", `{"src": "a@` + testDigest + `", "dst": "r.example/a@` + testDigest + `", "transform": {"limitPlatforms": []}}`, nil},
		{"two sources", `[{"src": "a", "dst": "r.example/x"},
{"src": "b", "dst": "r.example/x:latest"}]`, []plan.Conflict{
			{Msg: "p.json:1, p.json:2: destination r.example/x:latest requests inconsistent copies from docker.io/library/b:latest and docker.io/library/a:latest", Copies: []int{0, 1}},
		}},
		{"other platforms", `[{"src": "a", "dst": "r.example/x"},
{"src": "a", "dst": "r.example/x", "transform": {"limitPlatforms": ["linux/amd64"]}}]`, []plan.Conflict{
			{Msg: "p.json:1, p.json:2: destination r.example/x:latest requests inconsistent copies from docker.io/library/a:latest and docker.io/library/a:latest: " +
				"of linux/amd64 and of all platforms", Copies: []int{0, 1}},
		}},
		{"other index", `[{"src": "a", "dst": "r.example/x", "transform": {"limitPlatforms": ["linux/amd64"]}},
{"src": "a", "dst": "r.example/x", "transform": {"limitPlatforms": ["linux/amd64"], "index": "sparse"}}]`, []plan.Conflict{
			{Msg: "p.json:1, p.json:2: destination r.example/x:latest requests inconsistent copies from docker.io/library/a:latest and docker.io/library/a:latest: " +
				"of linux/amd64 in a sparse index and of linux/amd64", Copies: []int{0, 1}},
		}},
		{"an index that nothing limits", `[{"src": "a", "dst": "r.example/x", "transform": {"index": "sparse"}}, {"src": "a", "dst": "r.example/x"}]`, nil},
		{"other referrers", `[{"src": "a", "dst": "r.example/x", "referrers": "all"},
{"src": "a", "dst": "r.example/x"}]`, []plan.Conflict{
			{Msg: "p.json:1, p.json:2: destination r.example/x:latest requests inconsistent copies from docker.io/library/a:latest and docker.io/library/a:latest: " +
				`with referrers "" and "all"`, Copies: []int{0, 1}},
		}},
		{"equal but for the order and spelling of platforms", `[{"src": "a", "dst": "r.example/x", "transform": {"limitPlatforms": ["linux/amd64", "linux/arm64"]}},
{"src": "docker.io/library/a:latest", "dst": "r.example/x", "transform": {"limitPlatforms": ["linux/aarch64", "linux/amd64"]}}]`, nil},
		{"the tag with and without a digest", `[{"src": "a@` + testDigest + `", "dst": "r.example/x:1@` + testDigest + `"},
{"src": "b", "dst": "r.example/x:1"}]`, []plan.Conflict{
			{Msg: "p.json:1, p.json:2: destination r.example/x:1 requests inconsistent copies from docker.io/library/b:latest and docker.io/library/a@" + testDigest, Copies: []int{0, 1}},
		}},
		{"a policy onto itself", `{"src": "nginx", "dst": "index.docker.io/library/nginx", "select": {"mode": "all"}}`, []plan.Conflict{
			{Msg: "p.json:1: docker.io/library/nginx is both a source and a destination: the tags that the policy selects", Copies: []int{0}},
		}},
		{"a policy into its own repository", `{"src": "nginx", "dst": "docker.io/nginx:copy-{tag}", "select": {"mode": "all"}}`, nil},
		{"policies and skipped entries take no part", `[{"src": "a", "dst": "r.example/x", "select": {}}, {"src": "r.example/x", "dst": "s.example/x:{tag}", "select": {}},
{"src": "a", "skip": {"dst": "a", "reason": "x"}}]`, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := plan.Conflicts(read(t, test.plan)); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got\n  %+v\nwant\n  %+v", got, test.want)
			}
		})
	}
}

func TestConflictsOfBadReferencesAreNamed(t *testing.T) {
	err := plan.Check([]plan.Copy{{Src: "A", Dst: "r.example/a", Origin: "x:1"}, {Src: "a", Dst: "r.example/a", Transform: &plan.Transform{LimitPlatforms: []string{"x"}}, Origin: "x:2"}})
	want := `x:1: image reference "A" does not match expected format: a repository can't have upper-case letters
x:2: invalid platform "x": want os/arch[/variant], as in linux/x`
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestMergeKeepsTheFirstOfEqualCopies(t *testing.T) {
	copies := read(t, `[{"src": "a", "dst": "r.example/x", "name": "first"},
{"src": "docker.io/library/a:latest", "dst": "r.example/x:latest", "name": "second"},
{"src": "a", "dst": "r.example/y"},
{"src": "b", "dst": "r.example/y"},
{"src": "a@`+testDigest+`", "dst": "r.example/z:1"},
{"src": "a:2@`+testDigest+`", "dst": "r.example/z:1"}]`)
	got := arrows(plan.Merge(copies))
	want := []string{
		"docker.io/library/a:latest -> r.example/x:latest", "docker.io/library/a:latest -> r.example/y:latest",
		"docker.io/library/b:latest -> r.example/y:latest", "docker.io/library/a@" + testDigest + " -> r.example/z:1",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestExpand(t *testing.T) {
	for _, test := range []struct {
		name, entry         string
		source, destination []string
		want                []string
		err                 string
	}{
		{"a copy stays", `{"src": "a", "dst": "r.example/a"}`, nil, nil, []string{"docker.io/library/a:latest -> r.example/a:latest"}, ""},
		{
			"tags", `{"src": "a", "dst": "r.example/a", "select": {"semver": [">=1"]}, "transform": {"limitPlatforms": ["linux/amd64"]}, "labels": ["l"]}`,
			[]string{"1.0.0", "2.0.0", "latest"},
			nil,
			[]string{
				"docker.io/library/a:1.0.0 -> r.example/a:1.0.0 for linux/amd64 labelled l", "docker.io/library/a:2.0.0 -> r.example/a:2.0.0 for linux/amd64 labelled l",
			},
			"",
		},
		{
			"template and what the destination has", `{"src": "a", "dst": "r.example:5000/a:m-{tag}-x", "select": {"mode": "higher"}}`,
			[]string{"1.0.0", "2.0.0", "3.0.0"},
			[]string{"m-1.0.0-x", "9.0.0", "m-3.0.0", "m--x"},
			[]string{
				"docker.io/library/a:2.0.0 -> r.example:5000/a:m-2.0.0-x", "docker.io/library/a:3.0.0 -> r.example:5000/a:m-3.0.0-x",
			},
			"",
		},
		{
			"one fixed tag", `{"src": "a", "dst": "r.example/a:newest", "select": {"mode": "highest"}}`,
			[]string{"1.0.0", "2.0.0"},
			[]string{"newest"},
			[]string{"docker.io/library/a:2.0.0 -> r.example/a:newest"},
			"",
		},
		{"nothing selected", `{"src": "a", "dst": "r.example/a", "select": {"latest": 1}}`, []string{"edge"}, nil, []string{}, "p.json:1: docker.io/library/a: the tag policy selects none of the tags (there are 1): 1 without a version (edge)"},
		{"nothing selected, allowed", `{"src": "a", "dst": "r.example/a", "select": {"latest": 1, "allowEmpty": true}}`, []string{"edge"}, nil, []string{}, ""},
		{
			"higher than nothing", `{"src": "a", "dst": "r.example/a", "select": {"mode": "higher"}}`,
			[]string{"1.0.0"},
			nil,
			[]string{`docker.io/library/a -> skip r.example/a: mode "higher" selects what is above the destination's highest version, and the destination has none ` +
				`(mode "highest" or "semver" makes a start)`},
			"",
		},
		{
			"a tag that becomes too long", `{"src": "a", "dst": "r.example/a:x{tag}", "select": {}}`,
			[]string{"a", strings.Repeat("b", 128)},
			nil,
			[]string{"docker.io/library/a:a -> r.example/a:xa"},
			"p.json:1: tag " + strings.Repeat("b", 128) + " of docker.io/library/a: image reference \"r.example/a:x" + strings.Repeat("b", 128) + "\" has an invalid tag: tag \"x" +
				strings.Repeat("b", 39) + "\"… is longer than 128 characters, which registries refuse",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			copies, err := plan.Expand(read(t, test.entry)[0], test.source, test.destination)
			if got := arrows(copies); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if got := strings.Join(lines(err), "\n"); got != test.err {
				t.Errorf("error %q, want %q", got, test.err)
			}
			for _, c := range copies {
				if c.Origin != "p.json:1" {
					t.Errorf("%s has the origin %q", c.Src, c.Origin)
				}
			}
		})
	}
}

func TestTagRepositories(t *testing.T) {
	for entry, want := range map[string]string{
		`{"src": "a", "dst": "r.example:5000/x/a:{tag}", "select": {"mode": "highest"}}`:             "docker.io/library/a r.example:5000/x/a",
		`{"src": "a", "dst": "r.example/a", "select": {"mode": "highest", "replaceTag": true}}`:      "docker.io/library/a /",
		`{"src": "a", "dst": "r.example/a", "select": {"mode": "higher", "replaceTag": true}}`:       "docker.io/library/a r.example/a",
		`{"src": "q.example:1/a/b", "dst": "r.example/a", "select": {"latest": 2, "semver":["^1"]}}`: "q.example:1/a/b /",
	} {
		src, dst, err := plan.TagRepositories(read(t, entry)[0])
		if got := src.Name() + " " + dst.Name(); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", entry, got, err, want)
		}
	}
}
