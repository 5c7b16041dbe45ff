package run

import (
	"errors"
	"fmt"

	"docker-mirror/go-helper/internal/report"
)

// Page makes one page of reports, for people: what is mirrored where.
func Page(streams Streams, files []string, output string) Code {
	var reports []*report.Report
	errs := apart(argument{"--output", output}, inputs("the report", files))
	for _, file := range files {
		r, err := report.ReadFile(file)
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
