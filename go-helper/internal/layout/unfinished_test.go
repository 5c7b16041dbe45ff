package layout

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A run that came to its end, and could write, is over; any other leaves a mark until the next one.
func TestALayoutIsMarkedUntilARunIsOver(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		name       string
		finish     bool
		full       bool // something can't be written
		unfinished bool
	}{
		{"ended", true, false, false},
		{"interrupted", false, false, true},
		{"ended", true, false, false},
		{"a full disk", true, true, true},
		{"ended", true, false, false},
	} {
		l, err := Create(dir)
		if err != nil {
			t.Fatal(err)
		}
		resp, body := ask(t, l, "PUT", "/v2/docker.io/a/manifests/1", strings.NewReader(`{"schemaVersion":2,"layers":[]}`))
		if resp.StatusCode != http.StatusCreated {
			t.Fatalf("%s %s", resp.Status, body)
		}
		started, _ := ask(t, l, "POST", "/v2/docker.io/a/blobs/uploads/", nil)
		blocked := filepath.Join(dir, workDir, "upload-1")
		if tt.full {
			if err := os.Mkdir(blocked, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		resp, body = ask(t, l, "PUT", started.Header.Get("Location")+"?digest="+digestOf(t, "x").String(), strings.NewReader("x"))
		if (resp.StatusCode == http.StatusCreated) == tt.full {
			t.Errorf("%s: %s %s", tt.name, resp.Status, body)
		}
		if tt.finish {
			l.Finish()
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		read, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := read.Unfinished(); errors.Is(err, ErrUnfinished) != tt.unfinished {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err := errors.Join(read.Close(), os.RemoveAll(blocked)); err != nil {
			t.Fatal(err)
		}
	}
}
