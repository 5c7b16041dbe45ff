package main

import (
	"fmt"
	"strings"
	"testing"
)

// lockedSamples is a locked list of the sample images, limited to a platform; its plan is plan.json.
func lockedSamples(t *testing.T) (w *workplace, source string) {
	t.Helper()
	w = newWorkplace(t)
	src := startRegistry(t)
	seedSamples(t, src)
	w.write("images.txt", fmt.Sprintf("%[1]s/web:1.0 AS web\n%[1]s/api:2.3\n%[1]s/worker:2.3\n", src.Host))
	w.run(0, "lock", "--platform=linux/amd64", "images.txt")
	w.run(0, "plan", "--platform=linux/amd64", "--registry=registry.example", "--image-tag={tag}", "-o", "plan.json", "images.txt")
	if err := src.Close(); err != nil { // nobody asks it
		t.Fatal(err)
	}
	return w, src.Host
}

func TestALockedImageResolvesToItsDestination(t *testing.T) {
	t.Parallel()
	w, source := lockedSamples(t)
	var plan []struct {
		Src    string `json:"src"`
		Locked struct {
			Expect string `json:"expect"`
		} `json:"locked"`
	}
	w.readJSON("plan.json", &plan)
	ref := "registry.example/web:1.0@" + plan[0].Locked.Expect // of the rewritten index: what is there
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"web"}, ref + "\n"},
		{[]string{source + "/web:1.0"}, ref + "\n"},
		{[]string{"--format=env", "web"}, "WEB=" + ref + "\n"},
		{[]string{"--format=json", "web"}, `"repository": "registry.example/web"`},
		{[]string{"--format=kustomize", "web"}, "images:\n  - name: " + source + "/web\n    newName: registry.example/web\n    digest: " + plan[0].Locked.Expect + "\n"},
		{[]string{"--format=imgpkg", "web"}, "kbld.carvel.dev/id: " + source + "/web:1.0\n    image: registry.example/web@" + plan[0].Locked.Expect + "\nkind: ImagesLock\n"},
	} {
		p := w.run(0, append([]string{"resolve", "--list=plan.json"}, tt.args...)...)
		wantContains(t, fmt.Sprint(tt.args), p.stdout.String(), tt.want)
	}
	p := w.run(0, "resolve", "--list=plan.json", "--platform=linux/amd64", "web")
	child := strings.TrimSpace(strings.TrimPrefix(p.stdout.String(), "registry.example/web:1.0@"))
	wantContains(t, "the lock", w.read("images.txt.lock"), `  "linux/amd64 `+child+`"`)
	p = w.run(2, "resolve", "--list=plan.json", "--platform=linux/arm64", "web")
	wantContains(t, "stderr", p.stderr.String(), "images.txt:1: only some platforms of ", "linux/arm64 is not among them")
	p = w.run(2, "resolve", "--list=plan.json", "wep")
	wantContains(t, "stderr", p.stderr.String(), "no image is called wep: did you mean web?")
	p = w.run(2, "resolve", "--lock=off", "--registry=registry.example", "--list=images.txt", "web")
	wantContains(t, "stderr", p.stderr.String(), "images.txt:1: "+source+"/web:1.0 is not locked")
}

func TestFilesArePinnedToALock(t *testing.T) {
	t.Parallel()
	w, source := lockedSamples(t)
	w.write("Dockerfile", "FROM "+source+"/web:1.0 AS base\n")
	w.write("deploy/values.yaml", "a: 1\ndigest: sha256: # docker-mirror: "+source+"/worker\n")
	pin := func(code int, args ...string) *process {
		return w.run(code, append([]string{"pin", "--list=plan.json", "Dockerfile", "deploy/values.yaml"}, args...)...)
	}
	p := pin(1, "--check")
	wantContains(t, "stdout", p.stdout.String(), "Dockerfile:1: error: says "+source+"/web:1.0, and the lock registry.example/web:1.0@sha256:", "deploy/values.yaml:2: error: says sha256:, ")
	if w.read("Dockerfile") != "FROM "+source+"/web:1.0 AS base\n" {
		t.Error("--check has written")
	}
	pin(0)
	wantContains(t, "Dockerfile", w.read("Dockerfile"), "FROM registry.example/web:1.0@sha256:", " AS base\n")
	if p = pin(0, "--check"); p.stdout.Len() > 0 {
		t.Errorf("what was pinned is not: %s", &p.stdout)
	}
	w.write("other.txt", "nothing\n")
	before := w.write("Dockerfile", "FROM "+source+"/web:1.0\n")
	p = pin(2, "other.txt")
	wantContains(t, "stderr", p.stderr.String(), "other.txt: has nothing to pin")
	if w.read(before) != "FROM "+source+"/web:1.0\n" {
		t.Error("a file was written although another one could not be pinned")
	}
}
