package main

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
)

// A lock that is killed while a registry holds its answer back leaves the old file, whole, and the next one isn't in its way.
func TestAKilledLockLeavesTheOldOneWhole(t *testing.T) {
	t.Parallel()
	w, src := newWorkplace(t), startRegistry(t)
	for _, image := range []string{"quick:1", "slow:1"} {
		pushImage(t, src.Host+"/"+image, 512, 1)
	}
	w.list("images.txt", src, "quick:1", "slow:1")
	w.run(0, "lock", "images.txt")
	before := w.read("images.txt.lock")
	quick, slow := pushImage(t, src.Host+"/quick:1", 512, 1), pushImage(t, src.Host+"/slow:1", 512, 1)
	held := make(chan struct{}, 8)
	src.SetFaults(devregistry.Faults{Intercept: func(r devregistry.Request) *devregistry.Fault {
		if r.Kind != devregistry.KindManifestGet || r.Repository != "slow" {
			return nil
		}
		held <- struct{}{}
		return &devregistry.Fault{StallDownload: devregistry.AfterBytes(10)}
	}})
	p := w.command("lock", "--upgrade", "images.txt").start()
	<-held
	eventually(t, "the quick image is read", func() bool {
		for _, e := range src.Log().Entries() {
			if e.Kind == devregistry.KindManifestGet && e.Repository == "quick" && e.Reference == quick.String() {
				return true
			}
		}
		return false
	})
	p.signal(syscall.SIGKILL)
	if code := p.wait(); code != -1 {
		t.Fatalf("it ended by itself, exit code %d\n%s", code, &p.stderr)
	}
	if got := w.read("images.txt.lock"); got != before {
		t.Errorf("the lock is\n%s\nit was\n%s", got, before)
	}
	w.run(0, "lock", "--check", "images.txt")

	src.SetFaults(devregistry.Faults{})
	w.run(0, "lock", "--upgrade", "images.txt")
	wantContains(t, "the next lock", w.read("images.txt.lock"), quick.String(), slow.String())
	files, err := os.ReadDir(w.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !strings.HasPrefix(file.Name(), "images.txt") {
			t.Errorf("leaves %s", file.Name())
		}
	}
}
