package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/engine"
)

func TestTagPoliciesAreExpandedWhenTheCopyRuns(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	for _, tag := range []string{"1.0.0", "1.1.0", "2.0.0", "latest"} {
		pushImage(t, src.Host+"/app:"+tag, 512, 1)
	}
	w.write("specs.json", fmt.Sprintf(`[
		{"src": "%[1]s/app", "dst": "%[2]s/mirror:v{tag}", "select": {"semver": [">=1.1"]}, "origin": "list.toml:3", "name": "app"},
		{"src": "%[1]s/app:latest", "dst": "%[2]s/mirror:latest"}]`, src.Host, dst.Host))
	p := w.run(0, "copy", "--report", "report.json", "specs.json")
	for source, destination := range map[string]string{"1.1.0": "v1.1.0", "2.0.0": "v2.0.0", "latest": "latest"} {
		if digestAt(t, src.Host+"/app:"+source) != digestAt(t, dst.Host+"/mirror:"+destination) {
			t.Errorf("%s differs", destination)
		}
	}
	wantContains(t, "stderr", p.stderr.String(), "3 copied")
	first := func(e devregistry.Entry) bool {
		return e.Kind == devregistry.KindTags && !strings.Contains(e.Path, "last=")
	}
	if n := len(src.Log().Select(first)); n != 1 {
		t.Errorf("%d lists of tags", n)
	}
	if c := w.report("report.json").Copies[0]; c.Origin != "list.toml:3" || c.Name != "app" || c.Destination != dst.Host+"/mirror:v1.1.0" {
		t.Errorf("first copy %+v", c)
	}
}

func TestWhatTagPoliciesFindOutTooLateFailsItsCopiesOnly(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst, broken := startRegistry(t), startRegistry(t), startRegistry(t)
	pushImage(t, src.Host+"/app:1.0.0", 512, 1)
	pushImage(t, src.Host+"/app:1.1.0", 512, 1)
	pushImage(t, src.Host+"/other:1.0.0", 512, 1)
	broken.SetFaults(devregistry.Faults{Intercept: devregistry.Always(
		func(r devregistry.Request) bool { return r.Kind == devregistry.KindTags },
		devregistry.Fault{Status: http.StatusForbidden, Code: "DENIED"},
	)})
	dst.Log().Reset()
	w.write("specs.json", fmt.Sprintf(`[
		{"src": "%[1]s/app", "dst": "%[2]s/app:{tag}", "select": {"include": ["1.*"]}, "origin": "a:1"},
		{"src": "%[1]s/other:1.0.0", "dst": "%[2]s/app:1.0.0", "origin": "b:1"},
		{"src": "%[3]s/app", "dst": "%[2]s/denied:{tag}", "select": {"include": ["1.*"]}, "origin": "c:1"},
		{"src": "%[1]s/app", "dst": "%[2]s/none:{tag}", "select": {"include": ["9.*"]}, "origin": "d:1"}]`, src.Host, dst.Host, broken.Host))
	p := w.run(1, "copy", "--report", "report.json", "specs.json")
	digestAt(t, dst.Host+"/app:1.1.0")
	got := map[string]engine.Status{}
	for _, c := range w.report("report.json").Copies {
		got[c.Origin+" "+c.Destination[len(dst.Host):]] = c.Status
	}
	for key, want := range map[string]engine.Status{
		"a:1 /app:1.0.0":    engine.StatusFailed,
		"a:1 /app:1.1.0":    engine.StatusCopied,
		"b:1 /app:1.0.0":    engine.StatusFailed,
		"c:1 /denied:{tag}": engine.StatusFailed,
		"d:1 /none:{tag}":   engine.StatusFailed,
	} {
		if got[key] != want {
			t.Errorf("%s: %q, want %q", key, got[key], want)
		}
	}
	wantContains(t, "stderr", p.stderr.String(), "a:1, b:1: ", "inconsistent copies", "c:1: ", "403", "d:1: ")
	for _, e := range dst.Log().Entries() {
		if e.Kind == devregistry.KindManifestPut && e.Reference == "1.0.0" {
			t.Error("a conflicting copy was written")
		}
	}
}
