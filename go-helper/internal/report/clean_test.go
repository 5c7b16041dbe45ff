package report

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

func TestClean(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain text, ünïcode ✓ 日本": "plain text, ünïcode ✓ 日本",
		"\x1b[31mred\x1b[0m":       `\x1b[31mred\x1b[0m`,
		"one\ntwo\rthree\ttab":     `one\ntwo\rthree\ttab`,
		"bell\a null\x00 del\x7f":  `bell\a null\x00 del\x7f`,
		"C1 \u009b31m":             `C1 \u009b31m`,
		"bidi \u202egpj.exe":       `bidi \u202egpj.exe`,
		"invalid \xff\x9b":         `invalid \xff\x9b`,
		"line\u2028separator":      `line\u2028separator`,
		"zero\u200bwidth":          `zero\u200bwidth`,
		"":                         "",
	} {
		if got := Clean(in); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	a, b, c := errors.New("a"), errors.New("b\x1b[2J"), errors.New("c")
	for _, tt := range []struct {
		name string
		err  error
		want []string
	}{
		{"none", nil, nil},
		{"one", a, []string{"a"}},
		{"joined", errors.Join(a, b), []string{"a", `b\x1b[2J`}},
		{"nested", errors.Join(errors.Join(a, b), c), []string{"a", `b\x1b[2J`, "c"}},
		{"several wrapped in a sentence", fmt.Errorf("both %w and %w", a, c), []string{"both a and c"}},
		{"wrapped join stays one line", fmt.Errorf("reading: %w", errors.Join(a, c)), []string{`reading: a\nc`}},
	} {
		if got := Lines(tt.err); !slices.Equal(got, tt.want) {
			t.Errorf("%s: Lines = %q, want %q", tt.name, got, tt.want)
		}
	}
}
