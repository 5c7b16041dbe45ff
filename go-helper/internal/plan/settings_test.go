package plan_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"docker-mirror/go-helper/internal/plan"
	"docker-mirror/go-helper/internal/spec"
)

func TestReadSettings(t *testing.T) {
	got, err := plan.ReadSettings("s.json", []byte(`{
  "target": "3rdparty/cilium/images.txt:images", "directory": "3rdparty/cilium", "target_name": "images",
  "registries": [{"address": "r.example", "alias": "@prod", "repository": "x/{repository}", "extra_image_tags": ["y"], "skip_push": true}],
  "repository": "{name}", "image_tags": ["{tag}"], "platforms": ["linux/amd64"], "index": "sparse", "referrers": "all", "tags": ["team"],
  "overrides": {"nginx": {"registries": [{"address": "s.example", "alias": "", "repository": ""}], "repository": "z", "image_tags": ["a"], "platforms": ["linux/386"], "index": "rewritten", "referrers": "none", "tags": ["l"]}},
  "build_args": {"X": ""}, "allow_empty": true, "known_aliases": ["@prod"], "known_registries": [{"address": "t.example", "alias": "@dev"}]
}`))
	if err != nil {
		t.Fatal(err)
	}
	want := plan.Settings{
		Target: "3rdparty/cilium/images.txt:images", Directory: "3rdparty/cilium", TargetName: "images",
		Registries: []plan.Registry{{Address: "r.example", Alias: "@prod", Repository: "x/{repository}", ExtraTags: []string{"y"}, SkipPush: true}},
		Repository: "{name}", ImageTags: []string{"{tag}"}, Platforms: []string{"linux/amd64"}, Index: "sparse", Referrers: "all", Labels: []string{"team"},
		Overrides: map[string]plan.Override{"nginx": {
			Registries: []plan.Registry{{Address: "s.example"}}, Repository: "z", ImageTags: []string{"a"}, Platforms: []string{"linux/386"}, Index: "rewritten", Referrers: "none", Labels: []string{"l"},
		}},
		BuildArgs: map[string]string{"X": ""}, AllowEmpty: true, KnownAliases: []string{"@prod"}, KnownRegistries: []plan.Registry{{Address: "t.example", Alias: "@dev"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestReadSettingsRefuses(t *testing.T) {
	for _, test := range []struct {
		data string
		want []string
	}{
		{``, []string{"s.json:1: want one JSON object, not 0 values"}},
		{`{} {}`, []string{"s.json:1: want one JSON object, not 2 values"}},
		{`[]`, []string{"s.json:1: settings must be an object, not an array"}},
		{"{\n\"registry\": 1,\n\"overrides\": {\"a\": {\"imagetags\": []}, \"a\": {}}}", []string{
			`s.json:2: unknown key "registry" in settings: did you mean "registries"?`,
			`s.json:3: unknown key "imagetags" in the override of a: did you mean "image_tags"?`,
			`s.json:3: duplicate key "a" in "overrides", first on line 3`,
		}},
		{"{\"registries\": [{\"alias\": 1}, null], \"platforms\": [\"\"], \"build_args\": {\"X\": 1}}", []string{
			`s.json:1: "alias" must be a string, not a number`,
			`s.json:1: registry has no "address"`,
			`s.json:1: registry must be an object, not null`,
			`s.json:1: an entry of "platforms" is empty`,
			`s.json:1: build arg X must be a string, not a number`,
		}},
		{"{\n", []string{"s.json:1: invalid JSON: the file ends in the middle of a value"}},
	} {
		if _, err := plan.ReadSettings("s.json", []byte(test.data)); !reflect.DeepEqual(lines(err), test.want) {
			t.Errorf("%q: got %q, want %q", test.data, lines(err), test.want)
		}
	}
}

// Any list with any settings: an error or a plan that is read back as it was, and never a hang.
func FuzzMake(f *testing.F) {
	f.Add("nginx AS web\n--platform=linux/arm64 quay.io/a/b:1@"+testDigest, `{"registries":[{"address":"r.example/x"}],"repository":"{name}/{build_args.X}","build_args":{"X":"y"}}`)
	f.Add(`[{"src":"a","dst":"r.example/a:{tag}","select":{"mode":"higher"}}]`, `{"overrides":{"a":{"tags":["l"]}}}`)
	f.Add("a\na\nb", `{"registries":[{"address":"r.example"}],"image_tags":["x","{tag}"],"platforms":["linux/amd64"]}`)
	f.Add("a", `{"registries":[{"address":"r.example","repository":"{target_repository}","skip_push":true}],"repository":"{{"}`)
	f.Add("[[image]]\nsource = \"a\"\nselect = { mode = \"semver\" }\nrepository = \"x/{repository}\"\nvariants = {a = \""+testHex+"\"}", `{"registries":[{"address":"r.example"}]}`)
	f.Add("images:\n  x: {source: a, destination: r.example/a, mode: all}", `{"platforms":["linux/amd64"]}`)
	f.Fuzz(func(t *testing.T, list, settings string) {
		s, err := plan.ReadSettings("s.json", []byte(settings))
		if err != nil {
			return
		}
		start := time.Now()
		format := spec.FormatAuto
		switch {
		case strings.HasPrefix(list, "images:"):
			format = spec.FormatReplicant
		case strings.HasPrefix(list, "[[") || strings.HasPrefix(list, "[defaults]"):
			format = spec.FormatTOML
		}
		copies, err := plan.Make([]spec.File{{Name: "-", Format: format, Data: []byte(list)}}, s)
		if took := time.Since(start); took > 5*time.Second {
			t.Fatalf("took %s", took)
		}
		if err != nil {
			return
		}
		var written, again strings.Builder
		if err := plan.Write(&written, copies); err != nil {
			t.Fatal(err)
		}
		back, err := plan.Read("p.json", []byte(written.String()))
		if err != nil {
			t.Fatalf("%q with %s made a plan that can't be read back: %v\n%s", list, settings, err, written.String())
		}
		if err := plan.Check(back); err != nil {
			t.Fatalf("%q with %s made a plan that breaks a rule: %v", list, settings, err)
		}
		if err := plan.Write(&again, back); err != nil || again.String() != written.String() {
			t.Fatalf("%q with %s: wrote\n%s, then\n%s", list, settings, written.String(), again.String())
		}
	})
}
