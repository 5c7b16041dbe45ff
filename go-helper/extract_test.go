package main

import (
	"os"
	"strings"
	"testing"
)

const manifests = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    spec:
      initContainers: [{name: init, image: "busybox:1.36"}]
      containers: [{name: web, image: "registry.example/team/web:1"}]
---
apiVersion: v1
kind: Pod
metadata: {name: tool}
spec:
  containers: [{name: tool, image: "busybox:1.36"}]
`

func TestExtract(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	p := w.command("extract")
	p.cmd.Stdin = strings.NewReader(manifests)
	list := p.demand(0).stdout.String()
	if strings.Count(list, "busybox:1.36\n") != 1 || !strings.Contains(list, "registry.example/team/web:1\n") || !strings.Contains(list, "Deployment shop/web") {
		t.Errorf("list:\n%s", list)
	}
	w.write("manifests.yaml", manifests)
	w.run(0, "extract", "--output", "images.txt", "manifests.yaml")
	w.run(0, "extract", "--check", "images.txt", "manifests.yaml")
	w.run(0, "plan", "--registry", "mirror.example", "images.txt")

	w.write("images.txt", "busybox:1.36\nold:1\n")
	p = w.run(1, "extract", "--check", "images.txt", "manifests.yaml")
	wantContains(t, "stderr", p.stderr.String(), "images.txt:2: ", "old:1", "registry.example/team/web:1", "stale")
	w.run(2, "extract", "--check", "missing.txt", "manifests.yaml")
	w.run(2, "extract", "missing.yaml")
	w.run(2, "extract", w.write("broken.yaml", "a: [\n"))
	w.run(2, "extract", "--check", "images.txt", "--output", "x.txt", "manifests.yaml")
}

// What comes down a pipe when helm failed doesn't empty a list.
func TestExtractOfNothing(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	w.write("images.txt", "busybox:1.36\n")
	for _, flag := range []string{"--output", "--check"} {
		p := w.command("extract", flag, "images.txt")
		p.cmd.Stdin = strings.NewReader("---\n# Source: nothing\n")
		p.demand(2)
		wantContains(t, "stderr", p.stderr.String(), "no images in the manifests", "--allow-empty")
		if content, err := os.ReadFile(w.path("images.txt")); err != nil || string(content) != "busybox:1.36\n" {
			t.Errorf("%s left %q, %v", flag, content, err)
		}
	}
	w.write("crds.yaml", "kind: CustomResourceDefinition\n")
	w.run(1, "extract", "--allow-empty", "--check", "images.txt", "crds.yaml")
	w.run(0, "extract", "--allow-empty", "--output", "images.txt", "crds.yaml")
	w.run(0, "extract", "--allow-empty", "--check", "images.txt", "crds.yaml")
}

// What is left out is counted, and listed with --explain.
func TestExtractSaysWhatItLeavesOut(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	w.write("rook.yaml", `kind: ConfigMap
metadata: {name: config}
data: {ROOK_CSI_CEPH_IMAGE: "quay.io/cephcsi/cephcsi:v3.13.0", BASE: quay.io/a/b}
---
kind: Pod
metadata: {name: p}
spec: {containers: [{image: "a:1", args: ["--reloader=quay.io/a/reloader:v1.0"]}]}
`)
	p := w.run(0, "extract", "rook.yaml")
	wantContains(t, "stderr", p.stderr.String(), "--deep would add 2 images; --explain lists what", "1 text left out that may name an image; --explain lists what")
	if got := p.stdout.String(); got != "# Pod p\na:1\n" {
		t.Errorf("list: %q", got)
	}
	p = w.run(0, "extract", "--explain", "rook.yaml")
	wantContains(t, "stderr", p.stderr.String(),
		`rook.yaml:3: ConfigMap config: "quay.io/cephcsi/cephcsi:v3.13.0": stands where only --deep looks`,
		`rook.yaml:3: ConfigMap config: "quay.io/a/b": has no tag`,
		`rook.yaml:7: Pod p: "quay.io/a/reloader:v1.0": stands where only --deep looks`)
	p = w.run(0, "extract", "--deep", "rook.yaml")
	wantContains(t, "stderr", p.stderr.String(), "1 text left out that may name an image")
	if strings.Contains(p.stderr.String(), "would add") || !strings.Contains(p.stdout.String(), "quay.io/cephcsi/cephcsi:v3.13.0\n") {
		t.Errorf("deep: %q, %q", p.stdout.String(), p.stderr.String())
	}
	// A list that has what stands beside pod specs only is no mistake to be silent about.
	w.write("config.yaml", "kind: ConfigMap\ndata: {A_IMAGE: \"quay.io/a/b:1\"}\n")
	p = w.run(2, "extract", "config.yaml")
	wantContains(t, "stderr", p.stderr.String(), "--deep would add 1 image;", "no images in the manifests")
}
