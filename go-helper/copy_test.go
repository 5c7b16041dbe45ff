package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

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

func TestForeignLayersAreCopiedWhereThatIsAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	image, err := mutate.Append(empty.Image, mutate.Addendum{
		Layer: static.NewLayer([]byte("foreign"), types.DockerForeignLayer), MediaType: types.DockerForeignLayer, URLs: []string{"https://layers.example/x"},
	})
	if err != nil {
		t.Fatal(err)
	}
	push(t, src.Host+"/windows:1", image, remote.WithNondistributable)
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	digest, err := layers[0].Digest()
	if err != nil {
		t.Fatal(err)
	}
	w.write("images.txt", src.Host+"/windows:1\n")
	for _, test := range []struct {
		repository string
		args       []string
		copied     bool
	}{{"a/windows", nil, false}, {"b/windows", []string{"--foreign-layers=copy"}, true}} {
		w.run(0, append([]string{"copy", "--registry", dst.Host, "--repository", test.repository, "--report", "report.json", "images.txt"}, test.args...)...)
		if got := dst.HasBlob(test.repository, digest); got != test.copied {
			t.Errorf("%s: the foreign layer is there: %v, want %v", test.args, got, test.copied)
		}
		if left := w.report("report.json").Copies[0].ForeignLayers; (left == 0) != test.copied {
			t.Errorf("%s: %d reported as left", test.args, left)
		}
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

func TestBadInputSendsNothing(t *testing.T) {
	t.Parallel()
	src, dst := startRegistry(t), startRegistry(t)
	for _, tt := range []struct {
		name  string
		files map[string]string
		args  []string
		says  []string
	}{
		{"unknown flag", nil, []string{"copy", "--bogus", "list.txt"}, []string{"--bogus", "--help"}},
		{"unknown command", nil, []string{"mirorr"}, []string{"mirorr"}},
		{"no command", nil, nil, []string{"command"}},
		{"missing file", nil, []string{"copy", "--registry", "DST", "missing.txt"}, []string{"missing.txt"}},
		{"two missing files", nil, []string{"copy", "--registry", "DST", "one.txt", "two.txt"}, []string{"one.txt", "two.txt"}},
		{"standard input twice", nil, []string{"copy", "--registry", "DST", "-", "-"}, []string{"only once"}},
		{"a folder", nil, []string{"copy", "--registry", "DST", "."}, []string{"."}},
		{"unknown ending", map[string]string{"list.img": "alpine"}, []string{"copy", "--registry", "DST", "list.img"}, []string{"list.img", "format"}},
		{"unknown format", nil, []string{"copy", "--registry", "DST", "--format", "csv", "list.txt"}, []string{"csv"}},
		{"no registry", nil, []string{"copy", "list.txt"}, []string{"list.txt:1: no destination registry: name one or more with --registry"}},
		{
			"flags by their names",
			nil,
			[]string{"copy", "--registry", "prod", "--repository", "{x}", "--image-tag", "{", "--platform", "arm64", "list.txt"},
			[]string{`--registry: registry "prod"`, "--repository: unknown placeholder {x}", "--image-tag: unbalanced", `--platform: invalid platform "arm64"`},
		},
		{"concurrency 0", nil, []string{"copy", "--registry", "DST", "--concurrency", "0", "list.txt"}, []string{"--concurrency"}},
		{"concurrency no number", nil, []string{"copy", "--registry", "DST", "--concurrency", "many", "list.txt"}, []string{"concurrency"}},
		{"progress", nil, []string{"copy", "--registry", "DST", "--progress", "dots", "list.txt"}, []string{"dots", "plain"}},
		{"foreign layers", nil, []string{"copy", "--registry", "DST", "--foreign-layers", "all", "list.txt"}, []string{"--foreign-layers all", "skip, copy"}},
		{"verify and dry run", nil, []string{"copy", "--registry", "DST", "--verify", "--dry-run", "list.txt"}, []string{"--verify"}},
		{"report among the results", nil, []string{"copy", "--registry", "DST", "--report", "-", "list.txt"}, []string{"--report -", "file"}},
		{"report into nowhere", nil, []string{"copy", "--registry", "DST", "--report", "no/such/folder.json", "list.txt"}, []string{"no/such"}},
		{
			"all errors of all files",
			map[string]string{"a.txt": "SRC/app:1\nSRC/app:1 AS\n", "b.txt": "SRC/app:1\nUPPER/Case:1\n"},
			[]string{"copy", "--registry", "DST", "a.txt", "b.txt"},
			[]string{"a.txt:2: ", "b.txt:2: "},
		},
		{"empty list", map[string]string{"empty.txt": "# nothing\n"}, []string{"copy", "--registry", "DST", "empty.txt"}, []string{"empty.txt", "no images"}},
		{"JSON: unknown key", map[string]string{"s.json": `[{"src": "SRC/app:1", "dst": "DST/a:1", "transform": {"limitPlatform": []}}]`}, []string{"copy", "s.json"}, []string{"s.json:1: ", "limitPlatform"}},
		{"JSON: no dst", map[string]string{"s.json": `{"src": "SRC/app:1"}`}, []string{"copy", "s.json"}, []string{"s.json:1: ", "dst"}},
		{"JSON: trailing garbage", map[string]string{"s.json": `[{"src": "SRC/app:1", "dst": "DST/a:1"}] x`}, []string{"copy", "s.json"}, []string{"s.json:1: "}},
		{
			"conflict",
			map[string]string{"s.json": "[{\"src\": \"SRC/app:1\", \"dst\": \"DST/a:1\"},\n{\"src\": \"SRC/app:2\", \"dst\": \"DST/a:1\"}]"},
			[]string{"copy", "s.json"},
			[]string{"s.json:1, s.json:2: ", "inconsistent copies"},
		},
		{
			"both source and destination",
			map[string]string{"s.json": `[{"src": "SRC/app:1", "dst": "DST/a:1"}, {"src": "DST/a:1", "dst": "DST/b:1"}]`},
			[]string{"copy", "s.json"},
			[]string{"both a source and a destination"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorkplace(t)
			hosts := strings.NewReplacer("SRC", src.Host, "DST", dst.Host)
			w.write("list.txt", src.Host+"/app:1\n")
			for name, content := range tt.files {
				w.write(name, hosts.Replace(content))
			}
			var args []string
			for _, arg := range tt.args {
				args = append(args, hosts.Replace(arg))
			}
			withReport := slices.Contains(args, "copy") && !slices.Contains(args, "--report")
			if withReport {
				args = append(args, "--report", "report.json")
			}
			p := w.run(2, args...)
			wantContains(t, "stderr", p.stderr.String(), tt.says...)
			if p.stdout.Len() != 0 {
				t.Errorf("stdout: %q", &p.stdout)
			}
			if withReport {
				r := w.report("report.json")
				if r.ExitCode != 2 || len(r.Errors) == 0 || len(r.Copies) != 0 {
					t.Errorf("report %+v", r)
				}
			}
			if n := src.Log().Total() + dst.Log().Total(); n != 0 {
				t.Errorf("%d requests were sent", n)
			}
		})
	}
}

func TestStandardInputNotice(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	pushImage(t, src.Host+"/app:1", 1024, 1)
	p := w.command("copy", "--registry", dst.Host, "-")
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.start()
	time.Sleep(2500 * time.Millisecond)
	if _, err := io.WriteString(stdin, src.Host+"/app:1\n"); err != nil {
		t.Fatal(err)
	}
	stdin.Close()
	if code := p.wait(); code != 0 {
		t.Fatalf("exit code %d: %s", code, &p.stderr)
	}
	wantContains(t, "stderr", p.stderr.String(), "still waiting to read copy specs from standard input\n")
	digestAt(t, dst.Host+"/app:1")

	// Quick input needs no notice.
	p = w.command("copy", "--registry", dst.Host)
	p.cmd.Stdin = strings.NewReader(src.Host + "/app:1\n")
	if p.demand(0); strings.Contains(p.stderr.String(), "waiting") {
		t.Errorf("stderr: %s", &p.stderr)
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

func TestVersionAndCompletion(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	wantContains(t, "stdout", w.run(0, "version").stdout.String(), "docker-mirror ")
	wantContains(t, "stdout", w.run(0, "version", "--json").stdout.String(), `"name":"docker-mirror"`, `"protocol":`)
	for _, shell := range []string{"bash", "zsh", "fish"} {
		wantContains(t, "stdout", w.run(0, "completion", shell).stdout.String(), "docker-mirror")
	}
	for _, args := range [][]string{{"completion"}, {"completion", "tcsh"}} {
		p := w.run(2, args...)
		wantContains(t, "stderr", p.stderr.String(), "name a shell: bash, fish, powershell, zsh")
	}
	help := w.run(0, "--help").stdout.String()
	wantContains(t, "help", help, "copy", "plan", "Exit codes")
	for _, hidden := range []string{"publish", "plans"} {
		if strings.Contains(help, "\n  "+hidden) {
			t.Errorf("help shows %s", hidden)
		}
	}
}

func TestVerifyFindsDamageAndForceRepairsIt(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	pushImage(t, src.Host+"/app:1", 4096, 2)
	w.write("images.txt", src.Host+"/app:1\n")
	w.run(0, "copy", "--registry", dst.Host, "images.txt")
	w.run(0, "copy", "--registry", dst.Host, "--verify", "images.txt")

	var blob v1.Hash
	for uploaded := range dst.Log().Uploads() {
		blob = uploaded.Digest
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, dst.URL+"/v2/app/blobs/"+blob.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil || answer.StatusCode != http.StatusAccepted {
		t.Fatalf("deleting a blob: %v, %v", answer, err)
	}
	answer.Body.Close()

	w.run(0, "copy", "--registry", dst.Host, "images.txt") // an equal digest is trusted
	dst.Log().Reset()
	p := w.run(1, "copy", "--registry", dst.Host, "--verify", "images.txt")
	wantContains(t, "stderr", p.stderr.String(), "images.txt:1: ", blob.String(), "--force")
	for _, e := range dst.Log().Entries() {
		if e.Method != http.MethodGet && e.Method != http.MethodHead {
			t.Errorf("--verify sent %s %s", e.Method, e.Path)
		}
	}
	w.run(0, "copy", "--registry", dst.Host, "--force", "images.txt")
	w.run(0, "copy", "--registry", dst.Host, "--verify", "images.txt")
}

func TestOnlyAndLabel(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	src, dst := startRegistry(t), startRegistry(t)
	pushImage(t, src.Host+"/one:1", 512, 1)
	pushImage(t, src.Host+"/two:1", 512, 1)
	w.write("images.txt", src.Host+"/one:1 AS first\n"+src.Host+"/two:1\n")
	w.run(2, "copy", "--registry", dst.Host, "--only", "third", "images.txt")
	p := w.run(0, "copy", "--registry", dst.Host, "--only", "first", "images.txt")
	wantContains(t, "stderr", p.stderr.String(), "1 copied")
	w.run(2, "copy", "--registry", dst.Host, "--label", "prod", "images.txt")
}
