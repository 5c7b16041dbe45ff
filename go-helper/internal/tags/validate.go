package tags

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	"docker-mirror/go-helper/internal/suggest"
)

var (
	modes  = []string{string(ModeHighest), string(ModeHigher), string(ModeSemver), string(ModeAll)}
	orders = []string{string(OrderSemver), string(OrderNatural), string(OrderListed)}
)

// Modes lists the modes there are.
func Modes() []string { return slices.Clone(modes) }

// Orders lists the orders there are.
func Orders() []string { return slices.Clone(orders) }

// Validate tells everything that is wrong with the policy, joined.
func (p Policy) Validate() error {
	_, err := p.compile()
	return err
}

// compiled is a Policy whose patterns and ranges are parsed.
type compiled struct {
	Policy
	include, exclude []matcher
	ranges           []*semver.Constraints
	wantsAttached    bool // signatures and the like are asked for by what their tags begin with
}

func (p Policy) compile() (compiled, error) {
	c := compiled{Policy: p}
	c.wantsAttached = slices.ContainsFunc(p.Include, func(pattern string) bool {
		return strings.Contains(pattern, "sha256-") || strings.Contains(pattern, "sha512-")
	})
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	if p.Mode != "" && !slices.Contains(modes, string(p.Mode)) {
		bad("unknown mode %q%s", p.Mode, known(string(p.Mode), modes))
	}
	if p.Order != "" && !slices.Contains(orders, string(p.Order)) {
		bad("unknown order %q%s", p.Order, known(string(p.Order), orders))
	}
	if p.Latest < 0 {
		bad("latest must not be below zero, but is %d", p.Latest)
	}
	if p.Order != "" && p.Latest == 0 {
		bad("order %q says how latest ranks, but there is no latest", p.Order)
	}
	if p.Mode == ModeAll && (p.Compatibility != "" || p.PinnedMajor != nil) {
		bad("mode %q takes every tag: compatibility and pinned major have no effect", p.Mode)
	}
	if p.ReplaceTag && p.Mode == "" {
		bad("replace tag has no effect without a mode: tags that moved are always copied again")
	}
	for _, text := range p.Semver {
		constraint, err := semver.NewConstraint(text)
		if err != nil {
			bad("semver: bad range %q: %w", text, err)
			continue
		}
		c.ranges = append(c.ranges, constraint)
	}
	var err error
	if c.include, err = matchers("include", p.Include); err != nil {
		errs = append(errs, err)
	}
	if c.exclude, err = matchers("exclude", p.Exclude); err != nil {
		errs = append(errs, err)
	}
	return c, flatten(errs)
}

// flatten joins errors, taking apart those that are joined already.
func flatten(errs []error) error {
	var flat []error
	for _, err := range errs {
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			flat = append(flat, joined.Unwrap()...)
			continue
		}
		flat = append(flat, err)
	}
	return errors.Join(flat...)
}

func known(word string, all []string) string {
	if closest := suggest.Closest(word, all); closest != "" {
		return fmt.Sprintf(": did you mean %q?", closest)
	}
	return ": known are " + strings.Join(all, ", ")
}

// matcher tells whether a pattern fits a tag.
type matcher func(tag string) bool

// matchers compiles patterns: /regular expressions/, which may fit anywhere in a tag, and globs, which fit the whole.
func matchers(what string, patterns []string) ([]matcher, error) {
	var all []matcher
	var errs []error
	for _, pattern := range patterns {
		if len(pattern) > 1 && pattern[0] == '/' && pattern[len(pattern)-1] == '/' {
			re, err := regexp.Compile(pattern[1 : len(pattern)-1])
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: bad regular expression %s: %w", what, pattern, err))
				continue
			}
			all = append(all, re.MatchString)
			continue
		}
		if strings.Contains(pattern, "/") {
			errs = append(errs, fmt.Errorf("%s: bad pattern %q: want a glob, or a regular expression between slashes", what, pattern))
			continue
		}
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
			errs = append(errs, fmt.Errorf("%s: bad glob %q", what, pattern))
			continue
		}
		all = append(all, func(tag string) bool {
			ok, err := path.Match(pattern, tag)
			return ok && err == nil
		})
	}
	return all, errors.Join(errs...)
}
