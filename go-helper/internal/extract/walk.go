package extract

import (
	"slices"
	"strings"

	"docker-mirror/go-helper/internal/strictjson"
)

// place is what is known of where a value stands.
type place struct {
	group     string // API group of the resource
	values    bool   // in a file that is no resource: a chart's values, a Compose file, a workflow
	kustomize bool   // in a kustomization, whose images were read
	hub, tag  string // Istio's settings: every image below is hub/image:tag
}

// containerLists are the pod spec's lists of containers (Kubernetes API, PodSpec v1).
var containerLists = []string{"containers", "initContainers", "ephemeralContainers"}

// containerFields are what else is a container, or a list of them, in resources of these API groups.
var containerFields = map[string][]string{
	"argoproj.io": {"container", "script", "sidecars"},   // Argo Workflows, Template
	"tekton.dev":  {"steps", "stepTemplate", "sidecars"}, // Tekton, TaskSpec
}

// walk looks for pod specs at any depth, and for what operators may mean by an image.
func (f *finder) walk(key string, v strictjson.Value, where place) {
	switch v.Kind {
	case strictjson.Array:
		switch {
		case key == "args" || key == "command":
			f.flags(v)
			return
		case key == "env":
			v.Items = append(slices.Clone(v.Items), variables(v)) // FOO_IMAGE and FOO_TAG
		}
		for _, item := range v.Items {
			f.walk(key, item, where)
		}
	case strictjson.Object:
		where = where.within(v)
		handled := f.parts(key, v, where)
		for _, field := range v.Fields {
			switch {
			case slices.Contains(containerLists, field.Key), slices.Contains(containerFields[where.group], field.Key):
				f.containers(field.Value)
			case field.Key == "volumes":
				f.volumes(field.Value)
			case field.Key == "metadata":
				f.annotations(field.Value)
				continue // what else is said about it
			case field.Key == "openAPIV3Schema":
				f.schema("", field.Value)
				continue
			case field.Key == "images" && where.kustomize, handled[field.Key]:
				continue
			}
			name := field.Key
			if isImageList(key) && isOneImage(field.Value) && !aboutImages.MatchString(normalized(name)) {
				name = key // images: {proxy: a/b:1}
			}
			f.walk(name, field.Value, where)
		}
	case strictjson.String:
		f.scalar(key, v)
	}
}

// isOneImage tells whether text can be one image, and is no word alone.
func isOneImage(v strictjson.Value) bool {
	return v.Kind == strictjson.String && strings.ContainsAny(v.Text, ":/") && !strings.ContainsAny(v.Text, separators)
}

// isRepositories tells whether a key of a resource names repositories, not images: what Flux's image automation looks for tags in, and what kubeadm
// puts the names of its images to.
func (w place) isRepositories(name string) bool {
	return w.group == "image.toolkit.fluxcd.io" || name == "imagerepository" && (w.group == "kubeadm.k8s.io" || strings.HasSuffix(w.group, "cluster.x-k8s.io"))
}

// variables makes one object of a container's environment.
func variables(env strictjson.Value) strictjson.Value {
	all := strictjson.Value{Kind: strictjson.Object, Line: env.Line}
	for _, variable := range env.Items {
		if value, ok := member(variable, "value"); ok && value.Kind == strictjson.String {
			all.Fields = append(all.Fields, strictjson.Field{Key: text(variable, "name"), Value: value})
		}
	}
	return all
}

// within is the place of an object's members.
func (w place) within(v strictjson.Value) place {
	if hub, tag := text(v, "hub"), text(v, "tag"); hub != "" && tag != "" && !isTemplate(hub+tag) {
		w.hub, w.tag = hub, tag
		if text(v, "variant") != "" { // distroless and the like: a part of the tag
			w.tag += "-" + text(v, "variant")
		}
	}
	return w
}

// containers takes the image of a container, or of each of a list of them.
func (f *finder) containers(v strictjson.Value) {
	for _, container := range append(slices.Clone(v.Items), v) {
		if image, ok := member(container, "image"); ok {
			f.image(image)
		}
	}
}

// volumes finds image volumes (KEP-4639): an OCI object mounted as a volume.
func (f *finder) volumes(list strictjson.Value) {
	for _, volume := range list.Items {
		image, _ := member(volume, "image")
		if reference, ok := member(image, "reference"); ok {
			f.image(reference)
		}
	}
}

// lastApplied repeats the manifest as it was once.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

func (f *finder) annotations(metadata strictjson.Value) {
	annotations, _ := member(metadata, "annotations")
	for _, annotation := range annotations.Fields {
		if annotation.Value.Kind == strictjson.String && annotation.Key != lastApplied {
			f.scalar(annotation.Key, annotation.Value)
		}
	}
}

// schema looks at the defaults of an OpenAPI schema: an operator that is told nothing else runs them.
func (f *finder) schema(key string, v strictjson.Value) {
	for _, item := range v.Items {
		f.schema(key, item)
	}
	for _, field := range v.Fields {
		switch field.Key {
		case "status", "metadata", "example":
			continue
		case "default":
			f.embedded++ // whatever stands there, it is no manifest
			f.walk(key, field.Value, place{})
			f.embedded--
		case "properties":
			for _, property := range field.Value.Fields {
				if property.Key != "status" {
					f.schema(property.Key, property.Value)
				}
			}
			continue
		}
		f.schema(key, field.Value)
	}
}
