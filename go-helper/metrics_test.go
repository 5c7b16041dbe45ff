package main

import (
	"os"
	"strings"
	"testing"
)

// metric gives the value of a sample in a file that --metrics wrote, "" where it isn't there.
func (w *workplace) metric(file, sample string) string {
	w.t.Helper()
	text, err := os.ReadFile(w.path(file))
	if err != nil {
		w.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "docker_mirror_"+sample+" "); ok {
			return value
		}
	}
	return ""
}

func TestMetricsTellHowARunEnded(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	source, destination := startRegistry(t), startRegistry(t)
	pushImage(t, source.Host+"/app:1", 1024, 1)
	w.write("images.txt", source.Host+"/app:1\n")
	args := []string{"copy", "--registry", destination.Host, "--metrics", "apps.prom"}
	want := func(code, images, drifted string) {
		t.Helper()
		for sample, value := range map[string]string{
			`last_run_exit_code{set="apps"}`:                   code,
			`last_run_images{set="apps",` + images + `"}`:      "1",
			`last_run_drifted_images{set="apps"}`:              drifted,
			`last_run_images{set="apps",status="nonsensical"}`: "",
		} {
			if got := w.metric("apps.prom", sample); got != value {
				t.Errorf("%s is %q, want %q", sample, got, value)
			}
		}
	}
	const success = `last_success_timestamp_seconds{set="apps"}`

	w.run(0, append(args, "images.txt")...)
	want("0", `status="copied`, "0")
	first := w.metric("apps.prom", success)
	if first == "" {
		t.Error("the first run was no success")
	}

	pushImage(t, destination.Host+"/app:1", 1024, 1) // another one
	w.run(1, append(args, "--verify", "images.txt")...)
	want("1", `status="failed`, "1")

	w.run(2, append(args, "--nonsense", "images.txt")...)
	if got := w.metric("apps.prom", `last_run_exit_code{set="apps"}`); got != "2" {
		t.Errorf("exit code %q of a command line that is wrong", got)
	}
	if got := w.metric("apps.prom", success); got != first {
		t.Errorf("the last success was at %q, want %q", got, first)
	}
	p := w.run(2, "copy", "--registry", destination.Host, "--metrics", "missing/apps.prom", "images.txt")
	wantContains(t, "stderr", p.stderr.String(), "--metrics missing/apps.prom: ")
}
