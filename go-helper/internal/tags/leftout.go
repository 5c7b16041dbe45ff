package tags

import (
	"fmt"
	"slices"
	"strings"
)

// leftOut counts the tags of a class that a policy doesn't select.
type leftOut struct {
	class   class
	count   int
	highest string // by name, numbers as numbers
}

// unread are the classes of tags that may be versions for people, but aren't ranked.
var unread = []class{classParts, classOther, classDate, classSuffix}

// Notice says what is worth knowing of the tags that the policy leaves out of source: all of it where it selects none of them, and otherwise the classes of
// which one looks newer than all that is selected; "" where there is nothing to say.
func (p Policy) Notice(source []string) string {
	c, err := p.compile()
	if err != nil || len(source) == 0 {
		return ""
	}
	selected := c.filter(source)
	classes := c.leftOut(source)
	if len(selected) == 0 {
		return fmt.Sprintf("selects none of the %d tags%s", len(source), described(classes))
	}
	if !c.versioned() {
		return ""
	}
	highest := numbers(selected[len(selected)-1].text)
	classes = slices.DeleteFunc(classes, func(l leftOut) bool {
		return !slices.Contains(unread, l.class) || slices.Compare(numbers(l.highest), highest) <= 0
	})
	if len(classes) == 0 {
		return ""
	}
	return fmt.Sprintf("the highest tag selected is %s, but others look newer%s", selected[len(selected)-1].text, described(classes))
}

// LeftOut says how many tags of source the policy leaves out, and why; "" where it takes all.
func (p Policy) LeftOut(source []string) string {
	c, err := p.compile()
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(described(c.leftOut(source)), ": ")
}

// leftOut sorts what filter leaves out by class, the largest class first.
func (c compiled) leftOut(source []string) []leftOut {
	var classes []leftOut
	seen := make(map[string]bool, len(source))
	for _, text := range source {
		if seen[text] {
			continue
		}
		seen[text] = true
		_, class := c.look(text)
		if class == wanted {
			continue
		}
		i := slices.IndexFunc(classes, func(l leftOut) bool { return l.class == class })
		if i < 0 {
			i = len(classes)
			classes = append(classes, leftOut{class: class, highest: text})
		}
		classes[i].count++
		if slices.Compare(numbers(text), numbers(classes[i].highest)) > 0 {
			classes[i].highest = text
		}
	}
	slices.SortStableFunc(classes, func(a, b leftOut) int { return b.count - a.count })
	return classes
}

// described lists classes, and what to do about those that could be ranked otherwise.
func described(classes []leftOut) string {
	if len(classes) == 0 {
		return ""
	}
	texts := make([]string, len(classes))
	cure := ""
	for i, l := range classes {
		texts[i] = fmt.Sprintf("%d %s (%s)", l.count, l.class, l.highest)
		switch {
		case l.class == classSuffix && cure == "":
			cure = `; compatibility = "SUFFIX" selects those with one exact suffix, and order = "natural" with latest and include ranks any tags by name, numbers as numbers`
		case l.class == classDay || slices.Contains(unread, l.class) && l.class != classSuffix:
			cure = `; order = "natural" with latest and include ranks tags by name, numbers as numbers`
			if l.class == classDate {
				cure += `, and a range that names a year (">=2024.1") reads years`
			}
		}
	}
	return ": " + strings.Join(texts, ", ") + cure
}

// numbers are the numbers that a tag begins with, behind a v or a word.
func numbers(text string) []int {
	var all []int
	start := strings.IndexAny(text, "0123456789")
	if start < 0 {
		return nil
	}
	rest := text[start:]
	for rest != "" && isDigit(rest[0]) {
		end := 0
		n := 0
		for end < len(rest) && isDigit(rest[end]) {
			if n < 1<<40 {
				n = n*10 + int(rest[end]-'0')
			}
			end++
		}
		all = append(all, n)
		rest = strings.TrimLeft(rest[end:], ".-_")
	}
	return all
}
