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
		wantContains(t, "stderr", p.stderr.String(), "no images found", "--allow-empty")
		if content, err := os.ReadFile(w.path("images.txt")); err != nil || string(content) != "busybox:1.36\n" {
			t.Errorf("%s left %q, %v", flag, content, err)
		}
	}
	w.write("crds.yaml", "kind: CustomResourceDefinition\n")
	w.run(1, "extract", "--allow-empty", "--check", "images.txt", "crds.yaml")
	w.run(0, "extract", "--allow-empty", "--output", "images.txt", "crds.yaml")
	w.run(0, "extract", "--allow-empty", "--check", "images.txt", "crds.yaml")
}
