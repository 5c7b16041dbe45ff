package spec

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/strictjson"
	"docker-mirror/go-helper/internal/strictyaml"
)

// foreignFile is a file of another tool that people give for a list.
type foreignFile struct {
	what   string // it looks like
	looks  func(root strictjson.Value) bool
	advice string // how to get to a list
}

const (
	extractIt     = "list its images with `docker-mirror extract`"
	extractDeep   = "list its images with `docker-mirror extract --deep`, and read what that says it left out"
	writeTheLines = "write each image as a line of a text list"
)

// foreignFiles are tried in this order.
var foreignFiles = []foreignFile{
	{"an ImagesLock of imgpkg", kind("imgpkg.carvel.dev/", "ImagesLock"), extractDeep},
	{"a bundle of imgpkg", apiVersion("imgpkg.carvel.dev/"), "list the images of its .imgpkg/images.yml with `docker-mirror extract --deep`"},
	{"configuration of kbld", apiVersion("kbld.k14s.io/"), "render with kbld, and list the images of what it writes with `docker-mirror extract`"},
	{"Kustomize's kustomization.yaml", looksLikeKustomize, "render it with `kustomize build`, and list the images of that with `docker-mirror extract`"},
	{"an image set of oc-mirror", kind("mirror.openshift.io/", "ImageSetConfiguration"), "write `additionalImages` as lines of a text list; what operators need, `oc-mirror --dry-run` lists in mapping.txt"},
	{"hauler's manifest", apiVersion("content.hauler.cattle.io/"), extractDeep},
	{"Zarf's package", kind("zarf.dev/", "ZarfPackageConfig"), "write its `images` as lines of a text list; `zarf dev find-images` finds them"},
	{"an Airgap of Replicated", kind("kots.io/", "Airgap"), extractDeep},
	{"a file of Replicated", apiVersion("kots.io/", "troubleshoot.sh/", "app.k8s.io/v1beta1"), extractDeep},
	{"a Helm chart's Chart.yaml", looksLikeChart, "render the chart with `helm template`, and list the images of that with `docker-mirror extract`"},
	{"a Kubernetes manifest", func(v strictjson.Value) bool { return hasAll(v, "apiVersion", "kind") }, extractIt},
	{"a list of Kubernetes manifests", looksLikeManifests, extractIt},
	{"regsync's configuration", func(v strictjson.Value) bool {
		return hasAll(v, "sync") && member(v, "sync").Kind == strictjson.Array
	}, "write each `source` and `target` as \"src\" and \"dst\" of a copy spec, or as [[image]] of an image set: `tags.allow` is `select.include`, `tags.deny` `select.exclude`, `tags.semverRange` `select.semver`"},
	{"dregsy's configuration", func(v strictjson.Value) bool {
		return hasAll(v, "tasks") && member(v, "tasks").Kind == strictjson.Array
	}, "write each mapping as an [[image]] of an image set: `from` is `source`, `to` `repository`, `tags` is `tags` or `select`"},
	{"sinker's configuration", func(v strictjson.Value) bool { return hasAll(v, "target", "sources") }, "write each of `sources` as a line of a text list; `target` is --registry and --repository"},
	{"configuration of skopeo sync", looksLikeSkopeo, "write each repository with its tags as an [[image]] of an image set: `images` is `tags`, `images-by-tag-regex` `select.include` between slashes, `images-by-semver` `select.semver`"},
	{"image-syncer's images", looksLikeImageSyncer, "write each pair as \"src\" and \"dst\" of a copy spec"},
	{"image-syncer's configuration", func(v strictjson.Value) bool {
		return hasAll(v, "auth", "images")
	}, "write each pair of `images` as \"src\" and \"dst\" of a copy spec; log in with `docker login` in place of `auth`"},
	{"a list of credentials", looksLikeCredentials, "log in with `docker login`: credentials are read from Docker's and podman's configuration"},
	{"Docker's configuration", func(v strictjson.Value) bool {
		return hasAny(v, "auths", "credHelpers", "credsStore") && !hasAny(v, "images", "src")
	}, "credentials are read from it as it is (DOCKER_CONFIG), and it lists no images"},
	{"registries' configuration of k3s", func(v strictjson.Value) bool {
		return member(v, "mirrors").Kind == strictjson.Object && !hasAny(v, "images")
	}, "it lists no images: `docker-mirror copy --config` has settings of that kind"},
	{"a Compose file", func(v strictjson.Value) bool {
		return member(v, "services").Kind == strictjson.Object && !hasAny(v, "apiVersion")
	}, "list its images with `docker-mirror extract`, or with `docker compose config --images`"},
	{"a GitHub workflow", func(v strictjson.Value) bool {
		return member(v, "jobs").Kind == strictjson.Object && hasAny(v, "on", "name", "true")
	}, extractIt},
	{"a pipeline of GitLab", func(v strictjson.Value) bool { return hasAny(v, "stages", "include") && hasAnyJob(v) }, extractIt},
	{"an OCI index or manifest", func(v strictjson.Value) bool { return hasAll(v, "schemaVersion") }, "name the image that it belongs to in a text list"},
	{"an OCI layout", func(v strictjson.Value) bool { return hasAll(v, "imageLayoutVersion") }, "push it to a registry first, as with `oras cp --from-oci-layout`, and name the image in a text list"},
	{"annotations for ORAS", looksLikeAnnotations, "it lists no images: name what `oras` pushed in a text list"},
	{"a list of images in YAML or JSON", func(v strictjson.Value) bool {
		return looksLikeReferences(v) || looksLikeReferences(member(v, "images"))
	}, writeTheLines},
	{"registries.conf of podman and containers", func(v strictjson.Value) bool {
		return hasAny(v, "registry", "unqualified-search-registries") && !hasAny(v, "image", "defaults")
	}, "it lists no images: `docker-mirror copy --config` has settings of that kind"},
	{"hosts.toml of containerd", func(v strictjson.Value) bool {
		return member(v, "host").Kind == strictjson.Object && !hasAny(v, "image", "defaults")
	}, "it lists no images: `docker-mirror copy --config` has settings of that kind"},
	{"values of a Helm chart", looksLikeValues, "render the chart with `helm template --values FILE`, and list the images of that with `docker-mirror extract`"},
}

