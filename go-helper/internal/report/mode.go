package report

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"
)

// Mode is how progress is shown on standard error.
type Mode string

// The modes of --progress.
const (
	ModeAuto  Mode = "auto"  // bars on a terminal, else plain
	ModePlain Mode = "plain" // a line every few seconds
	ModeJSON  Mode = "json"  // an event a line, for programs
	ModeNone  Mode = "none"  // errors only

	modeTerminal Mode = "terminal" // what auto comes to on a terminal
)

// Modes are all that --progress takes.
var Modes = []Mode{ModeAuto, ModePlain, ModeJSON, ModeNone}

// ParseMode checks what a user asked for; empty is auto.
func ParseMode(s string) (Mode, error) {
	if s == "" {
		return ModeAuto, nil
	}
	if !slices.Contains(Modes, Mode(s)) {
		names := make([]string, len(Modes))
		for i, m := range Modes {
			names[i] = string(m)
		}
		return "", fmt.Errorf("unknown progress mode %q: it is one of %s", s, strings.Join(names, ", "))
	}
	return Mode(s), nil
}

// resolve decides auto: a terminal that can move its cursor gets bars, unless a CI system says that a log reads it.
func (m Mode) resolve(stderr any, getenv func(string) string) Mode {
	if m != ModeAuto {
		return m
	}
	file, ok := stderr.(*os.File)
	if ok && term.IsTerminal(int(file.Fd())) && getenv("TERM") != "dumb" && getenv("CI") == "" {
		return modeTerminal
	}
	return ModePlain
}
