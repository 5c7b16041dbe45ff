package reference

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// The grammars of <name> and of <reference> as a tag (OCI distribution spec, "Pulling manifests").
var (
	repositoryGrammar = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)
	tagGrammar        = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
)

// hostGrammar is that of a registry's host and port in an image reference (distribution's reference grammar, "domain").
var hostGrammar = regexp.MustCompile(`^(\[[a-fA-F0-9:]+\]|[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)*)(:[0-9]{1,5})?$`)

// maxNameLength is what many registries and clients allow for host and repository together (ibid.).
const maxNameLength = 255

const maxTagLength = 128

// CheckRepository tells why a registry would refuse a repository of that name.
func CheckRepository(host, repository string) error {
	switch {
	case len(host)+1+len(repository) > maxNameLength:
		return fmt.Errorf("%s/%s… is longer than %d characters, which registries refuse", host, repository[:min(40, len(repository))], maxNameLength)
	case !isRepository(repository):
		return fmt.Errorf("repository %q: %s", repository, whyNotRepository(repository))
	}
	return nil
}

// imageID is what Docker takes for the ID of a local image, so that no repository can be called so.
var imageID = regexp.MustCompile(`^[a-f0-9]{64}$`)

func isRepository(path string) bool {
	return repositoryGrammar.MatchString(path) && !imageID.MatchString(path)
}

func whyNotRepository(repository string) string {
	if repository == "" {
		return "a repository can't be empty"
	}
	if imageID.MatchString(repository) {
		return "64 hexadecimal digits are the ID of a local image, not a repository"
	}
	if lower := strings.ToLower(repository); lower != repository && repositoryGrammar.MatchString(lower) {
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
	case !tagGrammar.MatchString(tag):
		return fmt.Errorf("tag %q: a tag is made of letters, digits, '_', '.' and '-', and begins with none of the last two", tag)
	}
	return nil
}
