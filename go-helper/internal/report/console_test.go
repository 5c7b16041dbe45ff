package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vbauerster/mpb/v8"

	"docker-mirror/go-helper/internal/engine"
	"docker-mirror/go-helper/internal/reference"
)

// buffer is written by one goroutine while a test reads it.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func (b *buffer) waitFor(t *testing.T, text string) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !strings.Contains(b.String(), text) {
		if time.Now().After(deadline) {
			t.Fatalf("never showed %q; has:\n%s", text, b.String())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// eager is a renderer whose snapshots come at once.
type eager struct{ renderer }

func (e eager) interval() (delay, every time.Duration) { return time.Millisecond, time.Millisecond }

func TestModes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in   string
		want Mode
		ok   bool
	}{{"", ModeAuto, true}, {"plain", ModePlain, true}, {"json", ModeJSON, true}, {"none", ModeNone, true}, {"terminal", "", false}, {"tty", "", false}} {
		got, err := ParseMode(tt.in)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("ParseMode(%q) = %q, %v", tt.in, got, err)
		}
	}
	noEnv := func(string) string { return "" }
	pipe, _, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	if got := ModeAuto.resolve(pipe, noEnv); got != ModePlain {
		t.Errorf("auto on a pipe is %q", got)
	}
	if got := ModeAuto.resolve(&bytes.Buffer{}, noEnv); got != ModePlain {
		t.Errorf("auto on a buffer is %q", got)
	}
}

func TestConsoleKeepsOrderAndWritesAllBeforeItCloses(t *testing.T) {
	t.Parallel()
	var out buffer
	c := newConsole(&plain{w: &out}, true, time.Now)
	var want strings.Builder
	for i := range 200 {
		switch i % 3 {
		case 0:
			c.Error(fmt.Sprint("error ", i))
			fmt.Fprintln(&want, "error", i)
		case 1:
			c.Notice(fmt.Sprint("notice ", i))
			fmt.Fprintln(&want, "notice", i)
		default:
			fmt.Fprintf(c, "log %d\nand more\n", i)
			fmt.Fprintf(&want, "log %d\nand more\n", i)
		}
	}
	c.Close()
	c.Close()
	if out.String() != want.String() {
		t.Errorf("wrote %q", out.String())
	}
}

func TestConsoleCleansWhatComesFromOutside(t *testing.T) {
	t.Parallel()
	for _, r := range []func(*buffer) renderer{
		func(b *buffer) renderer { return &plain{w: b} },
		func(b *buffer) renderer { return newJSONLines(b, time.Now) },
		func(b *buffer) renderer { return newTerminal(b) },
	} {
		var out buffer
		c := newConsole(r(&out), true, time.Now)
		c.Observe(engine.RegistryPaused{Registry: "r", For: time.Minute, Reason: "wait\x1b[2J\u009b"})
		c.Observe(engine.Retried{Registry: "r", What: "GET\x1b]0;", Err: errors.New("\x1b[1mno\x07"), Wait: time.Second})
		c.Observe(engine.CopyEnded{Result: engine.Result{Status: engine.StatusFailed, Err: errors.New("\x1b[1mno\x07")}})
		c.Error("bad \x1b[31m")
		fmt.Fprintln(c, "log \x1b[31m")
		c.Close()
		if out.String() == "" || strings.ContainsAny(out.String(), "\x1b\x07\u009b") {
			t.Errorf("control characters reached the terminal: %q", out.String())
		}
	}
}

func TestConsoleTellsAPauseOnce(t *testing.T) {
	t.Parallel()
	var out buffer
	now := time.Unix(0, 0)
	c := newConsole(&plain{w: &out}, false, func() time.Time { return now })
	c.Observe(engine.RegistryPaused{Registry: "r", For: 100 * time.Millisecond, Reason: "too short to tell"})
	c.Observe(engine.RegistryPaused{Registry: "r", For: 30 * time.Second, Reason: "429"})
	c.Observe(engine.RegistryPaused{Registry: "r", For: 30 * time.Second, Reason: "429"})
	c.Observe(engine.RegistryPaused{Registry: "other", For: 30 * time.Second, Reason: "503"})
	c.Observe(engine.Retried{Registry: "r", What: "GET", Err: errors.New("reset")}) // not verbose
	c.Close()
	want := "r: 429; left alone for 30s\nother: 503; left alone for 30s\n"
	if out.String() != want {
		t.Errorf("wrote %q", out.String())
	}
}

func TestPlainShowsWhereARunStands(t *testing.T) {
	t.Parallel()
	var out buffer
	c := newConsole(eager{&plain{w: &out}}, false, time.Now)
	defer c.Close()
	c.Observe(engine.RunStarted{Copies: 4})
	c.Observe(engine.BlobQueued{Registry: "r", Digest: hash('a'), Size: 2_000_000})
	c.Observe(engine.BlobStarted{Digest: hash('a'), Size: 2_000_000})
	c.Observe(engine.BlobRead{Digest: hash('a'), Bytes: 500_000})
	c.Observe(engine.CopyEnded{Index: 0, Result: engine.Result{Status: engine.StatusFailed}})
	c.Follow()
	out.waitFor(t, "1/4 images · 1 failed · 500.0 KB of 2.0 MB")
	out.waitFor(t, "1 blob in flight")
}

