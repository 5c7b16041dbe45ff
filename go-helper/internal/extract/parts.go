package extract

import (
	"strconv"
	"strings"

	"docker-mirror/go-helper/internal/strictjson"
)

// parts looks at an object for images whose parts are its members, as charts, custom resources and operators' settings have them:
//
//	{registry: quay.io, repository: a/b, tag: 1, digest: sha256:…}   also imageRegistry, imageRepository, imageTag …
//	{repository: nvcr.io/nvidia, image: driver, version: 1}
//	{baseImage: quay.io/a/b, version: 1}    {proxyImage: quay.io/a/b, proxyTag: 1}    {hub: docker.io/istio, image: proxyv2, tag: 1}
//	image: {name: quay.io/a/b, version: 1}
//	{name: RELATED_IMAGE_X, value: quay.io/a/b:1}                    an environment variable
//
// They are joined wholly, or left out with a word. It gives the keys that it has dealt with.
func (f *finder) parts(key string, v strictjson.Value, where place) map[string]bool {
	handled := map[string]bool{}
	for _, key := range f.charts(v) {
		handled[key] = true
	}
	switch name := text(v, "name"); {
	case name == "" || handled["name"]:
	case text(v, "kind") == "DockerImage": // OpenShift, ObjectReference of images
		named, _ := member(v, "name")
		f.loose(named, name)
		return map[string]bool{"name": true}
	case key == "env":
		handled["value"] = true // as [variables]
	case text(v, "value") != "":
		value, _ := member(v, "value")
		f.scalar(name, value)
		handled["value"] = true
	}
	o := newSiblings(key, v)
	for _, field := range v.Fields {
		if handled[field.Key] || field.Value.Kind != strictjson.String {
			continue
		}
		if name := normalized(field.Key); isAnchor(name) || o.underImage && underImageAnchors[name] {
			if f.anchored(o, name, strings.TrimSpace(field.Value.Text), field.Value, where) {
				handled[field.Key] = true
			}
		}
	}
	return handled
}

// siblings are an object's members under their normalized keys.
type siblings struct {
	underImage bool // the object itself is the value of a key that means an image
	values     map[string]strictjson.Value
}

func newSiblings(key string, v strictjson.Value) siblings {
	o := siblings{underImage: isImageKey(key), values: make(map[string]strictjson.Value, len(v.Fields))}
	for _, field := range v.Fields {
		o.values[normalized(field.Key)] = field.Value
	}
	return o
}

// first gives the first of some members that says something; there tells whether any of them is there, if only empty.
func (o siblings) first(prefixes []string, names ...string) (value strictjson.Value, there bool) {
	for _, name := range names {
		for _, prefix := range prefixes {
			v, ok := o.values[prefix+name]
			if !ok || v.Kind != strictjson.String && v.Kind != strictjson.Number && v.Kind != strictjson.Null {
				continue
			}
			there = true
			if v.Kind != strictjson.Null && strings.TrimSpace(v.Text) != "" {
				v.Text = strings.TrimSpace(v.Text)
				return v, true
			}
		}
	}
	return strictjson.Value{}, there
}

// isAnchor tells whether a key names the repository of an image, with or without its other parts.
func isAnchor(name string) bool {
	return name == "name" || name == "newname" || strings.HasSuffix(name, "repository") || strings.HasSuffix(name, "repo") || strings.HasSuffix(name, "image") ||
		strings.HasSuffix(name, "imagename")
}

// underImageAnchors are further names of a repository, where the object is an image.
var underImageAnchors = map[string]bool{"path": true, "url": true, "uri": true, "ref": true}

// between are members that go between a registry and a name, in an order that only their reader knows.
var between = []string{"org", "organization", "owner", "project", "imagenamespace", "imageprefix", "imagepath", "repositoryprefix"}

