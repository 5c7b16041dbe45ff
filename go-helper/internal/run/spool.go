package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"docker-mirror/go-helper/internal/plan"
	"docker-mirror/go-helper/internal/report"
)

// spool is the folder that the processes of one `pants publish` share. The plans of all targets are there before the
// first process starts:
//
//	plans/ID.json    {"target": ADDRESS, "plan": [copies]}
//	results/ID.json  how the target ended, by rename
//	lock             held by the process that runs the engine; the kernel drops it with a killed process
//	report.json      of the engine's run
type spool struct{ dir string }

// spooledPlan is plans/ID.json.
type spooledPlan struct {
	Target string          `json:"target"`
	Plan   json.RawMessage `json:"plan"`
}

// spooledResult is results/ID.json.
type spooledResult struct {
	report.Target
	Copies []report.Copy `json:"copies"`
}

const (
	// lockPoll is how often a process asks for the lock; whoever waits for it waits for a whole engine run.
	lockPoll = 25 * time.Millisecond
	// lockPatience is how long it waits before it tells a person why.
	lockPatience = 2 * time.Second
)

func openSpool(dir, id string) (spool, error) {
	if id == "" || strings.ContainsAny(id, `/\`) || strings.HasPrefix(id, ".") {
		return spool{}, fmt.Errorf("--id %q is no file name", id)
	}
	dir, err := filepath.Abs(dir) // results must land there whatever happens to the working directory
	if err != nil {
		return spool{}, err
	}
	s := spool{dir}
	if _, err := os.Stat(s.planFile(id)); err != nil {
		return spool{}, fmt.Errorf("can't read the plan of %s: %w", id, err)
	}
	return s, os.MkdirAll(filepath.Join(dir, "results"), 0o777)
}

func (s spool) planFile(id string) string   { return filepath.Join(s.dir, "plans", id+".json") }
func (s spool) resultFile(id string) string { return filepath.Join(s.dir, "results", id+".json") }
func (s spool) reportFile() string          { return filepath.Join(s.dir, "report.json") }

// result is false where the target has none yet.
func (s spool) result(id string) (spooledResult, bool, error) {
	var r spooledResult
	data, err := os.ReadFile(s.resultFile(id))
	if errors.Is(err, fs.ErrNotExist) {
		return r, false, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err != nil {
		return r, false, fmt.Errorf("can't read the result of %s: %w", id, err)
	}
	return r, true, nil
}

func (s spool) writeResult(id string, t *target) error {
	copies := t.copies
	if copies == nil {
		copies = []report.Copy{}
	}
	return report.WriteJSON(s.resultFile(id), spooledResult{Target: t.report(), Copies: copies})
}

// lock waits until no other process runs the engine for this spool.
func (s spool) lock(ctx context.Context, notice func(string)) (unlock func(), err error) {
	lock := flock.New(filepath.Join(s.dir, "lock"))
	waiting := time.AfterFunc(lockPatience, func() {
		notice("waiting for another process that mirrors these targets")
	})
	defer waiting.Stop()
	if _, err := lock.TryLockContext(ctx, lockPoll); err != nil {
		return nil, fmt.Errorf("locking the spool: %w", err)
	}
	return func() { _ = lock.Close() }, nil
}

// spooled is a target of the spool.
type spooled struct {
	id string
	*target
}

// pending reads the plans that have no result yet, sorted by id. A plan that can't be read is its target's failure.
func (s spool) pending() ([]spooled, []spooledResult, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, "plans")) // sorted
	if err != nil {
		return nil, nil, err
	}
	var left []spooled
	var done []spooledResult
	for _, e := range entries {
		id, isPlan := strings.CutSuffix(e.Name(), ".json")
		if !isPlan || strings.HasPrefix(id, ".") { // a writer's temporary file
			continue
		}
		result, ok, err := s.result(id)
		if err != nil {
			return nil, nil, err
		}
		if ok {
			done = append(done, result)
			continue
		}
		left = append(left, spooled{id, s.readPlan(id)})
	}
	return left, done, nil
}

func (s spool) readPlan(id string) *target {
	t := &target{address: id}
	data, err := os.ReadFile(s.planFile(id))
	var p spooledPlan
	if err == nil {
		err = decodeStrictly(data, &p)
	}
	if err == nil {
		t.address = p.Target
		t.plan, err = plan.Read(s.planFile(id), p.Plan)
	}
	if err != nil {
		t.errs = report.Lines(fmt.Errorf("%s: %w", t.address, err))
	}
	return t
}

// Publish makes sure that the spool's target id is copied, and ends with that target's own exit code. The first process of
// a spool copies for all targets in one engine run; the others find their result. Where a process was killed, the next
// one takes over what has no result.
func Publish(ctx context.Context, s Settings, dir, id string) Code {
	pool, err := openSpool(dir, id)
	if err == nil && s.Report == "" {
		s.Report = pool.reportFile()
	}
	if err == nil {
		var result spooledResult
		var done bool
		if result, done, err = pool.result(id); done {
			return tell(s.Streams, result) // the common case: no lock, no session
		}
	}
	reportFile := s.Report
	s.Report = "" // only who copies writes it
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
	result, done, err := pool.result(id)
	if err != nil {
		return session.badInput(err)
	}
	if done {
		session.close(result.ExitCode)
		return tell(s.Streams, result)
	}
	session.Report = reportFile
	return session.publishAll(ctx, pool, id)
}

// publishAll runs the engine for every target that has no result. The lock is held.
func (s *session) publishAll(ctx context.Context, pool spool, id string) Code {
	left, before, err := pool.pending()
	if err != nil {
		return s.badInput(err)
	}
	ids := map[*target]string{}
	targets := make([]*target, len(left))
	for i, t := range left {
		targets[i] = t.target
		ids[t.target] = t.id
	}
	for _, r := range before { // by a process that was killed
		s.report.Targets = append(s.report.Targets, r.Target)
		s.report.Copies = append(s.report.Copies, r.Copies...)
	}
	var writeErrs []error
	s.copyTargets(ctx, targets, func(t *target) {
		if err := pool.writeResult(ids[t], t); err != nil {
			writeErrs = append(writeErrs, err)
		}
	})
	for _, t := range targets {
		s.report.Targets = append(s.report.Targets, t.report())
	}
	for _, err := range writeErrs {
		s.failed(fmt.Errorf("writing a result: %w", err))
	}
	own := slices.IndexFunc(left, func(t spooled) bool { return t.id == id })
	t := left[own].target
	code := t.code()
	if ctx.Err() != nil {
		code = CodeInterrupted
	}
	s.quiet = false
	return s.close(code, func() {
		if s.DryRun || s.Verbose {
			s.printCopies(t.copies)
		}
		s.printTarget(t.report())
		s.printFailures(t)
	})
}

// tell says how a target ended that another process copied.
func tell(streams Streams, result spooledResult) Code {
	fmt.Fprintln(streams.Out, result.Line())
	console := report.NewConsole(report.ModePlain, streams.Err, false)
	defer console.Close()
	s := session{Settings: Settings{Streams: streams}, console: console}
	s.printFailures(&target{address: result.Address, errs: result.Errors, copies: result.Copies})
	return result.ExitCode
}
