package extract

import (
	"strings"
	"testing"
)

// Where operators, charts and tools put images, and what is like one and isn't.
var places = []struct {
	name, data         string
	taken, added, left string // left: the first words of what is left out, a line each
}{
	{
		"environment variables", `kind: Deployment
spec:
  template:
    spec:
      containers:
      - image: a:1
        env:
        - {name: RELATED_IMAGE_PROXY, value: "quay.io/a/related:1"}
        - {name: PROXY_IMAGE, value: a/proxy}
        - {name: IMAGE_PROXY, value: "a/other:1"}
        - {name: RELOADER, value: "quay.io/a/no-image-in-its-name:1"}
        - {name: KAFKA_IMAGES, value: "3.8.0=quay.io/a/kafka:3.8.0\n3.9.0=quay.io/a/kafka:3.9.0\n"}
        - {name: LIST, value: "quay.io/a/one:1,quay.io/a/two:2;quay.io/a/three:3 quay.io/a/four:4"}
        - {name: JSON, value: '{"a": "quay.io/a/json:1", "image": {"repository": "a/parts", "tag": "1"}}'}
        - {name: IMAGE_PULL_POLICY, value: Always}
        - {name: IMAGE_REPOSITORY, value: a/b}
        - {name: URL, value: "https://quay.io/a/url:1.0"}
        - {name: ADDRESS, value: "a.svc.cluster.local:8080/path"}
        - {name: BASE, value: quay.io/a/untagged}
        - {name: TEMPLATED_IMAGE, value: "$(REGISTRY)/a:1"}
        - {name: FROM, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
`,
		"a:1",
		"a/other:1 a/parts:1 a/proxy quay.io/a/four:4 quay.io/a/json:1 quay.io/a/kafka:3.8.0 quay.io/a/kafka:3.9.0 quay.io/a/no-image-in-its-name:1 quay.io/a/one:1 quay.io/a/related:1 " +
			"quay.io/a/three:3 quay.io/a/two:2",
		"quay.io/a/untagged has no tag",
	},
	{
		"arguments", `kind: Deployment
spec:
  template:
    spec:
      containers:
      - args: ["--prometheus-config-reloader=quay.io/a/reloader:v0.1.0", --proxy-image=a/proxy:1, --engine-image, a/engine:1, -c, "exec x --image=quay.io/a/shell:1 --other=b",
          "--map=a=quay.io/a/mapped:1,b=quay.io/a/mapped:2", "--listen=10.0.0.1/8:80", "--issuer=https://x.example/a:1", --untagged=quay.io/a/untagged, "--label=topology.example/zone:eu"]
        command: [run, "--thanos=registry.example/a/thanos:latest"]
`,
		"", "a/engine:1 a/proxy:1 quay.io/a/mapped:1 quay.io/a/mapped:2 quay.io/a/reloader:v0.1.0 quay.io/a/shell:1 registry.example/a/thanos:latest",
		"quay.io/a/untagged has no tag\ntopology.example/zone:eu may be an image, but nothing around it says so",
	},
	{
		"annotations", `kind: Deployment
metadata:
  annotations:
    sidecar.istio.io/proxyImage: istio/proxyv2:1
    other: quay.io/a/annotated:1
    artifacthub.io/images: |
      - name: one
        image: quay.io/a/hub:1
      - name: two
        image: a/hub:2
    kubectl.kubernetes.io/last-applied-configuration: '{"spec": {"image": "quay.io/never/applied:1"}}'
  labels: {image: "never:1"}
spec: {template: {metadata: {annotations: {containerImage: "quay.io/a/pod:1"}}}}
`,
		"", "a/hub:2 istio/proxyv2:1 quay.io/a/annotated:1 quay.io/a/hub:1 quay.io/a/pod:1", "",
	},
	{
		"schemes", `kind: DataVolume
spec: {source: {registry: {url: "docker://quay.io/a/disk:1"}}, imageName: a/name:1, chart: "oci://ghcr.io/a/chart:1.2", other: "oci://ghcr.io/a/none"}
`,
		"", "a/name:1 ghcr.io/a/chart:1.2 quay.io/a/disk:1", "ghcr.io/a/none has no tag: it may be a place of charts",
	},
	{
		"Flux", `kind: OCIRepository
spec: {url: "oci://ghcr.io/a/manifests", ref: {tag: 6.6.2}}
---
kind: OCIRepository
spec: {url: "oci://ghcr.io/a/digest", ref: {tag: 6.6.2, digest: "sha256:` + hex + `"}}
---
kind: OCIRepository
spec: {url: "oci://ghcr.io/a/semver", ref: {semver: ">=1"}}
---
kind: HelmRepository
spec: {type: oci, url: "oci://ghcr.io/a/charts"}
---
kind: HelmRelease
spec: {values: {image: {repository: ghcr.io/a/podinfo, tag: 6.7.1}}}
`,
		"", "ghcr.io/a/digest@sha256:" + hex + " ghcr.io/a/manifests:6.6.2 ghcr.io/a/podinfo:6.7.1",
		"ghcr.io/a/semver has the range >=1 in place of a tag\nghcr.io/a/charts is a place of charts",
	},
	{
		"charts of Argo CD and Helm", `kind: Application
spec: {sources: [{repoURL: ghcr.io/a/charts, chart: one, targetRevision: 1.2.3+b}, {repoURL: ghcr.io/a/charts, chart: two, targetRevision: 1.*}, {repoURL: "https://x.example", chart: three, targetRevision: 1.2.3}]}
---
apiVersion: v2
name: umbrella
version: 1.2.3
dependencies:
- {name: redis, version: 18.0.1, repository: "oci://registry-1.docker.io/bitnamicharts"}
- {name: other, version: "~1", repository: "oci://ghcr.io/a"}
- {name: third, version: 1.2.3, repository: "https://x.example"}
`,
		"", "registry-1.docker.io/bitnamicharts/redis:18.0.1 ghcr.io/a/charts/one:1.2.3_b", "ghcr.io/a/charts/two has the version 1.*\nghcr.io/a/other has the version ~1",
	},
	{
		"Kustomize", `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
images:
- {name: a, newTag: "2"}
- {name: b, newName: quay.io/x/b, newTag: "3"}
- {name: c, digest: "sha256:` + hex + `"}
- {name: d/e, newName: quay.io/d/e}
`,
		"a:2 c@sha256:" + hex + " quay.io/x/b:3", "", "quay.io/d/e has no newTag or digest",
	},
	{"Kustomize without a kind", "resources: [x.yaml]\nimages: [{name: a, newTag: \"2\"}]\n", "a:2", "", ""},
	{
		"Compose", "services:\n  web: {image: \"nginx:1\"}\n  own: {image: \"own:1\", build: .}\n  var: {image: \"x:${TAG:-1}\"}\n", "nginx:1", "own:1", "",
	},
	{
		"a GitHub workflow", `on: push
jobs:
  a: {container: "node:18", services: {db: {image: "postgres:16"}}, steps: [{uses: "docker://alpine:3.19"}, {uses: actions/checkout@v4}]}
  b: {container: {image: "ghcr.io/a/b:1"}}
`,
		"node:18 postgres:16 ghcr.io/a/b:1", "alpine:3.19", "",
	},
	{
		"lists of images", `apiVersion: imgpkg.carvel.dev/v1alpha1
kind: ImagesLock
images: [{image: "index.docker.io/a/b@sha256:` + hex + `", annotations: {kbld.carvel.dev/id: "a/b:1"}}]
---
kind: Airgap
spec: {savedImages: ["nginx:1", "quay.io/a/b:1"]}
---
kind: ClusterServiceVersion
spec: {relatedImages: [{name: proxy, image: "quay.io/a/related@sha256:` + hex + `"}]}
---
kind: Images
spec: {images: [{name: "busybox:1"}]}
`,
		"", "index.docker.io/a/b@sha256:" + hex + " busybox:1 nginx:1 quay.io/a/b:1 quay.io/a/related@sha256:" + hex, "",
	},
	{
		"a ConfigMap", `kind: ConfigMap
data:
  PROXY_IMAGE: quay.io/a/proxy:1
  docker_image: "quay.io/a/docker:1"
  app.properties: |
    # quay.io/a/comment:1
    image=quay.io/a/properties:1
    other=quay.io/a/other:1.2
  run.sh: |
    docker run --rm -e A=b "quay.io/a/shell:1" x
    docker run {{ .Image }}/a:1
  list.yaml: |
    - key: x
    - a/b
  deep.yaml: |
    data:
      inner.yaml: |
        image: quay.io/a/inner:1
binaryData: {x: aW1hZ2U=}
`,
		"", "quay.io/a/comment:1 quay.io/a/docker:1 quay.io/a/inner:1 quay.io/a/other:1.2 quay.io/a/properties:1 quay.io/a/proxy:1 quay.io/a/shell:1", "",
	},
	{
		"defaults of a CRD", `kind: CustomResourceDefinition
metadata: {name: x}
spec:
  versions:
  - schema:
      openAPIV3Schema:
        properties:
          image: {type: string, default: "quay.io/a/default:1", description: "such as quay.io/never/described:1"}
          spec: {properties: {proxyImage: {default: a/proxy}, size: {default: big}, parts: {default: {repository: a/b, tag: "1"}}, list: {items: {properties: {image: {default: "c:1"}}}}}}
          status: {properties: {image: {default: "never/status:1"}}}
`,
		"", "a/b:1 a/proxy c:1 quay.io/a/default:1", "",
	},
	{
		"variables in parts", `kind: Deployment
spec: {template: {spec: {containers: [{env: [{name: WORKER_REPOSITORY, value: apache/airflow}, {name: WORKER_TAG, value: "2.9.1"}, {name: PROXY_IMAGE, value: quay.io/a/proxy}, {name: PROXY_VERSION, value: v1}]}]}}}
`,
		"", "apache/airflow:2.9.1 quay.io/a/proxy:v1", "",
	},
	{
		"what chooses its tag elsewhere", `apiVersion: image.toolkit.fluxcd.io/v1beta2
kind: ImageRepository
spec: {image: ghcr.io/a/podinfo}
---
apiVersion: controlplane.cluster.x-k8s.io/v1beta1
kind: KubeadmControlPlane
spec: {kubeadmConfigSpec: {clusterConfiguration: {dns: {imageRepository: registry.k8s.io/coredns, imageTag: v1.11.1}}}}
`,
		"", "", "ghcr.io/a/podinfo names a repository\nregistry.k8s.io/coredns names a repository",
	},
	{
		"OpenShift", `kind: ImageStream
spec: {tags: [{from: {kind: DockerImage, name: "openshift/ruby:1"}}, {from: {kind: ImageStreamTag, name: "ruby:2.7"}}], dockerImageReference: "quay.io/a/b:1"}
`,
		"", "openshift/ruby:1 quay.io/a/b:1", "ruby:2.7 may be an image",
	},
	{
		"GitLab", `stages: [a]
image: ruby:3.3
services: [docker:dind]
build: {image: {name: "golang:1.22", entrypoint: [""]}, services: [{name: "postgres:16", alias: db}], script: [make]}
deploy: {image: "$CI_REGISTRY/x:1", script: [make]}
`,
		"docker:dind golang:1.22 postgres:16 ruby:3.3", "", "",
	},
	{
		"settings in other languages", `kind: ConfigMap
data:
  config.toml: |
    [[runners]]
      [runners.kubernetes]
        image = "ubuntu:22.04"
        helper_image = "gitlab/gitlab-runner-helper:x86_64-latest"
        pull_policy = "always"
  run.sh: |
    export PROXY_IMAGE='a/proxy:edge'
    docker run alpine:3.18 x
`,
		"", "a/proxy:edge gitlab/gitlab-runner-helper:x86_64-latest ubuntu:22.04", "alpine:3.18 may be an image",
	},
	{
		"what is no image", `kind: Thing
spec:
  image: https://x.example/logo.png
  logoImage: assets/logo.svg
  osImage: projects/ubuntu/global/images/jammy
  pattern: {image: "!*:latest", images: ["*"]}
  imagePullPolicy: Always
  imagePullSecrets: [{name: a}]
  apiGroup: apps.example/v1
  path: /etc/x/y:1.2
  time: "2024-01-01T00:00:00Z"
  user: system:serviceaccount:a/b
  go: github.com/a/b@v1.2.3
  ko: "ko://github.com/a/b"
  mail: a@b.example/c
  description: "runs quay.io/never/described:1"
  IMAGE_PLATFORMS: linux/amd64
  hostImage: linux/arm64/v8
  push-images: {if: "github.repository == 'never/this'", runs-on: ubuntu-latest}
  word: {image: nginx}
  dotted: apps.example/a:prod
  plain: a/b:1.2
`,
		"", "", "projects/ubuntu/global/images/jammy has neither a registry nor a tag\nnginx is a word, not an image with a tag\napps.example/a:prod may be\na/b:1.2 may be an image",
	},
	{
		"Istio's template", "kind: ConfigMap\ndata:\n  config: |-\n    templates:\n      sidecar: |\n        containers:\n        - image: \"{{ .Values.image }}\"\n        {{- if .x }}\n        - image: \"quay.io/a/b:1\"\n        {{- end }}\n",
		"", "quay.io/a/b:1", "",
	},
}

