package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/lock"
)

// atAnotherDestination locks app:1 and brings it to the second destination of three registries, which has it from then on.
func atAnotherDestination(t *testing.T) (w *workplace, src, first, second *devregistry.Server, locked v1.Hash) {
	t.Helper()
	w, src, first, second = newWorkplace(t), startRegistry(t), startRegistry(t), startRegistry(t)
	locked = pushImage(t, src.Host+"/app:1", 512, 1)
	w.list("images.txt", src, "app:1")
	w.run(0, "lock", "images.txt")
	w.run(0, "copy", "--registry", second.Host, "images.txt")
	second.Log().Reset()
	return w, src, first, second, locked
}

// wantNothingWritten demands that a registry was sent no manifest and no blob.
func wantNothingWritten(t *testing.T, registry *devregistry.Server) {
	t.Helper()
	for _, e := range registry.Log().Entries() {
		if e.Method != http.MethodGet && e.Method != http.MethodHead {
			t.Errorf("the destination was sent %s %s", e.Method, e.Path)
		}
	}
}

// A source that throttles, fails or hangs up without an answer has lost nothing: the copy fails by that name, nobody is read
// in its place, and the lock stays. Retry-After is longer than a run waits, so that it gives up at once.
func TestASourceThatThrottlesFailsOrHangsUpIsNotGone(t *testing.T) {
	t.Parallel()
	later := http.Header{"Retry-After": {"3600"}}
	for name, tt := range map[string]struct {
		fault devregistry.Fault
		cause string
	}{
		"throttles": {devregistry.Fault{Status: http.StatusTooManyRequests, Code: "TOOMANYREQUESTS", Header: later}, "429 Too Many Requests"},
		"fails":     {devregistry.Fault{Status: http.StatusServiceUnavailable, Header: later}, "503 Service Unavailable"},
		"hangs up":  {devregistry.Fault{Reset: true}, "connection reset by peer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && tt.fault.Reset {
				t.Skip("waits for all tries")
			}
			w, src, first, second, _ := atAnotherDestination(t)
			before := w.read("images.txt.lock")
			src.SetFaults(devregistry.Faults{Intercept: devregistry.Always(func(r devregistry.Request) bool { return r.Repository == "app" }, tt.fault)})
			p := w.run(1, "copy", "--registry", first.Host, "--registry", second.Host, "--report", "report.json", "images.txt")
			wantContains(t, "stderr", p.stderr.String(), tt.cause)
			for _, c := range w.report("report.json").Copies {
				if c.ReadFrom != "" || strings.Contains(c.Reason, "gone") {
					t.Errorf("%s: read from %q, %q", c.Destination, c.ReadFrom, c.Reason)
				}
				if c.Destination == first.Host+"/app:1" {
					wantContains(t, "the report", c.Reason, tt.cause)
				}
			}
			if strings.Contains(p.stderr.String(), "gone") {
				t.Errorf("says that something is gone:\n%s", &p.stderr)
			}
			wantRequests(t, second, map[devregistry.Kind]int{devregistry.KindManifestHead: 1}) // whether it is unchanged
			wantNothingWritten(t, first)
			if w.read("images.txt.lock") != before {
				t.Error("the lock was changed")
			}
		})
	}
}

// Other bytes under a locked digest are neither written nor a reason to ask somebody else.
func TestOtherBytesUnderALockedDigestAreNotCopied(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"copy", "mirror"} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			w, src, first, second, locked := atAnotherDestination(t)
			src.SetFaults(devregistry.Faults{Intercept: devregistry.Always(is(devregistry.KindManifestGet), devregistry.Fault{Corrupt: true})})
			args := []string{"copy", "--registry", first.Host, "--registry", second.Host, "images.txt"}
			if command == "mirror" {
				w.run(0, "plan", "--registry", first.Host, "--registry", second.Host, "-o", "plan.json", "images.txt")
				args = []string{"mirror", "--batch", w.writeBatch("", [2]string{"a:images", w.read("plan.json")})}
			}
			p := w.run(1, args...)
			wantContains(t, "stderr", p.stderr.String(), "app:1@"+locked.String(), "content has digest sha256:")
			wantRequests(t, second, map[devregistry.Kind]int{devregistry.KindManifestHead: 1})
			wantNothingWritten(t, first)
		})
	}
}

// ambiguous is a manifest that one client reads as an image and another as an index (CVE-2021-41190).
func ambiguous(t *testing.T, registry *devregistry.Server) []byte {
	t.Helper()
	pushImage(t, registry.Host+"/app:good", 512, 1)
	good, _, ok := registry.Manifest("app", "good")
	if !ok {
		t.Fatal("the image isn't there")
	}
	var document map[string]any
	if err := json.Unmarshal(good, &document); err != nil {
		t.Fatal(err)
	}
	document["manifests"] = []any{}
	both, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	return both
}

