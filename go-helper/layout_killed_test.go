package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
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
	wantContains(t, "verify", w.run(1, "bundle", "verify", "bundle").stdout.String(), "the run that wrote it was interrupted")

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

// So is what an interrupt ends.
func TestARunToALayoutThatIsInterruptedIsNotWhole(t *testing.T) {
	t.Parallel()
	w, src := newWorkplace(t), startRegistry(t)
	pushImage(t, src.Host+"/slow:1", 300_000, 1)
	w.write("images.txt", src.Host+"/slow:1\n")
	held := make(chan struct{}, 8)
	src.SetFaults(devregistry.Faults{Intercept: func(r devregistry.Request) *devregistry.Fault {
		if r.Kind != devregistry.KindBlobGet {
			return nil
		}
		held <- struct{}{}
		return &devregistry.Fault{StallDownload: devregistry.AfterBytes(1000)}
	}})
	p := w.command("copy", "--to-layout", "bundle", "images.txt").start()
	<-held
	p.signal(syscall.SIGINT)
	if code := p.wait(); code != 130 {
		t.Fatalf("exit code %d\n%s", code, &p.stderr)
	}
	wantContains(t, "verify", w.run(1, "bundle", "verify", "bundle").stdout.String(), "the run that wrote it was interrupted")
	src.SetFaults(devregistry.Faults{})
	w.run(0, "copy", "--to-layout", "bundle", "images.txt")
	w.run(0, "bundle", "verify", "bundle")
}

// A pack that is killed leaves no part that isn't whole, and goes on.
func TestAPackThatIsKilledGoesOn(t *testing.T) {
	t.Parallel()
	w, src := newWorkplace(t), startRegistry(t)
	var list string
	for i := range 20 {
		name := fmt.Sprintf("%s/a%d:1", src.Host, i)
		pushImage(t, name, 2_000_000, 2)
		list += name + "\n"
	}
	w.write("images.txt", list)
	w.run(0, "copy", "--to-layout", "bundle", "images.txt")
	for _, folder := range []string{"whole", "media"} {
		if err := os.Mkdir(w.path(folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	pack := []string{"bundle", "pack", "bundle", "--split", "3MB", "--output"}
	w.run(0, append(pack, "whole/set")...)
	parts, err := filepath.Glob(w.path("whole/*"))
	if err != nil {
		t.Fatal(err)
	}
	p := w.command(append(pack, "media/set")...).start()
	eventually(t, "the second part is begun", func() bool { return strings.Contains(p.stdout.String(), "wrote media/set-001") })
	p.signal(syscall.SIGKILL)
	if code := p.wait(); code != -1 {
		t.Skip("it was done before it could be killed")
	}
	if out := w.run(1, "bundle", "verify", "media/set").stdout.String(); !strings.Contains(out, " is missing") || strings.Contains(out, "damaged") {
		t.Errorf("killed: %s", out)
	}
	again := w.run(0, append(pack, "media/set")...).stdout.String()
	wantContains(t, "again", again, "kept media/set-001", "wrote media/set-")
	for _, part := range parts {
		if read(t, part) != read(t, w.path(filepath.Join("media", filepath.Base(part)))) {
			t.Errorf("%s differs", filepath.Base(part))
		}
	}
	if left, _ := filepath.Glob(w.path("media/*.unfinished")); len(left) > 0 {
		t.Errorf("left %v", left)
	}
	w.run(0, "bundle", "verify", "media/set")
}
