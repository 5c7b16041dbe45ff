package report

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Named is a report and the file that it is from.
type Named struct {
	File string
	*Report
}

// Merge makes one report of those that the shards of a plan left. Missing are the shards without one; it is for the caller to say
// whether that is an error. The error joins one for each report that doesn't go with the others.
func Merge(reports []Named) (merged *Report, missing []int, err error) {
	if err := mergeable(reports); err != nil {
		return nil, nil, err
	}
	reports = slices.SortedFunc(slices.Values(reports), func(a, b Named) int { return cmp.Compare(a.Shard.Index, b.Shard.Index) })
	first := reports[0]
	merged = &Report{Version: first.Version, Command: first.Command, DryRun: first.DryRun, Started: first.Started, Registries: map[string]Registry{}}
	finished, code := first.Finished, 0
	there := map[int]bool{}
	targets := merging{}
	for _, r := range reports {
		there[r.Shard.Index] = true
		merged.Shards = append(merged.Shards, ShardRun{r.Shard.Index, r.Started, r.Finished, r.ExitCode, r.Totals})
		if r.Started.Before(merged.Started) {
			merged.Started = r.Started
		}
		if r.Finished.After(finished) {
			finished = r.Finished
		}
		merged.Interrupted = merged.Interrupted || r.Interrupted
		merged.Copies = append(merged.Copies, r.Copies...)
		merged.Errors = union(merged.Errors, r.Errors)
		code = WorseCode(code, r.ExitCode)
		targets.add(r.Targets)
		for host, registry := range r.Registries {
			merged.Registries[host] = merged.Registries[host].plus(registry)
		}
		merged.DockerHub = merged.DockerHub.plus(r.DockerHub)
	}
	merged.Targets = targets.all
	slices.SortStableFunc(merged.Copies, func(a, b Copy) int { return cmp.Compare(a.Entry, b.Entry) })
	for i := range merged.Copies {
		merged.Copies[i].Entry = 0 // all of them are here, in order
	}
	for i := range first.Shard.Count {
		if !there[i] {
			missing = append(missing, i)
		}
	}
	merged.Finish(finished, code)
	return merged, missing, nil
}

// mergeable tells which reports don't go with the others, which are taken for right if they come first.
func mergeable(reports []Named) error {
	var errs []error
	var first, planned *Named
	byIndex := map[int]string{}
	for i := range reports {
		r := &reports[i]
		fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(r.File+": "+format, args...)) }
		if r.Shard == nil {
			fail("is not the report of a shard: only runs with --shard have one")
			continue
		}
		if first == nil {
			first = r
		}
		if planned == nil && r.Shard.Plan != "" {
			planned = r
		}
		other, twice := byIndex[r.Shard.Index]
		switch {
		case r.Shard.Count != first.Shard.Count:
			fail("is of %d shards, and %s of %d", r.Shard.Count, first.File, first.Shard.Count)
		case r.Shard.Index < 0 || r.Shard.Index >= r.Shard.Count:
			fail("is shard %d of %d, which can't be", r.Shard.Index, r.Shard.Count)
		case twice:
			fail("is shard %d, and so is %s: name the newer one alone", r.Shard.Index, other)
		case r.Shard.Plan != "" && r.Shard.Plan != planned.Shard.Plan:
			fail("is of another plan than %s: all shards must have the same lists, locks and options", planned.File)
		case r.Command != first.Command || r.DryRun != first.DryRun:
			fail("is of another kind of run than %s (%s, %s)", first.File, r.kind(), first.kind())
		}
		byIndex[r.Shard.Index] = r.File
	}
	return errors.Join(errs...)
}

func (r *Report) kind() string {
	if r.DryRun {
		return r.Command + " --dry-run"
	}
	return r.Command
}

// WorseCode is the exit code of two runs together: bad input before failures before an interrupt.
func WorseCode(a, b int) int {
	rank := func(code int) int { return slices.Index([]int{0, 130, 1, 2}, code) }
	if rank(b) > rank(a) {
		return b
	}
	return a
}