// prefixes are what the keys of an anchor's siblings begin with: of proxyImage those of proxyImageTag and proxyTag.
func prefixes(name string) []string {
	if underImageAnchors[name] {
		return []string{""}
	}
	stem := name
	for _, suffix := range []string{"repository", "repo", "name"} {
		stem = strings.TrimSuffix(stem, suffix)
	}
	short := strings.TrimSuffix(stem, "image")
	if short == "base" { // what the Prometheus operator calls it
		return []string{stem, short, ""}
	}
	return []string{stem, short}
}

// anchored deals with an image whose repository, or more, is the value of an anchor; false where that means something else.
func (f *finder) anchored(o siblings, name, value string, v strictjson.Value, where place) bool {
	around := prefixes(name)
	isImage := strings.HasSuffix(name, "image") || strings.HasSuffix(name, "imagename")
	if _, isNamed := o.values["image"]; name == "name" && isNamed {
		return false // the image has a name and a reference
	}
	if value == "" || isTemplate(value) || strings.ContainsAny(value, " \n\t,;=") || strings.Contains(value, "://") {
		return false
	}
	repository, ok := f.fullRepository(o, name, value, v, around, where)
	if !ok {
		return true
	}
	own := hasIdentifier(repository)
	i := o.identifier(around, o.underImage || isImage || hasHost(repository))
	if where.hub != "" && isImage && !strings.Contains(value, "/") && !own { // Istio's
		repository = where.hub + "/" + value
		if i.tag.Text == "" || o.has([]string{""}, "hub") {
			i.tag = strictjson.Value{Kind: strictjson.String, Text: where.tag}
		}
	}
	isPart := o.underImage || isImage || i.tagged
	switch {
	case name == "name" && !o.underImage && !(hasHost(repository) && i.says()), !isPart && !hasHost(repository):
		return false // a name or a repository of anything
	case where.isRepositories(name) && !own:
		f.leave(v, repository, "names a repository, in which others choose the image or the tag")
	case isPart && !hasHost(value) && o.goesBetween():
		f.leave(v, value, "has more parts beside it than a registry, a name and a tag: which come where isn't clear")
	case o.underImage && o.hasSuffix():
		f.leave(v, repository, "has a suffix beside it that only the chart knows how to add: render it first")
	case own && (name == "name" || i.tag.Text == "" || isImage && !strings.HasSuffix(name, "baseimage") && !o.has(around, "tag", "imagetag")):
		f.guess(v, repository) // the whole, whatever version stands beside it
	case own && !strings.HasSuffix(repository, ":"+i.tag.Text):
		f.leave(v, repository, "has a tag, and beside it the tag "+i.tag.Text)
	case isTemplate(i.tag.Text) || isTemplate(i.digest.Text):
		f.leave(v, repository, "has a template for its tag: render it first")
	case i.tag.Kind == strictjson.Number && !isPlainNumber(i.tag.Text):
		f.leave(v, repository, "has the tag "+i.tag.Text+", which YAML reads as another number: quote it")
	case !i.says():
		return f.untagged(o, name, repository, v, isImage, i.there)
	default:
		f.guess(v, i.of(repository))
	}
	return true
}

// identifier is what stands beside a repository to tell which image of it is meant.
type identifier struct {
	tag, digest strictjson.Value
	tagged      bool // by members that only images have
	there       bool // some member for it is, if only empty
}

// identifier looks for the tag and the digest; a version is a tag where the rest is clearly an image.
func (o siblings) identifier(around []string, versioned bool) identifier {
	var i identifier
	var hasTag, hasDigest bool
	i.tag, hasTag = o.first(around, "tag", "imagetag")
	i.digest, hasDigest = o.first(around, "digest", "sha", "sha256", "imagedigest")
	i.tagged = hasTag || hasDigest
	if used, ok := o.values["usedigest"]; ok && used.Text == "false" { // Cilium's chart
		i.digest = strictjson.Value{}
	}
	if !hasTag && versioned {
		i.tag, hasTag = o.first(around, "version", "imageversion")
	}
	i.there = hasTag || hasDigest
	return i
}

