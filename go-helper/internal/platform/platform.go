// Package platform reads and compares platforms (`os/arch[/variant]`) the way `docker --platform` does.
package platform

import (
	"fmt"
	"regexp"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

var component = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

// Parse reads `os/arch[/variant]`, with an optional `:osversion` for Windows, and normalizes it.
// A lone OS or architecture is an error: Docker completes it from the machine it runs on, and a list of
// images must mean the same everywhere.
func Parse(s string) (v1.Platform, error) {
	text, osVersion, hasVersion := strings.Cut(s, ":")
	parts := strings.Split(text, "/")
	for _, part := range parts {
		if !component.MatchString(part) {
			return v1.Platform{}, fmt.Errorf("invalid platform %q: want os/arch[/variant], as in linux/arm64", s)
		}
	}
	if hasVersion && !component.MatchString(osVersion) {
		return v1.Platform{}, fmt.Errorf("invalid platform %q: nothing usable as an OS version after the colon", s)
	}
	switch len(parts) {
	case 1:
		return v1.Platform{}, fmt.Errorf("invalid platform %q: want os/arch[/variant], as in %s", s, complete(parts[0]))
	case 2:
		return Normalize(v1.Platform{OS: parts[0], Architecture: parts[1], OSVersion: osVersion}), nil
	case 3:
		return Normalize(v1.Platform{OS: parts[0], Architecture: parts[1], Variant: parts[2], OSVersion: osVersion}), nil
	default:
		return v1.Platform{}, fmt.Errorf("invalid platform %q: want os/arch[/variant], as in linux/arm64", s)
	}
}

// complete guesses what someone who wrote only one component meant.
func complete(part string) string {
	switch strings.ToLower(part) {
	case "linux", "windows", "darwin", "freebsd":
		return strings.ToLower(part) + "/amd64"
	default:
		return Normalize(v1.Platform{OS: "linux", Architecture: part}).String()
	}
}

// Normalize gives the one spelling of a platform, as containerd's `platforms.Normalize` does: lower case,
// uname's names of architectures turned into Go's, and the variants that are a default left out.
func Normalize(p v1.Platform) v1.Platform {
	p.OS = strings.ToLower(p.OS)
	if p.OS == "macos" {
		p.OS = "darwin"
	}
	p.Architecture, p.Variant = strings.ToLower(p.Architecture), strings.ToLower(p.Variant)
	switch p.Architecture {
	case "i386":
		p.Architecture, p.Variant = "386", ""
	case "x86_64", "x86-64", "amd64":
		p.Architecture = "amd64"
		if p.Variant == "v1" {
			p.Variant = ""
		}
	case "aarch64", "arm64":
		p.Architecture = "arm64"
		switch p.Variant {
		case "8", "v8", "v8.0":
			p.Variant = ""
		case "9", "9.0", "v9.0":
			p.Variant = "v9"
		}
	case "armhf":
		p.Architecture, p.Variant = "arm", "v7"
	case "armel":
		p.Architecture, p.Variant = "arm", "v6"
	case "arm":
		switch p.Variant {
		case "", "7":
			p.Variant = "v7"
		case "5", "6", "8":
			p.Variant = "v" + p.Variant
		}
	}
	return p
}

// Match tells whether an image for `have` is what someone who asked for `want` is after. OS versions are compared
// only where one is wanted.
func Match(want, have v1.Platform) bool {
	want, have = Normalize(want), Normalize(have)
	if want.OSVersion != "" && want.OSVersion != have.OSVersion {
		return false
	}
	return want.OS == have.OS && want.Architecture == have.Architecture && want.Variant == have.Variant
}
