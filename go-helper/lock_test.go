package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/sample"
)

// pushSmall puts many small images into a registry at the cost of a request each: they share one config and one layer.
func pushSmall(t *testing.T, registry *devregistry.Server, images ...string) {
	t.Helper()
	send := func(method, url, contentType string, body []byte, want int) http.Header {
		request, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
		if err != nil {
			t.Error(err)
			return nil
		}
		request.Header.Set("Content-Type", contentType)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Error(err)
			return nil
		}
		_ = answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("%s %s: %s", method, url, answer.Status)
		}
		return answer.Header
	}
	config := []byte(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}`)
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256(config))
	uploaded := map[string]bool{}
	var wait sync.WaitGroup
	slots := make(chan struct{}, 8)
	for i, image := range images {
		repository, tag, _ := strings.Cut(image, ":")
		base := "http://" + registry.Host + "/v2/" + repository
		if !uploaded[repository] {
			uploaded[repository] = true
			send(http.MethodPost, base+"/blobs/uploads/?digest="+digest, "application/octet-stream", config, http.StatusCreated)
		}
		manifest := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":`+
			`"application/vnd.oci.image.config.v1+json","digest":"%s","size":%d},"layers":[],"annotations":{"n":"%d"}}`, digest, len(config), i)
		wait.Add(1)
		slots <- struct{}{}
		go func() {
			defer wait.Done()
			send(http.MethodPut, base+"/manifests/"+tag, "application/vnd.oci.image.manifest.v1+json", manifest, http.StatusCreated)
			<-slots
		}()
	}
	wait.Wait()
}

// list writes a text list of a registry's images.
func (w *workplace) list(name string, registry *devregistry.Server, images ...string) string {
	var b strings.Builder
	for _, image := range images {
		b.WriteString(registry.Host + "/" + image + "\n")
	}
	return w.write(name, b.String())
}

func (w *workplace) read(name string) string {
	w.t.Helper()
	data, err := os.ReadFile(w.path(name))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(data)
}

// wantRequests compares what a registry was asked, pings aside.
func wantRequests(t *testing.T, registry *devregistry.Server, want map[devregistry.Kind]int) {
	t.Helper()
	got := registry.Log().Counts()
	delete(got, devregistry.KindPing)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("requests %v, want %v", got, want)
	}
}

func seedSamples(t *testing.T, registry *devregistry.Server) []string {
	t.Helper()
	pushed, err := sample.Push(t.Context(), nil, "http://"+registry.Host, "")
	if err != nil {
		t.Fatal(err)
	}
	var images []string
	for _, image := range pushed {
		if image.Tag != "" {
			images = append(images, image.Repository+":"+image.Tag)
		}
	}
	return images
}

func numbered(n int, format string) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(format, i))
	}
	return all
}

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

func deleteTag(t *testing.T, registry *devregistry.Server, repository, tag string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, "http://"+registry.Host+"/v2/"+repository+"/manifests/"+tag, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusAccepted {
		t.Fatalf("deleting %s of %s: %s", tag, repository, answer.Status)
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
	wantContains(t, "stdout", p.stdout.String(), "images.txt.lock:4: error: "+src.Host+"/a:1 is locked to "+old.String()+", which its source doesn't have any longer [gone]")
	src.SetFaults(devregistry.Faults{RejectEvery: 1, RejectStatus: http.StatusUnauthorized, SparePing: true})
	p = w.run(1, "lock", "--check", "--online", "images.txt")
	if p.stdout.Len() > 0 {
		t.Errorf("a refusal was taken for news: %s", &p.stdout)
	}
	wantContains(t, "stderr", p.stderr.String(), "could not be asked for", "401")
}
