package main

import (
	"fmt"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
)

func TestALockCostsAHeadATagAndAGetAnUnknownDigest(t *testing.T) {
	t.Parallel()
	w, src := newWorkplace(t), startRegistry(t)
	images := numbered(1000, "app:1.0.%d")
	pushSmall(t, src, images...)
	w.list("images.txt", src, images...)
	src.Log().Reset()
	p := w.run(0, "lock", "images.txt")
	wantRequests(t, src, map[devregistry.Kind]int{devregistry.KindManifestHead: 1000, devregistry.KindManifestGet: 1000})
	if n := strings.Count(p.stdout.String(), "images.txt.lock: added "); n != 1000 {
		t.Errorf("%d lines of what was added", n)
	}

	before, src1 := w.read("images.txt.lock"), src.Log()
	src1.Reset()
	p = w.run(0, "lock", "images.txt")
	if n := src.Log().Total(); n != 0 || p.stdout.Len() != 0 || w.read("images.txt.lock") != before {
		t.Errorf("nothing was missing: %d requests, printed %q", n, &p.stdout)
	}
	w.run(0, "lock", "--upgrade", "images.txt") // no digest is news
	wantRequests(t, src, map[devregistry.Kind]int{devregistry.KindManifestHead: 1000})
	if w.read("images.txt.lock") != before {
		t.Error("an upgrade to the same digests changed the lock")
	}
}

func TestALockedSetThatIsThereAsksNoSource(t *testing.T) {
	t.Parallel()
	w, src, dst := newWorkplace(t), startRegistry(t), startRegistry(t)
	images := seedSamples(t, src)
	more := numbered(40-len(images), "more%d:1")
	pushSmall(t, src, more...)
	w.list("images.txt", src, append(images, more...)...)
	platforms := []string{"--platform", "linux/amd64"}
	w.run(0, append([]string{"lock", "images.txt"}, platforms...)...)
	copied := append([]string{"copy", "--lock=require", "--registry", dst.Host, "images.txt"}, platforms...)
	w.run(0, copied...)

	for _, registry := range []*devregistry.Server{src, dst} {
		registry.Log().Reset()
	}
	w.run(0, copied...)
	wantRequests(t, src, map[devregistry.Kind]int{})
	if n := src.Log().Total(); n != 0 {
		t.Errorf("%d requests to the source", n)
	}
	wantRequests(t, dst, map[devregistry.Kind]int{devregistry.KindManifestHead: 40})
	if n := dst.Log().Total(); n != 41 {
		t.Errorf("%d requests to the destination, want 40 and a ping", n)
	}

	if err := src.Close(); err != nil { // down or gone
		t.Fatal(err)
	}
	p := w.run(0, copied...)
	wantContains(t, "stderr", p.stderr.String(), "40 unchanged")
}

func TestTwoThousandLockedImagesCostAHeadEach(t *testing.T) {
	if testing.Short() {
		t.Skip("pushes 2,000 images")
	}
	t.Parallel()
	w, src, dst := newWorkplace(t), startRegistry(t), startRegistry(t)
	var images []string
	for i := range 500 {
		images = append(images, numbered(4, fmt.Sprintf("team/app%d:1.%%d", i))...)
	}
	pushSmall(t, src, images...)
	pushSmall(t, dst, images...)
	w.list("images.txt", src, images...)
	w.run(0, "lock", "images.txt")
	src.Log().Reset()
	dst.Log().Reset()
	p := w.run(0, "copy", "--registry", dst.Host, "images.txt")
	wantContains(t, "stderr", p.stderr.String(), "2000 unchanged")
	wantRequests(t, src, map[devregistry.Kind]int{})
	wantRequests(t, dst, map[devregistry.Kind]int{devregistry.KindManifestHead: 2000})
}
