package spec

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/platform"
	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/suggest"
)

// maxLine is in bytes. No image needs a tenth of it; what has longer lines is something else.
const maxLine = 16 << 10

// A line is what follows FROM in a Dockerfile:
//
//	[--platform=P[,P]...] image[:tag][@digest] [AS name]
//
// Blank lines don't count, and neither does what follows a # at the start of a line or after white space.
func parseText(c *collector, data []byte) {
	c.lines(data)
	if len(c.errs) == 0 {
		return
	}
	if message := foreignText(data); message != "" { // in the place of an error a line
		c.images, c.errs = nil, nil
		c.errorf(1, "%s", message)
	}
}

func (c *collector) lines(data []byte) {
	for number := 1; len(data) > 0; number++ {
		var line []byte
		line, data, _ = bytes.Cut(data, []byte("\n"))
		if len(line) > maxLine {
			c.errorf(number, "is longer than %d bytes: not a list of images", maxLine)
			continue
		}
		if !utf8.Valid(line) {
			c.errorf(number, "not valid UTF-8")
			continue
		}
		words := strings.Fields(withoutComment(withoutMarks(string(line))))
		if len(words) == 0 {
			continue
		}
		image, problems := parseLine(words)
		for _, problem := range problems {
			c.errorf(number, "%s", problem)
		}
		if len(problems) == 0 {
			image.File, image.Line = c.file, number
			c.images = append(c.images, image)
		}
	}
}

// withoutMarks makes white space of the byte order marks that pasting leaves within a text.
func withoutMarks(line string) string { return strings.ReplaceAll(line, "\ufeff", " ") }

func withoutComment(line string) string {
	before := ' '
	for i, r := range line {
		if r == '#' && unicode.IsSpace(before) {
			return line[:i]
		}
		before = r
	}
	return line
}

// stageName is what a stage may be called; like Docker's, but it may begin with a digit.
var stageName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)

func parseLine(words []string) (image Image, problems []string) {
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }

	if before := pasted(words); before > 0 {
		bad("a line is what follows FROM in a Dockerfile: leave out %s", strings.Join(words[:before], " "))
		words = words[before:]
	}
	flagged := false
	for len(words) > 0 && strings.HasPrefix(words[0], "-") {
		flag, value, hasValue := strings.Cut(words[0], "=")
		switch {
		case flag == "--platform" && flagged:
			bad("--platform is given twice: separate platforms by commas")
		case flag == "--platform" && hasValue:
			platforms, errs := parsePlatforms(strings.Split(value, ","))
			image.Platforms, problems = platforms, append(problems, errs...)
		case flag == "--platform":
			bad("--platform needs its value after a =, as in --platform=linux/amd64")
			if len(words) > 2 {
				words = words[1:]
			}
		case suggest.Closest(flag, []string{"--platform"}) != "":
			bad("unknown flag %s: did you mean --platform?", flag)
		default:
			bad("unknown flag %s: the only one is --platform", flag)
		}
		flagged = flagged || flag == "--platform"
		words = words[1:]
	}
	if len(words) == 0 {
		bad("names no image")
		return image, problems
	}

	image.Source = words[0]
	ref, problem := parseSource(words[0])
	if problem != "" {
		bad("%s", problem)
	}
	image.Ref = ref

	switch rest := words[1:]; {
	case len(rest) == 0:
	case !strings.EqualFold(rest[0], "AS") && strings.ContainsAny(rest[0], ":/"):
		bad("unexpected %q after the image: give each image a line of its own", rest[0])
	case !strings.EqualFold(rest[0], "AS"):
		bad("unexpected %q after the image: want AS and a name, or nothing", rest[0])
	case len(rest) == 1:
		bad("AS needs a name after it")
	case len(rest) > 2:
		bad("unexpected %q after the name", rest[2])
	case !stageName.MatchString(rest[1]):
		bad("invalid name %q after AS: want letters, digits, '_', '.' and '-', the first a letter or digit", rest[1])
	default:
		image.Name = rest[1]
	}
	return image, problems
}

// pasted counts the words before an image that were copied along with it from a Dockerfile, a shell or a manifest.
func pasted(words []string) int {
	switch {
	case len(words) > 1 && (strings.EqualFold(words[0], "FROM") || words[0] == "image:"):
		return 1
	case len(words) > 2 && words[1] == "pull" && slices.Contains([]string{"docker", "podman", "nerdctl", "crictl", "crane"}, words[0]):
		return 2
	}
	return 0
}

// parseSource reads an image to be copied from; the problem is "" where there is none.
func parseSource(s string) (reference.Reference, string) {
	_, afterAt, _ := strings.Cut(s, "@")
	switch {
	case strings.Contains(afterAt, "/"):
		return reference.Reference{}, reference.ErrCredentials.Error()
	case strings.Contains(s, "$"):
		return reference.Reference{}, fmt.Sprintf("image reference %q does not match expected format: variables are not expanded in lists", s)
	case strings.Contains(s, "://"):
		if err := reference.CheckWebAddress(s); err != nil {
			return reference.Reference{}, err.Error()
		}
		return reference.Reference{}, fmt.Sprintf("image reference %q does not match expected format: leave out %s://", s, s[:strings.Index(s, "://")])
	case strings.ContainsAny(s, "\"'`"):
		return reference.Reference{}, fmt.Sprintf("image reference %q does not match expected format: leave out the quotes", s)
	case strings.Contains(s, ","):
		return reference.Reference{}, fmt.Sprintf("image reference %q does not match expected format: leave out the comma, and give each image a line of its own", s)
	case strings.Count(afterAt, ":") > 1:
		return reference.Reference{}, fmt.Sprintf("image reference %q does not match expected format: a tag goes before the digest, as in nginx:1.27@sha256:…", s)
	case s == "scratch":
		return reference.Reference{}, `"scratch" is Docker's name for no image: there is nothing to copy`
	}
	ref, err := reference.Parse(s)
	if err != nil {
		return reference.Reference{}, err.Error()
	}
	return ref, ""
}

// parsePlatforms reads a list of platforms and refuses those that are in it twice, however they are spelled.
func parsePlatforms(list []string) (platforms []v1.Platform, problems []string) {
	seen := make(map[string]bool, len(list))
	for _, s := range list {
		p, err := platform.Parse(s)
		switch {
		case err != nil:
			problems = append(problems, err.Error())
		case seen[p.String()]:
			problems = append(problems, fmt.Sprintf("duplicate platform %q", s))
		default:
			seen[p.String()] = true
			platforms = append(platforms, p)
		}
	}
	return platforms, problems
}
