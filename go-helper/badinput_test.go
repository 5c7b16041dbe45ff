package main

import (
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

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
		{"report over a list", nil, []string{"copy", "--registry", "DST", "--report", "./list.txt", "list.txt"}, []string{"--report ./list.txt: would take the place of the list list.txt: "}},
		{"page over a lock", nil, []string{"copy", "--registry", "DST", "--report-html", "list.txt.lock", "list.txt"}, []string{"--report-html list.txt.lock: would take the place of the lock list.txt.lock: "}},
		{
			"one file for two",
			map[string]string{"c.toml": ""},
			[]string{"copy", "--registry", "DST", "--config", "c.toml", "--report", "c.toml", "--report-html", "x", "--metrics", "./x", "list.txt"},
			[]string{"--report c.toml: would take the place of --config: ", "--metrics ./x: would take the place of --report-html: "},
		},
		{"plan over its list", nil, []string{"plan", "--registry", "DST", "--output", "list.txt", "list.txt"}, []string{"--output list.txt: would take the place of the list list.txt: "}},
		{
			"list over its manifests",
			map[string]string{"pod.yaml": "kind: Pod\nspec: {containers: [{image: a:1}]}\n"},
			[]string{"extract", "--output", "pod.yaml", "pod.yaml"},
			[]string{"--output pod.yaml: would take the place of the manifests pod.yaml: "},
		},
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
