package extract

import (
	"regexp"
	"strings"

	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/strictjson"
)

// normalized makes keys in all their spellings one: proxyImage, proxy_image, PROXY_IMAGE, proxy-image.
func normalized(key string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			return r
		}
		return -1
	}, key)
}

// aboutImages are the endings of keys that say something about an image, but not which it is.
var aboutImages = regexp.MustCompile(`(?:policy|registry|repository|repo|repositories|secrets?|tag|tags|version|digest|size|format|prefix|enabled|type|path|dir|file|mode|scan|signature|count|timeout|url|name|platforms?|arch|arches|os|ids?|labels?|args?|context)$`)

// isImageKey tells whether the value of a key, or of a variable, is an image or several.
func isImageKey(key string) bool {
	name := normalized(key)
	for _, ending := range []string{"image", "images", "imagename", "imageref", "imagereference", "imageurl", "imageuri"} {
		if strings.HasSuffix(name, ending) {
			return true
		}
	}
	// RELATED_IMAGE_PROXY, IMAGE_PROXY; but imagePullPolicy
	return key == strings.ToUpper(key) && strings.Contains(key, "IMAGE_") && !aboutImages.MatchString(name)
}

// isImageList tells whether a key's value is several images.
func isImageList(key string) bool { return strings.HasSuffix(normalized(key), "images") }

// passedOver are keys whose text is for people, or the part of an image that says nothing without the others.
var passedOver = map[string]bool{
	"description": true, "message": true, "summary": true, "title": true, "documentation": true, "icon": true,
	"hub": true, "registry": true, "imageRegistry": true,
}

// maxEmbedded is how deep strings within strings are read.
const maxEmbedded = 4

// scalar looks at text: an image, several, or a whole document.
func (f *finder) scalar(key string, v strictjson.Value) {
	s := strings.TrimSpace(v.Text)
	if v.Kind != strictjson.String || s == "" || passedOver[key] {
		return
	}
	_, isMarked := withoutScheme(s)
	switch isName := isImageKey(key); {
	case f.document(key, v, s):
	case isTemplate(s) && !strings.ContainsAny(s, " \n\t,;="):
	case strings.ContainsAny(s, separators):
		f.tokens(v, s, isName)
	case isName || isMarked:
		f.loose(v, s)
	default:
		f.strict(v, s)
	}
}

// document reads text that is YAML or JSON itself: what a ConfigMap's key or a workflow's step holds.
func (f *finder) document(key string, v strictjson.Value, s string) bool {
	if f.embedded >= maxEmbedded || !strings.Contains(s, "\n") && !strings.HasPrefix(s, "{") && !strings.HasPrefix(s, "[") {
		return false
	}
	documents, err := parse([]byte(v.Text))
	if err != nil || len(documents) == 0 {
		return false
	}
	for _, document := range documents {
		if document.Kind != strictjson.Object && document.Kind != strictjson.Array {
			return false
		}
	}
	line := f.line
	if f.line == 0 {
		f.line = v.Line
	}
	f.embedded++
	for _, document := range documents {
		if document.Kind == strictjson.Array {
			f.walk(key, document, place{})
			continue
		}
		f.manifest(document)
	}
	f.embedded--
	f.line = line
	return true
}

// separators are what several images, or their names and values, stand between in text.
const separators = " \t\r\n,;=\"'`|()[]{}<>"

// assignment is how scripts, properties and TOML give something a value.
var assignment = regexp.MustCompile(`([A-Za-z_][A-Za-z0-9_.-]*)["']?\s*[:=]\s*["']?([^\s"',;=]+)`)

