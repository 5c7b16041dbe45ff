package main

import (
	"fmt"
	"net/http"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/engine"
)

func TestReplicantsConfiguration(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	for _, tag := range []string{"1.0.0", "1.2.0", "2.0.0", "2.0.0-alpine", "latest"} {
		pushImage(t, src.Host+"/app:"+tag, 512, 1)
	}
	src.Log().Reset()
	w.write("replicant.yaml", fmt.Sprintf(`mode: highest
images:
  app:
    source: %[1]s/app
    destination: %[2]s/highest
  alpine:
    source: %[1]s/app
    destination: %[2]s/alpine
    compatibility: alpine
  pinned:
    source: %[1]s/app
    destination: %[2]s/pinned
    mode: semver
    pinned-major: 1
  fresh:
    source: %[1]s/app
    destination: %[2]s/fresh
    mode: higher
`, src.Host, dst.Host))
	p := w.command("replicant", "-d", "--report", "report.json")
	p.cmd.Env = append(p.cmd.Env, "REPLICANT_CONFIG_FILE=replicant.yaml")
	p.demand(0)
	for destination, tag := range map[string]string{"highest:2.0.0": "2.0.0", "alpine:2.0.0-alpine": "2.0.0-alpine", "pinned:1.0.0": "1.0.0", "pinned:1.2.0": "1.2.0"} {
		if digestAt(t, dst.Host+"/"+destination) != digestAt(t, src.Host+"/app:"+tag) {
			t.Errorf("%s differs", destination)
		}
	}
	r := w.report("report.json")
	if r.Totals.Copied != 4 || r.Totals.Skipped != 1 { // mode higher with nothing to compare with
		t.Errorf("totals %+v", r.Totals)
	}
	for _, e := range src.Log().Entries() {
		if e.Method != http.MethodGet && e.Method != http.MethodHead {
			t.Errorf("wrote to the source: %s %s", e.Method, e.Path)
		}
	}
}

func TestReplicantsDefectsAreGone(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	pushImage(t, src.Host+"/app:1.0.0", 512, 1)
	w.write("replicant.yaml", fmt.Sprintf("images:\n  app:\n    source: %s/app\n    destination: %s/app\n", src.Host, dst.Host))
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden} {
		dst.SetFaults(devregistry.Faults{Intercept: devregistry.Always(
			func(r devregistry.Request) bool {
				return r.Kind == devregistry.KindManifestHead || r.Kind == devregistry.KindTags
			},
			devregistry.Fault{Status: status},
		)})
		w.run(1, "replicant", "-c", "replicant.yaml") // never "already there"
	}
	w.run(2, "replicant", "-c", "missing.yaml")
	w.run(2, "replicant", "-c", w.write("unknown.yaml", "images: {}\nmodes: highest\n"))
	w.run(2, "replicant", "-c", w.write("broken.yaml", "images: [\n"))
	p := w.command("replicant", "-c", "replicant.yaml")
	p.cmd.Env = append(p.cmd.Env, "REPLICANT_EXIT_ON_ERROR=perhaps")
	wantContains(t, "stderr", p.demand(2).stderr.String(), "REPLICANT_EXIT_ON_ERROR", "perhaps")
}

func TestReplicantExitOnError(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	pushImage(t, src.Host+"/slow:1.0.0", 200_000, 1)
	pushImage(t, src.Host+"/bad:1.0.0", 512, 1)
	src.SetFaults(devregistry.Faults{Intercept: devregistry.FirstOf(
		stallBlob("slow").Intercept,
		devregistry.Always(func(r devregistry.Request) bool {
			return r.Repository == "bad" && r.Kind == devregistry.KindManifestGet
		},
			devregistry.Fault{Status: http.StatusForbidden}),
	)})
	config := ""
	for _, name := range []string{"slow", "bad"} {
		config += fmt.Sprintf("  %[3]s:\n    source: %[1]s/%[3]s\n    destination: %[2]s/%[3]s\n", src.Host, dst.Host, name)
	}
	w.write("replicant.yaml", "images:\n"+config)
	w.run(1, "replicant", "-c", "replicant.yaml", "-e", "--report", "report.json") // would hang without -e
	r := w.report("report.json")
	got := map[string]engine.Status{}
	for _, c := range r.Copies {
		got[c.Name] = c.Status
	}
	if got["slow"] != engine.StatusSkipped || got["bad"] != engine.StatusFailed || r.Interrupted || r.ExitCode != 1 {
		t.Errorf("report %+v", r)
	}
}
