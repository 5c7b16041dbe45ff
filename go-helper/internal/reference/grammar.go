package reference

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// hostGrammar is that of a registry's host and port in an image reference (distribution's reference grammar, "domain").
var hostGrammar = regexp.MustCompile(`^(\[[a-fA-F0-9:]+\]|[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)*)(:[0-9]{1,5})?$`)

// CheckHost tells why no registry can have that address.
func CheckHost(host string) error {
	if !hostGrammar.MatchString(host) {
		return fmt.Errorf("%q is not a host name", host)
	}
	i := strings.LastIndexByte(host, ':')
	if i < 0 { // most
		return nil
	}
	name, port := host, ""
	if !strings.HasSuffix(host, "]") {
		name, port = host[:i], host[i+1:]
	}
	if number, err := strconv.Atoi(port); port != "" && (err != nil || number < 1 || number > 65535) {
		return fmt.Errorf("%q has the port %s: ports are 1 to 65535", host, port)
	}
	if address, isIPv6 := strings.CutPrefix(name, "["); isIPv6 {
		if ip, err := netip.ParseAddr(strings.TrimSuffix(address, "]")); err != nil || !ip.Is6() {
			return fmt.Errorf("%q is not a host name: there is no IPv6 address between the brackets", host)
		}
	}
	return nil
}

// maxNameLength is what many registries and clients allow for host and repository together (distribution spec, ibid.).
const maxNameLength = 255

const maxTagLength = 128

// CheckRepository tells why a registry would refuse a repository of that name.
func CheckRepository(host, repository string) error {
	if err := checkLength(host, repository); err != nil {
		return err
	}
	if !isRepository(repository) {
		return fmt.Errorf("repository %q: %s", repository, whyNotRepository(repository))
	}
	return nil
}

func checkLength(host, repository string) error {
	if len(host)+1+len(repository) > maxNameLength {
		return fmt.Errorf("%s/%s… is longer than %d characters, which registries refuse", host, repository[:min(40, len(repository))], maxNameLength)
	}
	return nil
}

// isRepository is the grammar of <name> (OCI distribution spec, "Pulling manifests"):
//
//	[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*
//
// by hand, as plans check tens of thousands. Docker takes 64 hexadecimal digits for the ID of a local image.
func isRepository(path string) bool {
	for {
		component, rest, more := strings.Cut(path, "/")
		if !isComponent(component) {
			return false
		}
		if !more {
			return !isImageID(path)
		}
		path = rest
	}
}

func isComponent(s string) bool {
	i := 0
	for {
		start := i
		for i < len(s) && isLowerOrDigit(s[i]) {
			i++
		}
		if i == start {
			return false
		}
		if i == len(s) {
			return true
		}
		switch {
		case s[i] == '.':
			i++
		case strings.HasPrefix(s[i:], "__"):
			i += 2
		case s[i] == '_':
			i++
		case s[i] == '-':
			for i < len(s) && s[i] == '-' {
				i++
			}
		default:
			return false
		}
	}
}

func isLowerOrDigit(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }

func isImageID(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// isTag is the grammar of <reference> as a tag (ibid.): [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}
func isTag(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !isLowerOrDigit(c) && (c < 'A' || c > 'Z') && c != '_' && (i == 0 || c != '.' && c != '-') {
			return false
		}
	}
	return s != "" && len(s) <= maxTagLength
}

func whyNotRepository(repository string) string {
	if repository == "" {
		return "a repository can't be empty"
	}
	if isImageID(repository) {
		return "64 hexadecimal digits are the ID of a local image, not a repository"
	}
	if lower := strings.ToLower(repository); lower != repository && isRepository(lower) {
		return "a repository can't have upper-case letters"
	}
	return "a repository is made of lower-case letters and digits, with '.', '_', '__' or '-' between them, and '/' between components"
}

// CheckTag tells why a registry would refuse a tag.
func CheckTag(tag string) error {
	switch {
	case tag == "":
		return errors.New("a tag can't be empty")
	case len(tag) > maxTagLength:
		return fmt.Errorf("tag %q… is longer than %d characters, which registries refuse", tag[:40], maxTagLength)
	case !isTag(tag):
		return fmt.Errorf("tag %q: a tag is made of letters, digits, '_', '.' and '-', and begins with none of the last two", tag)
	}
	return nil
}
