package main

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/engine"
)

func TestCopyTextList(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	digests := map[string]v1.Hash{
		"team/app:1":   pushImage(t, src.Host+"/team/app:1", 4096, 3),
		"team/multi:2": pushIndex(t, src.Host+"/team/multi:2"),
	}
	list := w.write("images.txt", fmt.Sprintf("# ours\n%s/team/app:1\n\n%s/team/multi:2 AS multi\n", src.Host, src.Host))
	args := []string{"copy", "--registry", dst.Host, "--repository", "mirror/{repository}", "--report", "report.json", list}

	// Cold: everything arrives, results on standard output, the summary elsewhere.
	p := w.run(0, args...)
	for ref, digest := range digests {
		if got := digestAt(t, dst.Host+"/mirror/"+ref); got != digest {
			t.Errorf("%s arrived as %s, want %s", ref, got, digest)
		}
		wantContains(t, "stdout", p.stdout.String(), fmt.Sprintf("copied %s/mirror/%s@%s from %s/%s\n", dst.Host, ref, digest, src.Host, ref))
	}
	wantContains(t, "stderr", p.stderr.String(), "2 copied; ")
	r := w.report("report.json")
	if r.ExitCode != 0 || r.Command != "copy" || r.Totals.Copied != 2 || len(r.Copies) != 2 || len(r.Errors) != 0 {
		t.Errorf("report: %+v", r)
	}
	multi := r.Copies[1]
	if multi.Status != engine.StatusCopied || multi.Origin != "images.txt:4" || multi.Name != "multi" ||
		multi.Digest != digests["team/multi:2"].String() || multi.Destination != dst.Host+"/mirror/team/multi:2" {
		t.Errorf("second copy: %+v", multi)
	}
	if r.Registries[src.Host].Requests["blob GET"] == 0 || r.Registries[dst.Host].BytesUp != r.Totals.Bytes.Up || r.Totals.Bytes.Up == 0 {
		t.Errorf("registries: %+v, totals %+v", r.Registries, r.Totals)
	}

	// Again: nothing moves, and one line says so.
	src.Log().Reset()
	dst.Log().Reset()
	p = w.run(0, args...)
	if p.stdout.Len() != 0 || strings.Count(p.stderr.String(), "\n") != 1 {
		t.Errorf("not quiet: stdout %q, stderr %q", &p.stdout, &p.stderr)
	}
	wantContains(t, "stderr", p.stderr.String(), "2 unchanged in ")
	for _, registry := range []*devregistry.Server{src, dst} {
		for _, e := range registry.Log().Entries() {
			if e.Method != http.MethodHead && e.Kind != devregistry.KindPing {
				t.Errorf("no-op sent %s %s", e.Method, e.Path)
			}
		}
	}
	if r := w.report("report.json"); r.Totals.Unchanged != 2 {
		t.Errorf("totals %+v", r.Totals)
	}

	p = w.run(0, append(args, "--verbose")...)
	wantContains(t, "stdout", p.stdout.String(), "unchanged "+dst.Host+"/mirror/team/app:1@")
}

func TestCopyJSONSpecsOfMagicMirror(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	digest := pushImage(t, src.Host+"/app:1", 1024, 1)
	specs := fmt.Sprintf(`[{"src": "%[1]s/app:1", "dst": "%[2]s/a:1"}] {"src": "%[1]s/app:1", "dst": "%[2]s/b:1"}`, src.Host, dst.Host)

	// From a file.
	w.run(0, "copy", "--concurrency", "3", w.write("specs.json", specs))
	// From standard input, told by its first byte; a plan that was read back keeps its origins.
	p := w.command("copy", "--verbose", "--report", "report.json")
	p.cmd.Stdin = strings.NewReader(strings.ReplaceAll(specs, `/b:1"`, `/c:1", "origin": "x.txt:7", "name": "n", "labels": ["l"]`))
	p.demand(0)
	for _, repository := range []string{"a", "b", "c"} {
		if got := digestAt(t, dst.Host+"/"+repository+":1"); got != digest {
			t.Errorf("%s is %s", repository, got)
		}
	}
	r := w.report("report.json")
	if c := r.Copies[1]; c.Origin != "x.txt:7" || c.Name != "n" || !slices.Equal(c.Labels, []string{"l"}) {
		t.Errorf("second copy %+v", c)
	}
}

