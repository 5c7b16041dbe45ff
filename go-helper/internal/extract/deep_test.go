package extract

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/spec"
)

const hex = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

// find gives what is taken, what only Deep adds and what is left out nevertheless.
func find(t *testing.T, name, data string) (taken, added, left []string) {
	t.Helper()
	files := []spec.File{{Name: name, Data: []byte(data)}}
	plain, err := Images(files, Options{})
	if err != nil {
		t.Fatal(err)
	}
	deep, err := Images(files, Options{Deep: true})
	if err != nil {
		t.Fatal(err)
	}
	taken = sources(plain.Images)
	for _, source := range sources(deep.Images) {
		if !slices.Contains(taken, source) {
			added = append(added, source)
		}
	}
	said := 0
	for _, l := range plain.LeftOut {
		if l.Deep {
			said++
		}
	}
	if said != len(added) {
		t.Errorf("%s: %d are said to be added by Deep, which are %q", name, said, added)
	}
	for _, l := range deep.LeftOut {
		if l.Deep {
			t.Errorf("%s: %s is left out by Deep", name, l)
		}
		left = append(left, l.Text+" "+l.Why)
	}
	return taken, added, left
}

// Small inputs of the shape that operators and charts have them in.
func TestImagesOfRealShapes(t *testing.T) {
	for _, test := range []struct {
		file               string
		taken, added, left string
	}{
		{
			"argo.yaml",
			"argoproj/argosay:v2 argoproj/rollouts-demo:blue docker.io/demo/keda:v1 docker/whalesay:latest docker:20.10-dind python:alpine3.6 ubuntu:22.04 " +
				"gcr.io/knative-samples/helloworld-go gcr.io/tekton-releases/git-init:v0.40.2",
			"gcr.io/inner/job:1 gcr.io/kaniko-project/executor:v1.5.1", "",
		},
		{"istio.yaml", "", "cr.l5d.io/linkerd/proxy:stable-2.14.10 docker.io/istio/proxyv2:1.24.1 quay.io/foo/a:1 quay.io/foo/b:2 quay.io/inner/cmjob:1", ""},
		{"misc.yaml", "ok/dup:1 repo.example:5000/x", "docker.io/bitnami/redis:7.2 ghcr.io/stefanprodan/podinfo:6.7.1 quay.io/crd/default:1", ""},
		{
			"promop.yaml", "quay.io/prometheus-operator/prometheus-operator:v0.79.2",
			"quay.io/prometheus-operator/prometheus-config-reloader:v0.79.2 quay.io/prometheus/alertmanager:v0.28.0 quay.io/prometheus/prometheus:v2.30.0 " +
				"quay.io/prometheus/prometheus:v3.1.0 quay.io/thanos/thanos:v0.37.2", "",
		},
		{
			"rook.yaml", "",
			"quay.io/ceph/ceph:v19.2.0 quay.io/cephcsi/cephcsi:v3.13.0 quay.io/csiaddons/k8s-sidecar:v0.11.0 registry.k8s.io/sig-storage/csi-node-driver-registrar:v2.11.1", "",
		},
		{
			"strimzi.yaml", "quay.io/strimzi/operator:0.45.0",
			"quay.io/strimzi/kafka:0.45.0-kafka-3.8.0 quay.io/strimzi/kafka:0.45.0-kafka-3.9.0 quay.io/strimzi/kaniko-executor:0.45.0", "",
		},
	} {
		data, err := os.ReadFile(filepath.Join("testdata", test.file))
		if err != nil {
			t.Fatal(err)
		}
		taken, added, left := find(t, test.file, string(data))
		if got := strings.Join(taken, " "); got != test.taken {
			t.Errorf("%s:\n  got  %s\n  want %s", test.file, got, test.taken)
		}
		if got := strings.Join(added, " "); got != test.added {
			t.Errorf("%s, deep:\n  got  %s\n  want %s", test.file, got, test.added)
		}
		if got := strings.Join(left, " "); got != test.left {
			t.Errorf("%s, left out:\n  got  %s\n  want %s", test.file, got, test.left)
		}
	}
}

func TestNotesOfRealShapes(t *testing.T) {
	data, err := os.ReadFile("testdata/misc.yaml")
	if err != nil {
		t.Fatal(err)
	}
	result, err := Images([]spec.File{{Name: "misc.yaml", Data: data}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`misc.yaml:9: Pod tmpl has the image "", which is none, or is filled in at run time`,
		`misc.yaml:9: Pod tmpl has the image "nginx:{{ .Values.tag }}", which is a template: what fills it in asks for the image`,
		`misc.yaml:9: Pod tmpl has the image "${IMAGE}", which is a template: what fills it in asks for the image`,
		`misc.yaml:24: Deployment n has the image 1.25, which YAML reads as a number: quote it`,
		`misc.yaml:26: Deployment n: image reference "Nginx:1.25" does not match expected format: a repository can't have upper-case letters`,
	}
	if !slices.Equal(result.Notes, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(result.Notes, "\n  "), strings.Join(want, "\n  "))
	}
	var left []string
	for _, l := range result.LeftOut {
		left = append(left, l.String())
	}
	wantLeft := []string{
		`misc.yaml:28: Deployment n: "docker.io/bitnami/redis:7.2": stands where only --deep looks`,
		`misc.yaml:33: HelmRelease hr: "ghcr.io/stefanprodan/podinfo:6.7.1": stands where only --deep looks`,
		`misc.yaml:38: CustomResourceDefinition foos.x.y: "quay.io/crd/default:1": stands where only --deep looks`,
	}
	if !slices.Equal(left, wantLeft) {
		t.Errorf("left out\n  %s\nwant\n  %s", strings.Join(left, "\n  "), strings.Join(wantLeft, "\n  "))
	}
}

