package main

import (
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/engine"
)

// answerWithin is what an interrupted run may take: Pants kills after 3 s.
const answerWithin = 2 * time.Second

// stallBlob lets the download of one repository's blobs hang.
func stallBlob(repository string) devregistry.Faults {
	return devregistry.Faults{Intercept: devregistry.Always(
		func(r devregistry.Request) bool {
			return r.Kind == devregistry.KindBlobGet && r.Repository == repository
		},
		devregistry.Fault{StallDownload: devregistry.AfterBytes(100)},
	)}
}

func TestInterrupt(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorkplace(t)
			src, dst := startRegistry(t), startRegistry(t)
			pushImage(t, src.Host+"/quick:1", 1024, 1)
			pushImage(t, src.Host+"/slow:1", 200_000, 1)
			src.SetFaults(stallBlob("slow"))
			w.write("images.txt", src.Host+"/quick:1\n"+src.Host+"/slow:1\n")
			p := w.command("copy", "--registry", dst.Host, "--report", "report.json", "--progress", "json", "images.txt").start()
			eventually(t, "the quick image is copied", func() bool { return strings.Contains(p.stderr.String(), `"status":"copied"`) })
			eventually(t, "the slow one is under way", func() bool { return strings.Contains(p.stderr.String(), `"size":2`) })
			start := time.Now()
			p.signal(signal)
			code := p.wait()
			if took := time.Since(start); code != 130 || took > answerWithin {
				t.Errorf("exit code %d after %v\n%s", code, took, &p.stderr)
			}
			r := w.report("report.json")
			if !r.Interrupted || r.ExitCode != 130 || r.Copies[0].Status != engine.StatusCopied || r.Copies[1].Status != engine.StatusFailed {
				t.Errorf("report: %+v", r)
			}
			wantContains(t, "report", r.Copies[1].Reason+r.Copies[1].Hint, "interrupted", "the next run makes this copy")
			wantContains(t, "stderr", p.stderr.String(), "interrupted: 1 copied, 1 failed")
			wantContains(t, "stdout", p.stdout.String(), "copied "+dst.Host+"/quick:1@")
			for _, e := range dst.Log().Entries() {
				if e.Kind == devregistry.KindManifestPut && e.Repository == "slow" {
					t.Errorf("a tag of an unfinished image was written: %+v", e)
				}
			}
		})
	}
}

func TestASecondSignalStopsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	p := w.command("serve", "--ready-file", "ready").start()
	eventually(t, "it is ready", func() bool { return w.exists("ready") })
	ready, err := os.ReadFile(w.path("ready"))
	if err != nil {
		t.Fatal(err)
	}
	// A request that never ends keeps the first signal busy for a second.
	connection, err := net.Dial("tcp", strings.TrimSpace(string(ready)))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if _, err := io.WriteString(connection, "POST /v2/app/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	p.signal(syscall.SIGINT)
	time.Sleep(100 * time.Millisecond)
	start := time.Now()
	p.signal(syscall.SIGINT)
	if code := p.wait(); code != 130 || time.Since(start) > 500*time.Millisecond {
		t.Errorf("exit code %d after %v", code, time.Since(start))
	}
}

// checkInterrupted interrupts a run that waits for its list, and checks that it ends at once and says so.
func checkInterrupted(t *testing.T, w *workplace, p *process) {
	t.Helper()
	start := time.Now()
	p.signal(syscall.SIGINT)
	if code := p.wait(); code != 130 || time.Since(start) > answerWithin {
		t.Errorf("exit code %d after %v: %s", code, time.Since(start), &p.stderr)
	}
	if r := w.report("report.json"); r.ExitCode != 130 || !r.Interrupted {
		t.Errorf("report %+v", r)
	}
}

func TestInterruptWhileWaitingForStandardInput(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	p := w.command("copy", "--registry", "127.0.0.1:1", "--report", "report.json")
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	p.start()
	time.Sleep(300 * time.Millisecond) // until its signal handler stands
	checkInterrupted(t, w, p)
}