func (i identifier) says() bool { return i.tag.Text != "" || i.digest.Text != "" }

// of puts tag and digest to a repository that may have a tag itself.
func (i identifier) of(repository string) string {
	source := repository
	if !hasIdentifier(repository) {
		source = joined(repository, i.tag.Text)
	}
	digest := i.digest.Text
	switch {
	case digest == "" || strings.Contains(source, "@"):
		return source
	case strings.Contains(digest, ":"):
		return source + "@" + digest
	default: // its hex alone
		return source + "@sha256:" + digest
	}
}

// goesBetween tells whether a name has more before it than a registry.
func (o siblings) goesBetween() bool {
	if o.underImage && o.has([]string{""}, "namespace") {
		return true
	}
	return o.has([]string{""}, between...)
}

// hasSuffix tells whether a chart makes several images of one repository: operator-generic, operator-aws.
func (o siblings) hasSuffix() bool {
	_, there := o.values["suffix"]
	return there
}

func (o siblings) has(prefixes []string, names ...string) bool {
	v, _ := o.first(prefixes, names...)
	return v.Text != ""
}

// fullRepository puts what stands in other members before a repository; false where that isn't clear, which is told.
func (f *finder) fullRepository(o siblings, name, value string, v strictjson.Value, around []string, where place) (string, bool) {
	if other, _ := o.first([]string{""}, "image"); name == "repository" && other.Text != "" && other.Kind == strictjson.String {
		return "", false // which is looked at in its turn
	}
	if parent, _ := o.first([]string{""}, "repository"); name == "image" && parent.Text != "" && !hasHost(value) && !hasIdentifier(value) && !isTemplate(parent.Text) {
		if registry, _ := o.first(around, "registry"); registry.Text != "" {
			f.leave(v, value, "stands beside a repository and a registry: which of them belong to its name isn't clear")
			return "", false
		}
		return strings.TrimSuffix(parent.Text, "/") + "/" + value, true
	}
	registry, hasRegistry := o.first(around, "registry", "hub")
	if f.registry != "" && where.values && !strings.HasSuffix(name, "name") && (hasRegistry || !hasHost(value)) {
		registry.Text = f.registry // global.imageRegistry goes before the image's own
	}
	host := strings.TrimSuffix(registry.Text, "/")
	switch {
	case host == "" || strings.HasPrefix(value, host+"/"):
		return value, true
	case isTemplate(host):
		f.leave(v, value, "has a template for its registry: render it first")
		return "", false
	case hasHost(value):
		f.leave(v, value, "names a registry, and beside it the registry "+host)
		return "", false
	}
	return host + "/" + value, true
}

// untagged deals with an image of which no tag is said.
func (f *finder) untagged(o siblings, name, repository string, v strictjson.Value, isImage, hasEmptyTag bool) bool {
	switch {
	case hasIdentifier(repository):
		f.guess(v, repository)
	case hasEmptyTag:
		f.leave(v, repository, "has an empty tag: what fills it in, as a chart its own version, must be rendered first")
	case strings.HasSuffix(name, "baseimage"):
		f.leave(v, repository, "is a base image without its version")
	case isImage:
		f.loose(v, repository)
	case o.underImage || hasHost(repository) && isKnownHost(repository):
		f.leave(v, repository, "has no tag")
	default:
		return false
	}
	return true
}

// isPlainNumber tells whether a number reads as the same text everywhere: 7.2 does, 7.20 is 7.2 to Helm.
func isPlainNumber(s string) bool {
	n, err := strconv.ParseFloat(s, 64)
	return err == nil && strconv.FormatFloat(n, 'f', -1, 64) == s
}

// joined puts a tag, or what is a digest after all, to a repository.
func joined(repository, tag string) string {
	switch {
	case tag == "":
		return repository
	case strings.HasPrefix(tag, "sha256:"), strings.HasPrefix(tag, "@sha256:"):
		return repository + "@" + strings.TrimPrefix(tag, "@")
	default:
		return repository + ":" + tag
	}
}
