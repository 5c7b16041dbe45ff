package journal

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func everywhere(string) bool { return true }

// opened gives what a process knows from the start.
func opened(t *testing.T, f *Folder, matters func(string) bool) []Origin {
	t.Helper()
	own, others := f.Open(t.Context(), matters)
	return append(own, others...)
}

// shard is a process that shares a folder.
func shard(t *testing.T, dir, name string) *Folder {
	t.Helper()
	f := NewFolder(dir, name, quiet)
	t.Cleanup(func() { f.Close(context.Background()) })
	return f
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func wantHeard(t *testing.T, what string, got []Origin, want ...Origin) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: heard %v, want %v", what, got, want)
	}
}

func TestProcessesTellEachOtherOnce(t *testing.T) {
	t.Parallel()
	dir, ctx := filepath.Join(t.TempDir(), "made", "here"), t.Context()
	first, second := shard(t, dir, "0"), shard(t, dir, "1")
	a, b, c := Origin{"r:5000", "a", digest(1)}, Origin{"r:5000", "b", digest(2)}, Origin{"elsewhere", "c", digest(3)}
	wantHeard(t, "an empty folder", opened(t, first, everywhere))
	wantHeard(t, "an empty folder", opened(t, second, func(host string) bool { return host != "elsewhere" }))
	told := NewOrigins("", first, quiet)
	told.Tell(a, b, a, c)
	told.Tell(b)
	wantHeard(t, "the other one's, of hosts that matter", second.Hear(ctx), a, b)
	wantHeard(t, "no news", second.Hear(ctx))
	wantHeard(t, "its own", first.Hear(ctx))
	second.Tell([]Origin{c})
	wantHeard(t, "the other one's", first.Hear(ctx), c)
	if text := read(t, filepath.Join(dir, "0.origins")); strings.Count(text, "\n") != 4 {
		t.Errorf("told once each:\n%s", text)
	}
	// A later run begins with all of it, its own too.
	wantHeard(t, "a later run", opened(t, shard(t, dir, "1"), everywhere), c, a, b, c)
	again := NewOrigins("", shard(t, dir, "0"), quiet)
	again.Load(ctx, everywhere)
	again.Tell(a, b, c)
	if text := read(t, filepath.Join(dir, "0.origins")); strings.Count(text, "\n") != 4 {
		t.Errorf("told again by a later run:\n%s", text)
	}
	wantHeard(t, "a third process", opened(t, shard(t, dir, "7"), everywhere), a, b, c, c)
}

