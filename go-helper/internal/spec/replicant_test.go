package spec

import (
	"reflect"
	"strings"
	"testing"
)

func TestReplicantsConfiguration(t *testing.T) {
	_, err := Parse("replicant.yaml", FormatAuto, []byte(`mode: higher # default highest
anchors: &none
images:
  nginx:
    source: k8s.gcr.io/ingress-nginx/controller
    destination: eu.gcr.io/me/ingress-nginx/controller
`))
	if want := []string{`replicant.yaml:2: unknown key "anchors" in replicant's configuration: known keys are images, mode`}; !reflect.DeepEqual(messages(t, err), want) {
		t.Errorf("got %q, want %q", messages(t, err), want)
	}
	images, err := Parse("replicant.yaml", FormatAuto, []byte(`images:
  nginx: &shared
    source: k8s.gcr.io/ingress-nginx/controller
    destination: eu.gcr.io/me/ingress-nginx/controller
  all:
    source: velero/velero
    destination: "localhost:5000/velero"
    mode: all
    compatibility: alpine
    pinned-major: "0"
  "full":
    mode: semver
    compatibility: 3.18
    replace-tag: yes
    pinned-major: 0
    source: docker.io/library/x
    destination: eu.gcr.io/me/x
  merged:
    <<: *shared
    destination: eu.gcr.io/me/y
    mode: ""
mode: higher
`))
	if err != nil {
		t.Fatal(err)
	}
	tag := " image_tags={tag}"
	want := []string{
		"replicant.yaml:3 k8s.gcr.io/ingress-nginx/controller:latest AS nginx -> eu.gcr.io/me/ingress-nginx/controller" + tag + policy("Mode:", "Mode:higher", "Empty:false", "Empty:true"),
		"replicant.yaml:6 docker.io/velero/velero:latest AS all -> localhost:5000/velero" + tag + policy("Mode:", "Mode:all", "Empty:false", "Empty:true"),
		"replicant.yaml:16 docker.io/library/x:latest AS full -> eu.gcr.io/me/x" + tag +
			policy("Mode:", "Mode:semver", "Compatibility:", "Compatibility:3.18", "<nil>", "0", "ReplaceTag:false", "ReplaceTag:true", "Empty:false", "Empty:true"),
		"replicant.yaml:3 k8s.gcr.io/ingress-nginx/controller:latest AS merged -> eu.gcr.io/me/y" + tag + policy("Mode:", "Mode:higher", "Empty:false", "Empty:true"),
	}
	var got []string
	for _, i := range images {
		got = append(got, inDetail(i))
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestReplicantsConfigurationIsCheckedAsReplicantDoesNot(t *testing.T) {
	for _, test := range []struct {
		name, data string
		want       []string
	}{
		{"broken", "images:\n  a: [\n", []string{`2: invalid YAML: did not find expected node content`}},
		{"tab", "images:\n\ta: 1\n", []string{`2: invalid YAML: found character that cannot start any token`}},
		{"no images", "mode: all\n", []string{`1: replicant's configuration has no "images"`}},
		{"images are null", "images:\n", []string{`1: "images" must be an object, not null`}},
		{"a list", "- [a]\n", []string{`1: replicant's configuration must be an object, not an array`}},
		{"two documents", "images: {}\n---\nimages: {}\n", []string{`3: a second document: want only one`}},
		{"all at once", `mode: newest
images:
  a:
    source: Nginx
    destintion: r.example/a
    replace_tag: true
  b:
    source: nginx:1
    destination: r.example/b@` + testDigest + `
    mode: hihgest
    pinned-major: x
    replace-tag: 1
  b: {}
  c: nginx
  d:
    source: me:hunter2@r.example/d
    destination: ""
    pinned-major: -1
`, []string{
			`1: unknown mode "newest": known are highest, higher, semver, all`,
			`4: image "a" has no "destination"`,
			`4: image reference "Nginx" does not match expected format: a repository can't have upper-case letters`,
			`5: unknown key "destintion" in image "a": did you mean "destination"?`,
			`6: unknown key "replace_tag" in image "a": did you mean "replace-tag"?`,
			`8: "source" must be a repository, without a tag or digest: the mode chooses the tags`,
			`9: "destination" must be a repository, without a tag or digest: the mode chooses the tags`,
			`10: unknown mode "hihgest": known are highest, higher, semver, all`,
			`11: "pinned-major" must be a whole number from 0 on, not x`,
			`12: "replace-tag" must be a boolean, not a number`,
			`13: duplicate key "b" in "images", first on line 7`,
			`14: image "c" must be an object, not a string`,
			`16: image reference has a user name or password in it: credentials come from the keychain, never from a list`,
			`17: "destination" is empty`,
			`18: "pinned-major" must be a whole number from 0 on, not -1`,
		}},
		{"anchor in itself", "images: &a\n  x: *a\n", []string{`2: anchor "a" contains itself`}},
		{"bomb", "images:\n  a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + bomb(8), []string{`…: the document is too large or too deep`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse("r.yaml", FormatReplicant, []byte(test.data))
			got := messages(t, err)
			for i := range test.want {
				test.want[i] = "r.yaml:" + test.want[i]
				if i < len(got) && strings.HasPrefix(test.want[i], "r.yaml:…: ") {
					got[i] = "r.yaml:…" + got[i][strings.Index(got[i], ": "):]
				}
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(test.want, "\n  "))
			}
		})
	}
}

// bomb writes lists of ten aliases of the list before.
func bomb(levels int) string {
	var b strings.Builder
	for i := 1; i <= levels; i++ {
		before, this := string(rune('0'+i-1)), string(rune('0'+i))
		b.WriteString("  a" + this + ": &a" + this + " [" + strings.TrimSuffix(strings.Repeat("*a"+before+",", 10), ",") + "]\n")
	}
	return b.String()
}

func FuzzReplicant(f *testing.F) {
	for _, seed := range []string{
		"mode: all\nimages:\n  a:\n    source: a\n    destination: r.example/a\n    pinned-major: 1\n", "images: &a\n  x: *a\n", "images:\n  <<: [{}, {}]\n", "---\n---\n",
		"? [a]\n: b\n", "images: {a: {source: b, destination: c, replace-tag: yes}}", "%YAML 1.2\n", "\t", "a: !!binary x", "images:\n  a: &x {<<: *x}\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		images, err := Parse("f.yaml", FormatReplicant, data)
		for _, i := range images {
			if i.Ref.Repository == "" || i.Destination == nil || i.Select == nil || i.Select.Validate() != nil {
				t.Fatalf("%q gave %+v", data, i)
			}
		}
		if err != nil && strings.Contains(err.Error(), "invalid YAML") {
			return // its line is go-yaml's, which counts other line ends as well
		}
		_ = messages(t, err)
	})
}
