package main

import (
	"fmt"
	"slices"
	"testing"
)

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
