// Package froms finds the images that Dockerfiles take from a mirror and that no list mirrors there. Pure functions over bytes
// and plans.
package froms

import (
	"regexp"
	"strconv"
	"strings"
)

// Use is an image that a Dockerfile names.
type Use struct {
	Line  int    // where its instruction begins
	Image string // with its ARGs' values
}

// Args are the build arguments that are given to a build, which go before the defaults of a Dockerfile. nil is a value that
// isn't known.
type Args map[string]*string

// Uses finds the images of FROM, of COPY --from and of RUN --mount=from. Earlier stages and scratch are no images, and an
// image whose ARGs have no known value is left out.
func Uses(dockerfile string, args Args) []Use {
	f := finder{given: args, args: map[string]*string{}, stages: map[string]bool{}}
	for _, instruction := range instructions(dockerfile) {
		f.instruction(instruction)
	}
	return f.uses
}

type finder struct {
	given  Args
	args   map[string]*string // those before the first FROM, the only ones that count in FROM
	count  int                // stages so far
	stages map[string]bool    // names of those before this one
	next   string             // name of this one
	uses   []Use
}

var mountFrom = regexp.MustCompile(`^--mount=(?:\S*,)?from=([^,\s]+)`)

func (f *finder) instruction(i instruction) {
	words := strings.Fields(i.text)
	if len(words) < 2 {
		return
	}
	switch name := strings.ToUpper(words[0]); name {
	case "ARG":
		if f.count == 0 {
			f.declare(strings.TrimSpace(i.text)[len("ARG"):])
		}
	case "FROM":
		f.from(i.line, words[1:])
	case "COPY", "RUN":
		for _, word := range words[1:] {
			if !strings.HasPrefix(word, "--") {
				break // only flags come before what is copied or run
			}
			if image, found := strings.CutPrefix(word, "--from="); found && name == "COPY" {
				f.use(i.line, image)
			}
			if m := mountFrom.FindStringSubmatch(word); m != nil && name == "RUN" {
				f.use(i.line, m[1])
			}
		}
	}
}

func (f *finder) from(line int, words []string) {
	if f.next != "" {
		f.stages[f.next] = true
		f.next = ""
	}
	f.count++
	for len(words) > 0 && strings.HasPrefix(words[0], "--") {
		words = words[1:]
	}
	if len(words) == 3 && strings.EqualFold(words[1], "AS") {
		f.next = strings.ToLower(words[2])
	} else if len(words) != 1 {
		return
	}
	if image, known := f.expand(words[0]); known {
		f.image(line, image)
	}
}

// use is an image or a stage that something is copied from; Docker puts no variables in there.
func (f *finder) use(line int, image string) {
	image = strings.Trim(image, `"'`)
	if _, err := strconv.Atoi(image); err == nil || strings.Contains(image, "$") {
		return
	}
	f.image(line, image)
}

func (f *finder) image(line int, image string) {
	if image != "" && image != "scratch" && !f.stages[strings.ToLower(image)] {
		f.uses = append(f.uses, Use{line, image})
	}
}

// argument is one that ARG declares, with its default.
var argument = regexp.MustCompile(`([A-Za-z_][A-Za-z0-9_]*)(=("[^"]*"|'[^']*'|\S*))?`)

func (f *finder) declare(text string) {
	for _, m := range argument.FindAllStringSubmatch(text, -1) {
		name, value := m[1], m[3]
		given, isGiven := f.given[name]
		switch {
		case isGiven:
			f.args[name] = given
		case m[2] == "":
			f.args[name] = nil
		case strings.HasPrefix(value, "'"):
			value = strings.Trim(value, "'")
			f.args[name] = &value
		default:
			f.args[name] = nil
			if expanded, known := f.expand(strings.Trim(value, `"`)); known {
				f.args[name] = &expanded
			}
		}
	}
}

var variable = regexp.MustCompile(`\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^${}]*))?\})`)

// expand puts the values of variables in. What it doesn't understand, such as other modifiers than `:-`, isn't known.
func (f *finder) expand(text string) (expanded string, known bool) {
	known = true
	expanded = variable.ReplaceAllStringFunc(text, func(written string) string {
		m := variable.FindStringSubmatch(written)
		value, declared := f.args[m[1]+m[2]]
		switch {
		case declared && value != nil && *value != "":
			return *value
		case strings.Contains(written, ":-") && (!declared || value != nil):
			return m[3]
		}
		known = known && declared && value != nil
		return ""
	})
	return strings.Trim(expanded, `"'`), known && !strings.ContainsAny(expanded, `$\`)
}
