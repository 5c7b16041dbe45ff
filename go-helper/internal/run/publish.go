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
			return pool.tell(s.Streams, own.id, result) // the common case: no lock, no session
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
		return pool.tell(s.Streams, own.id, result)
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
	names := map[string]string{}
	if !s.DryRun && !s.Verbose && code != CodeInterrupted {
		names = unchanged(targets)
	}
	name, together := names[own.id]
	if err := pool.nameTogether(t, names); err != nil {
		s.failed(fmt.Errorf("naming what is unchanged: %w", err))
		code = max(code, CodeFailed)
	}
	s.quiet = false
	code = s.close(code, func() {
		if s.DryRun || s.Verbose {
			s.printCopies(slices.Values(t.copies))
		}
		if !together {
			s.printTarget(t.report())
		}
		s.printFailuresOf(t)
		s.printCauses(targets)
	})
	if together && code == CodeDone {
		return pool.endTogether(s.Streams, own.id, name)
	}
	return code
}

// endTogether ends a process whose target is told with others.
func (s spool) endTogether(streams Streams, id, name string) Code {
	if err := s.ended(id, name); err != nil {
		fmt.Fprintln(streams.Err, report.Clean(fmt.Sprintf("naming what is unchanged: %v", err)))
		return CodeFailed
	}
	return CodeDone
}

// tell says how a target ended that another process copied.
func (s spool) tell(streams Streams, id string, result spooledResult) Code {
	if name, together, err := s.nameOf(id); err == nil && together && result.ExitCode == CodeDone {
		return s.endTogether(streams, id, name)
	}
	fmt.Fprintln(streams.Out, result.Line())
	console := report.NewConsole(report.ModePlain, streams.Err, false)
	defer console.Close()
	told := session{Settings: Settings{Streams: streams}, console: console}
	told.printFailuresOf(&target{address: result.Address, errs: result.Errors, copies: result.Copies})
	return result.ExitCode
}
