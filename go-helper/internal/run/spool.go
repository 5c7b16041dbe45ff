package run

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
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

// spool is the folder that the processes of one `pants publish` share:
//
//	plans/ID.json      what a target has to publish, announced before the first process starts; ID is its SHA-256
//	results/ID.json    how that ended, by rename
//	unchanged/ID.json  which targets are told together in a line, as the process of plan ID found nothing to copy for them
//	names/ID           what Pants calls such a target, once its process has ended well
//	lock               held by the process that runs the engine; the kernel drops it with a killed process
//	report.json        of the engine's run
//
// What is announced only tells a process what it may do for others. What it does for its own target is in the file that
// Pants made an input of that process, and a result counts for the very plan whose ID it has. Pants runs rules of memoized,
// outdated requests, too, so that an announcement could be another's past: see [spool.others].
type spool struct{ dir string }

// announcement is plans/ID.json.
type announcement struct {
	Target string          `json:"target"`
	Plan   json.RawMessage `json:"plan,omitempty"`
	Skip   string          `json:"skip,omitempty"` // why there is no plan

	id   string
	data []byte
}

// spooledResult is results/ID.json.
type spooledResult struct {
	report.Target
	Copies []*report.Copy `json:"copies"`
}

const (
	// lockPoll is how often a process asks for the lock; whoever waits for it waits for a whole engine run.
	lockPoll = 25 * time.Millisecond
	// lockPatience is how long it waits before it tells a person why.
	lockPatience = 2 * time.Second
)

// openSpool makes sure that own, the announcement of this process's target, is there, too.
func openSpool(dir string, own announcement) (spool, error) {
	dir, err := filepath.Abs(dir) // results must land there whatever happens to the working directory
	if err != nil {
		return spool{}, err
	}
	s := spool{dir}
	for _, folder := range []string{"plans", "results", "unchanged", "names"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
			return s, fmt.Errorf("making the spool: %w", err)
		}
	}
	if _, err := os.Stat(s.planFile(own.id)); err == nil {
		return s, nil
	}
	return s, report.WriteFileAtomic(s.planFile(own.id), own.data)
}

func (s spool) planFile(id string) string   { return filepath.Join(s.dir, "plans", id+".json") }
func (s spool) resultFile(id string) string { return filepath.Join(s.dir, "results", id+".json") }
func (s spool) reportFile() string          { return filepath.Join(s.dir, "report.json") }

// readAnnouncement reads what a target has to publish.
func readAnnouncement(file string) (announcement, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return announcement{}, fmt.Errorf("can't read the plan: %w", err)
	}
	sum := sha256.Sum256(data)
	a := announcement{id: hex.EncodeToString(sum[:]), data: data}
	if err := decodeStrictly(data, &a); err != nil {
		return a, fmt.Errorf("%s: %w", file, err)
	}
	if a.Target == "" || (a.Plan == nil) == (a.Skip == "") {
		return a, fmt.Errorf("%s: needs a target, and a plan or a reason to skip it", file)
	}
	return a, nil
}

// target is the announced one. A plan that can't be read is its target's failure.
func (a announcement) target() *target {
	t := &target{address: a.Target, id: a.id}
	var err error
	if t.plan, err = plan.Read("plan.json", a.Plan); err != nil {
		t.errs = report.Lines(fmt.Errorf("%s: %w", a.Target, err))
	}
	return t
}

// result is false where the plan has none yet.
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

func (s spool) writeResult(t *target) error {
	copies := t.copies
	if copies == nil {
		copies = []*report.Copy{}
	}
	return report.WriteJSON(s.resultFile(t.id), spooledResult{Target: t.report(), Copies: copies})
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

// others are the targets beside own: those that are left for whoever runs the engine, and those that were done, by their
// results and as targets. A target is left to its own process unless all that was announced of it is one plan: with
// two plans, or a plan and a reason to skip it, nobody but that process knows which of them is true now.
func (s spool) others(own announcement) (left, done []*target, results []spooledResult, err error) {
	files, err := filepath.Glob(filepath.Join(s.dir, "plans", "*.json"))
	if err != nil {
		return nil, nil, nil, err
	}
	announced := map[string][]announcement{}
	for _, file := range files {
		id := strings.TrimSuffix(filepath.Base(file), ".json")
		// What isn't whole, or not what its name says, can't be trusted; its target's process has its own copy.
		if a, err := readAnnouncement(file); err == nil && a.id == id && a.id != own.id {
			announced[a.Target] = append(announced[a.Target], a)
		}
	}
	for target, all := range announced {
		for _, a := range all {
			result, ok, err := s.result(a.id)
			switch {
			case err != nil:
				return nil, nil, nil, err
			case ok:
				results = append(results, result)
				if target != own.Target { // which may replace what it wrote itself
					done = append(done, a.target())
				}
			case len(all) == 1 && a.Skip == "" && target != own.Target:
				left = append(left, a.target())
			}
		}
	}
	byAddress := func(a, b *target) int { return cmp.Compare(a.address, b.address) }
	slices.SortFunc(left, byAddress)
	slices.SortFunc(done, byAddress)
	slices.SortFunc(results, func(a, b spooledResult) int { return cmp.Compare(a.Address, b.Address) })
	return left, done, results, nil
}
