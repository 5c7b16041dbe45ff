package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/engine"
	"docker-mirror/go-helper/internal/report"
)

// announce writes what the rules write for a target before any process starts, and what Pants gives to its process.
func (w *workplace) announce(name, announcement string) {
	w.t.Helper()
	if !json.Valid([]byte(announcement)) {
		w.t.Fatalf("announcement of %s: %s", name, announcement)
	}
	w.write("spool/plans/"+planID(announcement)+".json", announcement)
	w.write("inputs/"+name+".json", announcement)
}

func planID(announcement string) string {
	sum := sha256.Sum256([]byte(announcement))
	return hex.EncodeToString(sum[:])
}

func planned(address, plan string) string {
	return fmt.Sprintf(`{"target": %q, "plan": %s}`, address, plan)
}

func (w *workplace) spoolPlan(name, address, plan string) {
	w.t.Helper()
	w.announce(name, planned(address, plan))
}

func (w *workplace) publish(name string) *process {
	return w.command("publish", "--spool", filepath.Join(w.dir, "spool"), "--plan", filepath.Join(w.dir, "inputs", name+".json"))
}

type result struct {
	report.Target
	Copies []report.Copy `json:"copies"`
}

// resultFile is where the named target's plan has its result.
func (w *workplace) resultFile(name string) string {
	w.t.Helper()
	announcement, err := os.ReadFile(filepath.Join(w.dir, "inputs", name+".json"))
	if err != nil {
		w.t.Fatal(err)
	}
	return "spool/results/" + planID(string(announcement)) + ".json"
}

func isThere(t *testing.T, reference string) bool {
	t.Helper()
	ref, err := name.ParseReference(reference)
	if err != nil {
		t.Fatal(err)
	}
	_, err = remote.Head(ref)
	return err == nil
}

func (w *workplace) result(name string) (r result) {
	w.t.Helper()
	w.readJSON(w.resultFile(name), &r)
	return r
}

func plansOf(src, dst *devregistry.Server) func(images ...string) string {
	return func(images ...string) string {
		var entries []string
		for i, image := range images {
			entries = append(entries, fmt.Sprintf(`{"src":"%s/%s:1","dst":"%s/%s:1","origin":"images.txt:%d"}`, src.Host, image, dst.Host, image, i+1))
		}
		return "[" + strings.Join(entries, ",") + "]"
	}
}

func TestPublishRunsTheEngineOnceForTheSpool(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	plan := plansOf(src, dst)
	const targets = 20
	for i := range targets {
		image := fmt.Sprintf("app%d", i)
		pushImage(t, src.Host+"/"+image+":1", 1024, 1)
		w.spoolPlan(fmt.Sprintf("t%02d", i), "//:"+image, plan(image))
	}
	w.spoolPlan("t20", "//:missing", plan("missing", "app0"))
	src.Log().Reset()

	// Pants starts one after another; the first does the work.
	p := w.publish("t05").demand(0)
	if p.stdout.String() != "✓ //:app5: 1 copied\n" {
		t.Errorf("stdout %q", &p.stdout)
	}
	wantContains(t, "stderr", p.stderr.String(), "20 copied, 1 failed")
	requests := src.Log().Total() + dst.Log().Total()
	for i := range targets {
		p := w.publish(fmt.Sprintf("t%02d", i)).demand(0)
		if p.stdout.String() != fmt.Sprintf("✓ //:app%d: 1 copied\n", i) || p.stderr.Len() > 0 {
			t.Errorf("t%02d: stdout %q, stderr %q", i, &p.stdout, &p.stderr)
		}
	}
	p = w.publish("t20").demand(1)
	wantContains(t, "stdout", p.stdout.String(), "✗ //:missing: 1 copied, 1 failed")
	wantContains(t, "stderr", p.stderr.String(), "images.txt:1: ", "404", "check the name")
	if after := src.Log().Total() + dst.Log().Total(); after != requests {
		t.Errorf("%d more requests by those who only report", after-requests)
	}

	r := w.report("spool/report.json")
	if len(r.Targets) != targets+1 || r.Totals.Copied != targets || r.Totals.Failed != 1 {
		t.Errorf("report: %d targets, totals %+v", len(r.Targets), r.Totals)
	}
	if res := w.result("t20"); res.ExitCode != 1 || res.Address != "//:missing" || len(res.Copies) != 2 {
		t.Errorf("result %+v", res)
	}
}

func TestPublishOfManyProcessesAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	plan := plansOf(src, dst)
	const targets = 6
	for i := range targets {
		image := fmt.Sprintf("app%d", i)
		pushImage(t, src.Host+"/"+image+":1", 1024, 1)
		w.spoolPlan(image, "//:"+image, plan(image))
	}
	src.Log().Reset()
	var wait sync.WaitGroup
	processes := make([]*process, targets)
	for i := range targets {
		processes[i] = w.publish(fmt.Sprintf("app%d", i)).start()
	}
	for i, p := range processes {
		wait.Add(1)
		go func() {
			defer wait.Done()
			if code := p.wait(); code != 0 || p.stdout.String() != fmt.Sprintf("✓ //:app%d: 1 copied\n", i) {
				t.Errorf("app%d: exit code %d, stdout %q, stderr %q", i, code, &p.stdout, &p.stderr)
			}
		}()
	}
	wait.Wait()
	if n := src.Log().Counts()[devregistry.KindPing]; n != 1 {
		t.Errorf("%d engine runs", n)
	}
}

func TestPublishTakesOverFromAKilledLeader(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	plan := plansOf(src, dst)
	pushImage(t, src.Host+"/quick:1", 1024, 1)
	slow := pushImage(t, src.Host+"/slow:1", 200_000, 1)
	src.SetFaults(stallBlob("slow"))
	w.spoolPlan("a", "//:quick", plan("quick"))
	w.spoolPlan("b", "//:slow", plan("slow"))

	leader := w.publish("b").start()
	eventually(t, "the quick target has its result", func() bool { return w.exists(w.resultFile("a")) })
	follower := w.publish("b").start() // waits for the lock
	time.Sleep(100 * time.Millisecond)
	leader.signal(syscall.SIGKILL)
	leader.wait()
	src.SetFaults(devregistry.Faults{})
	if code := follower.wait(); code != 0 || follower.stdout.String() != "✓ //:slow: 1 copied\n" {
		t.Fatalf("exit code %d, stdout %q, stderr %q", code, &follower.stdout, &follower.stderr)
	}
	if got := digestAt(t, dst.Host+"/slow:1"); got != slow {
		t.Errorf("arrived as %s", got)
	}
	w.publish("a").demand(0)
	r := w.report("spool/report.json")
	if len(r.Targets) != 2 || r.Totals.Copied != 2 {
		t.Errorf("the report lost what the killed process had done: %+v", r)
	}
}

func TestPublishInterrupted(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	plan := plansOf(src, dst)
	pushImage(t, src.Host+"/quick:1", 1024, 1)
	pushImage(t, src.Host+"/slow:1", 200_000, 1)
	src.SetFaults(stallBlob("slow"))
	w.spoolPlan("a", "//:quick", plan("quick"))
	w.spoolPlan("b", "//:slow", plan("slow"))
	leader := w.publish("a").start()
	eventually(t, "the quick target has its result", func() bool { return w.exists(w.resultFile("a")) })
	start := time.Now()
	leader.signal(syscall.SIGINT)
	code := leader.wait()
	if took := time.Since(start); code != 130 || took > answerWithin {
		t.Errorf("exit code %d after %v", code, took)
	}
	if a := w.result("a"); a.ExitCode != 0 || a.Totals.Copied != 1 {
		t.Errorf("what was done: %+v", a)
	}
	if b := w.result("b"); b.ExitCode != 130 || b.Copies[0].Status != engine.StatusFailed {
		t.Errorf("what was not: %+v", b)
	}
	if r := w.report("spool/report.json"); !r.Interrupted || r.ExitCode != 130 {
		t.Errorf("report %+v", r)
	}
	// Whoever comes next in the same run does not start over after a Ctrl-C.
	w.publish("b").demand(130)
}

func TestPublishConflictsBetweenTargets(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	pushImage(t, src.Host+"/app:1", 1024, 1)
	conflicting := func(source, origin string) string {
		return fmt.Sprintf(`[{"src":"%s/%s:1","dst":"%s/same:1","origin":"%s"}]`, src.Host, source, dst.Host, origin)
	}
	w.spoolPlan("a", "//:a", conflicting("one", "a.txt:1"))
	w.spoolPlan("b", "//:b", conflicting("two", "b.txt:1"))
	w.spoolPlan("c", "//:c", plansOf(src, dst)("app"))
	w.spoolPlan("d", "//:d", `"broken"`)
	w.publish("c").demand(0)
	for _, id := range []string{"a", "b"} {
		p := w.publish(id).demand(2)
		wantContains(t, "stderr", p.stderr.String(), "a.txt:1, b.txt:1: ")
	}
	wantContains(t, "stderr", w.publish("d").demand(2).stderr.String(), "//:d: plan.json:1: copy spec must be an object")
}

