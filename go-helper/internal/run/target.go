package run

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/engine"
	"docker-mirror/go-helper/internal/plan"
	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/report"
)

// target is a plan and whose it is: a Pants target, or the lists of a command line (with no address).
type target struct {
	address string
	id      string // of its plan in a spool
	plan    []plan.Copy
	// errs say why nothing of it is copied: its plan can't be read, or breaks a set rule.
	errs []string

	copies      []*report.Copy // how its copies ended
	interrupted bool           // some of them didn't come to their end
}

// code is the target's own exit code.
func (t *target) code() Code {
	switch {
	case len(t.errs) > 0:
		return CodeBadInput
	case t.interrupted:
		return CodeInterrupted
	case slices.ContainsFunc(t.copies, func(c *report.Copy) bool { return failing(c.Status) }):
		return CodeFailed
	}
	return CodeDone
}

func (t *target) report() report.Target {
	r := report.Target{Address: t.address, ExitCode: t.code(), Errors: t.errs}
	for _, c := range t.copies {
		r.Totals.AddCopy(c)
		if cause := c.Cause; cause != "" && !slices.Contains(r.Causes, cause) {
			r.Causes = append(r.Causes, cause)
		}
	}
	return r
}

// entry is a plan's entry on its way, for all that want it.
type entry struct {
	plan.Copy
	askers []asker
	copy   report.Copy
}

type asker struct {
	target *target
	report.Asker
}

func newEntry(t *target, c plan.Copy) *entry {
	who := report.Asker{Origin: c.Origin, Target: t.address, Name: c.Name, Labels: c.Labels}
	e := &entry{Copy: c, askers: []asker{{t, who}}}
	e.copy = report.Copy{Source: c.Src, Destination: c.Dst, Asker: who}
	if c.Transform != nil {
		e.copy.Platforms = c.Transform.LimitPlatforms
	}
	if c.Locked != nil {
		e.copy.Lock = &report.Lock{File: c.Locked.File, Seen: c.Locked.Seen, Because: c.Locked.Because}
	}
	return e
}

// settle notes how the entry ended without the engine.
func (e *entry) settle(status engine.Status, reason string) {
	e.copy.Status, e.copy.Reason = status, reason
}

func (e *entry) settled() bool { return e.copy.Status != "" }

// checkSet applies the set rules to all targets together: exactly those that own a conflicting entry fail. The entries
// of the others come back in order. Nothing is left to do for those that are done, so that they only make others fail.
func checkSet(targets, done []*target) []*entry {
	var all []*entry
	for _, t := range slices.Concat(targets, done) {
		if len(t.errs) > 0 {
			continue
		}
		for _, c := range t.plan {
			all = append(all, newEntry(t, c))
		}
	}
	for index, messages := range conflicts(all) {
		t := all[index].askers[0].target
		if slices.Contains(done, t) {
			continue
		}
		for _, message := range messages {
			if !slices.Contains(t.errs, message) {
				t.errs = append(t.errs, message)
			}
		}
		all[index].settle(engine.StatusFailed, strings.Join(messages, "; "))
	}
	var kept []*entry
	for _, e := range all {
		t := e.askers[0].target
		if slices.Contains(done, t) {
			continue
		}
		if len(t.errs) == 0 {
			kept = append(kept, e)
			continue
		}
		if !e.settled() {
			e.settle(engine.StatusSkipped, "nothing of "+t.name()+" is copied: it breaks a set rule")
		}
		t.copies = append(t.copies, &e.copy)
	}
	for _, t := range targets {
		sort.Strings(t.errs)
	}
	return kept
}

func (t *target) name() string {
	if t.address == "" {
		return "the plan"
	}
	return t.address
}

// conflicts gives the set rules that entries break, by the index of each entry that takes part.
func conflicts(entries []*entry) map[int][]string {
	copies := make([]plan.Copy, len(entries))
	byDestination := map[string][]int{}
	for i, e := range entries {
		copies[i] = e.Copy
		if key, ok := destinationKey(e.Copy); ok {
			byDestination[key] = append(byDestination[key], i)
		}
	}
	found := map[int][]string{}
	for _, conflict := range plan.Conflicts(copies) {
		takePart := map[int]bool{}
		for _, i := range conflict.Copies {
			takePart[i] = true
			// A third copy to the place of two that disagree disagrees with one of them.
			if key, ok := destinationKey(copies[i]); ok {
				for _, other := range byDestination[key] {
					takePart[other] = true
				}
			}
		}
		for i := range takePart {
			found[i] = append(found[i], conflict.Msg)
		}
	}
	return found
}

// destinationKey is the place that a copy writes; false where it isn't known, or nothing is written.
func destinationKey(c plan.Copy) (string, bool) {
	if !c.Ready() {
		return "", false
	}
	dst, err := c.Destination()
	if err != nil {
		return "", false
	}
	if dst.Tag != "" {
		dst.Digest = reference.Reference{}.Digest
	}
	return dst.String(), true
}

// merge makes one entry of equal ones, that all who asked share. Entries that break a set rule are settled, so that
// equal destinations mean equal copies.
func merge(entries []*entry) []*entry {
	var merged []*entry
	first := map[string]*entry{}
	for _, e := range entries {
		key, ok := destinationKey(e.Copy)
		if !ok || e.settled() {
			merged = append(merged, e)
			continue
		}
		leader := first[key]
		if leader == nil {
			first[key] = e
			merged = append(merged, e)
			continue
		}
		for _, a := range e.askers {
			leader.askers = append(leader.askers, a)
			leader.copy.AlsoAskedBy = append(leader.copy.AlsoAskedBy, a.Asker)
		}
	}
	return merged
}

// engineCopy is what the engine is told; referrers is for entries that leave it open.
func (e *entry) engineCopy(referrers string) (engine.Copy, error) {
	source, err := e.Source()
	if err != nil {
		return engine.Copy{}, fmt.Errorf("source: %w", err)
	}
	destination, err := e.Destination()
	if err != nil {
		return engine.Copy{}, fmt.Errorf("destination: %w", err)
	}
	platforms, err := e.Platforms()
	if err != nil {
		return engine.Copy{}, err
	}
	var expect v1.Hash
	if e.Locked != nil && e.Locked.Expect != "" {
		if expect, err = v1.NewHash(e.Locked.Expect); err != nil {
			return engine.Copy{}, fmt.Errorf("locked.expect: %w", err)
		}
	}
	return engine.Copy{
		Source: source, Destination: destination, Platforms: platforms, Sparse: e.Sparse(), Expect: expect,
		Referrers: engine.Referrers(cmp.Or(e.Referrers, referrers)), Origin: e.Origin,
	}, nil
}
