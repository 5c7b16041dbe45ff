package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestServe(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src := startRegistry(t)
	digest := pushImage(t, src.Host+"/app:1", 1024, 1)
	p := w.command("serve", "--root", "root", "--ready-file", "ready").start()
	eventually(t, "it is ready", func() bool { return w.exists("ready") })
	ready, err := os.ReadFile(w.path("ready"))
	if err != nil {
		t.Fatal(err)
	}
	host := strings.TrimSpace(string(ready))
	w.write("images.txt", src.Host+"/app:1\n")
	w.run(0, "copy", "--registry", host, "images.txt")
	if got := digestAt(t, host+"/app:1"); got != digest {
		t.Errorf("arrived as %s", got)
	}
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 || p.stdout.String() != host+"\n" {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, &p.stdout, &p.stderr)
	}

	for _, args := range [][]string{
		{"serve", "--address", "0.0.0.0:0"},
		{"serve", "--address", ":0"},
		{"serve", "--address", "nonsense"},
		{"serve", "--address", "127.0.0.1:" + fmt.Sprint(1<<17)},
	} {
		w.run(2, args...)
	}
}

func TestSeedPrintsAListThatCopyTakes(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	list := w.run(0, "seed", "--repository-prefix", "sample", src.Host).stdout.String()
	if n := strings.Count(list, "\n"); n < 5 || strings.Count(list, src.Host+"/sample/") != n {
		t.Fatalf("list:\n%s", list)
	}
	p := w.command("copy", "--registry", dst.Host, "--report", "report.json")
	p.cmd.Stdin = strings.NewReader(list)
	p.demand(0)
	for _, c := range w.report("report.json").Copies {
		if digestAt(t, c.Source) != digestAt(t, c.Destination) {
			t.Errorf("%s differs", c.Destination)
		}
	}
	w.run(2, "seed", "registry.example:443")
	w.run(2, "seed", "localhost")
}
