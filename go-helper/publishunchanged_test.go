package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// name is what Pants calls the named target; false where it is its address.
func (w *workplace) name(name string) (string, bool) {
	w.t.Helper()
	announcement, err := os.ReadFile(filepath.Join(w.dir, "inputs", name+".json"))
	if err != nil {
		w.t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(w.dir, "spool/names", planID(string(announcement))))
	if err != nil && !os.IsNotExist(err) {
		w.t.Fatal(err)
	}
	return string(text), err == nil
}

// toldBy publishes a target and tells what its process says of it: on standard output, and to Pants.
func (w *workplace) toldBy(name string, code int) string {
	w.t.Helper()
	p := w.publish(name).demand(code)
	text := p.stdout.String()
	if called, together := w.name(name); together {
		text += "as " + called
	}
	return text
}

func TestUnchangedTargetsOfAPublishAreToldTogether(t *testing.T) {
	t.Parallel()
	src, dst, elsewhere := startRegistry(t), startRegistry(t), startRegistry(t)
	plan := plansOf(src, dst)
	first := newWorkplace(t)
	for _, image := range []string{"a", "b", "c", "d", "e"} {
		pushImage(t, src.Host+"/"+image+":1", 1024, 1)
	}
	first.spoolPlan("before", "//:before", plan("a", "b", "c", "d"))
	first.publish("before").demand(0)
	first.spoolPlan("elsewhere", "//:elsewhere", plansOf(src, elsewhere)("a"))
	first.publish("elsewhere").demand(0)

	for _, leader := range []string{"b", "new"} {
		t.Run("led by "+leader, func(t *testing.T) {
			w := newWorkplace(t)
			for _, image := range []string{"a", "b", "c"} {
				w.spoolPlan(image, "//:"+image, plan(image))
			}
			pushImage(t, src.Host+"/new"+leader+":1", 1024, 1)
			w.spoolPlan("new", "//:new", plan("d", "new"+leader))
			w.spoolPlan("missing", "//:missing", plan("a", "missing"))
			w.spoolPlan("elsewhere", "//:elsewhere", plansOf(src, elsewhere)("a"))
			want := map[string]string{
				"a": "as ", "b": "as ", "c": "as ",
				"new":       "✓ //:new: 1 copied, 1 unchanged\n",
				"missing":   "✗ //:missing: 1 unchanged, 1 failed\n",
				"elsewhere": "✓ //:elsewhere: 1 unchanged\n",
			}
			speaker := leader
			if leader == "new" {
				speaker = "a"
			}
			want[speaker] = "as 3 image lists (unchanged)"
			for _, name := range []string{leader, "missing", "c", "a", "b", "new", "elsewhere"} {
				code := 0
				if name == "missing" {
					code = 1
				}
				if got := w.toldBy(name, code); got != want[name] {
					t.Errorf("%s: %q, want %q", name, got, want[name])
				}
			}
		})
	}
}

// What Pants calls a target is there only once its process has ended well.
func TestNoNameForATargetWhoseProcessFails(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	plan := plansOf(src, dst)
	for _, image := range []string{"a", "b"} {
		pushImage(t, src.Host+"/"+image+":1", 1024, 1)
		w.spoolPlan(image, "//:"+image, plan(image))
	}
	w.publish("a").demand(0)
	again := newWorkplace(t)
	for _, image := range []string{"a", "b"} {
		again.spoolPlan(image, "//:"+image, plan(image))
	}
	// The report can't replace what is no file, and Pants takes the target for failed.
	again.write("spool/report.json/in the way", "")
	p := again.publish("a").demand(1)
	wantContains(t, "stderr", p.stderr.String(), "report.json")
	if name, together := again.name("a"); together {
		t.Errorf("a failed target is called %q", name)
	}
	if _, together := again.name("b"); together {
		t.Error("b has a name before its process has run")
	}
}

func TestVerbosePublishTellsEveryTarget(t *testing.T) {
	t.Parallel()
	src, dst := startRegistry(t), startRegistry(t)
	plan := plansOf(src, dst)
	for _, image := range []string{"a", "b"} {
		pushImage(t, src.Host+"/"+image+":1", 1024, 1)
	}
	for _, status := range []string{"copied", "unchanged"} {
		w := newWorkplace(t)
		for _, image := range []string{"a", "b"} {
			w.spoolPlan(image, "//:"+image, plan(image))
		}
		for _, image := range []string{"a", "b"} {
			p := w.command("publish", "--verbose", "--spool", filepath.Join(w.dir, "spool"), "--plan", filepath.Join(w.dir, "inputs", image+".json")).demand(0)
			wantContains(t, "stdout", p.stdout.String(), fmt.Sprintf("✓ //:%s: 1 %s\n", image, status))
		}
	}
}
