package spec

import (
	"strings"
	"testing"
)

// Files as the tools' own documentation has them.
var foreignSamples = []struct {
	name, data string
	want       string // what it looks like
	advice     string
}{
	{"skopeo.yaml", "registry.example.com:\n  images:\n    busybox: []\n    redis:\n    - \"1.0\"\n  credentials: {username: john, password: x}\n  tls-verify: true\n", "configuration of skopeo sync", "`select.semver`"},
	{"skopeo.yaml", "quay.io:\n  tls-verify: false\n  images:\n    coreos/etcd: [latest]\n", "configuration of skopeo sync", "image set"},
	{"skopeo.yaml", "registry:\n  images-by-semver:\n    alpine: '>= 3.12.0'\n", "configuration of skopeo sync", "image set"},
	{"regsync.yml", "version: 1\ncreds:\n- registry: localhost:5000\nsync:\n- {source: busybox, target: 'localhost:5000/busybox', type: repository, tags: {allow: [\"1.*\"]}}\n", "regsync's configuration", "`select.include`"},
	{"dregsy.yaml", "relay: skopeo\ntasks:\n- name: t\n  mappings: [{from: a, to: b}]\n", "dregsy's configuration", "image set"},
	{"sinker.yaml", "target: {host: r.example, repository: x}\nsources:\n- repository: coreos/prometheus-operator\n  tag: v0.40.0\n", "sinker's configuration", "text list"},
	{"image-syncer.yaml", "quay.io/coreos/a:v1,v2: quay.io/ruohe/a\nquay.io/coreos/b:/v.*/: quay.io/ruohe/b\n", "image-syncer's images", "copy spec"},
	{"image-syncer.yaml", "quay.io/coreos/kube-rbac-proxy: quay.io/ruohe/kube-rbac-proxy\nquay.io/coreos/a:v1:\n- quay.io/b/a\n- quay.io/c/a\n", "image-syncer's images", "copy spec"},
	{"image-syncer.json", `{"auth": {"quay.io": {"username": "x"}}, "images": {"quay.io/a/b": "quay.io/c/b"}}`, "image-syncer's configuration", "docker login"},
	{"auth.yaml", "quay.io:\n  username: xxx\n  password: yyyyy\nquay.io/coreos:\n  username: abc\n", "a list of credentials", "docker login"},
	{"images.yml", "apiVersion: imgpkg.carvel.dev/v1alpha1\nkind: ImagesLock\nimages:\n- image: index.docker.io/a/b@" + testDigest + "\n", "an ImagesLock of imgpkg", "extract --deep"},
	{"bundle.yml", "apiVersion: imgpkg.carvel.dev/v1alpha1\nkind: Bundle\n", "a bundle of imgpkg", ".imgpkg/images.yml"},
	{"kbld.yml", "apiVersion: kbld.k14s.io/v1alpha1\nkind: Config\noverrides: []\n", "configuration of kbld", "extract"},
	{"compose.yaml", "services:\n  web: {image: 'nginx:1'}\n", "a Compose file", "docker compose config --images"},
	{"kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n", "Kustomize's kustomization.yaml", "kustomize build"},
	{"kustomization.yaml", "images:\n- {name: a, newTag: '1'}\n", "Kustomize's kustomization.yaml", "kustomize build"},
	{"kustomization.yaml", "resources: [a.yaml]\n", "Kustomize's kustomization.yaml", "kustomize build"},
	{"values.yaml", "replicaCount: 1\nimage: {repository: a/b, tag: '1'}\n", "values of a Helm chart", "helm template"},
	{"values.yaml", "server:\n  sidecar:\n    image: {registry: docker.io, repository: a/b}\n", "values of a Helm chart", "helm template"},
	{"Chart.yaml", "apiVersion: v2\nname: x\nversion: 1.2.3\n", "a Helm chart's Chart.yaml", "helm template"},
	{"airgap.yaml", "apiVersion: kots.io/v1beta1\nkind: Airgap\nspec: {savedImages: ['nginx:1']}\n", "an Airgap of Replicated", "extract --deep"},
	{"replicated.yaml", "apiVersion: kots.io/v1beta1\nkind: Application\n", "a file of Replicated", "extract --deep"},
	{"hauler.yaml", "apiVersion: content.hauler.cattle.io/v1\nkind: Images\nspec: {images: [{name: 'nginx:1'}]}\n", "hauler's manifest", "extract --deep"},
	{"zarf.yaml", "apiVersion: zarf.dev/v1alpha1\nkind: ZarfPackageConfig\ncomponents: []\n", "Zarf's package", "find-images"},
	{"isc.yaml", "kind: ImageSetConfiguration\napiVersion: mirror.openshift.io/v1alpha2\n", "an image set of oc-mirror", "mapping.txt"},
	{"deployment.yaml", "# Source: x\napiVersion: apps/v1\nkind: Deployment\n---\napiVersion: v1\nkind: Service\n", "a Kubernetes manifest", "docker-mirror extract"},
	{"list.yaml", "- {apiVersion: v1, kind: Pod}\n", "a list of Kubernetes manifests", "docker-mirror extract"},
	{"workflow.yml", "on: push\njobs:\n  build: {container: 'node:18'}\n", "a GitHub workflow", "docker-mirror extract"},
	{".gitlab-ci.yml", "stages: [a]\nbuild: {image: 'node:18', script: [make]}\n", "a pipeline of GitLab", "docker-mirror extract"},
	{"list.yaml", "- nginx:1.25\n- quay.io/a/b:1\n", "a list of images in YAML or JSON", "text list"},
	{"images.yaml", "images:\n- nginx:1.25\n- quay.io/a/b:1\n", "a list of images in YAML or JSON", "text list"},
	{"images.json", `["nginx:1.25", "quay.io/a/b:1"]`, "a list of images in YAML or JSON", "text list"},
	{"index.json", `{"schemaVersion": 2, "manifests": []}`, "an OCI index or manifest", "text list"},
	{"oci-layout.json", `{"imageLayoutVersion": "1.0.0"}`, "an OCI layout", "oras cp"},
	{"annotations.json", `{"$manifest": {"a": "b"}, "hi.txt": {"c": "d"}}`, "annotations for ORAS", "text list"},
	{"config.json", `{"auths": {"quay.io": {"auth": "c2VjcmV0OnNlY3JldA=="}}}`, "Docker's configuration", "DOCKER_CONFIG"},
	{"registries.yaml", "mirrors:\n  docker.io: {endpoint: ['https://r.example']}\n", "registries' configuration of k3s", "--config"},
	{"registries.toml", "unqualified-search-registries = [\"docker.io\"]\n[[registry]]\nlocation = \"x\"\n", "registries.conf of podman", "--config"},
	{"hosts.toml", "server = \"https://docker.io\"\n[host.\"https://r.example\"]\ncapabilities = [\"pull\"]\n", "hosts.toml of containerd", "--config"},
	{"something.yaml", "a: 1\nb: [x, y]\nc: {d: e}\n", "", "no other YAML is a list of images"},
	{"-", "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: a}]}\n", "a Kubernetes manifest", "docker-mirror extract"},
	{"images.txt", "services:\n  web:\n    image: nginx:1\n", "a Compose file", "docker compose config --images"},
	{"-", "images:\n  a:\n    source: a\n    destination: b\n", "replicant's configuration", "say --format replicant"},
	{"images.txt", `[{"src": "a", "dst": "b"}]`, "copy specs", "say --format json"},
	{"images.txt", "# x\n[[image]]\nsource = \"a\"\n", "an image set", "say --format toml"},
}

