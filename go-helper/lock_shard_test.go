package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
)

// askedOf gives the manifests that a registry was asked for, in order.
func askedOf(src *devregistry.Server) (asked []string) {
	for _, e := range src.Log().Entries() {
		if e.Kind == devregistry.KindManifestHead {
			asked = append(asked, e.Repository+" "+e.Reference)
		}
	}
	slices.Sort(asked)
	return asked
}

// Together shards ask what one process asks, each image by one of them, and find what it finds.
func TestShardsCheckTheSourcesOfALock(t *testing.T) {
	t.Parallel()
	w, src := newWorkplace(t), startRegistry(t)
	var images []string
	for i := range 9 {
		for tag := range 1 + i%3 {
			image := fmt.Sprintf("team-%d/app:%d", i, tag)
			pushImage(t, src.Host+"/"+image, 512, 1)
			images = append(images, image)
		}
	}
	w.list("images.txt", src, images...)
	w.list("again.txt", src, images[:4]...) // asked for once
	w.run(0, "lock", "images.txt", "again.txt")
	gone := digestAt(t, src.Host+"/team-4/app:1")
	deleteTag(t, src, "team-4/app", gone.String())
	pushImage(t, src.Host+"/team-7/app:0", 512, 1)

	check := func(code int, args ...string) (findings []string) {
		t.Helper()
		p := w.run(code, append([]string{"lock", "--check", "--online", "images.txt", "again.txt"}, args...)...)
		return strings.Split(strings.TrimSpace(p.stdout.String()), "\n")
	}
	src.Log().Reset()
	whole := check(1)
	want := askedOf(src)
	src.Log().Reset()
	var found []string
	failed := 0
	for i := range 3 {
		p := w.command("lock", "--check", "--online", fmt.Sprintf("--shard=%d/3", i), "images.txt", "again.txt").start()
		code := p.wait()
		if text := strings.TrimSpace(p.stdout.String()); text != "" {
			found = append(found, strings.Split(text, "\n")...)
		}
		if failed += code; code > 1 || code == 1 != strings.Contains(p.stdout.String(), "[gone]") {
			t.Errorf("shard %d: exit code %d, %s", i, code, &p.stdout)
		}
	}
	slices.Sort(whole)
	slices.Sort(found)
	if failed != 1 || !slices.Equal(found, whole) || len(whole) != 2 {
		t.Errorf("the shards found\n%s\nand one process\n%s", strings.Join(found, "\n"), strings.Join(whole, "\n"))
	}
	if got := askedOf(src); !slices.Equal(got, want) {
		t.Errorf("the shards asked\n%s\nand one process\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	// What is wrong offline is wrong in each of them; who has nothing to ask says so.
	w.list("images.txt", src, append(images, "team-9/app:1")...)
	for i := range 2 {
		findings := check(1, fmt.Sprintf("--shard=%d/2", i))
		if !strings.Contains(findings[0], "team-9/app:1 has no entry in images.txt.lock [lock-stale]") {
			t.Errorf("shard %d: %v", i, findings)
		}
	}
	src.Log().Reset()
	w.list("images.txt", src, images...)
	p := w.run(0, "lock", "--check", "--online", "--shard=99/100", "images.txt")
	wantContains(t, "stderr", p.stderr.String(), "shard 99/100 has nothing to do: others have the 18 images of the locks")
	if n := len(src.Log().Select(func(e devregistry.Entry) bool { return e.Method != http.MethodGet || e.Kind != devregistry.KindPing })); n > 0 {
		t.Errorf("it asked %d times", n)
	}
	for _, args := range [][]string{{"--shard=0/2"}, {"--check", "--shard=0/2"}} {
		p = w.run(2, append(append([]string{"lock"}, args...), "images.txt")...)
		wantContains(t, "stderr", p.stderr.String(), "--shard goes with --check --online")
	}
}
