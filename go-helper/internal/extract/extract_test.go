package extract

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/spec"
)

const digest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

const manifests = `# what helm template writes
---
# Source: a comment and nothing else
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  template:
    metadata:
      annotations: {image: "docker.io/deep/annotation:1"}
    spec:
      initContainers:
        - {name: init, image: busybox:1.36}
      containers:
        - name: web
          image: "nginx:1.25@` + digest + `"
          args: ["--resizer-image=quay.io/deep/resizer:v1", "--listen=10.0.0.1/8:80", "--reload=quay.io/deep/reload:v0.75.0", "--flag-image", "quay.io/deep/flag:2"]
          env:
            - {name: RELATED_IMAGE_SIDE, value: quay.io/deep/related:1}
            - {name: OTHER, value: quay.io/deep/named-otherwise:1}
        - name: side
          image: docker.io/library/busybox:1.36
      ephemeralContainers:
        - {image: quay.io/debug/tools}
      volumes:
        - name: model
          image: {reference: quay.io/models/llm:v2, pullPolicy: Always}
        - name: config
          configMap: {name: x}
status:
  containers: [{image: "docker.io/never/status:1"}]
---
kind: CronJob
metadata: {generateName: nightly-}
spec: {jobTemplate: {spec: {template: {spec: {containers: [{name: x, image: "busybox:1.36"}]}}}}}
---
kind: List
items:
  - kind: Pod
    metadata: {name: a, namespace: x}
    spec: {containers: [{image: "localhost:5000/a/b:c"}]}
  - kind: DaemonSetList
    items:
      - {kind: DaemonSet, metadata: {name: b}, spec: {template: {spec: {containers: [{image: auto}, {image: ""}, {name: none}]}}}}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: crd}
spec:
  versions:
    - schema:
        openAPIV3Schema:
          properties:
            image: {default: "docker.io/deep/crd:1"}
            spec: {properties: {containers: {default: [{image: "docker.io/deep/crd:2"}]}}}
---
kind: ClusterPolicy
metadata: {name: require-tag}
spec: {rules: [{validate: {pattern: {spec: {containers: [{image: "!*:latest"}]}}}}]}
---
kind: Prometheus
metadata: {name: k8s, namespace: monitoring}
spec:
  image: quay.io/deep/prometheus:v2.50.0
  thanos: {baseImage: quay.io/deep/thanos}
  agentImage: word
  containers: [{name: extra, image: quay.io/extra/one}]
---
kind: CiliumThing
metadata: {name: c}
spec:
  image: {registry: quay.io, repository: deep/cilium, tag: 1.15, digest: "` + digest + `"}
  otherImage: {repository: quay.io/deep/other, tag: "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}
  image_untagged: {repository: quay.io/deep/never}
  driver: {repository: nvcr.io/deep, image: driver, version: "550.1"}
---
kind: ConstraintTemplate
metadata: {name: t}
spec: {crd: {spec: {validation: {openAPIV3Schema: {properties: {image: {repository: "docker.io/never/schema", tag: "1"}}}}}}}
`

func sources(images []Image) []string {
	all := []string{}
	for _, image := range images {
		all = append(all, image.Source)
	}
	return all
}