// What two clients read as two different images isn't locked, and isn't copied where a lock has it all the same.
func TestAnAmbiguousManifestIsNeitherLockedNorCopiedByALock(t *testing.T) {
	t.Parallel()
	w, src, dst := newWorkplace(t), startRegistry(t), startRegistry(t)
	both := ambiguous(t, src)
	digest := v1.Hash{Algorithm: "sha256", Hex: fmt.Sprintf("%x", sha256.Sum256(both))}
	for _, reference := range []string{"1", digest.String()} {
		if err := src.PlantManifest("app", reference, string(types.DockerManifestSchema2), both); err != nil {
			t.Fatal(err)
		}
	}
	w.list("images.txt", src, "app:1")
	p := w.run(1, "lock", "images.txt")
	wantContains(t, "lock", p.stderr.String(), "images.txt:1: could not be locked: ", "CVE-2021-41190")
	if w.exists("images.txt.lock") {
		t.Errorf("locked:\n%s", w.read("images.txt.lock"))
	}

	w.write("images.txt.lock", string(lock.Format(&lock.File{Images: []lock.Image{{
		Source: src.Host + "/app:1", Digest: digest, MediaType: string(types.DockerManifestSchema2), Seen: time.Unix(1_700_000_000, 0).UTC(),
	}}})))
	p = w.run(1, "copy", "--lock=require", "--registry", dst.Host, "images.txt")
	wantContains(t, "copy", p.stderr.String(), "app:1@"+digest.String(), "CVE-2021-41190")
	wantNothingWritten(t, dst)
}

// What is attached to an image comes from where the image is read.
func TestAttachmentsOfALostDigestComeFromTheOtherDestination(t *testing.T) {
	t.Parallel()
	w, src, first, second := newWorkplace(t), startRegistry(t), startRegistry(t), startRegistry(t)
	image, signature := pushSigned(t, src)
	w.list("images.txt", src, image)
	w.run(0, "lock", "images.txt")
	w.run(0, "copy", "--registry", second.Host, "images.txt")
	repository, _, _ := strings.Cut(image, ":")
	src.SetFaults(devregistry.Faults{Intercept: devregistry.Always(
		func(r devregistry.Request) bool { return r.Repository == repository }, gone["404"])})
	w.run(0, "copy", "--registry", first.Host, "--registry", second.Host, "--report", "report.json", "images.txt")
	for _, c := range w.report("report.json").Copies {
		if c.Destination == first.Host+"/"+image && (c.Attached == 0 || !strings.HasPrefix(c.ReadFrom, second.Host+"/")) {
			t.Errorf("%d attachments, read from %q", c.Attached, c.ReadFrom)
		}
	}
	if got, want := digestAt(t, first.Host+"/"+signature), digestAt(t, second.Host+"/"+signature); got != want {
		t.Errorf("the signature is %s, the other destination has %s", got, want)
	}
}

// Where HEAD names a digest that isn't there, and GET has content (Docker Hub's, of old images), the content is locked, and that is told.
func TestATagWhoseHeadAndGetDisagreeIsLockedByItsContent(t *testing.T) {
	t.Parallel()
	w, src := newWorkplace(t), startRegistry(t)
	content := pushImage(t, src.Host+"/app:1", 512, 1)
	retag(t, src.Host+"/app", content, "latest")
	other := "sha256:" + strings.Repeat("1", 64)
	src.SetDialect(devregistry.Dialect{HeadDigest: func(_, reference string) string {
		if reference == "1" || reference == "latest" {
			return other
		}
		return ""
	}})
	w.list("images.txt", src, "app:1", "app:latest")
	told := "its source answers HEAD for the tag with " + other + ", which it doesn't have, and GET with " + content.String()
	p := w.run(0, "lock", "images.txt")
	if n := strings.Count(p.stderr.String(), told); n != 2 {
		t.Errorf("told %d times:\n%s", n, &p.stderr)
	}
	locked := w.read("images.txt.lock")
	if n := strings.Count(locked, `digest = "`+content.String()); n != 2 || strings.Contains(locked, other) {
		t.Errorf("locked:\n%s", locked)
	}
	w.run(0, "lock", "--upgrade", "images.txt")
	if again := w.read("images.txt.lock"); again != locked {
		t.Errorf("upgraded to\n%s", again)
	}

	// A digest of the list that is gone is gone.
	w.list("gone.txt", src, "app:1@"+other)
	p = w.run(1, "lock", "gone.txt")
	wantContains(t, "stderr", p.stderr.String(), "gone.txt:1: could not be locked")
	if strings.Contains(p.stderr.String(), "answers HEAD") {
		t.Errorf("stderr:\n%s", &p.stderr)
	}
}
