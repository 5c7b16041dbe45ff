package lint

import (
	"time"

	"docker-mirror/go-helper/internal/lock"
	"docker-mirror/go-helper/internal/policy"
	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/spec"
)

// The rules of locks and a policy.
const (
	// Immature is a locked digest that is younger than the cooldown of its rule.
	Immature = Rule(lock.Immature)
	// Because is a reason where the policy allows no exception.
	Because = Rule(lock.Forbidden)
	// Unsigned is a locked digest of which the lock doesn't say who has signed it, where a rule refuses what isn't signed.
	Unsigned = Rule(lock.Unsigned)
	// NoRule is a locked image that no rule of the policy matches.
	NoRule = Rule(lock.NoRule)
)

// CheckPolicy looks through locks as a policy has them, by the clock alone.
func CheckPolicy(lists []Locked, p *policy.Policy, now time.Time, rules Rules) []Finding {
	var findings []Finding
	for _, list := range lists {
		if list.Lock == nil {
			continue
		}
		for i := range list.Lock.Images {
			image := &list.Lock.Images[i]
			ref, err := reference.Parse(image.Source)
			if err != nil {
				continue
			}
			for _, objection := range judge(image, ref, p, now) {
				if level := rules[objection.rule]; level != Off && level != "" {
					place := spec.Image{File: list.Lock.Name, Line: image.Line}.Place()
					findings = append(findings, Finding{place, level, objection.rule, image.Source + " " + objection.msg})
				}
			}
		}
	}
	return findings
}

// objection is what a policy has against an entry.
type objection struct {
	rule Rule
	msg  string
}

func judge(image *lock.Image, ref reference.Reference, p *policy.Policy, now time.Time) []objection {
	rule, err := p.For(ref)
	if err != nil {
		return []objection{{NoRule, "is matched by no rule of " + p.Name}}
	}
	if image.Waiting() {
		return nil
	}
	var objections []objection
	ready := rule.Ripe(image.Seen)
	switch {
	case image.Because != "" && image.Because != lock.Adopted && !rule.Exceptions:
		objections = append(objections, objection{Because, "has a reason, and its rule allows no exceptions (" + rule.Place() + ")"})
	case image.Because == "" && now.Before(ready):
		objections = append(objections, objection{Immature, "was first seen at " + image.Seen.UTC().Format(time.RFC3339) + ", and may be locked from " +
			ready.UTC().Format(time.RFC3339) + " on (cooldown = \"" + policy.FormatDuration(rule.Cooldown) + "\", " + rule.Place() + ")"})
	}
	if msg := image.LacksSigner(rule); msg != "" {
		objections = append(objections, objection{Unsigned, msg})
	}
	return objections
}
