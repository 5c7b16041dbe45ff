// Package reference parses image references the way `docker pull` reads them. go-containerregistry's parser won't do: it
// drops the tag of `name:tag@digest`, takes no repository of one letter, and lets names through that no registry takes.
package reference

import (
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// DockerHub is the canonical registry host of references that name none.
const DockerHub = "docker.io"

// DefaultTag is meant where a reference has neither tag nor digest.
const DefaultTag = "latest"

// dockerHubAliases are the other spellings under which Docker Hub is met in the wild.
var dockerHubAliases = map[string]bool{
	"index.docker.io":         true,
	"registry-1.docker.io":    true,
	"registry.hub.docker.com": true,
}

// ErrCredentials says that what should be a reference has credentials in it, without repeating them.
var ErrCredentials = errors.New("image reference has a user name or password in it: credentials come from the keychain, never from a list")

// Reference is one fully spelled image reference. At least one of Tag and Digest is set once it came
// out of [Parse]; with both, the image is the digest's and the tag is only its label.
// The zero value is no reference. References are comparable.
type Reference struct {
	Registry   string  // host[:port], canonical (Docker Hub is "docker.io")
	Repository string  // path in the registry, with Docker Hub's "library/"
	Tag        string  // empty where only a digest was given
	Digest     v1.Hash // zero where only a tag was given
}

// Parse reads s as Docker does: a first component without '.', ':' or "localhost" belongs to a Docker
// Hub repository, one without a slash to its `library/`; neither tag nor digest means ":latest".
func Parse(s string) (Reference, error) {
	if strings.TrimSpace(s) != s || s == "" {
		return Reference{}, fmt.Errorf("image reference %q does not match expected format", s)
	}
	base, digest, hasDigest := strings.Cut(s, "@")
	if strings.Contains(digest, "/") {
		return Reference{}, ErrCredentials
	}
	if err := CheckWebAddress(s); err != nil {
		return Reference{}, err
	}
	var ref Reference
	if hasDigest {
		hash, err := v1.NewHash(digest)
		if err != nil {
			return Reference{}, fmt.Errorf("invalid digest in %q: %w", s, err)
		}
		ref.Digest = hash
	}
	repository, tag := splitTag(base)
	if tag == "" && strings.HasSuffix(base, ":") {
		return Reference{}, fmt.Errorf("image reference %q has an empty tag", s)
	}
	host, path := splitHost(repository)
	if err := CheckHost(host); err != nil {
		return Reference{}, fmt.Errorf("image reference %q does not match expected format: %w", s, err)
	}
	ref.Registry, ref.Repository = CanonicalHost(host), path
	if ref.Registry == DockerHub && !strings.Contains(path, "/") {
		ref.Repository = "library/" + path
	}
	if !isRepository(path) {
		return Reference{}, fmt.Errorf("image reference %q does not match expected format: %s", s, whyNotRepository(path))
	}
	if err := checkLength(ref.Registry, ref.Repository); err != nil {
		return Reference{}, fmt.Errorf("image reference %q does not match expected format: %w", s, err)
	}
	if tag == "" && !hasDigest {
		tag = DefaultTag
	}
	if tag != "" {
		if err := CheckTag(tag); err != nil {
			return Reference{}, fmt.Errorf("image reference %q has an invalid tag: %w", s, err)
		}
	}
	ref.Tag = tag
	return ref, nil
}

// splitTag cuts a tag off; a colon before the last slash belongs to the host's port.
func splitTag(s string) (repository, tag string) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.Contains(s[i:], "/") {
		return s, ""
	}
	return s[:i], s[i+1:]
}

// splitHost cuts the registry off, where the first component is one.
func splitHost(s string) (host, path string) {
	host, path, found := strings.Cut(s, "/")
	if !found || !strings.ContainsAny(host, ".:") && host != "localhost" {
		return DockerHub, s
	}
	return host, path
}

// CanonicalHost gives the one spelling under which a registry host is known here.
func CanonicalHost(host string) string {
	host = strings.ToLower(host)
	if dockerHubAliases[host] {
		return DockerHub
	}
	return host
}

// Identifier is what the manifest is asked for by: the digest where there is one, else the tag.
func (r Reference) Identifier() string {
	if r.HasDigest() {
		return r.Digest.String()
	}
	return r.Tag
}

// HasDigest tells whether the reference is pinned.
func (r Reference) HasDigest() bool { return r.Digest != v1.Hash{} }

// Name is the reference without tag and digest.
func (r Reference) Name() string { return r.Registry + "/" + r.Repository }

// String spells the reference in full, with all that it has.
func (r Reference) String() string {
	s := r.Name()
	if r.Tag != "" {
		s += ":" + r.Tag
	}
	if r.HasDigest() {
		s += "@" + r.Digest.String()
	}
	return s
}
