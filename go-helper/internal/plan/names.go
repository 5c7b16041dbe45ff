package plan

import (
	"errors"
	"fmt"
	"strings"

	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/spec"
)

// splitAddress cuts a registry's address into its host and the prefix of all repositories there.
func splitAddress(address string) (host, prefix string, err error) {
	if strings.HasPrefix(address, "@") {
		return "", "", fmt.Errorf("registry %s is an alias, which means nothing here: want an address", address)
	}
	if strings.Contains(address, "@") {
		return "", "", errors.New("a registry address has a user name or password in it: credentials come from the keychain")
	}
	if i := strings.Index(address, "://"); i >= 0 {
		return "", "", fmt.Errorf("registry %q: leave the %s out", address, address[:i+3])
	}
	host, prefix, _ = strings.Cut(strings.TrimSuffix(address, "/"), "/")
	if !strings.ContainsAny(host, ".:") && host != "localhost" {
		return "", "", fmt.Errorf("registry %q is not a host name: it needs a dot or a port, as in registry.example or localhost:5000", address)
	}
	if err := reference.CheckWebAddress(address + "/NAME"); err != nil {
		return "", "", fmt.Errorf("registry %q: %w", address, err)
	}
	if err := reference.CheckHost(host); err != nil {
		return "", "", fmt.Errorf("registry %q: %w; want a host name with an optional port and path", address, err)
	}
	ref, err := reference.Parse(host + "/x")
	if err != nil || ref.Repository != "x" && ref.Registry != reference.DockerHub {
		return "", "", fmt.Errorf("registry %q is not a host name with an optional port and path", address)
	}
	if prefix != "" {
		if err := reference.CheckRepository(ref.Registry, prefix); err != nil {
			return "", "", fmt.Errorf("registry %q: %w", address, err)
		}
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
