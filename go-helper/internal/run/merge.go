package run

import (
	"errors"
	"fmt"
	"strings"

	"docker-mirror/go-helper/internal/report"
)

// MergeReports puts the reports of a plan's shards into one, and prints what failed in any of them. The code is that of all the
// runs together. A shard without a report is a failure, unless partial says that some are expected to be missing. What
// the runs came to goes to the file metrics, too, if one is named.
func MergeReports(streams Streams, files []string, output, metrics string, partial bool) Code {
	console := report.NewConsole(report.ModePlain, streams.Err, false)
	defer console.Close()
	read := inputs("the report", files)
	err := errors.Join(checkReportPath("--output", output), checkReportPath("--metrics", metrics),
		apart(argument{"--output", output}, read), apart(argument{"--metrics", metrics}, append(read, argument{"--output", output})))
	var reports []report.Named
	for _, file := range files {
		r, readErr := report.ReadFile(file)
		if readErr != nil {
			err = errors.Join(err, readErr)
			continue
		}
		reports = append(reports, report.Named{File: file, Report: r})
	}
	if err != nil {
		return say(console, err)
	}
	merged, missing, err := report.Merge(reports)
	if err != nil {
		return say(console, err)
	}
	if len(missing) > 0 {
		lost := fmt.Sprintf("no report of shard %s of %d: what it has copied isn't known", rangesText(missing), reports[0].Shard.Count)
		if partial {
			console.Notice(lost)
		} else {
			merged.Errors = append(merged.Errors, lost)
			merged.ExitCode = report.WorseCode(merged.ExitCode, CodeFailed)
		}
	}
	if err := merged.WriteFile(output); err != nil {
		return say(console, err)
	}
	if metrics != "" {
		if err := merged.WriteMetrics(metrics); err != nil {
			return say(console, err)
		}
	}
	for _, line := range merged.Errors {
		console.Error(line)
	}
	for i := range merged.Copies {
		if c := &merged.Copies[i]; failing(c.Status) && !c.Interrupted {
			fmt.Fprintln(streams.Out, strings.Join(c.Failure(c.Asker), "\n"))
		}
	}
	console.Summary(merged.Summary())
	return merged.ExitCode
}
