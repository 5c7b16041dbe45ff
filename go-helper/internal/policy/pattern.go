package policy

import (
	"fmt"
	"regexp"
	"strings"
)

// fullVersion is a tag of three numbers or more, whatever follows: v1.16.1, 1.27.3-alpine.
var fullVersion = regexp.MustCompile(`^v?\d+(?:\.\d+){2,}(?:[-_+.].*)?$`)

// maxPattern bounds a pattern's length; real ones are far shorter.
const maxPattern = 1000

// Pattern is what an identity or a statement's value must be: exactly that, a glob whose * stops at /, or a /regular
// expression/, which has to fit the whole. The zero value is no pattern.
type Pattern struct {
	text string
	re   *regexp.Regexp
}

// NewPattern reads a pattern.
func NewPattern(text string) (Pattern, error) {
	switch {
	case text == "":
		return Pattern{}, fmt.Errorf("is empty")
	case len(text) > maxPattern:
		return Pattern{}, fmt.Errorf("is longer than %d bytes", maxPattern)
	}
	expression := ""
	if len(text) > 2 && text[0] == '/' && text[len(text)-1] == '/' {
		if _, err := regexp.Compile(text[1 : len(text)-1]); err != nil { // by itself: it must not close our group
			return Pattern{}, fmt.Errorf("is no regular expression: %w", err)
		}
		expression = text[1 : len(text)-1]
	} else {
		if strings.Contains(text, "**") {
			return Pattern{}, fmt.Errorf("has ** in it, and a * stops at /: write a /regular expression/ for what doesn't")
		}
		expression = strings.ReplaceAll(regexp.QuoteMeta(text), `\*`, `[^/]*`)
	}
	re, err := regexp.Compile(`\A(?:` + expression + `)\z`)
	if err != nil {
		return Pattern{}, fmt.Errorf("is no pattern: %w", err)
	}
	return Pattern{text: text, re: re}, nil
}

// IsZero tells whether nothing is asked.
func (p Pattern) IsZero() bool { return p.re == nil }

// Match tells whether a value is what is asked, which nothing is of the zero pattern.
func (p Pattern) Match(value string) bool { return p.re != nil && p.re.MatchString(value) }

// String is the pattern as it was written.
func (p Pattern) String() string { return p.text }

// Expression is the pattern as an anchored regular expression.
func (p Pattern) Expression() string {
	if p.re == nil {
		return ""
	}
	return p.re.String()
}

// matcher fits what one of its globs fits and none of those after !.
type matcher struct{ with, without []*regexp.Regexp }

func (m matcher) match(s string) bool {
	for _, re := range m.without {
		if re.MatchString(s) {
			return false
		}
	}
	for _, re := range m.with {
		if re.MatchString(s) {
			return true
		}
	}
	return false
}

func (m *matcher) add(glob string) {
	if rest, without := strings.CutPrefix(glob, "!"); without {
		m.without = append(m.without, globExpression(rest))
		return
	}
	m.with = append(m.with, globExpression(glob))
}

// globExpression translates a glob: * and ? stop at /, ** doesn't, and a/**/b is a/b, too.
func globExpression(glob string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`\A`)
	for rest := glob; rest != ""; {
		switch {
		case strings.HasPrefix(rest, "/**/"):
			b.WriteString(`/(?:.*/)?`)
			rest = rest[4:]
		case strings.HasPrefix(rest, "**"):
			b.WriteString(`.*`)
			rest = strings.TrimLeft(rest, "*")
		case rest[0] == '*':
			b.WriteString(`[^/]*`)
			rest = rest[1:]
		case rest[0] == '?':
			b.WriteString(`[^/]`)
			rest = rest[1:]
		default:
			b.WriteString(regexp.QuoteMeta(rest[:1]))
			rest = rest[1:]
		}
	}
	b.WriteString(`\z`)
	return regexp.MustCompile(b.String())
}

// checkImageGlob tells why a glob can fit no repository as references are spelled in full.
func checkImageGlob(glob string) error {
	glob = strings.TrimPrefix(glob, "!")
	host, path, found := strings.Cut(glob, "/")
	lastColon := strings.LastIndexByte(glob, ':')
	switch {
	case glob == "":
		return fmt.Errorf("is empty")
	case len(glob) > maxPattern:
		return fmt.Errorf("is longer than %d bytes", maxPattern)
	case strings.Trim(glob, globCharacters+":/") != "":
		return fmt.Errorf("%q can fit no repository: want lower-case letters, digits, and * and ?", glob)
	case strings.Contains(glob, "@"), lastColon >= 0 && !strings.Contains(glob[lastColon:], "/"):
		return fmt.Errorf(`%q has a tag or digest: "images" are repositories, and "tags" narrows them`, glob)
	case strings.HasPrefix(glob, "**"):
		return nil
	case !found || !strings.ContainsAny(host, ".:*?") && host != "localhost":
		return fmt.Errorf("%q names no registry: Docker Hub's images are docker.io/library/NAME and docker.io/OWNER/NAME here", glob)
	case host == "docker.io" && !strings.ContainsAny(path, "/*"):
		return fmt.Errorf("%q fits nothing: this is docker.io/library/%s here", glob, path)
	}
	return nil
}

// globCharacters are those of repositories and hosts (OCI distribution spec, "Pulling manifests"), and of globs.
const globCharacters = "abcdefghijklmnopqrstuvwxyz0123456789._-*?"

// checkTagGlob tells why a glob can fit no tag.
func checkTagGlob(glob string) error {
	glob = strings.TrimPrefix(glob, "!")
	switch {
	case glob == "":
		return fmt.Errorf("is empty")
	case len(glob) > maxPattern:
		return fmt.Errorf("is longer than %d bytes", maxPattern)
	case strings.Trim(glob, globCharacters+"ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "":
		return fmt.Errorf("%q can fit no tag: want letters, digits, '_', '.', '-', and * and ?", glob)
	}
	return nil
}
