package journal

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

var quiet = slog.New(slog.DiscardHandler)

func digest(n int) v1.Hash { return v1.Hash{Algorithm: "sha256", Hex: fmt.Sprintf("%064x", n)} }

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestOriginsAreKnownToLaterRuns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "origins")
	first := NewOrigins(path, nil, quiet)
	first.Load(t.Context(), func(string) bool { return true })
	a, b, elsewhere := Origin{"r:5000", "a", digest(1)}, Origin{"r:5000", "b", digest(1)}, Origin{"other", "a", digest(1)}
	for _, o := range []Origin{a, a, b, elsewhere} {
		first.Add(o)
	}
	// A run that is killed has noted what it had; it closes nothing.
	noted := read(t, path)
	if strings.Count(noted, "\n") != 3 {
		t.Errorf("noted:\n%s", noted)
	}
	second := NewOrigins(path, nil, quiet)
	here := func(host string) bool { return host == "r:5000" }
	if got := second.Load(t.Context(), here); !slices.Equal(got, []Origin{b, a}) {
		t.Errorf("a later run knows %v, want the newest first", got)
	}
	second.Add(a)
	second.Close(t.Context())
	second.Add(Origin{"r:5000", "c", digest(1)})
	if read(t, path) != noted {
		t.Errorf("noted again, or after the end:\n%s", read(t, path))
	}
}

func TestLinesThatAreNotOursAreLeftOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "origins")
	good := Origin{"r", "a", digest(7)}
	lines := []string{"", "r", "r a", "r  " + digest(1).String(), "r a sha256:12", "r a " + digest(1).String()[:40], good.line()}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := NewOrigins(path, nil, quiet).Load(t.Context(), func(string) bool { return true }); !slices.Equal(got, []Origin{good}) {
		t.Errorf("read %v", got)
	}
}

func TestSparseIndexesAreKnownUntilTheyAreWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sparse")
	first := NewSparseIndexes(path, quiet)
	first.Load()
	first.Note("r", "a", digest(1), false) // nothing new
	first.Note("r", "a", digest(1), true)
	first.Note("r", "a", digest(1), true)
	first.Note("r", "a", digest(2), true)
	first.Note("r", "a", digest(2), false)
	if !first.Knows("r", "a", digest(1)) || first.Knows("r", "a", digest(2)) || first.Knows("r", "b", digest(1)) {
		t.Error("the run itself knows something else")
	}
	if n := strings.Count(read(t, path), "\n"); n != 3 {
		t.Errorf("%d lines:\n%s", n, read(t, path))
	}
	second := NewSparseIndexes(path, quiet)
	second.Load()
	if !second.Knows("r", "a", digest(1)) || second.Knows("r", "a", digest(2)) || second.Knows("s", "a", digest(1)) {
		t.Error("a later run knows something else")
	}
}

func TestAFileThatGrowsIsHalved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "origins")
	var lines strings.Builder
	n := 0
	for ; lines.Len() <= maxFileBytes; n++ {
		lines.WriteString(Origin{"r", fmt.Sprint("repository-", n), digest(n)}.line() + "\n")
	}
	if err := os.WriteFile(path, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	o := NewOrigins(path, nil, quiet)
	got := o.Load(t.Context(), func(string) bool { return true })
	if len(got) != n-n/2 || got[0].Digest != digest(n-1) {
		t.Errorf("%d of %d are known, the newest is %s", len(got), n, got[0].Digest)
	}
	o.Add(Origin{"r", "next", digest(0)})
	o.Close(t.Context())
	if kept := read(t, path); strings.Count(kept, "\n") != n-n/2+1 || !strings.HasSuffix(kept, "r next "+digest(0).String()+"\n") {
		t.Errorf("%d lines are kept", strings.Count(kept, "\n"))
	}
	if others, err := filepath.Glob(path + ".*"); err != nil || len(others) > 0 {
		t.Errorf("left behind: %v, %v", others, err)
	}
}

// Without a file, or with one that can't be, a run goes on all the same.
func TestNothingIsKeptWhereNothingCanBe(t *testing.T) {
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"", filepath.Join(blocked, "origins")} {
		o, s := NewOrigins(path, nil, quiet), NewSparseIndexes(path, quiet)
		if got := o.Load(t.Context(), func(string) bool { return true }); len(got) != 0 {
			t.Errorf("read %v", got)
		}
		s.Load()
		o.Add(Origin{"r", "a", digest(1)})
		s.Note("r", "a", digest(1), true)
		if !s.Knows("r", "a", digest(1)) {
			t.Error("the run itself forgets")
		}
		o.Close(t.Context())
		s.Close()
	}
}
