package spec

import (
	"bytes"
	"fmt"
	"sort"
	"strings"

	"docker-mirror/go-helper/internal/reference"
)

// Rule is something that can be said against a list that is right.
type Rule string

// The rules.
const (
	RuleDuplicate Rule = "duplicate" // an image that is listed twice
	RuleSpelling  Rule = "spelling"  // one repository in two spellings
	RuleUnpinned  Rule = "unpinned"  // a tag without a digest can move
	RuleLatest    Rule = "latest"    // the tag latest, which does move
	RuleStyle     Rule = "style"     // a text list that isn't as [Tidy] writes it
)

// Rules lists them all.
func Rules() []Rule {
	return []Rule{RuleDuplicate, RuleSpelling, RuleUnpinned, RuleLatest, RuleStyle}
}

// Finding is a place where a list breaks a rule.
type Finding struct {
	File string
	Line int
	Rule Rule
	Msg  string
}

func (f Finding) String() string {
	return (&Error{File: f.File, Line: f.Line, Msg: f.Msg}).Error() + " [" + string(f.Rule) + "]"
}

// Lint tells which rules a list breaks, in the order of lines. Which of them matter is the caller's to say. The error is that of
// [Parse]; what could be read is looked at all the same.
func Lint(file File) ([]Finding, error) {
	images, err := Parse(file.Name, file.Format, file.Data)
	l := linter{file: file.Name}
	l.duplicates(images)
	l.spellings(images)
	l.pins(images)
	if format, known := FormatOf(file.Name); file.Format == FormatText || file.Format == FormatAuto && known == nil && format == FormatText {
		l.style(file.Data)
	}
	sort.SliceStable(l.findings, func(i, j int) bool { return l.findings[i].Line < l.findings[j].Line })
	return l.findings, err
}

type linter struct {
	file     string
	findings []Finding
}

func (l *linter) add(line int, rule Rule, format string, args ...any) {
	l.findings = append(l.findings, Finding{l.file, line, rule, fmt.Sprintf(format, args...)})
}

// duplicates: the same image under two names, or to two destinations, is meant.
func (l *linter) duplicates(images []Image) {
	type entry struct {
		ref         reference.Reference
		name, tag   string
		destination reference.Reference
	}
	first := map[entry]int{}
	for _, i := range images {
		if i.Select != nil || i.Skip != nil {
			continue
		}
		e := entry{ref: i.Ref, name: i.Name, tag: i.Tag}
		if i.Destination != nil {
			e.destination = *i.Destination
		}
		if line, ok := first[e]; ok {
			l.add(i.Line, RuleDuplicate, "%s is on line %d already", i.Source, line)
			continue
		}
		first[e] = i.Line
	}
}

func (l *linter) spellings(images []Image) {
	type spelling struct {
		text string
		line int
	}
	first := map[string]spelling{}
	for _, i := range images {
		written, _, _ := strings.Cut(i.Source, "@")
		written, _ = splitTag(written)
		before, ok := first[i.Ref.Name()]
		switch {
		case !ok:
			first[i.Ref.Name()] = spelling{written, i.Line}
		case before.text != written:
			l.add(i.Line, RuleSpelling, "%s is spelled %s on line %d", written, before.text, before.line)
		}
	}
}

func (l *linter) pins(images []Image) {
	for _, i := range images {
		if i.Select != nil || i.Skip != nil || i.Ref.HasDigest() {
			continue
		}
		if i.Ref.Tag == reference.DefaultTag {
			l.add(i.Line, RuleLatest, "%s means the tag latest, which moves: name a version", i.Source)
		}
		l.add(i.Line, RuleUnpinned, "%s is not pinned: without a digest it can move", i.Source)
	}
}

func (l *linter) style(data []byte) {
	tidy := Tidy(data)
	if bytes.Equal(tidy, data) {
		return
	}
	line := 1
	for i := 0; i < len(data) && i < len(tidy) && data[i] == tidy[i]; i++ {
		if data[i] == '\n' {
			line++
		}
	}
	l.add(line, RuleStyle, "the list is not in the usual style or order from here on")
}
