package main

import (
	"fmt"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/devregistry/distributiontest"
)

// The same as with our own registry, from and to one that isn't ours.
func TestCopyBetweenDistributionRegistries(t *testing.T) {
	t.Parallel()
	src, dst := distributiontest.Start(t), distributiontest.Start(t)
	w := newWorkplace(t)
	list := w.run(0, "seed", src.Host).stdout.String()
	w.write("images.txt", list)
	images := strings.Count(list, "\n")
	args := []string{"copy", "--registry", dst.Host, "--repository", "mirror/{repository}", "--report", "report.json", "images.txt"}

	w.run(0, append(args, "--dry-run")...)
	if r := w.report("report.json"); r.Totals.Planned != images {
		t.Errorf("dry run: %+v", r.Totals)
	}
	w.run(0, args...)
	r := w.report("report.json")
	if r.Totals.Copied != images {
		t.Errorf("cold: %+v", r.Totals)
	}
	for _, c := range r.Copies {
		if got := digestAt(t, c.Destination); got != digestAt(t, c.Source) || got.String() != c.Digest {
			t.Errorf("%s is %s, reported %s", c.Destination, got, c.Digest)
		}
	}
	p := w.run(0, args...)
	wantContains(t, "stderr", p.stderr.String(), fmt.Sprintf("%d unchanged in ", images))
	if r := w.report("report.json"); r.Totals.Unchanged != images || r.Totals.Bytes.Down+r.Totals.Bytes.Up != 0 {
		t.Errorf("no-op: %+v", r.Totals)
	}
	w.run(0, append(args, "--verify")...)
}
