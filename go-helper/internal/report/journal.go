package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Journal is a report as it comes about, a JSON object a line: one about the run, then one for each copy as it ends. A run that is
// killed leaves it beside its report; [Report.WriteFile] removes it.
type Journal struct {
	file *os.File
	line bytes.Buffer
}

// journalHead is the first line of a journal.
type journalHead struct {
	Journal int       `json:"journal"` // the SchemaVersion of its copies
	Version string    `json:"version"`
	Command string    `json:"command"`
	Started time.Time `json:"started"`
	DryRun  bool      `json:"dry_run"`
	Shard   *Shard    `json:"shard,omitempty"`
	Images  int       `json:"images"` // that the run has to do with
}

// journalOf is where the journal of a report stands.
func journalOf(path string) string {
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved
	}
	return path + ".journal"
}

// NewJournal begins the journal of a report that is going to be at path, in place of that of a run that was killed. A device or a pipe
// has none: nil.
func (r *Report) NewJournal(path string, images int) (*Journal, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, nil
	}
	if err := removeJournal(path); err != nil {
		return nil, err
	}
	// Exclusively, so that no two runs write one file, and no link is followed.
	f, err := os.OpenFile(journalOf(path), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, err
	}
	j := &Journal{file: f}
	if err := j.write(journalHead{SchemaVersion, r.Version, r.Command, r.Started.UTC(), r.DryRun, r.Shard, images}); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return j, nil
}

// Add notes how a copy has ended.
func (j *Journal) Add(c *Copy) error { return j.write(c) }

// write hands a whole line to the kernel, where it outlives the process.
func (j *Journal) write(v any) error {
	j.line.Reset()
	if err := json.NewEncoder(&j.line).Encode(v); err != nil {
		return err
	}
	_, err := j.file.Write(j.line.Bytes())
	return err
}

// Close leaves the journal for [Report.WriteFile] to remove.
func (j *Journal) Close() error { return j.file.Close() }

// removeJournal removes what only a journal can be.
func removeJournal(path string) error {
	if err := os.Remove(journalOf(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// readJournal makes a report of a journal that begins with head: never one of a run that has succeeded, whatever its copies say.
func readJournal(file *os.File, decoder *json.Decoder, head journalHead) (*Report, error) {
	r := &Report{Version: head.Version, Command: head.Command, Started: head.Started, DryRun: head.DryRun, Shard: head.Shard, Interrupted: true}
	for {
		var c Copy
		err := decoder.Decode(&c)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) { // killed while it wrote the last line
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s, the journal of a run, is damaged after %s: %w", file.Name(), Plural(len(r.Copies), "image"), err)
		}
		r.Copies = append(r.Copies, c)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	r.Errors = []string{fmt.Sprintf("%s: the run was killed, or goes on still: how %d of %s ended is all that is known of it. Run it again",
		file.Name(), len(r.Copies), Plural(head.Images, "image"))}
	r.Finish(info.ModTime(), 1)
	return r, nil
}