// formatsRead is what there is instead.
const formatsRead = "lists are text (.txt), copy specs (.json), image sets (.toml) or replicant's configuration (.yaml)"

// foreign says what documents look like that are no list in the format that was asked for; "" where nothing is known.
func foreign(documents []strictjson.Value) string {
	if len(documents) == 0 {
		return ""
	}
	for _, file := range foreignFiles {
		if file.looks(documents[0]) {
			return fmt.Sprintf("looks like %s, not a list of images: %s. To make a list from it, %s", file.what, formatsRead, file.advice)
		}
	}
	return ""
}

// foreignText is [foreign] for what was read as text, and knows our own formats as well.
func foreignText(data []byte) string {
	if sniff(data) == FormatTOML {
		return named("an image set", FormatTOML)
	}
	if bytes.HasPrefix(bytes.TrimSpace(withoutBOM(data)), []byte("<")) {
		return "looks like a web page or XML, not a list of images: check the address or the file that it comes from"
	}
	documents, _ := strictyaml.Parse(data) // what is whole before an error is enough
	if len(documents) == 0 || documents[0].Kind != strictjson.Object && documents[0].Kind != strictjson.Array {
		return ""
	}
	first := documents[0]
	if first.Kind == strictjson.Array && len(first.Items) > 0 {
		first = first.Items[0]
	}
	switch {
	case hasAll(first, "src", "dst"):
		return named("copy specs", FormatJSON)
	case isReplicants(first):
		return named("replicant's configuration", FormatReplicant)
	}
	return foreign(documents)
}

func named(what string, format Format) string {
	return fmt.Sprintf("looks like %s, but is read as text: say --format %s", what, format)
}

// isReplicants tells a configuration with mistakes from a file of something else.
func isReplicants(root strictjson.Value) bool {
	return slices.ContainsFunc(member(root, "images").Fields, func(f strictjson.Field) bool { return hasAny(f.Value, "source", "destination") })
}

func apiVersion(groups ...string) func(strictjson.Value) bool {
	return func(v strictjson.Value) bool {
		version := member(v, "apiVersion")
		return slices.ContainsFunc(groups, func(group string) bool { return strings.HasPrefix(version.Text, group) })
	}
}

func kind(group, name string) func(strictjson.Value) bool {
	return func(v strictjson.Value) bool { return apiVersion(group)(v) && member(v, "kind").Text == name }
}

func looksLikeManifests(v strictjson.Value) bool {
	return v.Kind == strictjson.Array && len(v.Items) > 0 && hasAll(v.Items[0], "apiVersion", "kind")
}