// Parts are joined wholly or not at all. Each stands in a custom resource's spec, and alone as a chart's values.
var joins = []struct {
	name, object string
	added        string
	left         string // the first words of what is left out
}{
	{"registry, repository, tag", `image: {registry: quay.io, repository: a/b, tag: "1"}`, "quay.io/a/b:1", ""},
	{"registry, image, tag", `image: {registry: registry.k8s.io, image: a/b, tag: v1, digest: "sha256:` + hex + `"}`, "registry.k8s.io/a/b:v1@sha256:" + hex, ""},
	{"registry, image, tag, not under image", `proxy: {registry: registry.k8s.io, image: a/b, tag: v1}`, "registry.k8s.io/a/b:v1", ""},
	{"repository, tag", `x: {repository: quay.io/a/b, tag: "1"}`, "quay.io/a/b:1", ""},
	{"repository of Docker Hub, tag", `x: {repository: a/b, tag: "1"}`, "a/b:1", ""},
	{"number for a tag", `x: {repository: quay.io/a/b, tag: 7.2}`, "quay.io/a/b:7.2", ""},
	{"number that isn't its text", `x: {repository: quay.io/a/b, tag: 7.20}`, "", "quay.io/a/b has the tag 7.20, which YAML reads as another number: quote it"},
	{"repository, empty tag", `image: {repository: quay.io/a/b, tag: ""}`, "", "quay.io/a/b has an empty tag"},
	{"repository, null tag", `image: {registry: quay.io, repository: a/b, tag: }`, "", "quay.io/a/b has an empty tag"},
	{"repository, no tag", `image: {repository: a/b}`, "", "a/b has no tag"},
	{"repository, template for a tag", `image: {repository: quay.io/a/b, tag: "{{ .v }}"}`, "", "quay.io/a/b has a template for its tag"},
	{"template for a registry", `image: {registry: "${R}", repository: a/b, tag: "1"}`, "", "a/b has a template for its registry"},
	{"registry twice", `image: {registry: docker.io, repository: docker.io/a/b, tag: "1"}`, "docker.io/a/b:1", ""},
	{"two registries", `image: {registry: docker.io, repository: quay.io/a/b, tag: "1"}`, "", "quay.io/a/b names a registry, and beside it the registry docker.io"},
	{"two tags", `image: {repository: "quay.io/a/b:1", tag: "2"}`, "", "quay.io/a/b:1 has a tag, and beside it the tag 2"},
	{"the same tag twice", `image: {repository: "quay.io/a/b:1", tag: "1"}`, "quay.io/a/b:1", ""},
	{"a digest for a tag", `image: {repository: quay.io/a/b, tag: "sha256:` + hex + `"}`, "quay.io/a/b@sha256:" + hex, ""},
	{"a digest's hex", `image: {repository: a/b, tag: "1", sha: ` + hex + `}`, "a/b:1@sha256:" + hex, ""},
	{"an empty digest", `image: {repository: a/b, tag: "1", digest: ""}`, "a/b:1", ""},
	{"a digest that isn't used", `image: {repository: a/b, tag: "1", digest: "sha256:` + hex + `", useDigest: false}`, "a/b:1", ""},
	{"a suffix", `image: {repository: quay.io/cilium/operator, tag: "1", suffix: ""}`, "", "quay.io/cilium/operator has a suffix beside it"},
	{"imageRegistry, imageRepository, imageTag", `{imageRegistry: quay.io, imageRepository: a/b, imageTag: "1"}`, "quay.io/a/b:1", ""},
	{"image, imageTag", `{image: quay.io/a/b, imageTag: "1"}`, "quay.io/a/b:1", ""},
	{"image, tag", `{image: quay.io/a/b, tag: "1"}`, "quay.io/a/b:1", ""},
	{"image with a tag, version", `{image: "quay.io/a/b:1", version: "2"}`, "quay.io/a/b:1", ""},
	{"image, version", `{image: quay.io/a/b, version: v2.0}`, "quay.io/a/b:v2.0", ""},
	{"image, empty tag", `{image: quay.io/a/b, tag: ""}`, "", "quay.io/a/b has an empty tag"},
	{"baseImage, version", `{baseImage: quay.io/a/b, version: v2}`, "quay.io/a/b:v2", ""},
	{"baseImage, tag", `{baseImage: quay.io/a/b, tag: v2}`, "quay.io/a/b:v2", ""},
	{"baseImage alone", `{baseImage: quay.io/a/b}`, "", "quay.io/a/b is a base image without its version"},
	{"proxyImage, proxyTag", `{proxyImage: quay.io/a/b, proxyTag: "3", tag: "4"}`, "quay.io/a/b:3", ""},
	{"PROXY_IMAGE, PROXY_VERSION", `{PROXY_IMAGE: quay.io/a/b, PROXY_VERSION: "3"}`, "quay.io/a/b:3", ""},
	{"name, version", `image: {name: quay.io/a/b, version: v2}`, "quay.io/a/b:v2", ""},
	{"name, version with a host, anywhere", `x: {name: quay.io/a/b, version: v2}`, "quay.io/a/b:v2", ""},
	{"name, version of something else", `x: {name: redis, version: "17.0.1"}`, "", ""},
	{"name with a tag", `images: [{name: "quay.io/a/b:1"}, {name: "c:2"}]`, "c:2 quay.io/a/b:1", ""},
	{"repository, image, version", `driver: {repository: nvcr.io/nvidia, image: driver, version: "550.1"}`, "nvcr.io/nvidia/driver:550.1", ""},
	{"repository, image by digest", `driver: {repository: nvcr.io/nvidia, image: driver, version: "sha256:` + hex + `"}`, "nvcr.io/nvidia/driver@sha256:" + hex, ""},
	{"repository beside a whole image", `driver: {repository: nvcr.io/nvidia, image: "quay.io/a/b:1"}`, "quay.io/a/b:1", ""},
	{"registry, repository, image", `driver: {registry: nvcr.io, repository: nvidia, image: driver, tag: "1"}`, "", "driver stands beside a repository and a registry"},
	{"hub, tag, image", `{hub: docker.io/istio, tag: "1.2", image: proxyv2}`, "docker.io/istio/proxyv2:1.2", ""},
	{"hub and tag further up", `{hub: docker.io/istio, tag: "1.2", proxy: {image: proxyv2}, init: {image: "quay.io/a/b:1"}}`, "docker.io/istio/proxyv2:1.2 quay.io/a/b:1", ""},
	{"hub and tag further up, a tag of its own", `{hub: docker.io/istio, tag: "1.2", proxy: {image: proxyv2, tag: "1.3"}}`, "docker.io/istio/proxyv2:1.3", ""},
	{"hub, tag, variant", `{hub: docker.io/istio, tag: "1.2", variant: distroless, image: proxyv2}`, "docker.io/istio/proxyv2:1.2-distroless", ""},
	{"image, path, registry, tag", `image: {registry: quay.io, path: a/b, tag: "1"}`, "quay.io/a/b:1", ""},
	{"a path of something else", `x: {path: a/b, tag: "1"}`, "", ""},
	{"registry, organization, name", `image: {registry: quay.io, organization: a, name: b, tag: "1"}`, "", "b has more parts beside it"},
	{"registry, namespace, repository", `image: {registry: quay.io, namespace: a, repository: b, tag: "1"}`, "", "b has more parts beside it"},
	{"a namespace beside a whole image", `image: {repository: quay.io/a/b, namespace: x, tag: "1"}`, "quay.io/a/b:1", ""},
	{"a digest by sha512", `image: {repository: a/b, digest: "sha512:` + hex + hex + `"}`, "a/b@sha512:" + hex + hex, ""},
	{"a mapping of images", `system_images: {etcd: "rancher/etcd:v3.5", pause: "pause:3.9", tag: "x:1"}`, "pause:3.9 rancher/etcd:v3.5", ""},
	{"a repository of something else", `source: {repository: team/project, ref: main}`, "", ""},
	{"a chart's repository", `source: {repository: "https://charts.example/x", name: redis, version: "1.2.3"}`, "", ""},
	{"a known registry without a tag", `source: {repository: quay.io/a/b}`, "", "quay.io/a/b has no tag"},
}

func TestPartsAreJoinedWhollyOrNotAtAll(t *testing.T) {
	for _, test := range joins {
		object := "  " + test.object
		if strings.HasPrefix(test.object, "{") {
			object = "  x: " + test.object
		}
		for name, data := range map[string]string{
			"resource": "apiVersion: x.example/v1\nkind: Thing\nmetadata: {name: t}\nspec:\n" + object + "\n",
			"values":   "app:\n" + object + "\n",
			"string":   "kind: ConfigMap\ndata:\n  x.yaml: |\n    spec:\n    " + object + "\n",
		} {
			taken, added, left := find(t, name, data)
			if len(taken) != 0 || strings.Join(added, " ") != test.added || strings.Join(left, "\n") != test.left && !(test.left != "" && len(left) == 1 && strings.HasPrefix(left[0], test.left)) {
				t.Errorf("%s, %s: took %q, added %q, left %q; want %q, and to leave %q", test.name, name, taken, added, left, test.added, test.left)
			}
		}
	}
}
