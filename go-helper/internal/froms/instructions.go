package froms

import (
	"regexp"
	"strings"
)

// instruction is one of a Dockerfile, on one line.
type instruction struct {
	line int // where it begins
	text string
}

var (
	escapeDirective = regexp.MustCompile("(?i)^\\s*#\\s*escape\\s*=\\s*([\\\\`])\\s*$")
	otherDirective  = regexp.MustCompile(`(?i)^\s*#\s*[a-z]+\s*=`)
	heredoc         = regexp.MustCompile(`(?:^|[^<])<<(-?)["']?([A-Za-z_][A-Za-z0-9_]*)`)
)

// instructions joins the lines that belong together, and leaves out comments and the content of here-documents.
func instructions(dockerfile string) []instruction {
	lines := strings.Split(strings.ReplaceAll(dockerfile, "\r\n", "\n"), "\n")
	escape := escapeOf(lines)
	var found []instruction
	for at := 0; at < len(lines); at++ {
		if skipped(lines[at]) {
			continue
		}
		i := instruction{line: at + 1}
		for {
			text := strings.TrimRight(lines[at], " \t")
			continued := strings.HasSuffix(text, escape)
			i.text += strings.TrimSuffix(text, escape)
			if !continued || at+1 == len(lines) {
				break
			}
			for at++; at+1 < len(lines) && skipped(lines[at]); at++ {
			}
		}
		at = afterHeredocs(lines, at, i.text)
		found = append(found, i)
	}
	return found
}

func skipped(line string) bool {
	line = strings.TrimSpace(line)
	return line == "" || line[0] == '#'
}

// escapeOf is what continues a line. Directives stand at the top.
func escapeOf(lines []string) string {
	for _, line := range lines {
		if m := escapeDirective.FindStringSubmatch(line); m != nil {
			return m[1]
		}
		if !otherDirective.MatchString(line) {
			break
		}
	}
	return `\`
}

// afterHeredocs is the last line of an instruction that ends on line at, with its here-documents.
func afterHeredocs(lines []string, at int, text string) int {
	name, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	switch strings.ToUpper(name) {
	case "RUN", "COPY", "ADD":
	default:
		return at
	}
	for _, m := range heredoc.FindAllStringSubmatch(text, -1) {
		for end := at + 1; end < len(lines); end++ {
			line := lines[end]
			if m[1] == "-" {
				line = strings.TrimLeft(line, "\t")
			}
			if line == m[2] { // without it, it is no here-document but `1<<N`, say
				at = end
				break
			}
		}
	}
	return at
}
