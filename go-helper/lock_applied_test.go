package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
)

// Whatever happens to the tag, what was locked is what arrives, and nobody asks for the tag.
func TestALockedDigestIsCopiedWhereItsTagHasMovedOrGone(t *testing.T) {
	t.Parallel()
	w, src, dst := newWorkplace(t), startRegistry(t), startRegistry(t)
	moved, deleted := pushImage(t, src.Host+"/moved:1", 512, 1), pushImage(t, src.Host+"/deleted:1", 512, 1)
	w.list("images.txt", src, "moved:1", "deleted:1")
	w.run(0, "lock", "images.txt")
	now := pushImage(t, src.Host+"/moved:1", 512, 1)
	deleteTag(t, src, "deleted", "1")

	src.Log().Reset()
	w.run(0, "copy", "--registry", dst.Host, "--report", "report.json", "images.txt")
	if got := digestAt(t, dst.Host+"/moved:1"); got != moved {
		t.Errorf("moved: %s, locked %s", got, moved)
	}
	if got := digestAt(t, dst.Host+"/deleted:1"); got != deleted {
		t.Errorf("deleted: %s, locked %s", got, deleted)
	}
	for _, e := range src.Log().Entries() {
		if e.Reference == "1" {
			t.Errorf("the tag was asked for: %s %s", e.Method, e.Path)
		}
	}

	src.Log().Reset()
	p := w.run(0, "copy", "--registry", dst.Host, "--report", "report.json", "--report-moved", "images.txt")
	wantRequests(t, src, map[devregistry.Kind]int{devregistry.KindManifestHead: 2})
	wantContains(t, "stderr", p.stderr.String(), "/moved:1 has moved to "+now.String(), "/deleted:1 is deleted")
	copies := w.report("report.json").Copies
	if copies[0].MovedTo != now.String() || copies[1].MovedTo != "deleted" || copies[0].Lock == nil || !strings.HasPrefix(copies[0].Lock.File, "images.txt.lock:") {
		t.Errorf("reported %+v, %+v", copies[0], copies[1])
	}

	p = w.run(0, "lock", "--check", "--online", "images.txt")
	wantContains(t, "stdout", p.stdout.String(),
		fmt.Sprintf("warn: %s/moved:1 is locked to %s, and it names %s now [moved]", src.Host, moved, now),
		fmt.Sprintf("warn: %s/deleted:1 is locked to %s, and its tag is gone [moved]", src.Host, deleted))
	p = w.run(1, "lock", "--upgrade", "images.txt")
	wantContains(t, "stdout", p.stdout.String(), fmt.Sprintf("moved %s/moved:1 sha256:%s… → sha256:%s…", src.Host, moved.Hex[:12], now.Hex[:12]))
	wantContains(t, "stderr", p.stderr.String(), "images.txt:2: could not be locked: ", "404")
	wantContains(t, "the lock", w.read("images.txt.lock"), now.String(), deleted.String())
}

// What somebody else has put under a destination's tag is replaced, and reported; --verify only says so.
func TestADestinationTagThatMovedIsRepaired(t *testing.T) {
	t.Parallel()
	w, src, dst := newWorkplace(t), startRegistry(t), startRegistry(t)
	locked := pushImage(t, src.Host+"/app:1", 512, 1)
	w.list("images.txt", src, "app:1")
	w.run(0, "lock", "images.txt")
	other := pushImage(t, dst.Host+"/app:1", 512, 1)
	copied := []string{"copy", "--registry", dst.Host, "--report", "report.json", "images.txt"}
	p := w.run(1, append(copied, "--verify")...)
	wantContains(t, "stderr", p.stderr.String(), other.String(), locked.String())
	if digestAt(t, dst.Host+"/app:1") != other || w.report("report.json").Copies[0].Replaced != "" {
		t.Error("--verify has written")
	}
	w.run(0, copied...)
	if digestAt(t, dst.Host+"/app:1") != locked {
		t.Error("the tag was not repaired")
	}
	if replaced := w.report("report.json").Copies[0].Replaced; replaced != other.String() {
		t.Errorf("replaced %q, want %s", replaced, other)
	}
}

