package lint

import (
	"fmt"

	"docker-mirror/go-helper/internal/lock"
	"docker-mirror/go-helper/internal/spec"
)

// The rules of lists and their locks.
const (
	// Unlocked is a list without a lock.
	Unlocked Rule = "unlocked"
	// Stale is a lock that doesn't fit its list.
	Stale = Rule(lock.Stale)
	// Edited is an entry of a lock that somebody or something has changed.
	Edited = Rule(lock.Edited)
	// Waiting is an entry of which nothing is mirrored yet.
	Waiting Rule = "lock-waiting"
	// Disagreement is a source that two lists lock to two digests.
	Disagreement Rule = "lock-disagreement"
)

// Locked is a list with its lock, nil where it has none.
type Locked struct {
	List string
	Lock *lock.File
	// Problems are what the lock finds when it is applied to the list.
	Problems []*lock.Problem
}

// CheckLocks looks through lists and their locks, in their order, and compares the locks with each other.
func CheckLocks(lists []Locked, rules Rules) []Finding {
	var findings []Finding
	found := func(rule Rule, place, format string, args ...any) {
		if level := rules[rule]; level != Off && level != "" {
			findings = append(findings, Finding{place, level, rule, fmt.Sprintf(format, args...)})
		}
	}
	type entry struct {
		place  string
		digest string
	}
	first := map[string]entry{}
	for _, list := range lists {
		if list.Lock == nil {
			if list.List != spec.StandardInput {
				found(Unlocked, list.List, "has no lock: what it mirrors is decided when it is mirrored")
			}
			continue
		}
		for _, problem := range list.Problems {
			found(Rule(problem.Rule), spec.Image{File: problem.At.File, Line: problem.At.Line}.Place(), "%s", problem.At.Msg)
		}
		for i := range list.Lock.Images {
			image := &list.Lock.Images[i]
			place := spec.Image{File: list.Lock.Name, Line: image.Line}.Place()
			if image.Waiting() {
				found(Waiting, place, "%s has no digest yet: nothing of it is mirrored", image.Source)
				continue
			}
			other, twice := first[image.Source]
			switch {
			case !twice:
				first[image.Source] = entry{place, image.Digest.String()}
			case other.digest != image.Digest.String():
				found(Disagreement, place, "%s is locked to %s here, and to %s at %s", image.Source, image.Digest, other.digest, other.place)
			}
		}
	}
	return findings
}
