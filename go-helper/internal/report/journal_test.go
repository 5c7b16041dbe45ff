package report

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"docker-mirror/go-helper/internal/engine"
)

// journaled begins a report at path, and leaves the journal of one that ended as many copies of the images as it is told.
func journaled(t *testing.T, path string, images, ended int) *Report {
	t.Helper()
	r := &Report{Version: "1", Command: "copy", Started: time.Unix(1_800_000_000, 0), Shard: &Shard{Index: 1, Count: 2, Plan: "sha256:1"}}
	j, err := r.NewJournal(path, images)
	if err != nil {
		t.Fatal(err)
	}
	for i := range ended {
		c := Copy{Source: fmt.Sprint("src", i), Destination: fmt.Sprint("dst", i), Status: engine.StatusCopied, Entry: i + 1, Asker: Asker{Labels: []string{"x"}}}
		if err := j.Add(&c); err != nil {
			t.Fatal(err)
		}
		r.Copies = append(r.Copies, c)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return r
}

func mustRead(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func wantUnfinished(t *testing.T, path string, ended, images int) {
	t.Helper()
	r, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if r.ExitCode != 1 || !r.Interrupted || len(r.Copies) != ended || r.Totals.Copied != ended || r.Command != "copy" || r.Shard == nil || r.Shard.Plan != "sha256:1" {
		t.Errorf("read %+v", r)
	}
	if want := fmt.Sprintf("was killed, or goes on still: how %d of %d images ended", ended, images); len(r.Errors) != 1 || !strings.Contains(r.Errors[0], want) {
		t.Errorf("errors %q", r.Errors)
	}
}

// Whatever a run that was killed has written, and whatever an earlier one has left: it is read, and no success.
func TestTheJournalOfAKilledRunIsRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "report.json")
	earlier := Report{Command: "copy", Copies: []Copy{{Status: engine.StatusCopied}}}
	earlier.Finish(time.Unix(1_700_000_000, 0), 0)
	if err := earlier.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	journaled(t, path, 9, 3)
	wantUnfinished(t, path, 3, 9)
	wantUnfinished(t, path+".journal", 3, 9)
	if all := journaled(t, path, 3, 3); len(all.Copies) != 3 {
		t.Fatal("the test tests nothing")
	}
	wantUnfinished(t, path, 3, 3) // what came after the last copy isn't known

	text := mustRead(t, path+".journal")
	last := strings.LastIndex(strings.TrimSpace(text), "\n") + 1
	for cut := last; cut < len(text)-1; cut++ {
		if err := os.WriteFile(path+".journal", []byte(text[:cut]), 0o600); err != nil {
			t.Fatal(err)
		}
		wantUnfinished(t, path, 2, 3)
	}
}

func TestAJournalThatIsDamagedIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "report.json")
	journaled(t, path, 9, 3)
	text := mustRead(t, path+".journal")
	for damaged, want := range map[string]string{
		strings.Replace(text, `"src1"`, `src1`, 1):                                         "is damaged after 1 image: ",
		strings.Replace(text, `"journal":1`, "", 1):                                        "is not a report of docker-mirror: ",
		strings.Replace(text, `"journal":1,`, "", 1):                                       "is not a report of docker-mirror: there is more after it",
		strings.Replace(text, `"journal":1`, `"journal":7`, 1)[:strings.Index(text, "\n")]: "has journal 7, and this docker-mirror reads 1",
		"": "is not a report of docker-mirror: EOF",
	} {
		if err := os.WriteFile(path+".journal", []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadFile(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q, of\n%s", err, want, damaged)
		}
	}
}

func TestAReportTakesTheJournalsPlace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, link := filepath.Join(dir, "report.json"), filepath.Join(dir, "link.json")
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Symlink(path, link)); err != nil {
		t.Fatal(err)
	}
	r := journaled(t, link, 3, 3)
	wantUnfinished(t, path, 3, 3)
	r.Finish(time.Unix(1_800_000_001, 0), 0)
	if err := r.WriteFile(link); err != nil {
		t.Fatal(err)
	}
	if read, err := ReadFile(path); err != nil || read.ExitCode != 0 || read.Interrupted || len(read.Copies) != 3 {
		t.Errorf("read %+v, %v", read, err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 2 {
		t.Errorf("left in the folder: %v, %v", files, err)
	}
}

func TestADeviceHasNoJournal(t *testing.T) {
	t.Parallel()
	if j, err := (&Report{}).NewJournal(os.DevNull, 1); j != nil || err != nil {
		t.Errorf("%v, %v", j, err)
	}
}

// A journal that another run wrote, or a link that someone has put there, is not written into.
func TestAJournalIsANewFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, other := filepath.Join(dir, "report.json"), filepath.Join(dir, "other")
	if err := errors.Join(os.WriteFile(other, []byte("kept"), 0o600), os.Symlink(other, path+".journal")); err != nil {
		t.Fatal(err)
	}
	journaled(t, path, 2, 1)
	if mustRead(t, other) != "kept" {
		t.Error("a link was followed")
	}
	wantUnfinished(t, path, 1, 2)
}

// A long run's journal is in the file and nowhere else.
func TestAJournalTakesTheMemoryOfOneCopy(t *testing.T) {
	t.Parallel()
	const copies = 100_000
	path := filepath.Join(t.TempDir(), "report.json")
	j, err := (&Report{Command: "copy"}).NewJournal(path, copies)
	if err != nil {
		t.Fatal(err)
	}
	c := Copy{Source: "registry.example/team/app:1", Destination: "mirror.example/team/app:1", Status: engine.StatusUnchanged}
	for range copies {
		if err := j.Add(&c); err != nil {
			t.Fatal(err)
		}
	}
	if size := j.line.Cap(); size > 4096 {
		t.Errorf("%d bytes are kept", size)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if r, err := ReadFile(path); err != nil || len(r.Copies) != copies || r.ExitCode != 1 {
		t.Errorf("%v", err)
	}
}
