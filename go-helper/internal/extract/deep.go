package extract

import (
	"regexp"
	"strings"

	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/strictjson"
)

// custom looks at an object for the ways in which custom resources and charts' own settings name an image:
//
//	image: quay.io/a/b:1                                          a field image or …Image
//	image: {registry: quay.io, repository: a/b, tag: 1, digest: …}  the same, in parts
//	{repository: nvcr.io/nvidia, image: driver, version: 1}        parts beside each other
//	{name: RELATED_IMAGE_X, value: quay.io/a/b:1}                  an environment variable
func (f *finder) custom(key string, v strictjson.Value) {
	if isImageKey(key) {
		f.parts(v)
	}
	repository, image, version := text(v, "repository"), text(v, "image"), text(v, "version")
	if repository != "" && image != "" && version != "" {
		f.guess(joined(repository+"/"+image, version))
		return
	}
	if name := text(v, "name"); isImageVariable(name) {
		if value, ok := member(v, "value"); ok && value.Kind == strictjson.String {
			f.guess(value.Text)
		}
	}
	for _, field := range v.Fields {
		if isImageKey(field.Key) && field.Value.Kind == strictjson.String {
			f.guess(field.Value.Text)
		}
	}
}

// parts puts an image together that is given in parts.
func (f *finder) parts(v strictjson.Value) {
	repository := text(v, "repository")
	if repository == "" {
		repository = text(v, "name")
	}
	tag, digest := text(v, "tag"), text(v, "digest")
	if tag == "" {
		tag = text(v, "version")
	}
	if repository == "" || tag == "" && digest == "" {
		return
	}
	if registry := text(v, "registry"); registry != "" {
		repository = registry + "/" + repository
	}
	source := joined(repository, tag)
	if digest != "" {
		source += "@" + digest
	}
	f.guess(source)
}

// joined puts a tag, or what is a digest after all, to a repository.
func joined(repository, tag string) string {
	switch {
	case tag == "":
		return repository
	case strings.HasPrefix(tag, "sha256:"):
		return repository + "@" + tag
	default:
		return repository + ":" + tag
	}
}

func isImageKey(key string) bool {
	return key == "image" || strings.HasSuffix(key, "Image") || strings.HasSuffix(key, "_image")
}

func isImageVariable(name string) bool {
	return strings.HasPrefix(name, "RELATED_IMAGE_") || strings.HasSuffix(name, "_IMAGE") || name == "IMAGE"
}

// flag is one argument that sets something: --name=value.
var flag = regexp.MustCompile(`^--?([A-Za-z0-9][A-Za-z0-9._-]*)=(.+)$`)

// versionTag is how a tag looks that can't be a port.
var versionTag = regexp.MustCompile(`^v?\d+\.\d`)

// flags looks at a container's arguments: cert-manager and Prometheus' operator are told so what to run.
func (f *finder) flags(args strictjson.Value) {
	for i, arg := range args.Items {
		if arg.Kind != strictjson.String {
			continue
		}
		m := flag.FindStringSubmatch(arg.Text)
		switch {
		case m != nil && strings.Contains(strings.ToLower(m[1]), "image"):
			f.guess(m[2])
		case m != nil && isVersioned(m[2]):
			f.guess(m[2])
		case i > 0 && strings.HasPrefix(args.Items[i-1].Text, "-") && strings.HasSuffix(strings.ToLower(args.Items[i-1].Text), "image"):
			f.guess(arg.Text)
		}
	}
}

// isVersioned tells whether text is so much like an image that no name around it is needed: host, path and a version.
func isVersioned(s string) bool {
	host, _, hasPath := strings.Cut(s, "/")
	ref, err := reference.Parse(s)
	return err == nil && hasPath && strings.Contains(host, ".") && (ref.HasDigest() || versionTag.MatchString(ref.Tag))
}

// guess takes what may be an image. It must say at least which one: a bare word isn't enough.
func (f *finder) guess(source string) {
	source = strings.TrimSpace(source)
	ref, err := reference.Parse(source)
	if err != nil {
		return
	}
	if ref.HasDigest() || strings.Contains(source, "/") || strings.HasSuffix(source, ":"+ref.Tag) {
		f.add(source, ref)
	}
}
