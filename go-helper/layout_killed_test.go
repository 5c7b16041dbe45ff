package main

import (
	"path/filepath"
	"syscall"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
)

// What a run had whole when it was killed isn't loaded again, and nothing that it had begun is taken for whole.
func TestARunToALayoutThatIsKilledGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src := startRegistry(t)
	quick := pushImage(t, src.Host+"/quick:1", 300_000, 2)
	slow := pushImage(t, src.Host+"/slow:1", 300_000, 1)
	w.write("images.txt", src.Host+"/quick:1\n"+src.Host+"/slow:1\n")
	w.run(0, "copy", "--to-layout", "whole", "images.txt")

	held := make(chan struct{}, 8)
	src.SetFaults(devregistry.Faults{Intercept: func(r devregistry.Request) *devregistry.Fault {
		if r.Kind != devregistry.KindBlobGet || r.Repository != "slow" {
			return nil
		}
		held <- struct{}{}
		return &devregistry.Fault{StallDownload: devregistry.AfterBytes(1000)}
	}})
	p := w.command("copy", "--to-layout", "bundle", "images.txt").start()
	<-held
	manifest := w.path(filepath.Join("bundle/blobs/sha256", quick.Hex))
	eventually(t, "the quick image is there", func() bool {
		found, err := filepath.Glob(manifest)
		return err == nil && len(found) == 1
	})
	p.signal(syscall.SIGKILL)
	if code := p.wait(); code != -1 {
		t.Fatalf("it ended by itself, exit code %d\n%s", code, &p.stderr)
	}

	src.SetFaults(devregistry.Faults{})
	src.Log().Reset()
	w.run(0, "copy", "--to-layout", "bundle", "images.txt")
	for _, e := range src.Log().Entries() {
		if e.Kind == devregistry.KindBlobGet && e.Repository == "quick" {
			t.Errorf("%s was loaded again", e.Path)
		}
	}
	for _, name := range []string{"index.json", "bundle.json"} {
		if got, want := read(t, w.path("bundle/"+name)), read(t, w.path("whole/"+name)); got != want {
			t.Errorf("%s is\n%s\nand of a run that wasn't killed\n%s", name, got, want)
		}
	}
	if p := w.run(0, "bundle", "verify", "bundle"); p.stdout.Len() > 0 {
		t.Errorf("%s", &p.stdout)
	}
	wantContains(t, "index.json", read(t, w.path("bundle/index.json")), quick.String(), slow.String())
}
