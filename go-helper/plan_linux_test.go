package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// BenchmarkPlanOfALongList runs the program on a text list of ten thousand lines, and reports its peak memory.
func BenchmarkPlanOfALongList(b *testing.B) {
	dir := b.TempDir()
	plain := filepath.Join(dir, "docker-mirror")
	if output, err := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-o", plain, ".").CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, output)
	}
	const lines = 10_000
	var list bytes.Buffer
	for i := range lines {
		fmt.Fprintf(&list, "quay.io/organisation-%d/app-%d:v1.%d.%d AS app-%d\n", i%97, i, i%13, i, i)
	}
	file := filepath.Join(dir, "images.txt")
	if err := os.WriteFile(file, list.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	memory := int64(0) // KiB
	for b.Loop() {
		cmd := exec.CommandContext(b.Context(), plain, "plan", "--registry", "registry.example/mirror", "--repository", "{source_registry}/{repository}", file)
		output, err := cmd.Output()
		if err != nil || bytes.Count(output, []byte("\n")) != lines+2 {
			b.Fatalf("%v, %d bytes", err, len(output))
		}
		memory = max(memory, cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)
	}
	b.ReportMetric(float64(memory)/1024, "MiB")
}
