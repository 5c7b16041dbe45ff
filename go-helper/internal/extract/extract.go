// Package extract finds the images that rendered Kubernetes manifests ask for, and writes them as a list in the text format.
// Pure functions over YAML or JSON documents.
package extract

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/spec"
	"docker-mirror/go-helper/internal/strictjson"
	"docker-mirror/go-helper/internal/strictyaml"
)

// Options say where to look.
type Options struct {
	// Deep also looks where only some operators put images: `image` fields of custom resources, environment variables
	// (RELATED_IMAGE_…) and command-line flags. It is a guess, a careful one.
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
	// Notes name what stands where an image is expected, but can't be one.
	Notes []string
}

// Images reads manifests: any number of documents a file, lists of them included. What isn't YAML is a *[spec.Error]; what was
// found before it is returned beside it.
func Images(files []spec.File, opts Options) (Result, error) {
	f := &finder{opts: opts, found: map[reference.Reference]*Image{}}
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
	return f.result(), errors.Join(errs...)
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

type finder struct {
	opts  Options
	file  string // that is being read
	asker string // the manifest that is being read
	found map[reference.Reference]*Image
	notes []string
}

func (f *finder) result() Result {
	r := Result{Notes: f.notes}
	for _, image := range f.found {
		sort.Strings(image.Askers)
		image.Askers = slices.Compact(image.Askers)
		r.Images = append(r.Images, *image)
	}
	sort.Slice(r.Images, func(i, j int) bool { return r.Images[i].Ref.String() < r.Images[j].Ref.String() })
	return r
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
	case v.Kind != strictjson.Object, kind == "CustomResourceDefinition":
		return // a schema describes images, it doesn't ask for any
	case isList && items.Kind == strictjson.Array && strings.HasSuffix(kind, "List"):
		f.manifest(items)
		return
	}
	f.asker = asker(v, kind)
	for _, field := range v.Fields {
		if field.Key != "status" && field.Key != "metadata" { // what was, and what is said about it
			f.walk(field.Key, field.Value)
		}
	}
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

// containerLists are the pod spec's lists of containers (Kubernetes API, PodSpec v1).
var containerLists = []string{"containers", "initContainers", "ephemeralContainers"}

// walk looks for pod specs at any depth, and, where asked to, for what operators may mean by an image.
func (f *finder) walk(key string, v strictjson.Value) {
	switch v.Kind {
	case strictjson.Array:
		for _, item := range v.Items {
			f.walk(key, item)
		}
		if f.opts.Deep && (key == "args" || key == "command") {
			f.flags(v)
		}
	case strictjson.Object:
		for _, field := range v.Fields {
			switch {
			case slices.Contains(containerLists, field.Key):
				f.containers(field.Value)
			case field.Key == "volumes":
				f.volumes(field.Value)
			case field.Key == "metadata", field.Key == "openAPIV3Schema":
				continue // what is said about it; schemas of composite definitions and constraint templates
			}
			f.walk(field.Key, field.Value)
		}
		if f.opts.Deep {
			f.custom(key, v)
		}
	}
}

func (f *finder) containers(list strictjson.Value) {
	for _, container := range list.Items {
		if image, ok := member(container, "image"); ok && image.Kind == strictjson.String {
			f.image(image, image.Text)
		}
	}
}

// volumes finds image volumes (KEP-4639): an OCI object mounted as a volume.
func (f *finder) volumes(list strictjson.Value) {
	for _, volume := range list.Items {
		image, _ := member(volume, "image")
		if reference, ok := member(image, "reference"); ok && reference.Kind == strictjson.String {
			f.image(reference, reference.Text)
		}
	}
}

// injected is what Istio's injector puts its proxy in the place of.
const injected = "auto"

// image takes what must be an image.
func (f *finder) image(v strictjson.Value, source string) {
	source = strings.TrimSpace(source)
	if source == "" || source == injected || source == "scratch" {
		f.note(v, "%s has the image %q, which is none, or is filled in at run time", f.asker, source)
		return
	}
	ref, err := reference.Parse(source)
	if err != nil { // a policy's pattern, or a template
		f.note(v, "%s: %s", f.asker, err)
		return
	}
	f.add(source, ref)
}

func (f *finder) note(v strictjson.Value, format string, args ...any) {
	f.notes = append(f.notes, (&spec.Error{File: f.file, Line: v.Line, Msg: fmt.Sprintf(format, args...)}).Error())
}

func (f *finder) add(source string, ref reference.Reference) {
	image := f.found[ref]
	if image == nil {
		image = &Image{Source: source, Ref: ref}
		f.found[ref] = image
	}
	image.Source = min(image.Source, source)
	if f.asker != "" {
		image.Askers = append(image.Askers, f.asker)
	}
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