func TestPlanIsWhatCopyTakes(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	digest := pushImage(t, src.Host+"/team/app:1", 1024, 1)
	src.Log().Reset()
	list := w.write("images.txt", src.Host+"/team/app:1 AS app\n")
	toStdout := w.run(0, "plan", "--registry", dst.Host, "--repository", "x/{name}", list)
	w.run(0, "plan", "--registry", dst.Host, "--repository", "x/{name}", "--output", "plan.json", list)
	written, err := os.ReadFile(w.path("plan.json"))
	if err != nil || string(written) != toStdout.stdout.String() {
		t.Errorf("--output wrote %q, %v; standard output got %q", written, err, &toStdout.stdout)
	}
	if n := src.Log().Total() + dst.Log().Total(); n != 0 {
		t.Errorf("planning sent %d requests", n)
	}
	if named := w.run(0, "plan", "--registry", dst.Host, "--repository", "x/{name}", "--output", "-", list); named.stdout.String() != string(written) || w.exists("-") {
		t.Errorf("--output - gave %q", &named.stdout)
	}
	w.run(0, "copy", "plan.json")
	if got := digestAt(t, dst.Host+"/x/app:1"); got != digest {
		t.Errorf("arrived as %s", got)
	}
}

func TestPlanReadsSettings(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	w.write("images.txt", "registry.example/app:1\n")
	w.write("settings.json", `{"target": "a:b", "registries": [{"address": "mirror.example"}], "repository": "{target_name}/{name}", "target_name": "b"}`)
	p := w.run(0, "plan", "--settings", "settings.json", "images.txt")
	wantContains(t, "plan", p.stdout.String(), `"dst":"mirror.example/b/app:1"`)

	w.write("bad.json", `{"registrys": []}`)
	p = w.run(2, "plan", "--settings", "bad.json", "images.txt")
	wantContains(t, "stderr", p.stderr.String(), "bad.json:1", "registrys")
	p = w.run(2, "plan", "--settings", "settings.json", "--registry", "other.example", "images.txt")
	wantContains(t, "stderr", p.stderr.String(), "settings", "registry")
	w.run(2, "plan", "--settings", "missing.json", "images.txt")
	w.run(2, "plan")
}

func TestDryRunSendsNothingThatWrites(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	digest := pushImage(t, src.Host+"/app:1", 4096, 2)
	pushImage(t, src.Host+"/same:1", 1024, 1)
	list := w.write("images.txt", src.Host+"/same:1\n")
	w.run(0, "copy", "--registry", dst.Host, list)
	w.write("images.txt", src.Host+"/same:1\n"+src.Host+"/app:1\n")
	src.Log().Reset()
	dst.Log().Reset()

	p := w.run(0, "copy", "--registry", dst.Host, "--dry-run", "--report", "report.json", list)
	wantContains(t, "stdout", p.stdout.String(), fmt.Sprintf("would copy %s/app:1@%s from %s/app:1\n", dst.Host, digest, src.Host))
	wantContains(t, "stderr", p.stderr.String(), "dry run: 1 to copy, 1 unchanged")
	for _, registry := range []*devregistry.Server{src, dst} {
		for _, e := range registry.Log().Entries() {
			if e.Method != http.MethodHead && e.Method != http.MethodGet || e.Kind == devregistry.KindBlobGet {
				t.Errorf("dry run sent %s %s", e.Method, e.Path)
			}
		}
	}
	r := w.report("report.json")
	if !r.DryRun || r.Totals.Planned != 1 || r.Copies[1].Status != engine.StatusPlanned || r.Copies[1].Digest != digest.String() {
		t.Errorf("report %+v", r)
	}
}

