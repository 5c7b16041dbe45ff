package plan

import (
	"fmt"
	"regexp"
	"strings"

	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/spec"
)

// What a registry takes (OCI distribution spec, "Pulling manifests"): the grammars of <name> and of <reference> as a tag.
var (
	repositoryGrammar = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)
	tagGrammar        = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
)

// maxNameLength is what many registries and clients allow for host and repository together (distribution spec, ibid.).
const maxNameLength = 255

const maxTagLength = 128

// checkRepository tells why a registry would refuse a repository.
func checkRepository(host, repository string) error {
	switch {
	case repository == "":
		return fmt.Errorf("the destination's repository is empty")
	case len(host)+1+len(repository) > maxNameLength:
		return fmt.Errorf("destination %s/%s… is longer than %d characters, which registries refuse", host, repository[:min(40, len(repository))], maxNameLength)
	case repositoryGrammar.MatchString(repository):
		return nil
	case strings.ToLower(repository) != repository:
		return fmt.Errorf("destination repository %q has upper-case letters, which registries refuse", repository)
	default:
		return fmt.Errorf("destination repository %q would be refused by a registry: want components of lower-case letters and digits, "+
			"with '.', '_', '__' or '-' between them, separated by '/'", repository)
	}
}

// checkTag tells why a registry would refuse a tag.
func checkTag(tag string) error {
	switch {
	case tag == "":
		return fmt.Errorf("the destination's tag is empty")
	case len(tag) > maxTagLength:
		return fmt.Errorf("destination tag %q… is longer than %d characters, which registries refuse", tag[:40], maxTagLength)
	case !tagGrammar.MatchString(tag):
		return fmt.Errorf("destination tag %q would be refused by a registry: want letters, digits, '_', '.' and '-', the first not '.' or '-'", tag)
	}
	return nil
}

// splitAddress cuts a registry's address into its host and the prefix of all repositories there.
func splitAddress(address string) (host, prefix string, err error) {
	if i := strings.Index(address, "://"); i >= 0 {
		return "", "", fmt.Errorf("registry %q: leave the %s out", address, address[:i+3])
	}
	host, prefix, _ = strings.Cut(strings.TrimSuffix(address, "/"), "/")
	if !strings.ContainsAny(host, ".:") && host != "localhost" {
		return "", "", fmt.Errorf("registry %q is no host name: want one with a dot or a port, as in registry.example or localhost:5000", address)
	}
	ref, err := reference.Parse(host + "/x")
	if err != nil || ref.Repository != "x" && ref.Registry != reference.DockerHub {
		return "", "", fmt.Errorf("registry %q is no host name with an optional port and path", address)
	}
	return ref.Registry, prefix, nil
}

// Keys lists every spelling under which an override can mean an image, from the widest to the narrowest: the image
// without and with its tag and digest, as written and as Docker spells it in short and in full, and the AS name last.
func Keys(image spec.Image) []string {
	ref := image.Ref
	var keys []string
	seen := map[string]bool{}
	add := func(key string) {
		if key != "" && !seen[key] {
			seen[key] = true
			keys = append(keys, key)
		}
	}
	names := spellings(ref)
	suffixes := []string{""}
	if ref.Tag != "" && image.Select == nil {
		suffixes = append(suffixes, ":"+ref.Tag)
	}
	if ref.HasDigest() {
		suffixes = append(suffixes, "@"+ref.Digest.String())
		if ref.Tag != "" {
			suffixes = append(suffixes, ":"+ref.Tag+"@"+ref.Digest.String())
		}
	}
	for _, suffix := range suffixes {
		for _, name := range names {
			add(name + suffix)
		}
	}
	add(image.Source)
	add(image.Name)
	return keys
}

// spellings are the ways to write a repository: in full, and for Docker Hub without the host and `library/`.
func spellings(ref reference.Reference) []string {
	names := []string{ref.Name()}
	if ref.Registry != reference.DockerHub {
		return names
	}
	names = append(names, "index.docker.io/"+ref.Repository, ref.Repository)
	if short, official := strings.CutPrefix(ref.Repository, "library/"); official {
		names = append(names, reference.DockerHub+"/"+short, "index.docker.io/"+short, short)
	}
	return names
}