func TestARunThatIsOverAtOnceIsQuiet(t *testing.T) {
	t.Parallel()
	for _, r := range []func(*buffer) renderer{
		func(b *buffer) renderer { return &plain{w: b} },
		func(b *buffer) renderer { return newTerminal(b) },
	} {
		var out buffer
		c := newConsole(r(&out), false, time.Now)
		c.Follow()
		c.Observe(engine.RunStarted{Copies: 40})
		for i := range 40 {
			c.Observe(engine.CopyEnded{Index: i, Result: engine.Result{Status: engine.StatusUnchanged}})
		}
		c.Rest()
		c.Close()
		if out.String() != "" {
			t.Errorf("wrote %q", out.String())
		}
	}
}

func TestTerminalDrawsBarsAndLinesAboveThem(t *testing.T) {
	t.Parallel()
	var out buffer
	c := newConsole(eager{newTerminal(&out, mpb.WithAutoRefresh())}, false, time.Now)
	c.Observe(engine.RunStarted{Copies: 2})
	for i := range mostBars + 3 {
		d := hash('a')
		d.Hex = fmt.Sprintf("%064d", i)
		c.Observe(engine.BlobQueued{Registry: "r", Digest: d, Size: 10_000_000})
		c.Observe(engine.BlobStarted{Digest: d, Size: 10_000_000, Source: "registry.example/library/app\x1b[2J"})
		c.Observe(engine.BlobRead{Digest: d, Bytes: 5_000_000})
	}
	c.Follow()
	out.waitFor(t, "0/2 images")
	out.waitFor(t, "65.0 MB/130.0 MB")
	out.waitFor(t, "(+3 blobs)")
	out.waitFor(t, "5.0 MB/10.0 MB")
	c.Error("something failed")
	out.waitFor(t, "something failed\n")
	for i := range mostBars + 3 {
		d := hash('a')
		d.Hex = fmt.Sprintf("%064d", i)
		c.Observe(engine.BlobEnded{Digest: d})
	}
	c.Rest()
	// What is written elsewhere now must not be wiped out by bars that still go away.
	length := len(out.String())
	time.Sleep(3 * drawEvery)
	if after := out.String(); len(after) != length {
		t.Errorf("drew after it came to rest: %q", after[length:])
	}
	c.Error("after the bars")
	c.Close()
	c.Rest()
	if !strings.HasSuffix(out.String(), "after the bars\n") {
		t.Errorf("ends with %q", out.String()[max(0, len(out.String())-200):])
	}
	if strings.Contains(out.String(), "[2J") && !strings.Contains(out.String(), `\x1b[2J`) {
		t.Error("a repository's name reached the terminal raw")
	}
}

func TestJSONLines(t *testing.T) {
	t.Parallel()
	var out buffer
	c := newConsole(eager{newJSONLines(&out, time.Now)}, false, time.Now)
	c.Expect([]engine.Copy{{
		Source:      reference.Reference{Registry: "registry.example", Repository: "app", Tag: "1"},
		Destination: reference.Reference{Registry: "mirror.example", Repository: "app", Tag: "1"},
		Origin:      "images.txt:1",
	}})
	c.Observe(engine.RunStarted{Copies: 1})
	c.Observe(engine.BlobStarted{Digest: hash('a'), Size: 10, Source: "s/app"})
	c.Observe(engine.BlobRead{Digest: hash('a'), Bytes: 10})
	c.Observe(engine.BlobUploaded{Registry: "d", Repository: "app", Digest: hash('a'), Size: 10})
	c.Observe(engine.BlobMounted{Registry: "d", Repository: "app2", From: "app", Digest: hash('a'), Size: 10})
	c.Observe(engine.BlobEnded{Digest: hash('a'), Err: errors.New("cut")})
	c.Observe(engine.RegistryPaused{Registry: "d", For: 2 * time.Second, Reason: "429"})
	c.Observe(engine.Retried{Registry: "d", What: "PUT", Err: errors.New("reset"), Wait: time.Second})
	c.Observe(engine.CopyEnded{Index: 0, Result: engine.Result{Status: engine.StatusCopied, Digest: hash('b')}})
	c.Follow()
	out.waitFor(t, `"event":"progress"`)
	c.Rest()
	c.Error("bad\nthing")
	c.Close()

	seen := map[string]int{}
	for line := range strings.Lines(out.String()) {
		var e jsonEvent
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&e); err != nil || e.Time.IsZero() {
			t.Fatalf("%q: %v", line, err)
		}
		if e.Event != "progress" {
			seen[e.Event]++
		}
		switch e.Event {
		case "copy_ended":
			if e.Source != "registry.example/app:1" || e.Destination != "mirror.example/app:1" || e.Origin != "images.txt:1" || e.Status != engine.StatusCopied || e.Digest != hash('b').String() {
				t.Errorf("%q", line)
			}
		case "error":
			if e.Message != `bad\nthing` {
				t.Errorf("%q", line)
			}
		}
	}
	for _, event := range []string{"run_started", "blob_started", "blob_ended", "blob_uploaded", "blob_mounted", "copy_ended", "registry_paused", "retried", "error"} {
		if seen[event] != 1 {
			t.Errorf("%d lines of %s", seen[event], event)
		}
	}
	if len(seen) != 9 {
		t.Errorf("events %v", seen)
	}
}

func TestNoneShowsFailuresOnly(t *testing.T) {
	t.Parallel()
	var out buffer
	c := newConsole(eager{&plain{w: &out, silent: true}}, false, time.Now)
	c.Notice("still waiting")
	c.Error("failed")
	c.Close()
	if out.String() != "failed\n" {
		t.Errorf("wrote %q", out.String())
	}
}
