package run

import (
	"errors"
	"fmt"
	"slices"

	"docker-mirror/go-helper/internal/plan"
	"docker-mirror/go-helper/internal/spec"
)

// Choice picks a part of the plans. An entry must be picked by Only, where that says anything, and by Labels, too.
type Choice struct {
	Only   []string // AS names or images, in any spelling that overrides take
	Labels []string
}

// apply leaves only the chosen entries in the targets' plans. What picks nothing anywhere is an error.
func (c Choice) apply(targets []*target) error {
	if len(c.Only) == 0 && len(c.Labels) == 0 {
		return nil
	}
	picked := map[string]bool{}
	readable := true
	for _, t := range targets {
		readable = readable && len(t.errs) == 0
		kept := []plan.Copy{}
		for _, entry := range t.plan {
			only := picks("--only", c.Only, spellings(entry), picked)
			label := picks("--label", c.Labels, entry.Labels, picked)
			if only && label {
				kept = append(kept, entry)
			}
		}
		t.plan = kept
	}
	if !readable { // what is not found may be in a plan that can't be read, which is said already
		return nil
	}
	var errs []error
	for _, key := range c.Only {
		if !picked["--only "+key] {
			errs = append(errs, fmt.Errorf("--only %s: no image has that name", key))
		}
	}
	for _, key := range c.Labels {
		if !picked["--label "+key] {
			errs = append(errs, fmt.Errorf("--label %s: no image has that label", key))
		}
	}
	return errors.Join(errs...)
}

// picks tells whether one of the wanted keys is among those an entry has, and notes which.
func picks(flag string, wanted, has []string, picked map[string]bool) bool {
	found := len(wanted) == 0
	for _, key := range wanted {
		if slices.Contains(has, key) {
			picked[flag+" "+key] = true
			found = true
		}
	}
	return found
}

func spellings(entry plan.Copy) []string {
	source, err := entry.Source()
	if err != nil {
		return []string{entry.Name, entry.Src}
	}
	return plan.Keys(spec.Image{Source: entry.Src, Ref: source, Name: entry.Name, Select: entry.Select})
}