// Nobody reads half a line, and what is written over is read anew.
func TestWhatIsBeingWrittenIsReadOnceItIsWhole(t *testing.T) {
	t.Parallel()
	dir, ctx := t.TempDir(), t.Context()
	f := shard(t, dir, "0")
	wantHeard(t, "an empty folder", opened(t, f, everywhere))
	other := filepath.Join(dir, "1.origins")
	a, b := Origin{"r", "a", digest(1)}, Origin{"r", "b", digest(2)}
	for _, part := range []string{sharedHead[:5], sharedHead[5:], "\nr a", " sha256:", a.Digest.Hex} {
		appendTo(t, other, part)
		wantHeard(t, "after "+part, f.Hear(ctx))
	}
	appendTo(t, other, "\nr b")
	wantHeard(t, "a whole line", f.Hear(ctx), a)
	appendTo(t, other, " "+b.Digest.String()+"\n")
	wantHeard(t, "the next one", f.Hear(ctx), b)
	if err := os.WriteFile(other, []byte(sharedHead+"\n"+b.line()+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	wantHeard(t, "a shorter file", f.Hear(ctx), b)
	next := filepath.Join(dir, "next")
	appendTo(t, next, sharedHead+"\n"+b.line()+"\n"+a.line()+"\n"+b.line()+"\n")
	if err := os.Rename(next, other); err != nil {
		t.Fatal(err)
	}
	wantHeard(t, "another file", f.Hear(ctx), b, a, b)
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	wantHeard(t, "no file", f.Hear(ctx))
}

func TestWhatIsNotOursIsLeftOutOfTheFolder(t *testing.T) {
	t.Parallel()
	good := Origin{"r", "a", digest(1)}
	for name, test := range map[string]struct {
		content string
		heard   bool
	}{
		"ours":                {sharedHead + "\n" + good.line() + "\n", true},
		"lines of the next":   {sharedHead + "\n+ r a size=3\n\n" + good.line() + "\nr a sha256:12\nr A/b " + digest(2).String() + "\nr a/../b " + digest(2).String() + "\n", true},
		"another version":     {strings.Replace(sharedHead, "1", "2", 1) + "\n" + good.line() + "\n", false},
		"no head":             {good.line() + "\n", false},
		"binary":              {string(bytes.Repeat([]byte{0, 255, '\n'}, 1000)) + good.line() + "\n", false},
		"a line without end":  {sharedHead + "\n" + strings.Repeat("x", 1<<20) + "\n" + good.line() + "\n", false},
		"a head without end":  {strings.Repeat("#", 1<<20), false},
		"a path":              {sharedHead + "\nr ../../etc " + digest(1).String() + "\n", false},
		"a query":             {sharedHead + "\nr a&from=b " + digest(1).String() + "\n", false},
		"another digest's":    {sharedHead + "\nr a sha512:" + digest(1).Hex + "\n", false},
		"another host's":      {sharedHead + "\nother a " + digest(1).String() + "\n", false},
		"a user and password": {sharedHead + "\nuser:password@r a " + digest(1).String() + "\n", false},
	} {
		dir := t.TempDir()
		appendTo(t, filepath.Join(dir, "1.origins"), test.content)
		got := opened(t, shard(t, dir, "0"), func(host string) bool { return host == "r" })
		if want := []Origin{good}; test.heard != slices.Equal(got, want) || !test.heard && len(got) > 0 {
			t.Errorf("%s: heard %v", name, got)
		}
	}
}

// A process that was killed in the middle of a line, or ran as another version, spoils nothing of what its next run tells.
func TestTheOwnFileIsMended(t *testing.T) {
	t.Parallel()
	a, b := Origin{"r", "a", digest(1)}, Origin{"r", "b", digest(2)}
	for name, test := range map[string]struct {
		before string
		heard  []Origin
	}{
		"killed in a line": {sharedHead + "\n" + a.line() + "\nr b sha2", []Origin{a, b}},
		"killed at once":   {sharedHead[:7], []Origin{b}},
		"another version":  {"# docker-mirror origins, version 2\n" + a.line() + "\n", []Origin{b}},
		"garbage":          {strings.Repeat("x", 1<<20), []Origin{b}},
		"empty":            {"", []Origin{b}},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "0.origins")
		appendTo(t, path, test.before)
		f := shard(t, dir, "0")
		opened(t, f, everywhere)
		f.Tell([]Origin{b})
		wantHeard(t, name, opened(t, shard(t, dir, "1"), everywhere), test.heard...)
		if others, err := filepath.Glob(path + ".*"); err != nil || len(others) > 0 {
			t.Errorf("%s: left behind %v, %v", name, others, err)
		}
	}
}

// What can't be written is told to the user, once; what there is too much of isn't read.
func TestTheFolderHasBounds(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	dir := t.TempDir()
	appendTo(t, filepath.Join(dir, "file"), "")
	f := NewFolder(filepath.Join(dir, "file"), "0", logger)
	wantHeard(t, "no folder", opened(t, f, everywhere))
	f.Tell([]Origin{{"r", "a", digest(1)}})
	f.Tell([]Origin{{"r", "b", digest(1)}})
	f.Close(t.Context())
	if said := log.String(); strings.Count(said, "level=WARN") != 1 || !strings.Contains(said, "other processes are told nothing") {
		t.Errorf("said %q", said)
	}

	log.Reset()
	appendTo(t, filepath.Join(dir, "1.origins"), sharedHead+"\n")
	for i := range 10 {
		appendTo(t, filepath.Join(dir, "1.origins"), Origin{"r", "a", digest(i)}.line()+"\n")
	}
	f = NewFolder(dir, "0", logger)
	f.left = 500
	if got := opened(t, f, everywhere); len(got) == 0 || len(got) > 7 {
		t.Errorf("heard %d", len(got))
	}
	f.Hear(t.Context())
	if said := log.String(); strings.Count(said, "other processes tell more than is read") != 1 {
		t.Errorf("said %q", said)
	}
}
