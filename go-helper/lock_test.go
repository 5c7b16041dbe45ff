package main

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
)

func TestListsThatAreLockedTogetherAgree(t *testing.T) {
	t.Parallel()
	w, src, dst := newWorkplace(t), startRegistry(t), startRegistry(t)
	first := pushImage(t, src.Host+"/app:1", 512, 1)
	w.list("a.txt", src, "app:1")
	w.list("b.txt", src, "app:1")
	w.run(0, "lock", "a.txt")
	second := pushImage(t, src.Host+"/app:1", 512, 1)
	src.Log().Reset()
	w.run(0, "lock", "a.txt", "b.txt") // b takes what a has
	if n := src.Log().Total(); n != 0 || !strings.Contains(w.read("b.txt.lock"), first.String()) {
		t.Errorf("%d requests, b.txt.lock:\n%s", n, w.read("b.txt.lock"))
	}
	w.run(0, "lock", "--upgrade", "a.txt", "b.txt")
	wantRequests(t, src, map[devregistry.Kind]int{devregistry.KindManifestHead: 1, devregistry.KindManifestGet: 1})
	wantContains(t, "a.txt.lock", w.read("a.txt.lock"), second.String())
	wantContains(t, "b.txt.lock", w.read("b.txt.lock"), second.String())

	pushImage(t, src.Host+"/app:1", 512, 1)
	w.run(0, "lock", "--upgrade="+src.Host+"/app", "b.txt")
	p := w.run(0, "lint", "a.txt", "b.txt")
	wantContains(t, "lint", p.stdout.String(), "b.txt.lock:4: warn: "+src.Host+"/app:1 is locked to ", "at a.txt.lock:4 [lock-disagreement]")
	src.Log().Reset()
	p = w.run(2, "copy", "--registry", dst.Host, "a.txt", "b.txt") // one destination can't have both
	wantContains(t, "copy", p.stderr.String(), "a.txt:1, b.txt:1: destination "+dst.Host+"/app:1 requests inconsistent copies")
	if n := src.Log().Total() + dst.Log().Total(); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestOneImageOfALockIsUpgraded(t *testing.T) {
	t.Parallel()
	w, src := newWorkplace(t), startRegistry(t)
	for _, image := range []string{"a:1", "b:1", "c:1"} {
		pushImage(t, src.Host+"/"+image, 512, 1)
	}
	w.write("images.txt", src.Host+"/a:1 AS first\n"+src.Host+"/b:1\n"+src.Host+"/c:1\n")
	w.run(0, "lock", "images.txt")
	before := w.read("images.txt.lock")
	for _, image := range []string{"a:1", "b:1", "c:1"} {
		pushImage(t, src.Host+"/"+image, 512, 1)
	}
	src.Log().Reset()
	p := w.run(0, "lock", "--upgrade=first", "images.txt")
	wantRequests(t, src, map[devregistry.Kind]int{devregistry.KindManifestHead: 1, devregistry.KindManifestGet: 1})
	if lines := strings.Split(strings.TrimSpace(p.stdout.String()), "\n"); len(lines) != 1 || !strings.Contains(lines[0], "moved "+src.Host+"/a:1 ") {
		t.Errorf("printed %q", lines)
	}
	removed, added := 0, 0
	after := map[string]int{}
	for _, line := range strings.Split(w.read("images.txt.lock"), "\n") {
		after[line]++
	}
	for _, line := range strings.Split(before, "\n") {
		if after[line]--; after[line] < 0 {
			removed++
		}
	}
	for _, n := range after {
		added += max(n, 0)
	}
	if removed > 3 || removed != added { // digest, seen (unless in the same second), sum
		t.Errorf("the diff takes %d lines out and puts %d in", removed, added)
	}
	p = w.run(2, "lock", "--upgrade=firs", "images.txt")
	wantContains(t, "stderr", p.stderr.String(), `--upgrade=firs: no image has that name: did you mean "first"?`)
}

// A registry that names one digest and gives other bytes is not believed.
func TestWhatIsNotWhatItsDigestSaysIsNotLocked(t *testing.T) {
	t.Parallel()
	w, src := newWorkplace(t), startRegistry(t)
	pushImage(t, src.Host+"/good:1", 512, 1)
	pushImage(t, src.Host+"/bad:1", 512, 1)
	src.SetFaults(devregistry.Faults{Intercept: devregistry.Always(
		func(r devregistry.Request) bool {
			return r.Kind == devregistry.KindManifestGet && r.Repository == "bad"
		},
		devregistry.Fault{Corrupt: true},
	)})
	w.list("images.txt", src, "bad:1", "good:1")
	p := w.run(1, "lock", "images.txt")
	wantContains(t, "stderr", p.stderr.String(), "images.txt:1: could not be locked: ", "content has digest sha256:")
	if text := w.read("images.txt.lock"); strings.Contains(text, "bad:1") || !strings.Contains(text, "good:1") {
		t.Errorf("the lock:\n%s", text)
	}
}

func TestAThrottledImageKeepsItsEntry(t *testing.T) {
	t.Parallel()
	w, src := newWorkplace(t), startRegistry(t)
	pushImage(t, src.Host+"/a:1", 512, 1)
	pushImage(t, src.Host+"/b:1", 512, 1)
	w.list("images.txt", src, "a:1", "b:1")
	w.run(0, "lock", "images.txt")
	pushImage(t, src.Host+"/a:1", 512, 1)
	now := pushImage(t, src.Host+"/b:1", 512, 1)
	old := strings.Split(w.read("images.txt.lock"), "\n\n")[1]
	src.SetFaults(devregistry.Faults{Intercept: devregistry.Always(
		func(r devregistry.Request) bool { return r.Repository == "a" },
		devregistry.Fault{Status: http.StatusForbidden, Code: "DENIED"},
	)})
	p := w.run(1, "lock", "--upgrade", "images.txt")
	wantContains(t, "stderr", p.stderr.String(), "images.txt:1: could not be locked: ", "403")
	wantContains(t, "the lock", w.read("images.txt.lock"), old, now.String())
}

func TestAnInterruptedLockLeavesTheOldOne(t *testing.T) {
	t.Parallel()
	w, src := newWorkplace(t), startRegistry(t)
	pushImage(t, src.Host+"/a:1", 512, 1)
	w.list("images.txt", src, "a:1")
	w.run(0, "lock", "images.txt")
	before := w.read("images.txt.lock")
	pushImage(t, src.Host+"/a:1", 512, 1)
	asked := make(chan struct{}, 8)
	src.SetFaults(devregistry.Faults{Intercept: func(r devregistry.Request) *devregistry.Fault {
		if r.Kind != devregistry.KindManifestGet {
			return nil
		}
		asked <- struct{}{}
		return &devregistry.Fault{StallDownload: devregistry.AfterBytes(10)}
	}})
	p := w.command("lock", "--upgrade", "images.txt").start()
	<-asked
	p.signal(syscall.SIGINT)
	if code := p.wait(); code != 130 {
		t.Errorf("exit code %d\n%s", code, &p.stderr)
	}
	if w.read("images.txt.lock") != before {
		t.Error("the lock was changed")
	}
}

// Tag policies are evaluated when a list is locked; what is mirrored then lists nothing.
func TestTagPoliciesAreLocked(t *testing.T) {
	t.Parallel()
	w, src, dst := newWorkplace(t), startRegistry(t), startRegistry(t)
	pushSmall(t, src, "app:1.0.0", "app:1.1.0", "app:1.10.0", "app:latest")
	w.write("images.toml", fmt.Sprintf("[[image]]\nsource = \"%s/app\"\nselect = { semver = \"^1\", latest = 2 }\n", src.Host))
	w.write("replicant.yaml", fmt.Sprintf("mode: semver\nimages:\n  app:\n    source: %s/app\n    destination: %s/copy\n", src.Host, dst.Host))
	w.run(0, "lock", "images.toml", "replicant.yaml")
	wantContains(t, "the lock", w.read("images.toml.lock"), `policy = "latest=2 semver=^1"`, `tags = ["1.1.0", "1.10.0"]`)
	wantContains(t, "replicant's lock", w.read("replicant.yaml.lock"), `tags = ["1.0.0", "1.1.0", "1.10.0"]`)
	pushSmall(t, src, "app:1.11.0")

	src.Log().Reset()
	p := w.run(0, "copy", "--registry", dst.Host, "images.toml", "replicant.yaml")
	wantContains(t, "stderr", p.stderr.String(), "5 copied")
	for _, registry := range []*devregistry.Server{src, dst} {
		if n := registry.Log().Counts()[devregistry.KindTags]; registry == src && n > 0 {
			t.Errorf("%d lists of the source's tags", n)
		}
	}
	p = w.run(0, "lock", "images.toml")
	if p.stdout.Len() > 0 {
		t.Errorf("nothing was asked for, and %q came", &p.stdout)
	}
	p = w.run(0, "lock", "--upgrade", "images.toml")
	wantContains(t, "stdout", p.stdout.String(), "added "+src.Host+"/app:1.11.0", "dropped "+src.Host+"/app:1.1.0")

	w.write("higher.yaml", fmt.Sprintf("mode: higher\nimages:\n  app:\n    source: %s/app\n    destination: %s/copy\n", src.Host, dst.Host))
	p = w.run(2, "lock", "higher.yaml")
	wantContains(t, "stderr", p.stderr.String(), "higher.yaml:4: "+src.Host+"/app can't be locked: mode \"higher\"")
}

// A tag leaves a selection only once what takes its place is locked.
func TestAPolicyKeepsItsTagsUntilTheNewOnesAreLocked(t *testing.T) {
	t.Parallel()
	w, src := newWorkplace(t), startRegistry(t)
	pushSmall(t, src, "app:1.0.0", "app:1.1.0")
	w.write("images.toml", fmt.Sprintf("[[image]]\nsource = \"%s/app\"\nselect = { latest = 1 }\n", src.Host))
	w.run(0, "lock", "images.toml")
	pushSmall(t, src, "app:1.2.0")
	denied := func(match func(devregistry.Request) bool) {
		src.SetFaults(devregistry.Faults{Intercept: devregistry.Always(match, devregistry.Fault{Status: http.StatusForbidden, Code: "DENIED"})})
	}
	before := w.read("images.toml.lock")
	for name, match := range map[string]func(devregistry.Request) bool{
		"the new tag": func(r devregistry.Request) bool { return r.Reference == "1.2.0" },
		"the list":    func(r devregistry.Request) bool { return r.Kind == devregistry.KindTags },
	} {
		denied(match)
		w.run(1, "lock", "--upgrade", "images.toml")
		if after := w.read("images.toml.lock"); after != before {
			t.Errorf("%s was refused, and the lock is\n%s", name, after)
		}
	}
	src.SetFaults(devregistry.Faults{})
	p := w.run(0, "lock", "--upgrade", "images.toml")
	wantContains(t, "stdout", p.stdout.String(), "added "+src.Host+"/app:1.2.0", "dropped "+src.Host+"/app:1.1.0")
}

func TestCheckOfALockAsksNobody(t *testing.T) {
	t.Parallel()
	w, src := newWorkplace(t), startRegistry(t)
	seedSamples(t, src)
	w.list("images.txt", src, "web:1.0")
	p := w.run(1, "lock", "--check", "images.txt")
	wantContains(t, "stdout", p.stdout.String(), "images.txt: error: has no lock", "[unlocked]")
	w.run(0, "lock", "images.txt")
	src.Log().Reset()
	w.run(0, "lock", "--check", "images.txt")
	p = w.run(1, "lock", "--check", "--platform=linux/amd64", "images.txt")
	wantContains(t, "stdout", p.stdout.String(), "images.txt:1: error: "+src.Host+"/web:1.0 is limited to linux/amd64", "[lock-stale]")
	w.list("images.txt", src, "web:1.0", "api:2.3")
	for _, command := range [][]string{{"lock", "--check"}, {"lint"}} {
		p = w.run(1, append(command, "images.txt")...)
		wantContains(t, "stdout", p.stdout.String(), "images.txt:2: error: "+src.Host+"/api:2.3 has no entry in images.txt.lock [lock-stale]")
	}
	w.write("images.txt.lock", "version = 1\n=======\n")
	p = w.run(2, "lock", "--check", "images.txt")
	wantContains(t, "stderr", p.stderr.String(), "images.txt.lock:2: has a conflict marker of git")
	if n := src.Log().Total(); n > 0 {
		t.Errorf("%d requests", n)
	}
}

func TestAGoneDigestIsFoundOnline(t *testing.T) {
	t.Parallel()
	w, src := newWorkplace(t), startRegistry(t)
	old := pushImage(t, src.Host+"/a:1", 512, 1)
	w.list("images.txt", src, "a:1")
	w.run(0, "lock", "images.txt")
	deleteTag(t, src, "a", old.String())
	p := w.run(1, "lock", "--check", "--online", "images.txt")
	wantContains(t, "stdout", p.stdout.String(), "images.txt.lock:4: error: "+src.Host+"/a:1 is locked to "+old.String()+", which its source no longer has [gone]")
	src.SetFaults(devregistry.Faults{RejectEvery: 1, RejectStatus: http.StatusUnauthorized, SparePing: true})
	p = w.run(1, "lock", "--check", "--online", "images.txt")
	if p.stdout.Len() > 0 {
		t.Errorf("a refusal was taken for news: %s", &p.stdout)
	}
	wantContains(t, "stderr", p.stderr.String(), "could not be asked for", "401")
}
