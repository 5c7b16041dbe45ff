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
