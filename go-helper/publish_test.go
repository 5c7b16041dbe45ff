package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
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
