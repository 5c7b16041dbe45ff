package run

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"docker-mirror/go-helper/internal/report"
)

// Publish makes sure that the plan in planFile is carried out, and ends with its target's own exit code. The first process
// of a spool copies for all targets in one engine run; the others find the result of their plan. Where a process was
// killed, the next one takes over what has no result.
func Publish(ctx context.Context, s Settings, dir, planFile string) Code {
	own, err := readAnnouncement(planFile)
	var pool spool
	if err == nil {
		pool, err = openSpool(dir, own)
	}
	if err == nil && s.Report == "" {
		s.Report = pool.reportFile()
	}
	if err == nil {
		var result spooledResult
		var done bool
		if result, done, err = pool.result(own.id); done {
			return tell(s.Streams, result) // the common case: no lock, no session
		}
	}
	files := s
	s.Report, s.ReportHTML, s.Metrics = "", "", "" // only who copies writes them
	session, settingsErr := s.open()
	if err := errors.Join(err, settingsErr); err != nil {
		return session.badInput(err)
	}
	session.quiet = true
	unlock, err := pool.lock(ctx, session.console.Notice)
	if ctx.Err() != nil {
		return session.close(CodeInterrupted)
	}
	if err != nil {
		return session.badInput(err)
	}
	defer unlock()
	result, done, err := pool.result(own.id)
	if err != nil {
		return session.badInput(err)
	}
	if done {
		session.close(result.ExitCode)
		return tell(s.Streams, result)
	}
	session.Report, session.ReportHTML, session.Metrics = files.Report, files.ReportHTML, files.Metrics
	return session.publishAll(ctx, pool, own)
}

// publishAll runs the engine for own and every other target that is left. The lock is held.
func (s *session) publishAll(ctx context.Context, pool spool, own announcement) Code {
	targets, done, results, err := pool.others(own)
	if err != nil {
		return s.badInput(err)
	}
	t := own.target()
	targets = append([]*target{t}, targets...)
	for _, r := range results {
		s.report.Targets = append(s.report.Targets, r.Target)
		for _, c := range r.Copies {
			s.report.Copies = append(s.report.Copies, *c)
		}
	}
	var writeErrs []error
	s.copyTargets(ctx, targets, done, func(t *target) {
		if err := pool.writeResult(t); err != nil {
			writeErrs = append(writeErrs, err)
		}
	})
	for _, t := range targets {
		s.report.Targets = append(s.report.Targets, t.report())
	}
	for _, err := range writeErrs {
		s.failed(fmt.Errorf("writing a result: %w", err))
	}
	code := t.code()
	if ctx.Err() != nil {
		code = CodeInterrupted
	}
	s.quiet = false
	return s.close(code, func() {
		if s.DryRun || s.Verbose {
			s.printCopies(slices.Values(t.copies))
		}
		s.printTarget(t.report())
		s.printFailuresOf(t)
		s.printCauses(targets)
	})
}

// tell says how a target ended that another process copied.
func tell(streams Streams, result spooledResult) Code {
	fmt.Fprintln(streams.Out, result.Line())
	console := report.NewConsole(report.ModePlain, streams.Err, false)
	defer console.Close()
	s := session{Settings: Settings{Streams: streams}, console: console}
	s.printFailuresOf(&target{address: result.Address, errs: result.Errors, copies: result.Copies})
	return result.ExitCode
}
