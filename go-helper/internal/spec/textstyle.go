package spec

import (
	"bytes"
	"strings"
)

// StyleText puts a text list into the one style: a space between words, AS in capitals, two spaces before a comment that
// follows an image, no white space at the ends of lines, at most one blank line in a row and none at the ends, LF alone.
// Comments and the order of lines stay. What is no list is refused with [Parse]'s errors.
func StyleText(file string, data []byte) ([]byte, error) {
	if _, err := Parse(file, FormatText, data); err != nil {
		return nil, err
	}
	var styled bytes.Buffer
	blank := false
	for _, line := range strings.Split(string(withoutBOM(data)), "\n") {
		line = styleLine(line)
		if line == "" {
			blank = styled.Len() > 0
			continue
		}
		if blank {
			styled.WriteByte('\n')
			blank = false
		}
		styled.WriteString(line)
		styled.WriteByte('\n')
	}
	return styled.Bytes(), nil
}

func styleLine(line string) string {
	line = withoutMarks(line)
	list := withoutComment(line)
	comment := strings.TrimSpace(line[len(list):])
	words := strings.Fields(list)
	for i, word := range words {
		if i > 0 && strings.EqualFold(word, "AS") && i == len(words)-2 {
			words[i] = "AS"
		}
	}
	switch image := strings.Join(words, " "); {
	case comment == "":
		return image
	case image == "":
		return comment
	default:
		return image + "  " + comment
	}
}
