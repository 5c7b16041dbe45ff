package report

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestWriteFileAtomic(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "report.json")
	for _, content := range []string{"first", "second"} {
		if err := WriteFileAtomic(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != content {
			t.Fatalf("read %q, %v; want %q", got, err, content)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left in the folder: %v, %v", entries, err)
	}
}

func TestWriteFileAtomicFollowsLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	if err := os.WriteFile(target, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	if err := WriteFileAtomic(link, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link was replaced: %v, %v", info, err)
	}
	if got, _ := os.ReadFile(target); string(got) != "x" {
		t.Errorf("the link's target has %q", got)
	}
}

func TestWriteFileAtomicKeepsDevices(t *testing.T) {
	t.Parallel()
	if err := WriteFileAtomic(os.DevNull, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode()&os.ModeDevice == 0 {
		t.Fatalf("%s is no device any more: %v, %v", os.DevNull, info, err)
	}
}

func TestWriteFileAtomicMissingFolder(t *testing.T) {
	t.Parallel()
	err := WriteFileAtomic(filepath.Join(t.TempDir(), "missing", "report.json"), nil)
	if err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("error %v", err)
	}
}

// Written a copy at a time, a report is the same text.
func TestAReportIsWrittenAsOneValue(t *testing.T) {
	t.Parallel()
	for copies := range 4 {
		r := Report{Command: "\"copies\": null,\n  \"copies\": null", Errors: []string{"\n  \"copies\": null"}, Targets: []Target{{Address: "a:a"}}}
		for i := range copies {
			r.Copies = append(r.Copies, Copy{Source: fmt.Sprint("s", i), Lock: &Lock{File: "a.lock:1"}, Asker: Asker{Labels: []string{"x"}}})
		}
		r.Finish(time.Unix(1_800_000_000, 0), 1)
		dir := t.TempDir()
		written, whole := filepath.Join(dir, "report.json"), filepath.Join(dir, "whole.json")
		if err := errors.Join(r.WriteFile(written), WriteJSON(whole, r)); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(written)
		want, wantErr := os.ReadFile(whole)
		if err := errors.Join(err, wantErr); err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%d copies: written\n%s\nwant\n%s", copies, got, want)
		}
	}
}
