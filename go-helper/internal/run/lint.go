package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"docker-mirror/go-helper/internal/lint"
	"docker-mirror/go-helper/internal/policy"
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
		var roots map[string]*policy.TrustedRoot
		if roots, policyErr = trustedRoots(rule, rules); policyErr == nil {
			findings = append(findings, lint.CheckTrust(rule, roots, judged.at(), rules)...)
		}
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

// trustedRoots reads those that a policy names, by their trusts' names; nothing where no rule looks at them.
func trustedRoots(p *policy.Policy, rules lint.Rules) (map[string]*policy.TrustedRoot, error) {
	if rules[lint.TrustExpired] == lint.Off {
		return nil, nil
	}
	roots := map[string]*policy.TrustedRoot{}
	var errs []error
	for _, trust := range p.Trust {
		if trust.TrustedRoot == "" {
			continue
		}
		data, err := readFile(p.Path(trust.TrustedRoot))
		if err == nil {
			if roots[trust.Name], err = policy.ParseTrustedRoot(data); err != nil {
				err = fmt.Errorf("%s %w", trust.TrustedRoot, err)
			}
		}
		if err != nil {
			errs = append(errs, ofTrust(p, trust, "trusted_root", err))
		}
	}
	return roots, errors.Join(errs...)
}

// PolicyFiles prints the trusted roots that a policy names, where they stand, a line each.
func PolicyFiles(streams Streams, file string) error {
	p, err := readPolicy(file)
	if err != nil {
		return err
	}
	for _, trust := range p.Trust {
		if trust.TrustedRoot != "" {
			if _, err := fmt.Fprintln(streams.Out, p.Path(trust.TrustedRoot)); err != nil {
				return err
			}
		}
	}
	return nil
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