// tokens looks at each word of text; named tells that its key means images.
func (f *finder) tokens(v strictjson.Value, s string, named bool) {
	for line := range strings.Lines(s) {
		if isTemplate(line) && strings.Contains(line, "{{") { // its words are no whole words
			continue
		}
		for _, m := range assignment.FindAllStringSubmatch(line, -1) {
			if isImageKey(m[1]) {
				f.loose(v, m[2])
			}
		}
		for _, word := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(separators, r) }) {
			word = strings.TrimRight(word, ".:")
			bare, isMarked := withoutScheme(word)
			switch {
			case isTemplate(word), strings.Contains(bare, "://"):
			case isMarked, named && strings.Contains(word, "/"):
				f.loose(v, word)
			default:
				f.strict(v, word)
			}
		}
	}
}

// flag is one argument that sets something: --name=value.
var flag = regexp.MustCompile(`^--?([A-Za-z0-9][A-Za-z0-9._-]*)=(.+)$`)

// flags looks at a container's arguments: cert-manager, Prometheus' operator and others are told so what to run.
func (f *finder) flags(args strictjson.Value) {
	for i, arg := range args.Items {
		if arg.Kind != strictjson.String {
			continue
		}
		value := arg
		m := flag.FindStringSubmatch(arg.Text)
		switch {
		case m != nil:
			value.Text = m[2]
			f.scalar(m[1], value)
		case i > 0 && strings.HasPrefix(args.Items[i-1].Text, "-") && !strings.Contains(args.Items[i-1].Text, "="):
			f.scalar(args.Items[i-1].Text, value)
		default:
			f.scalar("", value)
		}
	}
}

// loose takes what a key or a scheme says is an image. It must say at least which one: a bare word isn't enough.
func (f *finder) loose(v strictjson.Value, source string) {
	bare, isMarked := withoutScheme(source)
	isPlace := isMarked && strings.HasPrefix(source, "oci://") && !hasIdentifier(bare)
	source = bare
	ref, err := reference.Parse(source)
	path, _, _ := strings.Cut(source, "@")
	switch {
	case strings.ContainsAny(source, "*!$") || strings.Contains(source, "://") || isFile(path) || platforms.MatchString(source):
	case err != nil && strings.ContainsAny(source, ":/"):
		f.leave(v, source, err.Error())
	case err != nil:
	case isPlace:
		f.leave(v, source, "has no tag: it may be a place of charts")
	case !hasIdentifier(source) && !strings.Contains(source, "/"):
		f.leave(v, source, "is a word, not an image with a tag")
	case !hasIdentifier(source) && !hasHost(source) && strings.Count(source, "/") > 1:
		f.leave(v, source, "has neither a registry nor a tag")
	default:
		f.take(v, source, ref)
	}
}

// guess takes what was put together from what says that it is an image.
func (f *finder) guess(v strictjson.Value, source string) {
	if isTemplate(source) || strings.ContainsAny(source, "*!$") { // a policy's pattern
		return
	}
	ref, err := reference.Parse(source)
	if err != nil {
		if strings.ContainsAny(source, ":/") {
			f.leave(v, source, err.Error())
		}
		return
	}
	f.take(v, source, ref)
}

// official is how Docker Hub's official images look: alpine:3.18.
var official = regexp.MustCompile(`^[a-z][a-z0-9_-]+:v?\d+\.\d[a-zA-Z0-9._-]*$`)

// strict takes what can hardly be anything else, and notes what is like an image.
func (f *finder) strict(v strictjson.Value, source string) {
	ref, err := reference.Parse(source)
	path, _, hasDigest := strings.Cut(source, "@")
	if err != nil || isFile(path) {
		return
	}
	if !strings.Contains(source, "/") {
		if official.MatchString(source) {
			f.leave(v, source, "may be an image, but nothing around it says so")
		}
		return
	}
	known, versioned := isKnownHost(source), hasDigest || versionTag.MatchString(ref.Tag)
	switch {
	case hasHost(source) && hasIdentifier(source) && (known || versioned):
		f.take(v, source, ref)
	case known:
		f.leave(v, source, "has no tag")
	case hasIdentifier(source) && (versioned || hasHost(source) && !isNumber(ref.Tag)):
		f.leave(v, source, "may be an image, but nothing around it says so")
	}
}