// A kustomization needs neither apiVersion nor kind.
func looksLikeKustomize(v strictjson.Value) bool {
	if kind("kustomize.config.k8s.io/", "Kustomization")(v) {
		return true
	}
	if hasAny(v, "apiVersion") {
		return false
	}
	images := member(v, "images")
	return hasAny(v, "resources", "patchesStrategicMerge", "namePrefix", "configMapGenerator", "components") ||
		images.Kind == strictjson.Array && len(images.Items) > 0 && hasAny(images.Items[0], "newTag", "newName")
}

func looksLikeChart(v strictjson.Value) bool {
	return hasAll(v, "apiVersion", "name", "version") && !hasAny(v, "kind")
}

// skopeo-sync(1), "YAML file content": a registry, and under it what to take of it.
func looksLikeSkopeo(v strictjson.Value) bool {
	return len(v.Fields) > 0 && slices.ContainsFunc(v.Fields, func(f strictjson.Field) bool {
		return hasAny(f.Value, "images-by-tag-regex", "images-by-semver", "tls-verify", "cert-dir") ||
			isHost(f.Key) && member(f.Value, "images").Kind == strictjson.Object
	})
}

func looksLikeImageSyncer(v strictjson.Value) bool {
	return slices.ContainsFunc(v.Fields, func(f strictjson.Field) bool {
		source, _, _ := strings.Cut(f.Key, ",") // tags are a list, or a /regular expression/
		target := f.Value
		if target.Kind == strictjson.Array && len(target.Items) > 0 {
			target = target.Items[0]
		}
		return target.Kind == strictjson.String && isImage(source) && isImage(target.Text)
	})
}

func looksLikeCredentials(v strictjson.Value) bool {
	return len(v.Fields) > 0 && !slices.ContainsFunc(v.Fields, func(f strictjson.Field) bool {
		return !isHost(strings.SplitN(f.Key, "/", 2)[0]) || !hasAny(f.Value, "username", "password")
	})
}

// Annotations of `oras push --annotation-file`.
func looksLikeAnnotations(v strictjson.Value) bool {
	return hasAny(v, "$manifest", "$config")
}

func looksLikeReferences(v strictjson.Value) bool {
	return v.Kind == strictjson.Array && len(v.Items) > 0 && !slices.ContainsFunc(v.Items, func(item strictjson.Value) bool {
		if hasAny(item, "name", "image") && !hasAny(item, "src", "source") {
			return !isImage(member(item, "name").Text) && !isImage(member(item, "image").Text)
		}
		_, err := reference.Parse(item.Text)
		return item.Kind != strictjson.String || err != nil
	})
}

// Values name images in parts, at any depth.
func looksLikeValues(v strictjson.Value) bool { return valuesWithin(v, 0) }

func valuesWithin(v strictjson.Value, depth int) bool {
	const deepest = 6
	if v.Kind != strictjson.Object || depth > deepest {
		return false
	}
	return hasAll(v, "repository") && hasAny(v, "tag", "pullPolicy", "digest", "registry") ||
		hasAny(v, "imagePullSecrets", "nameOverride", "replicaCount", "imageRegistry") ||
		slices.ContainsFunc(v.Fields, func(f strictjson.Field) bool { return valuesWithin(f.Value, depth+1) })
}

func hasAnyJob(v strictjson.Value) bool {
	return slices.ContainsFunc(v.Fields, func(f strictjson.Field) bool { return hasAny(f.Value, "script", "stage", "trigger") })
}

func isHost(s string) bool {
	return !strings.Contains(s, "/") && strings.ContainsAny(s, ".:") && isImage(s+"/x")
}

// isImage is for what can hardly be anything else: a path under a host or a namespace.
func isImage(s string) bool {
	_, err := reference.Parse(s)
	return err == nil && strings.Contains(s, "/")
}

func member(v strictjson.Value, key string) strictjson.Value {
	for _, field := range v.Fields {
		if field.Key == key {
			return field.Value
		}
	}
	return strictjson.Value{}
}

func hasAll(v strictjson.Value, keys ...string) bool {
	return !slices.ContainsFunc(keys, func(key string) bool { return !hasAny(v, key) })
}

func hasAny(v strictjson.Value, keys ...string) bool {
	return slices.ContainsFunc(v.Fields, func(f strictjson.Field) bool { return slices.Contains(keys, f.Key) })
}