func TestFilesOfOtherToolsAreNamed(t *testing.T) {
	for _, sample := range foreignSamples {
		images, err := Parse(sample.name, FormatAuto, []byte(sample.data))
		got := messages(t, err)
		if len(images) != 0 || len(got) != 1 || !strings.Contains(got[0], sample.advice) || sample.want != "" && !strings.Contains(got[0], "looks like "+sample.want+",") &&
			!strings.Contains(got[0], "looks like "+sample.want+" and") {
			t.Errorf("%s %q:\n  got %d images, %q\n  want %q and %q", sample.name, sample.data, len(images), got, sample.want, sample.advice)
		}
		if err != nil && strings.Contains(err.Error(), "c2VjcmV0") {
			t.Errorf("%s: a secret is repeated: %v", sample.name, err)
		}
	}
}

// What has mistakes of its own is not said to be another tool's.
func TestAWebPageIsNamed(t *testing.T) {
	for _, page := range []string{"<!DOCTYPE html>\n<html>\n<body>Log in</body></html>\n", "\ufeff\n <?xml version=\"1.0\"?><Error/>"} {
		_, err := Parse("images.txt", FormatText, []byte(page))
		if got := messages(t, err); len(got) != 1 || !strings.Contains(got[0], "images.txt:1: looks like a web page or XML") {
			t.Errorf("%q: %q", page, got)
		}
	}
}

func TestOwnFilesWithMistakesAreNotTakenForOthers(t *testing.T) {
	for name, data := range map[string]string{
		"r.yaml":       "imges:\n  nginx: {source: a, destination: b}\n",
		"services.yml": "services: {}\nimages:\n  nginx: {source: a, destination: r.example/b}\n",
		"a.json":       `[{"src": "a", "dest": "b", "services": {}}]`,
		"b.json":       `{"src": "a", "dest": "b", "services": {}}`,
		"a.toml":       "[[image]]\nsource = \"a\"\n[host.x]\n",
		"b.toml":       "[[image]]\nsource = \"a\"\n[services.x]\n",
		"a.txt":        "nginx:1\nNginx: 2\n",
		"b.txt":        "nginx: 1\n",
	} {
		if _, err := Parse(name, FormatAuto, []byte(data)); err == nil || strings.Contains(err.Error(), "looks like") || strings.Contains(err.Error(), "no other YAML") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
