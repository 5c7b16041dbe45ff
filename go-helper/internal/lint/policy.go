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
			rule, msg := judge(image, ref, p, now)
			if level := rules[rule]; msg != "" && level != Off && level != "" {
				place := spec.Image{File: list.Lock.Name, Line: image.Line}.Place()
				findings = append(findings, Finding{place, level, rule, image.Source + " " + msg})
			}
		}
	}
	return findings
}

// judge tells what a policy has against an entry; nothing where the text is empty.
func judge(image *lock.Image, ref reference.Reference, p *policy.Policy, now time.Time) (Rule, string) {
	rule, err := p.For(ref)
	if err != nil {
		return NoRule, "is matched by no rule of " + p.Name
	}
	ready := rule.Ripe(image.Seen)
	switch {
	case image.Waiting():
	case image.Because != "" && image.Because != lock.Adopted && !rule.Exceptions:
		return Because, "has a reason, and its rule allows no exceptions (" + rule.Place() + ")"
	case image.Because == "" && now.Before(ready):
		return Immature, "was first seen at " + image.Seen.UTC().Format(time.RFC3339) + ", and may be locked from " +
			ready.UTC().Format(time.RFC3339) + " on (cooldown = \"" + policy.FormatDuration(rule.Cooldown) + "\", " + rule.Place() + ")"
	}
	return "", ""
}
