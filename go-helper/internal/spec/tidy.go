package spec

import (
	"sort"
	"strings"
	"unicode/utf8"
)

// Tidy writes a text list in one style: one space between words, AS in capitals, no white space at the end of a line, one blank
// line between paragraphs, and within a paragraph the images in the order of their full references. A comment stays above the
// image that it stood above, or behind the one that it stood behind. Lines that are wrong stay as they are, and so does the
// order of their paragraph.
func Tidy(data []byte) []byte {
	if !utf8.Valid(data) {
		return data
	}
	var paragraphs []string
	var lines []string
	flush := func() {
		if len(lines) > 0 {
			paragraphs = append(paragraphs, tidyParagraph(lines))
			lines = nil
		}
	}
	for _, line := range strings.Split(withoutMarks(string(data)), "\n") {
		if line = strings.TrimSpace(line); line == "" {
			flush()
			continue
		}
		lines = append(lines, line)
	}
	flush()
	return []byte(strings.Join(paragraphs, "\n"))
}

// tidyEntry is an image's line with the comments above it.
type tidyEntry struct {
	text string
	key  string // what it is sorted by
}

func tidyParagraph(lines []string) string {
	var entries []tidyEntry
	above, sortable := "", true
	for _, line := range lines {
		if strings.HasPrefix(line, "#") {
			above += line + "\n"
			continue
		}
		text, key, ok := tidyLine(line)
		sortable = sortable && ok
		entries = append(entries, tidyEntry{above + text + "\n", key})
		above = ""
	}
	if sortable {
		sort.SliceStable(entries, func(i, j int) bool { return entries[i].key < entries[j].key })
	}
	var b strings.Builder
	for _, entry := range entries {
		b.WriteString(entry.text)
	}
	return b.String() + above
}

// tidyLine writes an image's line in style; where the line is wrong it stays as it is.
func tidyLine(line string) (text, key string, ok bool) {
	words := withoutComment(line)
	comment := line[len(words):]
	image, problems := parseLine(strings.Fields(words))
	if len(problems) > 0 {
		return line, "", false
	}
	if len(image.Platforms) > 0 {
		text = strings.Fields(words)[0] + " "
	}
	text += image.Source
	if image.Name != "" {
		text += " AS " + image.Name
	}
	key = image.Ref.String() + " " + text
	if comment != "" {
		text += " " + comment
	}
	return text, key, true
}
