package report

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean makes text from outside fit for one line of a terminal: what registries answer may carry escape
// sequences, line breaks that would forge a line of ours, or bidirectional overrides. They come out in Go's
// escaped spelling (`\x1b`, `\n`, `\u202e`); everything printable stays as it is.
func Clean(s string) string {
	clean := true
	for _, r := range s {
		if !printable(r) {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case printable(r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		i += size
	}
	return b.String()
}

// printable leaves out controls (Cc), format characters (Cf: bidi overrides, zero width) and the line and
// paragraph separators. An invalid byte decodes to RuneError, which a valid U+FFFD also is; escaping that one
// as well would do no harm, but the fast path must not let invalid bytes through.
func printable(r rune) bool {
	return r != utf8.RuneError && (r == ' ' || unicode.IsGraphic(r) && !unicode.Is(unicode.Zl, r) && !unicode.Is(unicode.Zp, r))
}

// Lines lists the errors that were joined into err, each cleaned to one line.
func Lines(err error) []string {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok && err.Error() == joinedText(joined.Unwrap()) {
		var lines []string
		for _, e := range joined.Unwrap() {
			lines = append(lines, Lines(e)...)
		}
		return lines
	}
	return []string{Clean(err.Error())}
}

// joinedText is what errors.Join prints; a wrapper with several %w says more and is kept whole.
func joinedText(errs []error) string {
	texts := make([]string, len(errs))
	for i, e := range errs {
		texts[i] = e.Error()
	}
	return strings.Join(texts, "\n")
}
