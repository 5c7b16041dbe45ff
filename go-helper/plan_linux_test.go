package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Ten thousand lines are planned in half a second and 100 MiB. Processor time is what counts: another's work doesn't
// add to it.
func TestPlanOfALongList(t *testing.T) {
	w := newWorkplace(t)
	plain := filepath.Join(t.TempDir(), "docker-mirror") // what the race detector adds is not of interest
	if output, err := exec.CommandContext(t.Context(), "go", "build", "-o", plain, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, output)
	}
	const lines = 10_000
	var list strings.Builder
	for i := range lines {
		fmt.Fprintf(&list, "quay.io/organisation-%d/app-%d:v1.%d.%d AS app-%d\n", i%97, i, i%13, i, i)
	}
	w.write("images.txt", list.String())
	best, memory := time.Hour, int64(0)
	for range 3 {
		p := w.command("plan", "--registry", "registry.example/mirror", "--repository", "{source_registry}/{repository}", "images.txt")
		p.cmd.Path = plain
		p.demand(0)
		if n := strings.Count(p.stdout.String(), "\n"); n != lines+2 {
			t.Fatalf("%d lines", n)
		}
		state := p.cmd.ProcessState
		best = min(best, state.UserTime()+state.SystemTime())
		memory = max(memory, state.SysUsage().(*syscall.Rusage).Maxrss) // KiB
	}
	t.Logf("%s of processor time, %d MiB at most", best, memory>>10)
	if best > 500*time.Millisecond || memory > 100<<10 {
		t.Errorf("%s of processor time, %d KiB", best, memory)
	}
}
