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

// Tags that aren't versions as semver has them are never left out without a word where that may be the wrong choice.
func TestTagPoliciesSayWhatTheyLeaveOut(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	for _, tag := range []string{"1.0.0", "2024.10.0", "2024.9.0"} {
		pushImage(t, src.Host+"/years:"+tag, 512, 1)
	}
	pushImage(t, src.Host+"/rebuilt:7.2.4-debian-11-r0", 512, 1)
	signature := "sha256-" + strings.Repeat("0", 64) + ".sig"
	pushImage(t, src.Host+"/signed:"+signature, 512, 1)
	pushImage(t, src.Host+"/signed:1.0.0_5", 512, 1)
	w.write("specs.json", fmt.Sprintf(`[
		{"src": "%[1]s/years", "dst": "%[2]s/years", "select": {"latest": 1}, "origin": "a:1"},
		{"src": "%[1]s/years", "dst": "%[2]s/natural", "select": {"latest": 1, "order": "natural"}, "origin": "b:1"},
		{"src": "%[1]s/rebuilt", "dst": "%[2]s/rebuilt", "select": {"semver": ["^7"]}, "origin": "c:1"},
		{"src": "%[1]s/signed", "dst": "%[2]s/signed", "select": {}, "referrers": "none", "origin": "d:1"},
		{"src": "%[1]s/signed", "dst": "%[2]s/version", "select": {"semver": ["^1"]}, "origin": "e:1"}]`, src.Host, dst.Host))
	p := w.run(1, "copy", "--report", "report.json", "specs.json")
	stderr := p.stderr.String()
	wantContains(t, "stderr", stderr,
		"a:1: the tag policy of "+src.Host+"/years: the highest tag selected is 1.0.0, but others look newer: 2 taken for dates", `order = "natural"`,
		"c:1: ", "the tag policy selects none of the tags (there are 1): 1 with a suffix", "7.2.4-debian-11-r0")
	if strings.Contains(stderr, "the tag policy of "+src.Host+"/signed") || strings.Contains(stderr, "b:1: the tag policy") {
		t.Errorf("a notice without need:\n%s", stderr)
	}
	got := []string{}
	for _, c := range w.report("report.json").Copies {
		got = append(got, strings.TrimPrefix(c.Destination, dst.Host))
	}
	if want := "/years:1.0.0 /natural:2024.10.0 /rebuilt:{tag} /signed:1.0.0_5 /version:1.0.0_5"; strings.Join(got, " ") != want {
		t.Errorf("copies %q, want %q", strings.Join(got, " "), want)
	}
}