func TestPlacesOfImages(t *testing.T) {
	for _, test := range places {
		taken, added, left := find(t, test.name, test.data)
		if got := strings.Join(taken, " "); got != test.taken {
			t.Errorf("%s:\n  took %s\n  want %s", test.name, got, test.taken)
		}
		if got := strings.Join(added, " "); got != test.added {
			t.Errorf("%s, deep:\n  added %s\n  want  %s", test.name, got, test.added)
		}
		var want []string
		if test.left != "" {
			want = strings.Split(test.left, "\n")
		}
		same := len(want) == len(left)
		for i := 0; same && i < len(want); i++ {
			same = strings.HasPrefix(left[i], want[i])
		}
		if !same {
			t.Errorf("%s: left out\n  %s\nwant\n  %s", test.name, strings.Join(left, "\n  "), strings.Join(want, "\n  "))
		}
	}
}

// global.imageRegistry of a chart's values goes before every image's own registry.
func TestGlobalRegistryOfValues(t *testing.T) {
	data := "global: {imageRegistry: mirror.example}\nimage: {registry: docker.io, repository: a/b, tag: \"1\"}\nother: {image: {repository: c/d, tag: \"2\"}}\nfull: {image: {repository: quay.io/e/f, tag: \"3\"}}\n"
	if _, added, left := find(t, "values.yaml", data); strings.Join(added, " ") != "mirror.example/a/b:1 mirror.example/c/d:2 quay.io/e/f:3" || len(left) != 0 {
		t.Errorf("added %q, left %q", added, left)
	}
}
