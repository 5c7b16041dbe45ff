package lock

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// merge has git merge two locks that were made of the same one, and gives what comes out and how many conflicts that has.
func merge(t *testing.T, base, ours, theirs *File) (string, int) {
	t.Helper()
	dir := t.TempDir()
	for name, f := range map[string]*File{"base": base, "ours": ours, "theirs": theirs} {
		if err := os.WriteFile(filepath.Join(dir, name), Format(f), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.Command("git", "merge-file", "-p", "ours", "base", "theirs")
	command.Dir = dir
	merged, err := command.Output()
	conflicts := command.ProcessState.ExitCode()
	if err != nil && conflicts <= 0 {
		t.Fatalf("git merge-file: %v", err)
	}
	return string(merged), conflicts
}

func lockOf(entries ...Image) *File { return &File{Images: entries} }

func multi(source, digest string) Image {
	return Image{
		Source: source, Digest: hash(digest), MediaType: "application/vnd.oci.image.index.v1+json", Seen: seen,
		Platforms: []Manifest{{"linux/amd64", hash(digest)}, {"linux/arm64", hash(digest)}},
	}
}

func TestWhatTwoBranchesChangeApartMerges(t *testing.T) {
	t.Parallel()
	a, b, c := multi("r.example/a:1", "a"), multi("r.example/b:1", "b"), multi("r.example/c:1", "c")
	for _, tt := range []struct {
		name                       string
		base, ours, theirs, merged *File
	}{
		{
			"two upgrades of neighbouring entries", lockOf(a, b, c),
			lockOf(multi(a.Source, "1"), b, c), lockOf(a, multi(b.Source, "2"), c),
			lockOf(multi(a.Source, "1"), multi(b.Source, "2"), c),
		},
		{
			"two additions apart", lockOf(b, c),
			lockOf(a, b, c), lockOf(b, c, multi("r.example/d:1", "d")),
			lockOf(a, b, c, multi("r.example/d:1", "d")),
		},
		{
			"an upgrade and a removal", lockOf(a, b, c),
			lockOf(multi(a.Source, "1"), b, c), lockOf(a, b),
			lockOf(multi(a.Source, "1"), b),
		},
	} {
		text, conflicts := merge(t, tt.base, tt.ours, tt.theirs)
		if want := string(Format(tt.merged)); conflicts != 0 || text != want {
			t.Errorf("%s: %d conflicts\n%s\nwant\n%s", tt.name, conflicts, text, want)
		}
	}
}

func TestAConflictIsOneHunkAndIsNamed(t *testing.T) {
	t.Parallel()
	a, b := multi("r.example/a:1", "a"), multi("r.example/b:1", "b")
	for name, sides := range map[string][2]*File{
		"two upgrades of one entry":  {lockOf(multi(a.Source, "1"), b), lockOf(multi(a.Source, "2"), b)},
		"two additions at one place": {lockOf(a, multi("r.example/aa:1", "1"), b), lockOf(a, multi("r.example/ab:1", "2"), b)},
	} {
		text, _ := merge(t, lockOf(a, b), sides[0], sides[1])
		if hunks := strings.Count(text, "<<<<<<< "); hunks != 1 {
			t.Errorf("%s: %d hunks\n%s", name, hunks, text)
		}
		if _, err := Parse("images.txt.lock", []byte(text)); err == nil || !strings.Contains(err.Error(), "has a conflict marker of git") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
