// Package reference parses image references the way `docker pull` reads them, and keeps what
// go-containerregistry's parser drops: the tag of `name:tag@digest`.
package reference

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
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
	repo, err := name.NewRepository(repository, name.WithDefaultRegistry(DockerHub))
	if err != nil {
		return Reference{}, fmt.Errorf("image reference %q does not match expected format: %w", s, unwrapBadName(err))
	}
	ref.Registry = CanonicalHost(repo.RegistryStr())
	ref.Repository = repo.RepositoryStr()
	if ref.Registry == DockerHub && !strings.Contains(ref.Repository, "/") {
		ref.Repository = "library/" + ref.Repository
	}
	if tag == "" && !hasDigest {
		tag = DefaultTag
	}
	if tag != "" {
		if _, err := name.NewTag(ref.Registry+"/"+ref.Repository+":"+tag, name.StrictValidation); err != nil {
			return Reference{}, fmt.Errorf("image reference %q has an invalid tag: %w", s, unwrapBadName(err))
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

func unwrapBadName(err error) error {
	var bad *name.ErrBadName
	if errors.As(err, &bad) {
		return errors.New(bad.Error())
	}
	return err
}

// CanonicalHost gives the one spelling under which a registry host is known here.
func CanonicalHost(host string) string {
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
