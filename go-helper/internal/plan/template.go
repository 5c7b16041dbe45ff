package plan

import (
	"errors"
	"fmt"
	"sort"
	"strings"
)

// placeholders are those that a template may hold, beside {build_args.X}.
var placeholders = []string{
	"name", "repository", "source_registry", "directory", "parent_directory", "full_directory", "target_name", "tag", "digest",
}

// targetRepository is known to a registry's own repository template only, as in Pants: what the image's repository
// would be without it.
const targetRepository = "target_repository"

const buildArgs = "build_args."

// template is text with placeholders, taken apart once and expanded for each image.
type template struct {
	source string
	parts  []part
}

type part struct{ literal, placeholder string }

// parseTemplate takes a template apart. Its errors name the known placeholders.
func parseTemplate(source string, extra ...string) (template, error) {
	t := template{source: source}
	rest := source
	for rest != "" {
		i := strings.IndexAny(rest, "{}")
		if i < 0 {
			t.parts = append(t.parts, part{literal: rest})
			break
		}
		if i > 0 {
			t.parts = append(t.parts, part{literal: rest[:i]})
		}
		end := strings.IndexAny(rest[i+1:], "{}")
		if rest[i] == '}' || end < 0 || rest[i+1+end] == '{' {
			return t, fmt.Errorf("unbalanced %q in template %q", rest[i], source)
		}
		placeholder := rest[i+1 : i+1+end]
		if !isKnown(placeholder, extra) {
			return t, fmt.Errorf("unknown placeholder {%s} in template %q: known are %s", placeholder, source, knownPlaceholders(extra))
		}
		t.parts = append(t.parts, part{placeholder: placeholder})
		rest = rest[i+1+end+1:]
	}
	return t, nil
}

func isKnown(placeholder string, extra []string) bool {
	if strings.HasPrefix(placeholder, buildArgs) && len(placeholder) > len(buildArgs) {
		return true
	}
	for _, known := range append(placeholders, extra...) {
		if placeholder == known {
			return true
		}
	}
	return false
}

func knownPlaceholders(extra []string) string {
	known := append(append([]string{}, placeholders...), extra...)
	sort.Strings(known)
	return "{" + strings.Join(known, "}, {") + "} and {build_args.X}"
}

// expand fills the placeholders in. A value that is missing is an error that says why.
func (t template) expand(value func(placeholder string) (string, error)) (string, error) {
	var b strings.Builder
	var errs []error
	for _, p := range t.parts {
		if p.placeholder == "" {
			b.WriteString(p.literal)
			continue
		}
		s, err := value(p.placeholder)
		if err != nil {
			errs = append(errs, fmt.Errorf("template %q: %w", t.source, err))
		}
		b.WriteString(s)
	}
	return b.String(), errors.Join(errs...)
}
