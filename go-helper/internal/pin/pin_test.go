package pin

import (
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/reference"
)

var (
	nginxDigest  = "sha256:" + strings.Repeat("a", 64)
	ciliumDigest = "sha256:" + strings.Repeat("b", 64)
	oldDigest    = "sha256:" + strings.Repeat("0", 64)
)

const (
	nginxAt  = "registry.example/mirror/nginx:1.27"
	ciliumAt = "registry.example/cilium/cilium:v1.16.1"
)

func testSet(t *testing.T) *Set {
	t.Helper()
	parse := func(s string) reference.Reference {
		ref, err := reference.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return ref
	}
	return NewSet([]Image{
		{Names: []string{"nginx", "nginx:1.27", "web"}, Source: parse("nginx:1.27"), Destinations: []reference.Reference{parse(nginxAt + "@" + nginxDigest), parse("other.example/nginx:1.27@" + nginxDigest)}},
		{Names: []string{"cilium", "quay.io/cilium/cilium"}, Source: parse("quay.io/cilium/cilium:v1.16.1"), Destinations: []reference.Reference{parse(ciliumAt + "@" + ciliumDigest)}},
		{Names: []string{"both", "one"}, Source: parse("quay.io/a/one:1"), Destinations: []reference.Reference{parse("registry.example/a/one:1@" + oldDigest)}},
		{Names: []string{"both", "two"}, Source: parse("quay.io/a/two:1"), Destinations: []reference.Reference{parse("registry.example/a/two:1@" + oldDigest)}},
	})
}

func TestPinsStandWhereImagesAreUsed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, file, old, want string }{
		{"FROM", "Dockerfile", "FROM nginx:1.27\n", "FROM " + nginxAt + "@" + nginxDigest + "\n"},
		{"FROM with flags and a stage", "a/b.Dockerfile", "from --platform=$BUILDPLATFORM docker.io/library/nginx:1.27 AS b\r\n", "from --platform=$BUILDPLATFORM " + nginxAt + "@" + nginxDigest + " AS b\r\n"},
		{"FROM the mirror, with an old digest", "Containerfile", "FROM " + nginxAt + "@" + oldDigest, "FROM " + nginxAt + "@" + nginxDigest},
		{"FROM another mirror", "Dockerfile.debug", "FROM other.example/nginx:1.27", "FROM other.example/nginx:1.27@" + nginxDigest},
		{"FROM an earlier stage that is called as an image", "Dockerfile", "FROM nginx:1.27 AS nginx\nFROM nginx\n", "FROM " + nginxAt + "@" + nginxDigest + " AS nginx\nFROM nginx\n"},
		{"FROM a variable, nothing, and another image", "Dockerfile", "FROM $BASE\nFROM scratch\nFROM redis:7\n", "FROM $BASE\nFROM scratch\nFROM redis:7\n"},
		{"no Dockerfile", "notes.txt", "FROM nginx:1.27\n", "FROM nginx:1.27\n"},
		{"ARG below a marker", "Dockerfile", "# docker-mirror: web\nARG BASE=nginx:1.27\n", "# docker-mirror: web\nARG BASE=" + nginxAt + "@" + nginxDigest + "\n"},
		{"digest", "values.yaml", "  digest: " + oldDigest + "  # docker-mirror: cilium\n", "  digest: " + ciliumDigest + "  # docker-mirror: cilium\n"},
		{"empty digest", "values.yaml", "digest: \"sha256:\" # docker-mirror: cilium\n", "digest: \"" + ciliumDigest + "\" # docker-mirror: cilium\n"},
		{"reference", "values.yaml", "image: 'quay.io/cilium/cilium:v1.15' # docker-mirror: cilium\n", "image: '" + ciliumAt + "@" + ciliumDigest + "' # docker-mirror: cilium\n"},
		{"Terraform", "main.tf", `image = "` + ciliumAt + `@` + oldDigest + `" // docker-mirror: cilium`, `image = "` + ciliumAt + "@" + ciliumDigest + `" // docker-mirror: cilium`},
		{"XML", "pom.xml", "<image>nginx:1.26</image> <!-- docker-mirror: web -->\n", "<image>" + nginxAt + "@" + nginxDigest + "</image> <!-- docker-mirror: web -->\n"},
	} {
		got := testSet(t).File(tt.file, []byte(tt.old))
		if string(got.Data) != tt.want || len(got.Errs) > 0 {
			t.Errorf("%s: got\n%swant\n%s%v", tt.name, got.Data, tt.want, got.Errs)
		}
		again := testSet(t).File(tt.file, got.Data)
		if len(again.Changes) > 0 || string(again.Data) != tt.want || again.Pins != got.Pins {
			t.Errorf("%s: pinned again it changes: %v", tt.name, again.Changes)
		}
		if changed := tt.old != tt.want; (len(got.Changes) > 0) != changed {
			t.Errorf("%s: changes %v", tt.name, got.Changes)
		}
	}
}

func TestWhatCanNotBePinnedIsSaidWithItsLine(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, file, text, want string }{
		{"unknown name", "v.yaml", "\nd: sha256: # docker-mirror: ciliun\n", "v.yaml:2: no image is called ciliun: did you mean cilium?"},
		{"name of two", "v.yaml", "d: sha256: # docker-mirror: both\n", "v.yaml:1: both could be any of quay.io/a/one:1, quay.io/a/two:1"},
		{"nothing to pin", "v.yaml", "tag: v1 # docker-mirror: cilium\n", "v.yaml:1: has no reference to cilium, and no digest"},
		{"two to pin", "v.yaml", "a: sha256:, b: sha256: # docker-mirror: cilium\n", "v.yaml:1: has 2 references or digests that the marker of cilium could mean"},
		{"marker at the end", "v.yaml", "# docker-mirror: cilium\n", "v.yaml:1: the marker of cilium is the last line"},
		{"two markers", "v.yaml", "# docker-mirror: cilium\nd: sha256: # docker-mirror: web\n", "v.yaml:2: the marker of cilium stands before that of web"},
		{"a tag that left the list", "Dockerfile", "FROM registry.example/mirror/nginx:1.26@" + oldDigest + "\n", "Dockerfile:1: registry.example/mirror/nginx:1.26 is not among the images that are mirrored there"},
	} {
		got := testSet(t).File(tt.file, []byte(tt.text))
		if len(got.Errs) != 1 || !strings.HasPrefix(got.Errs[0].Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.name, got.Errs, tt.want)
		}
	}
}
