package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/engine"
	"docker-mirror/go-helper/internal/report"
)

// writeBatch writes a plan a target, in the order of addresses, and batch.json.
func (w *workplace) writeBatch(reportFile string, plans ...[2]string) string {
	w.t.Helper()
	type entry struct {
		Target string `json:"target"`
		Path   string `json:"path"`
	}
	batch := struct {
		Report string  `json:"report"`
		Plans  []entry `json:"plans"`
	}{Report: reportFile, Plans: []entry{}}
	for i, plan := range plans {
		path := fmt.Sprintf("plans/%d/plan.json", i)
		w.write(path, plan[1])
		batch.Plans = append(batch.Plans, entry{plan[0], path})
	}
	data, err := json.Marshal(batch)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.write("batch.json", string(data))
}

func TestMirrorRunsTheEngineOnceForAllTargets(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	pushImage(t, src.Host+"/app:1", 4096, 2)
	pushImage(t, src.Host+"/other:1", 1024, 1)
	reportFile := filepath.Join(t.TempDir(), "report.json")
	app := fmt.Sprintf(`{"src":"%s/app:1","dst":"%s/app:1","origin":"%%s"}`, src.Host, dst.Host)
	other := fmt.Sprintf(`{"src":"%s/other:1","dst":"%s/other:1","origin":"b/images.txt:2"}`, src.Host, dst.Host)
	skip := fmt.Sprintf(`{"src":"%s/other:1","skip":{"dst":"%s/nowhere:1","reason":"skip_push is set"},"origin":"b/images.txt:3"}`, src.Host, dst.Host)
	batch := w.writeBatch(reportFile,
		[2]string{"a:images", "[" + fmt.Sprintf(app, "a/images.txt:1") + "]"},
		[2]string{"b:images", "[" + fmt.Sprintf(app, "b/images.txt:1") + "," + other + "," + skip + "]"},
		[2]string{"c:empty", "[]"},
	)
	src.Log().Reset()
	p := w.run(0, "mirror", "--batch", batch)
	want := "✓ a:images: 1 copied\n✓ b:images: 2 copied, 1 skipped\n✓ c:empty: nothing to do\n"
	if p.stdout.String() != want {
		t.Errorf("stdout:\n%s", &p.stdout)
	}
	for digest, n := range src.Log().Downloads() {
		if n != 1 {
			t.Errorf("%s was downloaded %d times", digest, n)
		}
	}
	if n := src.Log().Counts()[devregistry.KindPing]; n != 1 {
		t.Errorf("%d pings: not one engine run", n)
	}

	again := w.run(0, "mirror", "--batch", batch, "--report", "again.json")
	if want := "✓ 2 image lists: 3 unchanged, 1 skipped\n✓ c:empty: nothing to do\n"; again.stdout.String() != want {
		t.Errorf("stdout of another run:\n%s", &again.stdout)
	}
	if verbose := w.run(0, "mirror", "--verbose", "--batch", batch, "--report", "again.json"); !strings.Contains(verbose.stdout.String(), "✓ a:images: 1 unchanged\n✓ b:images: 2 unchanged, 1 skipped\n✓ c:empty") {
		t.Errorf("stdout of a verbose run:\n%s", &verbose.stdout)
	}

	w.dir = filepath.Dir(reportFile)
	r := w.report("report.json")
	if len(r.Targets) != 3 || r.Targets[1].Totals.Copied != 2 || r.Totals.Copied != 2 || r.Totals.Skipped != 1 {
		t.Errorf("targets %+v, totals %+v", r.Targets, r.Totals)
	}
	shared := r.Copies[0]
	if shared.Target != "a:images" || shared.Origin != "a/images.txt:1" || len(shared.AlsoAskedBy) != 1 ||
		shared.AlsoAskedBy[0].Target != "b:images" || shared.AlsoAskedBy[0].Origin != "b/images.txt:1" {
		t.Errorf("shared copy %+v", shared)
	}
}

