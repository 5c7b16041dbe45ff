// Package extract finds the images that rendered Kubernetes manifests ask for, and writes them as a list in the text format.
// Pure functions over YAML or JSON documents.
package extract

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/spec"
	"docker-mirror/go-helper/internal/strictjson"
	"docker-mirror/go-helper/internal/strictyaml"
)

// Options say where to look.
type Options struct {
	// Deep also takes what only some operators mean by an image: fields of custom resources, environment variables, flags, annotations,
	// configuration and manifests inside strings, images in parts. It is a guess, a careful one.
	Deep bool
}

// Image is an image and who asked for it.
type Image struct {
	Source string // as written in the manifests; where they spell it in several ways, the first in sort order
	Ref    reference.Reference
	Askers []string // "Kind namespace/name", sorted, each once
}

// Result is what was found.
type Result struct {
	Images []Image // sorted by their full spelling, each once
	// LeftOut is what looks like an image, but isn't among Images: in the order of the files, each once.
	LeftOut []LeftOut
	// Notes name what stands where an image is expected, but can't be one.
	Notes []string
}

// Images reads manifests: any number of documents a file, lists of them included. What isn't YAML is a *[spec.Error]; what was
// found before it is returned beside it.
func Images(files []spec.File, opts Options) (Result, error) {
	f := &finder{
		found: map[reference.Reference]*Image{}, guessed: map[reference.Reference]*Image{}, noted: map[string]bool{},
		fluxRepositories: map[string]string{},
	}
	var errs []error
	for _, file := range files {
		f.file = file.Name
		documents, err := parse(file.Data)
		var problem *strictjson.Problem
		if errors.As(err, &problem) {
			errs = append(errs, &spec.Error{File: file.Name, Line: problem.Line, Msg: problem.Msg})
		}
		for _, document := range documents {
			f.manifest(document)
		}
	}
	f.joinFlux()
	return f.result(opts), errors.Join(errs...)
}

// parse reads YAML, or what kubectl takes, too: a stream of JSON documents, which YAML wants a `---` between.
func parse(data []byte) ([]strictjson.Value, error) {
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		if documents, err := strictjson.Parse(data); err == nil {
			return documents, nil
		}
	}
	return strictyaml.Parse(data)
}

// manifest looks into one resource, or into each of a list of them.
func (f *finder) manifest(v strictjson.Value) {
	if v.Kind == strictjson.Array {
		for _, item := range v.Items {
			f.manifest(item)
		}
		return
	}
	kind := text(v, "kind")
	items, isList := member(v, "items")
	switch {
	case v.Kind != strictjson.Object:
		return
	case isList && items.Kind == strictjson.Array && strings.HasSuffix(kind, "List"):
		f.manifest(items)
		return
	}
	if f.embedded == 0 { // what stands inside a string is asked for by the whole
		f.asker = asker(v, kind)
	}
	f.flux(v, kind)
	if kind == "CustomResourceDefinition" { // a schema describes images: only its defaults ask for any
		f.schema("", v)
		return
	}
	where := place{group: group(v)}
	if kind == "" {
		where.values = true
		if f.embedded == 0 {
			f.plainFile(v)
		}
	}
	if images, ok := member(v, "images"); ok && isKustomization(v) {
		f.kustomized(images)
		where.kustomize = true
	}
	f.walk("", withoutStatus(v), where)
}

// withoutStatus leaves out what was.
func withoutStatus(v strictjson.Value) strictjson.Value {
	v.Fields = slices.DeleteFunc(slices.Clone(v.Fields), func(field strictjson.Field) bool { return field.Key == "status" })
	return v
}

// group is the API group of a resource: argoproj.io.
func group(v strictjson.Value) string {
	name, _, _ := strings.Cut(text(v, "apiVersion"), "/")
	return name
}

// asker names a manifest: "Deployment kube-system/cilium-operator".
func asker(v strictjson.Value, kind string) string {
	metadata, _ := member(v, "metadata")
	name := text(metadata, "name")
	if name == "" {
		name = text(metadata, "generateName")
	}
	if namespace := text(metadata, "namespace"); namespace != "" {
		name = namespace + "/" + name
	}
	return strings.TrimSpace(strings.Join(strings.Fields(kind+" "+name), " "))
}

// member finds a key; of one that is there twice the last counts, as for Kubernetes.
func member(v strictjson.Value, key string) (strictjson.Value, bool) {
	if v.Kind == strictjson.Object {
		for _, field := range slices.Backward(v.Fields) {
			if field.Key == key {
				return field.Value, true
			}
		}
	}
	return strictjson.Value{}, false
}

// text is a member that is text; numbers count, as in an unquoted `tag: 1.2`.
func text(v strictjson.Value, key string) string {
	m, ok := member(v, key)
	if !ok || m.Kind != strictjson.String && m.Kind != strictjson.Number {
		return ""
	}
	return strings.TrimSpace(m.Text)
}
