package run

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// endless is what a device may be.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestWhatIsTooLargeForAListIsNotReadToItsEnd(t *testing.T) {
	file := filepath.Join(t.TempDir(), "layer.txt")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(maxListSize + 1); err != nil { // takes no room
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := Lists{Files: []string{file, "-"}}.read(context.Background(), endless{}, func(string) {})
	if err == nil || len(files) != 0 {
		t.Fatalf("read %d files, %v", len(files), err)
	}
	for _, want := range []string{file + ": it has more than 64 MiB", "standard input: it has more than 64 MiB"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v doesn't say %q", err, want)
		}
	}
}