func TestMirrorFailsExactlyTheTargetsThatConflict(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	for _, image := range []string{"one", "two", "three"} {
		pushImage(t, src.Host+"/"+image+":1", 1024, 1)
	}
	copySpec := func(source, destination, origin string) string {
		return fmt.Sprintf(`{"src":"%s/%s:1","dst":"%s/%s:1","origin":"%s"}`, src.Host, source, dst.Host, destination, origin)
	}
	batch := w.writeBatch("",
		[2]string{"a:a", "[" + copySpec("one", "same", "a.txt:1") + "]"},
		[2]string{"b:b", "[" + copySpec("two", "same", "b.txt:1") + "," + copySpec("three", "b-only", "b.txt:2") + "]"},
		[2]string{"c:c", "[" + copySpec("three", "three", "c.txt:1") + "]"},
		[2]string{"d:d", "[" + copySpec("one", "same", "d.txt:1") + "]"}, // as a's, and so against b's
		[2]string{"e:e", "not JSON"},
	)
	p := w.run(1, "mirror", "--batch", batch, "--report", "report.json")
	var marks []string
	for line := range strings.Lines(p.stdout.String()) {
		mark, _, _ := strings.Cut(line, ": ")
		marks = append(marks, mark)
	}
	if want := []string{"✗ a:a", "✗ b:b", "✓ c:c", "✗ d:d", "✗ e:e"}; !slices.Equal(marks, want) {
		t.Errorf("stdout:\n%s", &p.stdout)
	}
	wantContains(t, "stderr", p.stderr.String(), "a.txt:1, b.txt:1: ", "inconsistent copies", "e:e: ", "plans/4/plan.json")
	digestAt(t, dst.Host+"/three:1")
	for _, e := range dst.Log().Entries() {
		if e.Repository == "same" || e.Repository == "b-only" {
			t.Errorf("a request for a target that can't run: %s %s", e.Method, e.Path)
		}
	}
	r := w.report("report.json")
	statuses := map[string]engine.Status{}
	for _, c := range r.Copies {
		statuses[c.Origin] = c.Status
	}
	if statuses["a.txt:1"] != engine.StatusFailed || statuses["b.txt:1"] != engine.StatusFailed ||
		statuses["b.txt:2"] != engine.StatusSkipped || statuses["c.txt:1"] != engine.StatusCopied || statuses["d.txt:1"] != engine.StatusFailed {
		t.Errorf("statuses %v", statuses)
	}
	i := slices.IndexFunc(r.Targets, func(t report.Target) bool { return t.Address == "b:b" })
	if b := r.Targets[i]; b.ExitCode != 2 || len(b.Errors) != 1 {
		t.Errorf("target %+v", b)
	}
}

func TestMirrorWithNothingToRunIsBadInput(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	dst := startRegistry(t)
	batch := w.writeBatch("", [2]string{"a:a", fmt.Sprintf(`[{"src":"x.example/a:1","dst":"%[1]s/a:1"},{"src":"x.example/b:1","dst":"%[1]s/a:1"}]`, dst.Host)})
	w.run(2, "mirror", "--batch", batch)
	if n := dst.Log().Total(); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
	w.run(2, "mirror")
	w.run(2, "mirror", "--batch", "missing.json")
	w.run(2, "mirror", "--batch", w.write("bad.json", `{"plans": [], "extra": 1}`))
	w.run(2, "mirror", "--batch", w.write("bad.json", `{"plans": [{"target": "a:a"}]}`))
	w.run(0, "mirror", "--batch", w.write("none.json", `{"report": "", "plans": []}`))
}

func TestMirrorWritesNoReportOverAList(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	dst := startRegistry(t)
	plan := w.write("plan.json", fmt.Sprintf(`[{"src":"x.example/a:1","dst":"%s/a:1"}]`, dst.Host))
	w.write("images.txt", "x.example/a:1\n")
	list, lock := filepath.Join(w.dir, "images.txt"), filepath.Join(w.dir, "images.txt.lock")
	batch := w.write("batch.json", fmt.Sprintf(
		`{"report": %q, "plans": [{"target": "a:a", "path": %q, "list": %q, "lock": %q}]}`, list, plan, list, lock))
	p := w.run(2, "mirror", "--batch", batch, "--report-html", lock)
	wantContains(t, "stderr", p.stderr.String(),
		"--report "+list+": would take the place of the list "+list+": ",
		"--report-html "+lock+": would take the place of the lock "+lock+": ")
	if n := dst.Log().Total(); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
	if data, err := os.ReadFile(list); err != nil || string(data) != "x.example/a:1\n" {
		t.Errorf("the list is %q, %v", data, err)
	}
}

func TestMirrorReportsAFailedCopyToEachTarget(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	missing := fmt.Sprintf(`[{"src":"%s/missing:1","dst":"%s/missing:1","origin":"%%s"}]`, src.Host, dst.Host)
	p := w.run(1, "mirror", "--batch", w.writeBatch("",
		[2]string{"a:a", fmt.Sprintf(missing, "a.txt:1")}, [2]string{"b:b", fmt.Sprintf(missing, "b.txt:9")}))
	wantContains(t, "stdout", p.stdout.String(), "✗ a:a: 1 failed\n✗ b:b: 1 failed\n")
	wantContains(t, "stderr", p.stderr.String(), "a.txt:1: ", "b.txt:9: ")
}