// A dry run reads the manifests that the copies will read: what it took of a limit on pulls tells what they will take.
func TestADryRunTakesThePullsThatTheCopiesWillTake(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	w.write("images.txt", w.run(0, "seed", src.Host).stdout.String())
	args := []string{"copy", "--registry", dst.Host, "--report", "report.json", "images.txt"}
	pulls := func() int64 { return w.report("report.json").Registries[src.Host].Requests["manifest GET"] }
	w.run(0, append(args, "--dry-run")...)
	planned := pulls()
	w.run(0, args...)
	if got := pulls(); got != planned || got == 0 {
		t.Errorf("the copies took %d, the dry run %d", got, planned)
	}
}

func TestOneFailureStopsNoOther(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	pushImage(t, src.Host+"/good:1", 1024, 1)
	w.write("images.txt", src.Host+"/missing:1\n"+src.Host+"/good:1\n")
	p := w.run(1, "copy", "--registry", dst.Host, "--report", "report.json", "images.txt")
	digestAt(t, dst.Host+"/good:1")
	wantContains(t, "stderr", p.stderr.String(),
		fmt.Sprintf("images.txt:1: %s/missing:1 -> %s/missing:1: ", src.Host, dst.Host), "404", "check the name and the tag", "1 copied, 1 failed")
	r := w.report("report.json")
	if r.ExitCode != 1 || r.Copies[0].Status != engine.StatusFailed || r.Copies[0].Reason == "" || r.Copies[0].Hint == "" || r.Copies[1].Status != engine.StatusCopied {
		t.Errorf("report %+v", r)
	}
}

func TestARegistrysTextNeverReachesTheTerminalRaw(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	src.SetFaults(devregistry.Faults{Intercept: devregistry.Always(
		func(r devregistry.Request) bool { return r.Kind == devregistry.KindManifestGet },
		devregistry.Fault{Status: http.StatusForbidden, Code: "DENIED\x1b[2J", Message: "no\x1b]0;title\x07\nok: all fine \u009b31m\u202e"},
	)})
	w.write("images.txt", src.Host+"/app:1\n")
	for _, mode := range []string{"plain", "json", "none"} {
		p := w.run(1, "copy", "--verbose", "--registry", dst.Host, "--report", "report.json", "--progress", mode, "images.txt")
		written, err := os.ReadFile(w.path("report.json"))
		if err != nil {
			t.Fatal(err)
		}
		for where, text := range map[string]string{"stdout": p.stdout.String(), "stderr": p.stderr.String(), "report": string(written)} {
			if strings.ContainsAny(text, "\x1b\x07\u009b\u202e") || strings.Contains(text, "\nok: all fine") {
				t.Errorf("%s, %s: %q", mode, where, text)
			}
		}
	}
}

func TestJSONProgressIsJSONOnly(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	pushImage(t, src.Host+"/app:1", 1024, 1)
	w.write("images.txt", src.Host+"/app:1\n"+src.Host+"/missing:1\n")
	p := w.run(1, "copy", "--registry", dst.Host, "--progress", "json", "--verbose", "images.txt")
	ended := 0
	for line := range strings.Lines(p.stderr.String()) {
		if !strings.HasPrefix(line, `{"time":"`) {
			t.Errorf("no JSON: %q", line)
		}
		if strings.Contains(line, `"event":"copy_ended"`) {
			ended++
		}
	}
	if ended != 2 {
		t.Errorf("%d copies ended:\n%s", ended, &p.stderr)
	}
	wantContains(t, "stderr", p.stderr.String(), `"event":"run_started"`, `"event":"summary"`, `"event":"error"`)
}

func TestAnEqualCopyIsMadeOnce(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	pushImage(t, src.Host+"/app:1", 1024, 1)
	w.write("a.txt", src.Host+"/app:1\n")
	w.write("b.txt", src.Host+"/app:1\n")
	p := w.run(0, "copy", "--registry", dst.Host, "a.txt", "b.txt")
	wantContains(t, "stderr", p.stderr.String(), "1 copied;")
}
