package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// ReadFile reads a report. If a run that was killed has left its journal beside it, that is what is known of the newest run, and the
// report is an earlier one's.
func ReadFile(path string) (*Report, error) {
	r, err := readFile(journalOf(path))
	if errors.Is(err, fs.ErrNotExist) {
		return readFile(path)
	}
	return r, err
}

func readFile(path string) (*Report, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("can't read the report: %w", err)
	}
	defer func() { _ = f.Close() }()
	decoder := json.NewDecoder(f)
	var first struct {
		*Report
		Journal int `json:"journal"`
		Images  int `json:"images"`
	}
	first.Report = &Report{}
	if err := decoder.Decode(&first); err != nil {
		return nil, fmt.Errorf("%s is not a report of docker-mirror: %w", path, err)
	}
	r := first.Report
	if first.Journal == SchemaVersion {
		return readJournal(f, decoder, journalHead{first.Journal, r.Version, r.Command, r.Started, r.DryRun, r.Shard, first.Images})
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s is not a report of docker-mirror: there is more after it", path)
	}
	switch {
	case first.Journal != 0:
		return nil, fmt.Errorf("%s has journal %d, and this docker-mirror reads %d: use the one that wrote it", path, first.Journal, SchemaVersion)
	case r.SchemaVersion == SchemaVersion:
		return r, nil
	case r.SchemaVersion == 0:
		return nil, fmt.Errorf("%s is not a report of docker-mirror: it has no schema_version. Name a file that --report wrote", path)
	}
	return nil, fmt.Errorf("%s has schema_version %d, and this docker-mirror reads %d: make the page with the one that wrote the report",
		path, r.SchemaVersion, SchemaVersion)
}
