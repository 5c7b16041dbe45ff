package reference

import (
	"strings"
	"testing"
)

const (
	hex    = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	digest = "sha256:" + hex
)

func TestParseSpellsInFull(t *testing.T) {
	for written, want := range map[string]string{
		"nginx":                             "docker.io/library/nginx:latest",
		"x":                                 "docker.io/library/x:latest",
		"nginx:1.25":                        "docker.io/library/nginx:1.25",
		"library/nginx":                     "docker.io/library/nginx:latest",
		"bitnami/redis:7":                   "docker.io/bitnami/redis:7",
		"docker.io/nginx":                   "docker.io/library/nginx:latest",
		"index.docker.io/nginx":             "docker.io/library/nginx:latest",
		"registry-1.docker.io/library/a":    "docker.io/library/a:latest",
		"nginx@" + digest:                   "docker.io/library/nginx@" + digest,
		"nginx@sha512:" + hex + hex:         "docker.io/library/nginx@sha512:" + hex + hex,
		"nginx:1.25@" + digest:              "docker.io/library/nginx:1.25@" + digest,
		"quay.io/cilium/cilium:v1.15":       "quay.io/cilium/cilium:v1.15",
		"Quay.IO/cilium/cilium:v1.15":       "quay.io/cilium/cilium:v1.15",
		"localhost/x":                       "localhost/x:latest",
		"localhost:5000/x:y":                "localhost:5000/x:y",
		"registry.example:443/a/b/c":        "registry.example:443/a/b/c:latest",
		"[::1]:5000/x":                      "[::1]:5000/x:latest",
		"127.0.0.1:5000/x":                  "127.0.0.1:5000/x:latest",
		"registry.example/a__b/c-d/e.f":     "registry.example/a__b/c-d/e.f:latest",
		"nginx:" + strings.Repeat("t", 128): "docker.io/library/nginx:" + strings.Repeat("t", 128),
	} {
		ref, err := Parse(written)
		if err != nil {
			t.Errorf("Parse(%q): %v", written, err)
			continue
		}
		if ref.String() != want {
			t.Errorf("Parse(%q) = %s, want %s", written, ref, want)
		}
		if again, err := Parse(ref.String()); err != nil || again != ref {
			t.Errorf("Parse(%q) = %v, %v: not what it was made of", ref.String(), again, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for written, want := range map[string]string{
		"":                                  `image reference "" does not match expected format`,
		" nginx":                            `image reference " nginx" does not match expected format`,
		"a b":                               `image reference "a b" does not match expected format`,
		"Nginx":                             "a repository can't have upper-case letters",
		"nginx:":                            "has an empty tag",
		"nginx:-a":                          "invalid tag",
		"nginx:.a":                          "invalid tag",
		"nginx:a{":                          "invalid tag",
		"nginx:" + strings.Repeat("t", 129): "longer than 128 characters",
		"nginx@":                            `invalid digest in "nginx@"`,
		"nginx@sha256:12":                   `invalid digest in "nginx@sha256:12"`,
		"nginx@md5:" + hex[:32]:             `unsupported hash: "md5"`,
		"nginx@" + strings.ToUpper(digest):  "invalid digest",
		"nginx@" + digest + "@" + digest:    "invalid digest",
		"@" + digest:                        "a repository can't be empty",
		"registry.example/":                 "a repository can't be empty",
		"/nginx":                            "does not match expected format",
		"nginx//x":                          "does not match expected format",
		"nginx/":                            "does not match expected format",
		"foo..bar":                          "does not match expected format",
		"-a":                                "does not match expected format",
		"registry.example:port/x":           "is not a host name",
		"http://registry.example/x":         "is not a host name",
		"user:secret@registry.example/x":    "has a user name or password in it",
		"https://u:secret@a.example/x":      "has a user name or password in it",
		hex:                                 "the ID of a local image",
		"registry.example/" + strings.Repeat("a", 255): "longer than 255 characters",
		"nginx\x00": "does not match expected format",
		"é":         "does not match expected format",
	} {
		ref, err := Parse(written)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q) = %v, %v, want an error with %q", written, ref, err, want)
		}
		if (ref != Reference{}) {
			t.Errorf("Parse(%q) gave %v beside its error", written, ref)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("Parse(%q) repeats a password: %v", written, err)
		}
	}
}

func TestIdentifierIsTheDigestWhereThereIsOne(t *testing.T) {
	for written, want := range map[string]string{
		"nginx":             "latest",
		"nginx:1":           "1",
		"nginx@" + digest:   digest,
		"nginx:1@" + digest: digest,
	} {
		ref, err := Parse(written)
		if err != nil {
			t.Fatal(err)
		}
		if got := ref.Identifier(); got != want {
			t.Errorf("%s: Identifier() = %s, want %s", written, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"nginx", "quay.io/a/b:v1", "a.b:5000/c@" + digest, "nginx:1@" + digest, "[::1]:5000/x", "http://a/b", "@", ":", "//", "localhost/x",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ref, err := Parse(s)
		if err != nil {
			return
		}
		if ref.Tag == "" && !ref.HasDigest() {
			t.Fatalf("Parse(%q) has neither tag nor digest", s)
		}
		if again, err := Parse(ref.String()); err != nil || again != ref {
			t.Fatalf("Parse(%q) = %v; read again: %v, %v", s, ref, again, err)
		}
	})
}
