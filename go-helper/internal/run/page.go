package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"docker-mirror/go-helper/internal/report"
)

// Page makes one page of reports, for people: what is mirrored where.
func Page(streams Streams, files []string, output string) Code {
	var reports []*report.Report
	var errs error
	for _, file := range files {
		r, err := readReport(file)
		if err != nil {
			errs = errors.Join(errs, err)
			continue
		}
		reports = append(reports, r)
	}
	if errs == nil {
		var page []byte
		if page, errs = report.HTML(reports); errs == nil {
			errs = streams.write(output, page)
		}
	}
	for _, line := range report.Lines(errs) {
		fmt.Fprintln(streams.Err, line)
	}
	if errs != nil {
		return CodeBadInput
	}
	return CodeDone
}

func readReport(file string) (*report.Report, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("can't read the report: %w", err)
	}
	var r report.Report
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("%s is not a report of docker-mirror: %w", file, err)
	}
	switch r.SchemaVersion {
	case report.SchemaVersion:
		return &r, nil
	case 0:
		return nil, fmt.Errorf("%s is not a report of docker-mirror: it has no schema_version. Name a file that --report wrote", file)
	}
	return nil, fmt.Errorf("%s has schema_version %d, and this docker-mirror reads %d: make the page with the one that wrote the report",
		file, r.SchemaVersion, report.SchemaVersion)
}

// writePage writes the run's own report as a page.
func (s *session) writePage() error {
	page, err := report.HTML([]*report.Report{&s.report})
	if err == nil {
		err = report.WriteFileAtomic(s.ReportHTML, page)
	}
	if err != nil {
		return fmt.Errorf("writing the report as a page: %w", err)
	}
	return nil
}