// Pants runs rules of outdated requests, so that a target's past can be announced beside, or without, what it wants now.
func TestPublishTakesOnOnlyWhatIsCertain(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		others func(plan func(images ...string) string) []string // announced beside
		want   []string                                          // of what the first process copies for others
	}{
		{"one plan", func(plan func(...string) string) []string {
			return []string{planned("//:b", plan("new"))}
		}, []string{"new"}},
		{"two plans", func(plan func(...string) string) []string {
			return []string{planned("//:b", plan("old")), planned("//:b", plan("new"))}
		}, nil},
		{"a plan of a target that is skipped", func(plan func(...string) string) []string {
			return []string{planned("//:b", plan("old")), `{"target": "//:b", "skip": "it lists no image"}`}
		}, nil},
		{"an old plan of its own", func(plan func(...string) string) []string {
			return []string{planned("//:a", plan("old"))}
		}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorkplace(t)
			src, dst := startRegistry(t), startRegistry(t)
			for _, image := range []string{"own", "old", "new"} {
				pushImage(t, src.Host+"/"+image+":1", 1024, 1)
			}
			plan := plansOf(src, dst)
			for i, other := range test.others(plan) {
				w.announce(fmt.Sprint("other", i), other)
			}
			w.spoolPlan("a", "//:a", plan("own"))
			w.publish("a").demand(0)
			want := append([]string{"own"}, test.want...)
			for _, image := range []string{"own", "old", "new"} {
				if got := isThere(t, dst.Host+"/"+image+":1"); got != slices.Contains(want, image) {
					t.Errorf("%s at the destination: %v", image, got)
				}
			}
			// A target's own process carries out its own plan, whatever else was announced.
			w.write("inputs/b.json", planned("//:b", plan("new")))
			w.publish("b").demand(0)
			if !isThere(t, dst.Host+"/new:1") {
				t.Error("b's own process did not copy its plan")
			}
			r := w.report("spool/report.json")
			if len(r.Targets) != 2 || r.Totals.Copied != 2 {
				t.Errorf("report: %d targets, %+v", len(r.Targets), r.Totals)
			}
		})
	}
}

// What another process of the run has written can't be written over in silence.
func TestPublishConflictsWithWhatIsDone(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	first := pushImage(t, src.Host+"/one:1", 1024, 1)
	pushImage(t, src.Host+"/two:1", 1024, 1)
	same := func(source, origin string) string {
		return fmt.Sprintf(`[{"src":"%s/%s:1","dst":"%s/same:1","origin":"%s"}]`, src.Host, source, dst.Host, origin)
	}
	w.spoolPlan("a", "//:a", same("one", "a.txt:1"))
	w.publish("a").demand(0)
	w.spoolPlan("b", "//:b", same("two", "b.txt:1"))
	wantContains(t, "stderr", w.publish("b").demand(2).stderr.String(), "b.txt:1, a.txt:1: ")
	if got := digestAt(t, dst.Host+"/same:1"); got != first {
		t.Errorf("overwritten: %s", got)
	}
}

// An announcement that isn't what its name says counts for nothing.
func TestPublishBelievesNoNames(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	plan := plansOf(src, dst)
	pushImage(t, src.Host+"/own:1", 1024, 1)
	pushImage(t, src.Host+"/other:1", 1024, 1)
	w.spoolPlan("a", "//:a", plan("own"))
	w.write("spool/plans/"+planID("something else")+".json", planned("//:b", plan("other")))
	w.publish("a").demand(0)
	if isThere(t, dst.Host+"/other:1") {
		t.Error("copied what a renamed announcement says")
	}
}

func TestPublishBadInput(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	w.spoolPlan("a", "//:a", "[]")
	wantContains(t, "stderr", w.publish("missing").demand(2).stderr.String(), "can't read the plan", "missing")
	for _, bad := range []string{`{}`, `{"target": "//:b"}`, `{"target": "//:b", "plan": [], "skip": "both"}`, `{"plan": []}`} {
		w.write("inputs/bad.json", bad)
		wantContains(t, bad, w.publish("bad").demand(2).stderr.String(), "needs a target, and a plan or a reason to skip it")
	}
	w.run(2, "publish", "--plan", "a")
	w.publish("a").demand(0)
}