func TestImagesOfPodSpecs(t *testing.T) {
	result, err := Images([]spec.File{{Name: "all.yaml", Data: []byte(manifests)}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := `# CronJob nightly-, Deployment shop/web
busybox:1.36

# Deployment shop/web
nginx:1.25@` + digest + `

# Pod x/a
localhost:5000/a/b:c

# Deployment shop/web
quay.io/debug/tools

# Prometheus monitoring/k8s
quay.io/extra/one

# Deployment shop/web
quay.io/models/llm:v2
`
	if got := string(List(result.Images)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	wantNotes := []string{
		`all.yaml:47: DaemonSet b has the image "auto", which is none, or is filled in at run time`,
		`all.yaml:47: DaemonSet b has the image "", which is none, or is filled in at run time`,
		`all.yaml:62: ClusterPolicy require-tag: image reference "!*:latest" does not match expected format: a repository is made of ` +
			`lower-case letters and digits, with '.', '_', '__' or '-' between them, and '/' between components`,
	}
	if !reflect.DeepEqual(result.Notes, wantNotes) {
		t.Errorf("notes %q\nwant %q", result.Notes, wantNotes)
	}
}

func TestDeepFindsWhatOperatorsMean(t *testing.T) {
	result, err := Images([]spec.File{{Name: "all.yaml", Data: []byte(manifests)}}, Options{Deep: true})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"docker.io/deep/annotation:1", "docker.io/deep/crd:1", "docker.io/deep/crd:2", "busybox:1.36", "nginx:1.25@" + digest, "localhost:5000/a/b:c", "nvcr.io/deep/driver:550.1", "quay.io/debug/tools",
		"quay.io/deep/cilium:1.15@" + digest, "quay.io/deep/flag:2", "quay.io/deep/named-otherwise:1", "quay.io/deep/other@" + digest, "quay.io/deep/prometheus:v2.50.0",
		"quay.io/deep/related:1", "quay.io/deep/reload:v0.75.0", "quay.io/deep/resizer:v1", "quay.io/extra/one", "quay.io/models/llm:v2",
	}
	if got := sources(result.Images); !reflect.DeepEqual(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestImagesOfJSON(t *testing.T) {
	result, err := Images([]spec.File{{Name: "a.json", Data: []byte(`{"kind": "PodList", "items": [{"kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"image": "a:1"}]}}]}`)}}, Options{})
	if got := sources(result.Images); err != nil || !reflect.DeepEqual(got, []string{"a:1"}) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestWhatKubectlTakesIsRead(t *testing.T) {
	for name, manifests := range map[string]string{
		"JSON documents one after another": `{"kind": "Pod", "spec": {"containers": [{"image": "a:1"}]}}` + "\n" + `{"kind": "Pod", "spec": {"containers": [{"image": "b:2"}]}}`,
		"YAML that begins like JSON":       "{kind: Pod, spec: {containers: [{image: 'a:1'}]}}\n---\nkind: Pod\nspec: {containers: [{image: \"b:2\"}]}\n",
		"a key that is there twice":        "kind: Pod\nspec:\n  containers:\n  - image: a:0\n    image: a:1\n  - image: b:2\n",
		"anchors, merge keys, other keys":  "x: &x {image: \"a:1\"}\n1: true\nkind: Pod\nspec: {containers: [{<<: *x}, {<<: [*x], image: \"b:2\"}]}\n...\n",
		"a byte order mark and CRLF":       "\ufeffkind: Pod\r\nspec:\r\n  containers:\r\n  - image: a:1\r\n  - image: b:2\r\n",
	} {
		result, err := Images([]spec.File{{Name: "f", Data: []byte(manifests)}}, Options{})
		if got := sources(result.Images); err != nil || !reflect.DeepEqual(got, []string{"a:1", "b:2"}) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

func TestBrokenYAMLIsNamedBesideWhatWasFound(t *testing.T) {
	result, err := Images([]spec.File{
		{Name: "a.yaml", Data: []byte("kind: Pod\nspec: {containers: [{image: \"a:1\"}]}\n---\nkind: [\n")},
		{Name: "b.yaml", Data: []byte("kind: Pod\nspec: {containers: [{image: \"b:1\"}]}\n")},
	}, Options{})
	if got := sources(result.Images); !reflect.DeepEqual(got, []string{"a:1", "b:1"}) {
		t.Errorf("got %q", got)
	}
	var at *spec.Error
	if !errors.As(err, &at) || at.File != "a.yaml" || at.Line < 4 {
		t.Errorf("got %v", err)
	}
	if result.Images[0].Askers[0] != "Pod" {
		t.Errorf("asked for by %q", result.Images[0].Askers)
	}
}

func TestManyAskersAreCounted(t *testing.T) {
	var b strings.Builder
	for _, name := range strings.Split("gfedcba", "") {
		b.WriteString("---\nkind: Pod\nmetadata: {name: " + name + "}\nspec: {containers: [{image: x}, {image: x}]}\n")
	}
	result, err := Images([]spec.File{{Name: "-", Data: []byte(b.String())}}, Options{})
	want := "# Pod a, Pod b, Pod c, Pod d, Pod e and 2 more\nx\n"
	if got := string(List(result.Images)); err != nil || got != want {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestCheck(t *testing.T) {
	result, err := Images([]spec.File{{Name: "a.yaml", Data: []byte("kind: Pod\nmetadata: {name: p}\nspec: {containers: [{image: \"a:1\"}, {image: \"b:2\"}]}\n")}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range []string{string(List(result.Images)), "--platform=linux/amd64 docker.io/library/b:2 AS b\n# x\na:1\n"} {
		if err := Check(result.Images, spec.File{Name: "images.txt", Data: []byte(list)}); err != nil {
			t.Errorf("%q: %v", list, err)
		}
	}
	err = Check(result.Images, spec.File{Name: "images.txt", Data: []byte("\na:1\nc:3\n")})
	want := "images.txt:3: nothing asks for c:3\nimages.txt: lacks b:2, which Pod p asks for\nthe list is stale"
	if !errors.Is(err, ErrStale) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := Check(result.Images, spec.File{Name: "images.txt", Data: []byte("A\n")}); err == nil || errors.Is(err, ErrStale) {
		t.Errorf("a broken list: %v", err)
	}
}

// Whatever is found makes a list that is read back as the same images.
func FuzzImages(f *testing.F) {
	f.Add([]byte(manifests), true)
	f.Add([]byte("kind: Pod\nspec: {containers: [{image: a}]}"), false)
	f.Add([]byte("kind: List\nitems: [{kind: \"Pod\\n#\", spec: {containers: [{image: a@"+digest+"}]}}]"), false)
	f.Add([]byte("- kind: Pod\n- &a [*a]"), true)
	f.Fuzz(func(t *testing.T, data []byte, deep bool) {
		result, _ := Images([]spec.File{{Name: "f.yaml", Data: data}}, Options{Deep: deep})
		list := List(result.Images)
		images, err := spec.Parse("f.txt", spec.FormatText, list)
		if err != nil {
			t.Fatalf("%q made a list that can't be read: %v\n%s", data, err, list)
		}
		var got, want []reference.Reference
		for _, i := range images {
			got = append(got, i.Ref)
		}
		for _, i := range result.Images {
			want = append(want, i.Ref)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q found %v, but the list says %v", data, want, got)
		}
		if err := Check(result.Images, spec.File{Name: "f.txt", Data: list}); err != nil {
			t.Fatal(err)
		}
	})
}
