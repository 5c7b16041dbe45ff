package lock

import (
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func hash(c string) v1.Hash { return v1.Hash{Algorithm: "sha256", Hex: strings.Repeat(c, 64)} }

var seen = time.Date(2026, 11, 3, 9, 14, 0, 0, time.UTC)

// sample has an entry of each kind.
func sample() *File {
	return &File{
		Name: "images.txt.lock",
		Selects: []Select{
			{Source: "quay.io/cilium/cilium", Policy: "latest=2 semver=^1.15", Tags: []string{"v1.16.1", "v1.9.0"}},
		},
		Images: []Image{
			{
				Source: "quay.io/cilium/cilium:v1.16.1", Digest: hash("3"), MediaType: "application/vnd.oci.image.index.v1+json", Seen: seen,
				Platforms: []Manifest{{"linux/arm64", hash("b")}, {"linux/amd64", hash("a")}},
				Limited:   []Manifest{{"linux/amd64", hash("c")}},
				Signed:    "2026-11-03T08:59:12Z https://issuer https://subject", Because: `CVE-2026-1234, "approved"`,
				Next: []Next{{hash("d"), seen.Add(time.Hour)}},
			},
			{Source: "quay.io/cilium/cilium:v1.9.0", Digest: hash("9"), MediaType: "application/vnd.oci.image.manifest.v1+json", Seen: seen},
			{Source: "docker.io/library/nginx:1.27", Next: []Next{{hash("e"), seen}}},
		},
	}
}

const sampleText = "# Written by `docker-mirror lock`. Review it like code; don't edit it. See docs/lock.md of docker-mirror.\n" + `version = 1

[[select]]
source = "quay.io/cilium/cilium"
policy = "latest=2 semver=^1.15"
tags = ["v1.9.0", "v1.16.1"]

[[image]]
source = "docker.io/library/nginx:1.27"
next = [
  "sha256:eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee 2026-11-03T09:14:00Z",
]
sum = "af18c9d158bae216"

[[image]]
source = "quay.io/cilium/cilium:v1.16.1"
digest = "sha256:3333333333333333333333333333333333333333333333333333333333333333"
media_type = "application/vnd.oci.image.index.v1+json"
seen = 2026-11-03T09:14:00Z
platforms = [
  "linux/amd64 sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
  "linux/arm64 sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
]
limited = ["linux/amd64 sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"]
signed = "2026-11-03T08:59:12Z https://issuer https://subject"
because = "CVE-2026-1234, \"approved\""
next = [
  "sha256:dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd 2026-11-03T10:14:00Z",
]
sum = "e64c15c38f77d082"

[[image]]
source = "quay.io/cilium/cilium:v1.9.0"
digest = "sha256:9999999999999999999999999999999999999999999999999999999999999999"
media_type = "application/vnd.oci.image.manifest.v1+json"
seen = 2026-11-03T09:14:00Z
sum = "47b98025e96d0fc2"
`

func TestALockIsTheSameBytesWhateverTheOrder(t *testing.T) {
	t.Parallel()
	f := sample()
	if got := string(Format(f)); got != sampleText {
		t.Errorf("got\n%s\nwant\n%s", got, sampleText)
	}
	slices.Reverse(f.Images)
	slices.Reverse(f.Images[2].Platforms)
	slices.Reverse(f.Selects[0].Tags)
	if got := string(Format(f)); got != sampleText {
		t.Errorf("in another order:\n%s", got)
	}
}

func TestAWrittenLockReadsAsItWas(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"as written": sampleText, "with the line ends of Windows": strings.ReplaceAll(sampleText, "\n", "\r\n")} {
		f, err := Parse("images.txt.lock", []byte(text))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, image := range f.Images {
			if image.Edited {
				t.Errorf("%s: the sum of %s doesn't fit", name, image.Source)
			}
		}
		if got := string(Format(f)); got != sampleText {
			t.Errorf("%s:\n%s", name, got)
		}
		if next := f.BySource()["quay.io/cilium/cilium:v1.16.1"].Next; len(next) != 1 || next[0].Digest != hash("d") {
			t.Errorf("%s: next %v was not kept", name, next)
		}
	}
}

// The sum covers each line of an entry: what Renovate, sed or a merge changes is found.
func TestAnEditedEntryIsMarked(t *testing.T) {
	t.Parallel()
	for _, edit := range [][2]string{
		{"333333333333\"", "333333333334\""},
		{"linux/arm64 sha256:bbb", "linux/arm64 sha256:abb"},
		{"linux/amd64 sha256:ccc", "linux/amd64 sha256:acc"},
		{"vnd.oci.image.index", "vnd.oci.image.manifest"},
		{"signed = \"2026", "signed = \"2025"},
		{"approved", "Approved"},
		{"dddd 2026-11-03T10", "dddd 2026-11-02T10"},
	} {
		text := strings.Replace(sampleText, edit[0], edit[1], 1)
		if text == sampleText {
			t.Fatalf("%q is not in the sample", edit[0])
		}
		f, err := Parse("x.lock", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		var edited []string
		for _, image := range f.Images {
			if image.Edited {
				edited = append(edited, image.Source)
			}
		}
		if !slices.Equal(edited, []string{"quay.io/cilium/cilium:v1.16.1"}) {
			t.Errorf("%q → %q: marked %q", edit[0], edit[1], edited)
		}
	}
}
