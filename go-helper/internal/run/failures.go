package run

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"docker-mirror/go-helper/internal/report"
)

// mostPlaces is how many files are named of those that a cause concerns.
const mostPlaces = 5

// failure is a copy that failed, and the first of a target's lines that asked for it.
type failure struct {
	*report.Copy
	asker report.Asker
}

// printFailures tells what failed and why: a cause that several copies share once, with their number, and every other
// failure with its own place.
func (s *session) printFailures(targets ...*target) {
	causes, single := failuresOf(targets)
	s.printErrors(targets...)
	for _, cause := range causes {
		if len(cause.failures) == 1 {
			single = append(single, cause.failures[0])
			continue
		}
		s.printCause(cause)
	}
	s.printSingle(single)
}

// printFailuresOf is printFailures for one target of a publish, whose leader has told the causes of all.
func (s *session) printFailuresOf(t *target) {
	_, single := failuresOf([]*target{t})
	s.printErrors(t)
	s.printSingle(single)
}

// printCauses tells what is no single image's failure, for all targets of a publish.
func (s *session) printCauses(targets []*target) {
	causes, _ := failuresOf(targets)
	for _, cause := range causes {
		s.printCause(cause)
	}
	s.console.Flush()
}

func (s *session) printErrors(targets ...*target) {
	for _, t := range targets {
		for _, line := range t.errs {
			s.console.Error(line)
		}
	}
}

func (s *session) printSingle(failures []failure) {
	for _, f := range failures {
		for _, line := range f.Failure(f.asker) {
			s.console.Error(line)
		}
	}
	s.console.Flush()
}

// cause is why copies failed, whichever image they are of.
type cause struct {
	text     string
	failures []failure
}

// failuresOf parts the failures of targets into those with a cause, in the order in which causes come up, and single ones.
func failuresOf(targets []*target) (causes []*cause, single []failure) {
	known := map[string]*cause{}
	for _, t := range targets {
		for _, f := range t.failures() {
			if f.Cause == "" {
				single = append(single, f)
				continue
			}
			if known[f.Cause] == nil {
				known[f.Cause] = &cause{text: f.Cause}
				causes = append(causes, known[f.Cause])
			}
			known[f.Cause].failures = append(known[f.Cause].failures, f)
		}
	}
	return causes, single
}

// failures are a target's failed copies, but for those that the set's rules or an interrupt ended: these are said otherwise.
func (t *target) failures() []failure {
	var all []failure
	for _, c := range t.copies {
		if !failing(c.Status) || c.Interrupted || len(t.errs) > 0 {
			continue
		}
		askers := c.Askers()
		if i := slices.IndexFunc(askers, func(a report.Asker) bool { return a.Target == t.address }); i >= 0 {
			all = append(all, failure{c, askers[i]})
		}
	}
	return all
}

// printCause tells one cause for all that failed by it.
func (s *session) printCause(c *cause) {
	destinations := map[string]bool{}
	var origins []string
	for _, f := range c.failures {
		destinations[f.Destination] = true
		origins = append(origins, f.asker.Origin)
	}
	s.console.Error(fmt.Sprintf("%s: %s failed", c.text, report.Plural(len(destinations), "image")))
	if places := placesText(origins); places != "" {
		s.console.Error("    asked for in " + places)
	}
	if s.Report != "" {
		s.console.Error("    " + s.Report + " has each with its reason")
	}
	if hint := c.failures[0].Hint; hint != "" {
		s.console.Error("    " + hint)
	}
}

// placesText names lines by their files: "a/images.txt:1-3, 7; b/images.txt:2".
func placesText(origins []string) string {
	lines := map[string][]int{}
	var files []string
	for _, origin := range origins {
		file, line := splitOrigin(origin)
		if file == "" {
			continue
		}
		if !slices.Contains(files, file) {
			files = append(files, file)
		}
		if line > 0 {
			lines[file] = append(lines[file], line)
		}
	}
	var parts []string
	for i, file := range files {
		if i == mostPlaces {
			parts = append(parts, fmt.Sprintf("%d more files", len(files)-i))
			break
		}
		if ranges := rangesText(lines[file]); ranges != "" {
			file += ":" + ranges
		}
		parts = append(parts, file)
	}
	return strings.Join(parts, "; ")
}

// splitOrigin cuts "images.txt:3" in two; line is 0 where there is none.
func splitOrigin(origin string) (file string, line int) {
	if i := strings.LastIndexByte(origin, ':'); i >= 0 {
		if n, err := strconv.Atoi(origin[i+1:]); err == nil {
			return origin[:i], n
		}
	}
	return origin, 0
}

// rangesText is short for a set of numbers: "1-3, 7".
func rangesText(numbers []int) string {
	slices.SortFunc(numbers, cmp.Compare)
	numbers = slices.Compact(numbers)
	var parts []string
	for i := 0; i < len(numbers); {
		j := i
		for j+1 < len(numbers) && numbers[j+1] == numbers[j]+1 {
			j++
		}
		part := strconv.Itoa(numbers[i])
		if j > i {
			part += "-" + strconv.Itoa(numbers[j])
		}
		parts = append(parts, part)
		i = j + 1
	}
	return strings.Join(parts, ", ")
}
