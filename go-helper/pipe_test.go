package main

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

func fifo(t *testing.T, path string) {
	t.Helper()
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A list that is a named pipe is waited for, and read; the first signal ends the wait, whether or not somebody has opened the pipe.
func TestAListThatIsANamedPipe(t *testing.T) {
	t.Parallel()
	for name, opened := range map[string]bool{"nobody writes": false, "a writer says nothing": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkplace(t)
			fifo(t, w.path("list.txt"))
			p := w.command("copy", "--registry", "127.0.0.1:1", "--report", "report.json", "list.txt").start()
			if opened {
				f, err := os.OpenFile(w.path("list.txt"), os.O_WRONLY, 0) // once it reads
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
			}
			eventually(t, "it says that it waits", func() bool { return strings.Contains(p.stderr.String(), "from the pipe list.txt") })
			checkInterrupted(t, w, p)
		})
	}
	t.Run("written to", func(t *testing.T) {
		t.Parallel()
		w := newWorkplace(t)
		src, dst := startRegistry(t), startRegistry(t)
		pushImage(t, src.Host+"/app:1", 1024, 1)
		fifo(t, w.path("list.txt"))
		p := w.command("copy", "--registry", dst.Host, "list.txt").start()
		if err := os.WriteFile(w.path("list.txt"), []byte(src.Host+"/app:1\n"), 0); err != nil {
			t.Fatal(err)
		}
		if code := p.wait(); code != 0 {
			t.Fatalf("exit code %d: %s", code, &p.stderr)
		}
		digestAt(t, dst.Host+"/app:1")
	})
}

// What a shell makes of <(…) and >(…) is no named pipe, and neither is /dev/stdin.
func TestListsAndReportsThatAreAShellsPipes(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip(err)
	}
	for _, script := range []string{
		`"$0" copy --format text --registry "$2" --report >(cat >report.json; touch done) <(echo "$1")`,
		`echo "$1" | "$0" copy --format text --registry "$2" --report >(cat >report.json; touch done) /dev/stdin`,
		`"$0" copy --format text --registry "$2" --report /dev/stderr <(echo "$1") 2> >(cat >report.json; touch done)`,
	} {
		w := newWorkplace(t)
		src, dst := startRegistry(t), startRegistry(t)
		pushImage(t, src.Host+"/app:1", 1024, 1)
		p := w.command()
		p.cmd.Args = []string{"bash", "-c", script, p.cmd.Path, src.Host + "/app:1", dst.Host}
		p.cmd.Path = bash
		if p.start(); p.wait() != 0 {
			t.Fatalf("%s: %s", script, &p.stderr)
		}
		digestAt(t, dst.Host+"/app:1")
		eventually(t, "the report is written", func() bool { return w.exists("done") })
		report, err := os.ReadFile(w.path("report.json"))
		if err != nil || !strings.Contains(string(report), `"exit_code": 0`) {
			t.Errorf("%s: %s, %v", script, report, err)
		}
	}
}

// A report that is a named pipe would wait for its reader, past an interrupt as well: it is refused before anything is sent.
func TestAReportThatIsANamedPipeIsRefused(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{"--report", "--report-html", "--metrics"} {
		w := newWorkplace(t)
		fifo(t, w.path("out"))
		src := startRegistry(t)
		w.write("list.txt", src.Host+"/app:1\n")
		p := w.run(2, "copy", "--registry", "127.0.0.1:1", flag, "out", "list.txt")
		wantContains(t, "stderr", p.stderr.String(), flag+" out: is a named pipe, which may never be read")
		if n := src.Log().Total(); n != 0 {
			t.Errorf("%d requests were sent", n)
		}
	}
}
