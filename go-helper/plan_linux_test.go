package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// BenchmarkPlanOfALongList runs the program on a text list of a hundred thousand lines, and on the plan that it makes of them, and reports
// its peak memory.
func BenchmarkPlanOfALongList(b *testing.B) {
	dir := b.TempDir()
	plain := filepath.Join(dir, "docker-mirror")
	if output, err := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-o", plain, ".").CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, output)
	}
	const lines = 100_000
	var list bytes.Buffer
	for i := range lines {
		fmt.Fprintf(&list, "quay.io/organisation-%d/app-%d:v1.%d.%d AS app-%d\n", i%97, i, i%13, i, i)
	}
	text, plan := filepath.Join(dir, "images.txt"), filepath.Join(dir, "plan.json")
	if err := os.WriteFile(text, list.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		args []string
	}{
		{"text", []string{"--registry", "registry.example/mirror", "--repository", "{source_registry}/{repository}", "--output", plan, text}},
		{"plan", []string{"--output", filepath.Join(dir, "again.json"), plan}},
	} {
		b.Run(tt.name, func(b *testing.B) {
			memory, cpu := int64(0), 0.0
			for b.Loop() {
				cmd := exec.CommandContext(b.Context(), plain, append([]string{"plan"}, tt.args...)...)
				peak, err := runWatched(cmd)
				if err != nil {
					b.Fatal(err)
				}
				memory, cpu = max(memory, peak), cpu+(cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()).Seconds()
			}
			b.ReportMetric(float64(memory)/1024, "peak-MiB")
			b.ReportMetric(cpu/float64(b.N), "CPU-s/op")
			if made, err := os.ReadFile(tt.args[len(tt.args)-2]); err != nil || bytes.Count(made, []byte("\n")) != lines+2 {
				b.Fatalf("%v, %d bytes", err, len(made))
			}
		})
	}
}
