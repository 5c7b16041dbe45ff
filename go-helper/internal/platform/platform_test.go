package platform

import (
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func TestParseNormalizes(t *testing.T) {
	for written, want := range map[string]string{
		"linux/amd64":                  "linux/amd64",
		"Linux/AMD64":                  "linux/amd64",
		"linux/x86_64":                 "linux/amd64",
		"linux/amd64/v1":               "linux/amd64",
		"linux/amd64/v3":               "linux/amd64/v3",
		"linux/aarch64":                "linux/arm64",
		"linux/arm64/v8":               "linux/arm64",
		"linux/arm64/v9":               "linux/arm64/v9",
		"linux/arm":                    "linux/arm/v7",
		"linux/arm/7":                  "linux/arm/v7",
		"linux/arm/v6":                 "linux/arm/v6",
		"linux/armhf":                  "linux/arm/v7",
		"linux/armel":                  "linux/arm/v6",
		"linux/i386":                   "linux/386",
		"macos/arm64":                  "darwin/arm64",
		"windows/amd64:10.0.20348.169": "windows/amd64:10.0.20348.169",
		"linux/riscv64":                "linux/riscv64",
	} {
		p, err := Parse(written)
		if err != nil || p.String() != want {
			t.Errorf("Parse(%q) = %s, %v, want %s", written, p, err, want)
		}
		if again, err := Parse(p.String()); err != nil || again.String() != want {
			t.Errorf("Parse(%q) = %s, %v", p, again, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for written, want := range map[string]string{
		"":                "want os/arch",
		"amd64":           "as in linux/amd64",
		"aarch64":         "as in linux/arm64",
		"windows":         "as in windows/amd64",
		"linux/":          "want os/arch",
		"/amd64":          "want os/arch",
		"linux//v7":       "want os/arch",
		"linux/arm/v7/x":  "want os/arch",
		"linux/am d64":    "want os/arch",
		"linux/amd64:":    "after the colon",
		"linux/amd64:1:2": "after the colon",
		"linux,amd64":     "want os/arch",
	} {
		if p, err := Parse(written); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q) = %v, %v, want an error with %q", written, p, err, want)
		}
	}
}

func TestMatch(t *testing.T) {
	for _, test := range []struct {
		want string
		have v1.Platform
		ok   bool
	}{
		{"linux/amd64", v1.Platform{OS: "linux", Architecture: "amd64"}, true},
		{"linux/amd64", v1.Platform{OS: "linux", Architecture: "amd64", Variant: "v3"}, false},
		{"linux/arm64", v1.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}, true},
		{"linux/arm64/v8", v1.Platform{OS: "linux", Architecture: "arm64"}, true},
		{"linux/arm", v1.Platform{OS: "linux", Architecture: "arm", Variant: "v7"}, true},
		{"linux/arm", v1.Platform{OS: "linux", Architecture: "arm", Variant: "v6"}, false},
		{"linux/amd64", v1.Platform{OS: "windows", Architecture: "amd64"}, false},
		{"windows/amd64", v1.Platform{OS: "windows", Architecture: "amd64", OSVersion: "10.0.1"}, true},
		{"windows/amd64:10.0.1", v1.Platform{OS: "windows", Architecture: "amd64", OSVersion: "10.0.1"}, true},
		{"windows/amd64:10.0.1", v1.Platform{OS: "windows", Architecture: "amd64", OSVersion: "10.0.2"}, false},
		{"linux/amd64", v1.Platform{OS: "unknown", Architecture: "unknown"}, false},
		{"linux/amd64", v1.Platform{}, false},
	} {
		want, err := Parse(test.want)
		if err != nil {
			t.Fatal(err)
		}
		if got := Match(want, test.have); got != test.ok {
			t.Errorf("Match(%s, %s) = %v", test.want, test.have, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"linux/amd64", "linux/arm/v7", "windows/amd64:10.0", "amd64", "a/b/c/d", "linux/arm64/v8"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := Parse(s)
		if err != nil {
			return
		}
		if again, err := Parse(p.String()); err != nil || again.String() != p.String() {
			t.Fatalf("Parse(%q) = %s; read again: %s, %v", s, p, again, err)
		}
	})
}
