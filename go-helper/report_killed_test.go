package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/engine"
)

// What an earlier run has left isn't taken for the report of one that was killed.
func TestAKilledShardIsNoSuccess(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	const images = 6
	push := func() (lines string) {
		for i := range images {
			pushImage(t, fmt.Sprintf("%s/app-%d:1", src.Host, i), 4096, 1)
			lines += fmt.Sprintf("%s/app-%d:1\n", src.Host, i)
		}
		return lines
	}
	list := w.write("images.txt", push())
	shard := func(i int) []string {
		return []string{"copy", "--registry", dst.Host, "--progress", "json", fmt.Sprintf("--shard=%d/2", i), fmt.Sprintf("--report=report-%d.json", i), list}
	}
	merge := []string{"report", "merge", "-o", "report.json", "--metrics", "apps.prom", "report-0.json", "report-1.json"}
	const success, code = `last_success_timestamp_seconds{set="apps"}`, `last_run_exit_code{set="apps"}`
	w.run(0, shard(0)...)
	w.run(0, shard(1)...)
	w.run(0, merge...)
	succeeded := w.metric("apps.prom", success)
	if copied := w.metric("apps.prom", `last_run_images{set="apps",status="copied"}`); succeeded == "" || copied != fmt.Sprint(images) {
		t.Fatalf("metrics: success %q, %s copied", succeeded, copied)
	}

	push() // the tags move
	w.run(0, shard(0)...)
	mine := w.report("report-1.json").Copies
	slow, _, _ := strings.Cut(strings.TrimPrefix(mine[0].Source, src.Host+"/"), ":")
	src.SetFaults(stallBlob(slow))
	p := w.command(shard(1)...).start()
	eventually(t, "all but one are copied", func() bool { return strings.Count(p.stderr.String(), `"status":"copied"`) == len(mine)-1 })
	eventually(t, "the journal has them", func() bool {
		return w.exists("report-1.json.journal") && strings.Count(read(t, w.path("report-1.json.journal")), "\n") == len(mine)
	})
	p.signal(syscall.SIGKILL)
	p.wait()
	src.SetFaults(devregistry.Faults{})

	p = w.run(1, merge...)
	wantContains(t, "stderr", p.stderr.String(), fmt.Sprintf("report-1.json.journal: the run was killed, or goes on still: how %d of %d images ended", len(mine)-1, len(mine)))
	r := w.report("report.json")
	if r.ExitCode != 1 || !r.Interrupted || r.Totals.Copied != images-1 || r.Shards[1].ExitCode != 1 {
		t.Errorf("merged: %d, %+v, %+v", r.ExitCode, r.Totals, r.Shards)
	}
	if w.metric("apps.prom", code) != "1" || w.metric("apps.prom", success) != succeeded {
		t.Error("the metrics tell of a success")
	}
	page := w.run(0, "report", "html", "report-1.json").stdout.String()
	wantContains(t, "page", page, "was killed, or goes on still", "exit code 1")
	if strings.Contains(page, "/"+slow+":1") {
		t.Error("the page has an image that isn't known to be there")
	}
	wantContains(t, "stderr", w.run(2, append(merge, "--partial")...).stderr.String(), "[partial metrics] are set none of the others can be")

	w.run(0, shard(1)...)
	w.run(0, merge...)
	if r := w.report("report.json"); w.exists("report-1.json.journal") || r.Totals.Copied+r.Totals.Unchanged != images || r.Errors == nil || len(r.Errors) > 0 {
		t.Errorf("after another run: %+v", r.Totals)
	}
	for _, c := range w.report("report.json").Copies {
		if c.Status != engine.StatusCopied && c.Status != engine.StatusUnchanged || digestAt(t, c.Destination).String() != c.Digest || digestAt(t, c.Source).String() != c.Digest {
			t.Errorf("%+v", c)
		}
	}
}