// Everything that is wrong between a list and its lock is told before anything is sent, with both places.
func TestALockThatDoesNotFitIsRefusedBeforeAnyRequest(t *testing.T) {
	t.Parallel()
	src, dst := startRegistry(t), startRegistry(t)
	seedSamples(t, src)
	w := newWorkplace(t)
	w.list("images.txt", src, "web:1.0", "api:2.3", "worker:2.3")
	w.run(0, "lock", "--platform=linux/amd64", "images.txt")
	good := w.read("images.txt.lock")
	whole := w.read("images.txt")
	digest := strings.SplitAfter(strings.SplitAfter(good, "digest = \"")[1], "\"")[0]
	other := "sha256:" + strings.Repeat("1", 64) + "\""
	cut := strings.LastIndex(good, "\n[[image]]")
	for _, tt := range []struct {
		name, list, lock string
		flags            []string
		want             []string
	}{
		{"an image was added to the list", whole + "docker.io/library/nginx:1\n", good, nil, []string{"images.txt:4: docker.io/library/nginx:1 has no entry in images.txt.lock", "`docker-mirror lock images.txt` makes them agree"}},
		{"an image was taken out of the list", strings.Split(whole, "\n")[0] + "\n", good, nil, []string{"images.txt.lock:4: the list has no " + src.Host + "/api:2.3"}},
		{"the platforms are others", whole, good, []string{"--platform=linux/arm64"}, []string{"images.txt:1: " + src.Host + "/web:1.0 is limited to linux/amd64,linux/arm64, for which there is no digest at images.txt.lock:"}},
		{"the digest was edited", whole, strings.Replace(good, digest, other, 1), nil, []string{"images.txt.lock:4: the entry of " + src.Host + "/api:2.3 was edited", "take the lock as it was before"}},
		{"the lock was cut between entries", whole, good[:cut], nil, []string{"images.txt:3: " + src.Host + "/worker:2.3 has no entry in images.txt.lock"}},
		{"the lock was cut within an entry", whole, good[:cut+20], nil, []string{"images.txt.lock:", "is cut off"}},
		{"the lock is empty", whole, "", nil, []string{"images.txt:1: ", "images.txt:2: ", "images.txt:3: ", "has no entry in images.txt.lock"}},
		{"the lock has a conflict", whole, strings.Replace(good, "version", "<<<<<<< HEAD\nversion", 1), nil, []string{"images.txt.lock:2: has a conflict marker of git"}},
		{"the lock is larger than any", whole, strings.Repeat("#", 65<<20), nil, []string{"images.txt.lock: it has more than 64 MiB"}},
	} {
		src.Log().Reset()
		dst.Log().Reset()
		w.write("images.txt", tt.list)
		w.write("images.txt.lock", tt.lock)
		for _, command := range []string{"plan", "copy"} {
			p := w.run(2, append([]string{command, "--platform=linux/amd64", "--registry", dst.Host, "images.txt"}, tt.flags...)...)
			wantContains(t, tt.name+": "+command, p.stderr.String(), tt.want...)
			if p.stdout.Len() > 0 {
				t.Errorf("%s: %s printed %q", tt.name, command, &p.stdout)
			}
		}
		if n := src.Log().Total() + dst.Log().Total(); n > 0 {
			t.Errorf("%s: %d requests", tt.name, n)
		}
	}
	w.write("images.txt.lock", good+"junk\n")
	w.run(0, "plan", "--platform=linux/amd64", "--registry", dst.Host, "--lock=off", "images.txt")
	if err := os.Remove(w.path("images.txt.lock")); err != nil {
		t.Fatal(err)
	}
	p := w.run(2, "copy", "--registry", dst.Host, "--lock=require", "images.txt")
	wantContains(t, "require", p.stderr.String(), "images.txt: has no lock", "`docker-mirror lock images.txt` writes it")
}

// What the destination gets of an index is locked, too: where it isn't what the copy comes to, nothing is written.
func TestARewrittenIndexMustBeWhatIsLocked(t *testing.T) {
	t.Parallel()
	w, src, dst := newWorkplace(t), startRegistry(t), startRegistry(t)
	seedSamples(t, src)
	w.list("images.txt", src, "web:1.0")
	w.run(0, "lock", "--platform=linux/amd64", "images.txt")
	w.run(0, "plan", "--platform=linux/amd64", "--registry", dst.Host, "-o", "plan.json", "images.txt")
	var plan []map[string]any
	w.readJSON("plan.json", &plan)
	locked := plan[0]["locked"].(map[string]any)
	expect := locked["expect"].(string)
	wrong := "sha256:" + strings.Repeat("1", 64)
	locked["expect"] = wrong
	data, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	w.write("wrong.json", string(data))
	p := w.run(1, "copy", "wrong.json")
	wantContains(t, "stderr", p.stderr.String(), "limited to its platforms, ", " has "+expect+", and "+wrong+" is locked for it")
	for _, e := range dst.Log().Entries() {
		if e.Kind == devregistry.KindManifestPut {
			t.Errorf("%s was written", e.Reference)
		}
	}
	w.run(0, "copy", "plan.json")
	if got := digestAt(t, dst.Host+"/web:1.0").String(); got != expect {
		t.Errorf("the destination has %s, locked was %s", got, expect)
	}
}
