package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"docker-mirror/go-helper/internal/lint"
	"docker-mirror/go-helper/internal/report"
	"docker-mirror/go-helper/internal/spec"
)

// Judged says by which policy locks are looked through, and what counts as now.
type Judged struct {
	Policy string    // file; empty: none
	At     time.Time // zero: now
}

func (j Judged) at() time.Time {
	if j.At.IsZero() {
		return now()
	}
	return j.At
}

// Lint prints what lists allow but rarely mean, a line a finding. It fails where there is a finding of level error.
func Lint(ctx context.Context, s Streams, lists Lists, judged Judged, rules lint.Rules) Code {
	console := report.NewConsole(report.ModePlain, s.Err, false)
	defer console.Close()
	files, err := lists.read(ctx, s.In, console.Notice)
	if ctx.Err() != nil {
		return CodeInterrupted
	}
	images, locked, parseErr := lists.parseLocked(files)
	rule, policyErr := readPolicy(judged.Policy)
	findings := slices.Concat(lint.Check(images, rules), lint.CheckLocks(locked, rules))
	if rule != nil {
		findings = append(findings, lint.CheckPolicy(locked, rule, judged.at(), rules)...)
	}
	code := CodeDone
	for _, finding := range findings {
		if finding.Level == lint.Error {
			code = CodeFailed
		}
		if _, err := fmt.Fprintln(s.Out, report.Clean(finding.String())); err != nil {
			return say(console, err)
		}
	}
	if err := errors.Join(err, parseErr, policyErr); err != nil {
		return say(console, err)
	}
	return code
}

// Style rewrites text lists in the one style and prints the names of those that changed; other formats are left alone.
// With check it writes nothing and fails where it would have.
func Style(ctx context.Context, s Streams, lists Lists, check bool) Code {
	console := report.NewConsole(report.ModePlain, s.Err, false)
	defer console.Close()
	files, err := lists.read(ctx, s.In, console.Notice)
	if ctx.Err() != nil {
		return CodeInterrupted
	}
	errs := []error{err}
	code := CodeDone
	for _, file := range files {
		if format := file.Format; format != spec.FormatText {
			of, err := spec.FormatOf(file.Name)
			if err != nil || format != spec.FormatAuto || of != spec.FormatText {
				errs = append(errs, err)
				continue
			}
		}
		styled, err := spec.StyleText(file.Name, file.Data)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if bytes.Equal(styled, file.Data) {
			continue
		}
		if check {
			code = CodeFailed
		} else if err := report.WriteFileAtomic(file.Name, styled); err != nil {
			errs = append(errs, err)
			continue
		}
		fmt.Fprintln(s.Out, file.Name)
	}
	if err := errors.Join(errs...); err != nil {
		return say(console, err)
	}
	return code
}
