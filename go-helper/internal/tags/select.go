package tags

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// ErrNone says that a policy selects nothing from a repository.
var ErrNone = errors.New("the tag policy selects none of the tags")

// ErrNothingBelow says that mode higher has nothing to compare with: the destination holds no version.
var ErrNothingBelow = errors.New(`mode "higher" selects what is above the destination's highest version, and the destination has none ` +
	`(mode "highest" or "semver" makes a start)`)

// NeedsDestination tells whether [Policy.Select] looks at the destination's tags.
func (p Policy) NeedsDestination() bool {
	return p.Mode == ModeHigher || p.Mode != "" && !p.ReplaceTag
}

// Select gives the tags of source that the policy selects, versions ascending, other tags in their order there. With a
// mode, and without ReplaceTag, those that destination has are left out, as replicant leaves them alone.
//
// The error is [ErrNone] where the policy selects nothing of source and AllowEmpty isn't set, and [ErrNothingBelow] where
// mode higher finds no version in destination; that everything selected is there already is none.
func (p Policy) Select(source, destination []string) ([]string, error) {
	c, err := p.compile()
	if err != nil {
		return nil, err
	}
	selected := c.filter(source)
	if len(selected) == 0 {
		if p.AllowEmpty {
			return nil, nil
		}
		return nil, fmt.Errorf("%w (there are %d)%s", ErrNone, len(source), described(c.leftOut(source)))
	}
	if p.Mode == ModeHigher {
		if selected, err = c.above(selected, destination); err != nil {
			return nil, err
		}
	}
	if c.keep() > 0 {
		selected = c.latest(selected)
	}
	if p.NeedsDestination() && !p.ReplaceTag {
		there := make(map[string]bool, len(destination))
		for _, tag := range destination {
			there[tag] = true
		}
		selected = slices.DeleteFunc(selected, func(t tag) bool { return there[t.text] })
	}
	texts := make([]string, len(selected))
	for i, t := range selected {
		texts[i] = t.text
	}
	return texts, nil
}

// tag is a tag and, where it was read as one, the version it is.
type tag struct {
	text    string
	version *semver.Version
}

// versioned tells whether tags have to be versions at all.
func (c compiled) versioned() bool {
	switch c.Mode {
	case ModeHighest, ModeHigher, ModeSemver:
		return true
	}
	if c.Compatibility != "" || c.PinnedMajor != nil || len(c.ranges) > 0 {
		return true
	}
	return c.Latest > 0 && c.order() == OrderSemver
}

func (c compiled) order() Order {
	if c.Order == "" {
		return OrderSemver
	}
	return c.Order
}

// keep is how many of the highest are kept; 0 is all.
func (c compiled) keep() int {
	if c.Mode == ModeHighest {
		return 1
	}
	return c.Latest
}

// filter applies all conditions but those that look at the destination or count.
func (c compiled) filter(source []string) []tag {
	versioned := c.versioned()
	seen := make(map[string]bool, len(source))
	var left []tag
	for _, text := range source {
		if seen[text] {
			continue
		}
		seen[text] = true
		if version, class := c.look(text); class == wanted {
			left = append(left, tag{text: text, version: version})
		}
	}
	if versioned {
		slices.SortFunc(left, compareVersions)
	}
	return left
}

// look tells whether a tag is wanted, and which version it is, where that counts.
func (c compiled) look(text string) (*semver.Version, class) {
	switch {
	case attached.MatchString(text) && !c.wantsAttached:
		return nil, classAttached
	case len(c.include) > 0 && !matchAny(c.include, text) || matchAny(c.exclude, text):
		return nil, classPattern
	case c.versioned():
		return c.classify(text)
	}
	return nil, wanted
}

func matchAny(matchers []matcher, text string) bool {
	return slices.ContainsFunc(matchers, func(m matcher) bool { return m(text) })
}

// plain is what a range is asked about: a compatibility is a flavour, not a pre-release that ranges leave out.
func (c compiled) plain(v *semver.Version) *semver.Version {
	if c.Compatibility == "" {
		return v
	}
	return semver.New(v.Major(), v.Minor(), v.Patch(), "", "")
}

// above keeps the versions above the destination's highest that passes the same conditions.
func (c compiled) above(selected []tag, destination []string) ([]tag, error) {
	there := c.filter(destination)
	if len(there) == 0 {
		return nil, ErrNothingBelow
	}
	highest := there[len(there)-1].version
	return slices.DeleteFunc(selected, func(t tag) bool { return !t.version.GreaterThan(highest) }), nil
}

// latest keeps the highest, in their order.
func (c compiled) latest(selected []tag) []tag {
	if len(selected) <= c.keep() {
		return selected
	}
	if c.order() == OrderNatural {
		slices.SortStableFunc(selected, func(a, b tag) int { return compareNatural(a.text, b.text) })
	}
	return selected[len(selected)-c.keep():]
}

// compareVersions orders by version. Tags of one version (2, 2.0, v2.0.0, 2.0.0) are ordered so that the most explicit and
// plainest is the highest: replicant's order among them is undefined.
func compareVersions(a, b tag) int {
	if c := a.version.Compare(b.version); c != 0 {
		return c
	}
	if c := strings.Count(a.text, ".") - strings.Count(b.text, "."); c != 0 {
		return c
	}
	if a.version.Metadata() != "" && b.version.Metadata() != "" { // rebuilds: 1.2.3_10 after 1.2.3_9
		return compareNatural(a.text, b.text)
	}
	if c := len(b.text) - len(a.text); c != 0 {
		return c
	}
	return strings.Compare(a.text, b.text)
}

// compareNatural orders by name, with runs of digits compared as numbers.
func compareNatural(a, b string) int {
	fullA, fullB := a, b
	for a != "" && b != "" {
		if isDigit(a[0]) && isDigit(b[0]) {
			var numberA, numberB string
			numberA, a = cutNumber(a)
			numberB, b = cutNumber(b)
			if c := len(numberA) - len(numberB); c != 0 {
				return c
			}
			if c := strings.Compare(numberA, numberB); c != 0 {
				return c
			}
			continue
		}
		if a[0] != b[0] {
			return int(a[0]) - int(b[0])
		}
		a, b = a[1:], b[1:]
	}
	if c := len(a) - len(b); c != 0 {
		return c
	}
	return strings.Compare(fullA, fullB)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// cutNumber cuts a run of digits off, without its leading zeros.
func cutNumber(s string) (number, rest string) {
	end := 0
	for end < len(s) && isDigit(s[end]) {
		end++
	}
	return strings.TrimLeft(s[:end], "0"), s[end:]
}
