package main

import (
	"fmt"
	"strings"
	"testing"
)

// A target whose plan breaks a rule is broken in all shards, and its copies are reported once.
func TestShardsOfABatch(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	entry := func(source, destination string) string {
		return fmt.Sprintf(`{"src":"%s/%s","dst":"%s/%s"}`, src.Host, source, dst.Host, destination)
	}
	for i := range 4 {
		pushImage(t, fmt.Sprintf("%s/app-%d:1", src.Host, i), 512, 1)
	}
	policy := fmt.Sprintf(`{"src":"%s/app-3:{tag}","dst":"%s/chosen:{tag}","select":{"include":["1"]}}`, src.Host, dst.Host)
	batch := w.writeBatch("",
		[2]string{"a:good", "[" + entry("app-0:1", "app-0:1") + "," + entry("app-1:1", "app-1:1") + "," + policy + "]"},
		[2]string{"b:broken", "[" + entry("app-0:1", "x:1") + "," + entry("app-1:1", "x:1") + "]"},
	)
	for i := range 2 {
		p := w.run(1, "mirror", "--batch", batch, fmt.Sprintf("--shard=%d/2", i), fmt.Sprintf("--report=report-%d.json", i))
		wantContains(t, "stderr", p.stderr.String(), "requests inconsistent copies")
	}
	w.run(1, "report", "merge", "-o", "report.json", "report-1.json", "report-0.json")
	r := w.report("report.json")
	if r.Totals.Copied != 3 || r.Totals.Failed != 2 || len(r.Copies) != 5 {
		t.Errorf("totals %+v", r.Totals)
	}
	if len(r.Targets) != 2 || r.Targets[0].Totals.Copied != 3 || r.Targets[0].ExitCode != 0 || r.Targets[1].ExitCode != 2 || r.Targets[1].Totals.Failed != 2 || len(r.Targets[1].Errors) != 1 {
		t.Errorf("targets %+v", r.Targets)
	}
	// Broken ones come first, then the plan's order, which a policy's copies keep.
	if first, last := r.Copies[0], r.Copies[4]; first.Target != "b:broken" || last.Destination != dst.Host+"/chosen:1" {
		t.Errorf("copies %+v", r.Copies)
	}
}

// The choice comes before the division: shards of a part of a plan are shards of that part.
func TestShardsOfAChoice(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	var specs []string
	for i := range 6 {
		pushImage(t, fmt.Sprintf("%s/app-%d:1", src.Host, i), 512, 1)
		specs = append(specs, fmt.Sprintf(`{"src": "%s/app-%d:1", "dst": "%s/app-%d:1", "labels": ["l%d"]}`, src.Host, i, dst.Host, i, i%3))
	}
	list := w.write("specs.json", "["+strings.Join(specs, ",")+"]")
	copied := 0
	for i := range 2 {
		w.run(0, "copy", "--label=l1", fmt.Sprintf("--shard=%d/2", i), "--report=report.json", list)
		r := w.report("report.json")
		copied += r.Totals.Copied
		if r.Totals.All() != 1 || r.Copies[0].Entry != i+1 {
			t.Errorf("shard %d: %+v", i, r.Copies)
		}
	}
	if copied != 2 {
		t.Errorf("%d copied", copied)
	}
}
