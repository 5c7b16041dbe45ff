package extract

import (
	"slices"
	"strings"

	"docker-mirror/go-helper/internal/strictjson"
)

// plainFile looks at files that are no resources of Kubernetes and say which image they run: Compose files and GitHub workflows. Of a chart's values it
// notes the registry that takes the place of all others.
func (f *finder) plainFile(v strictjson.Value) {
	global, _ := member(v, "global")
	if f.registry = text(global, "imageRegistry"); isTemplate(f.registry) {
		f.registry = ""
	}
	services, _ := member(v, "services") // Compose specification, "services"
	for _, service := range services.Fields {
		if _, isBuilt := member(service.Value, "build"); !isBuilt {
			f.asked("service "+service.Key, service.Value, "image")
		}
	}
	jobs, _ := member(v, "jobs") // GitHub Actions, "Workflow syntax"
	for _, job := range jobs.Fields {
		who := "job " + job.Key
		f.asked(who, job.Value, "container")
		container, _ := member(job.Value, "container")
		f.asked(who, container, "image")
		services, _ := member(job.Value, "services")
		for _, service := range services.Fields {
			f.asked(who, service.Value, "image")
		}
	}
	for _, field := range v.Fields { // GitLab CI/CD YAML syntax, "image" and "services", of jobs and for all
		_, isJob := member(field.Value, "script")
		switch {
		case isJob || field.Key == "default":
			f.gitlab("job "+field.Key, field.Value)
		case field.Key == "stages":
			f.gitlab("pipeline", v)
		}
	}
	f.asker = ""
}

// gitlab takes images, which are text or have a name.
func (f *finder) gitlab(by string, v strictjson.Value) {
	services, _ := member(v, "services")
	image, _ := member(v, "image")
	for _, item := range append(slices.Clone(services.Items), image) {
		if item.Kind == strictjson.Object {
			f.asked(by, item, "name")
		} else if item.Kind == strictjson.String {
			f.asker = by
			f.image(item)
		}
	}
}

func (f *finder) asked(by string, v strictjson.Value, key string) {
	f.asker = by
	if image, ok := member(v, key); ok {
		f.image(image)
	}
}

// isKustomization: neither apiVersion nor kind is needed there.
func isKustomization(v strictjson.Value) bool {
	if kind := text(v, "kind"); kind != "" {
		return kind == "Kustomization" && group(v) == "kustomize.config.k8s.io" || kind == "Component" && group(v) == "kustomize.config.k8s.io"
	}
	images, _ := member(v, "images")
	for _, image := range images.Items {
		if text(image, "name") != "" && (text(image, "newName") != "" || text(image, "newTag") != "") {
			return true
		}
	}
	return false
}

// kustomized reads the images that a kustomization puts in the place of others (Kustomize, "images"): newName, newTag and digest, the
// tag standing in the manifests where neither of the last two is said.
func (f *finder) kustomized(images strictjson.Value) {
	for _, image := range images.Items {
		name := text(image, "newName")
		if name == "" {
			name = text(image, "name")
		}
		tag, digest := text(image, "newTag"), text(image, "digest")
		switch {
		case name == "":
		case tag == "" && digest == "":
			f.leave(image, name, "has no newTag or digest: render the kustomization for its tag")
		default:
			source := joined(name, tag)
			if digest != "" {
				source = name + "@" + digest
			}
			f.image(strictjson.Value{Kind: strictjson.String, Line: image.Line, Text: source})
		}
	}
}

// charts finds artifacts that Flux, Argo CD and Helm pull by other keys than an image's.
func (f *finder) charts(v strictjson.Value) (handled []string) {
	url, isURL := strings.CutPrefix(text(v, "url"), "oci://")
	if isURL { // Flux, OCIRepository and HelmRepository
		ref, _ := member(v, "ref")
		switch digest, semver, tag := text(ref, "digest"), text(ref, "semver"), text(ref, "tag"); {
		case text(v, "type") == "oci":
			f.leave(v, url, "is a place of charts: list those that are released from it")
		case digest != "":
			f.guess(v, url+"@"+digest)
		case semver != "":
			f.leave(v, url, "has the range "+semver+" in place of a tag: select.semver of an image set takes it")
		default:
			f.guess(v, joined(url, tag))
		}
		return []string{"url", "ref"}
	}
	// Argo CD, ApplicationSource: OCI repositories are named without a scheme; Helm's Chart.yaml: dependencies.
	repository, chart, version := text(v, "repoURL"), text(v, "chart"), text(v, "targetRevision")
	if bare, isOCI := strings.CutPrefix(text(v, "repository"), "oci://"); isOCI {
		repository, chart, version = bare, text(v, "name"), text(v, "version")
	}
	repository = strings.TrimPrefix(repository, "oci://")
	if repository == "" || chart == "" || strings.Contains(repository, "://") {
		return nil
	}
	f.chart(v, repository+"/"+chart, version)
	return []string{"repoURL", "repository", "chart", "name", "version", "targetRevision"}
}
