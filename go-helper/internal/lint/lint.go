// Package lint finds what is allowed in a list of images but rarely meant. Pure functions over what package spec reads.
package lint

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"

	"docker-mirror/go-helper/internal/spec"
	"docker-mirror/go-helper/internal/suggest"
)

// Level is how serious a finding is.
type Level string

// The levels.
const (
	Off     Level = "off"
	Warning Level = "warn"
	Error   Level = "error"
)

// Rule is something that lists are looked through for.
type Rule string

// The rules.
const (
	// Duplicate is an image that an earlier entry of the file asks for in the same way, however it is spelled.
	Duplicate Rule = "duplicate"
	// Spelling is a repository that an earlier entry of the file spells otherwise.
	Spelling Rule = "spelling"
	// Latest is the tag latest, or none at all, without a digest: what it means changes from day to day.
	Latest Rule = "latest"
	// Unpinned is any tag without a digest.
	Unpinned Rule = "unpinned"
	// Unsorted is an image that an image after it should precede, within a block of lines.
	Unsorted Rule = "unsorted"
)

// Rules are the levels of the rules.
type Rules map[Rule]Level

// Defaults gives the rules that nobody has to ask for.
func Defaults() Rules {
	return Rules{
		Duplicate: Error, Spelling: Warning, Latest: Warning, Unpinned: Off, Unsorted: Off,
		Unlocked: Off, Stale: Error, Edited: Error, Waiting: Off, Disagreement: Warning,
		Immature: Error, Because: Error, NoRule: Error, Unsigned: Error, TrustExpired: Warning,
	}
}

// Set changes a level as `rule=level` says.
func (r Rules) Set(setting string) error {
	name, level, found := strings.Cut(setting, "=")
	if !found {
		return fmt.Errorf("%q: want a rule and its level, as in %s=%s", setting, Unpinned, Error)
	}
	if _, known := r[Rule(name)]; !known {
		if closest := suggest.Closest(name, r.names()); closest != "" {
			return fmt.Errorf("unknown rule %q: did you mean %q?", name, closest)
		}
		return fmt.Errorf("unknown rule %q: known are %s", name, strings.Join(r.names(), ", "))
	}
	switch Level(level) {
	case Off, Warning, Error:
		r[Rule(name)] = Level(level)
		return nil
	}
	return fmt.Errorf("rule %s: unknown level %q: known are %s, %s, %s", name, level, Off, Warning, Error)
}

func (r Rules) names() []string {
	names := make([]string, 0, len(r))
	for rule := range r {
		names = append(names, string(rule))
	}
	sort.Strings(names)
	return names
}

// Finding is something found, and where.
type Finding struct {
	Place string // file:line
	Level Level
	Rule  Rule
	Msg   string
}

func (f Finding) String() string {
	return fmt.Sprintf("%s: %s: %s [%s]", f.Place, f.Level, f.Msg, f.Rule)
}

// Check looks through the images of lists, each file by itself. The findings come in the order of the images.
func Check(images []spec.Image, rules Rules) []Finding {
	c := checker{rules: rules, asked: map[string]spec.Image{}, spelled: map[string]spec.Image{}}
	for i, image := range images {
		c.duplicate(image)
		c.spelling(image)
		c.pinned(image)
		if i > 0 {
			c.sorted(images[i-1], image)
		}
	}
	return c.findings
}

type checker struct {
	rules    Rules
	asked    map[string]spec.Image // by file and all that an entry says
	spelled  map[string]spec.Image // by file and repository in full
	findings []Finding
}

func (c *checker) found(rule Rule, image spec.Image, format string, args ...any) {
	if level := c.rules[rule]; level != Off && level != "" {
		c.findings = append(c.findings, Finding{image.Place(), level, rule, fmt.Sprintf(format, args...)})
	}
}

func (c *checker) duplicate(image spec.Image) {
	key := fmt.Sprintf("%q %q %q %q %v %q %q %q %q %q %q", image.File, image.Ref, image.Tag, image.Name, image.Platforms,
		image.Index, image.Referrers, image.Registries, image.Repository, image.ImageTags, image.Labels)
	if image.Destination != nil {
		key += " " + image.Destination.String()
	}
	if image.Select != nil {
		policy, err := json.Marshal(image.Select) // by its values, not by where they lie in memory
		key += fmt.Sprintf(" %s %v", policy, err)
	}
	first, seen := c.asked[key]
	switch {
	case !seen:
		c.asked[key] = image
	case first.Source == image.Source:
		c.found(Duplicate, image, "%s is listed twice, first at %s", image.Source, first.Place())
	default:
		c.found(Duplicate, image, "%s is listed twice, first at %s as %s", image.Source, first.Place(), first.Source)
	}
}

func (c *checker) spelling(image spec.Image) {
	key := image.File + " " + image.Ref.Name()
	first, seen := c.spelled[key]
	if !seen {
		c.spelled[key] = image
		return
	}
	if was, is := repository(first), repository(image); was != is {
		c.found(Spelling, image, "%s is spelled %s at %s", is, was, first.Place())
	}
}

// repository is the image's as it is written, without tag and digest.
func repository(image spec.Image) string {
	name, _, _ := strings.Cut(image.Source, "@")
	if colon := strings.LastIndex(name, ":"); colon > strings.LastIndex(name, "/") {
		name = name[:colon]
	}
	return name
}

func (c *checker) pinned(image spec.Image) {
	// A policy selects tags as they are at the time; a pin there would contradict it.
	if image.Select != nil || image.Ref.HasDigest() {
		return
	}
	switch {
	case image.Bare():
		c.found(Latest, image, "%s has no tag, which means latest: name a version", image.Source)
	case image.Ref.Tag == "latest":
		c.found(Latest, image, "%s changes from day to day: name a version", image.Source)
	}
	c.found(Unpinned, image, "%s is not pinned: add its digest, as in %s@sha256:…", image.Source, image.Source)
}

// sorted looks at neighbours in a block: entries on consecutive lines.
func (c *checker) sorted(before, image spec.Image) {
	if before.File == image.File && before.Line+1 == image.Line && before.Source > image.Source {
		c.found(Unsorted, image, "%s belongs before %s", image.Source, before.Source)
	}
}
