package auth

import (
	"slices"
	"strings"
)

// Scope is what a token allows on one repository ("Token Scope Documentation" of distribution).
type Scope struct {
	Repository string
	Write      bool // pull and push, else pull
}

// Pull allows to read a repository.
func Pull(repository string) Scope { return Scope{Repository: repository} }

// Push allows to read and write it.
func Push(repository string) Scope { return Scope{Repository: repository, Write: true} }

// String spells it as the token service wants it.
func (s Scope) String() string {
	if s.Write {
		return "repository:" + s.Repository + ":pull,push"
	}
	return "repository:" + s.Repository + ":pull"
}

func (s Scope) covers(want Scope) bool {
	return s.Repository == want.Repository && (s.Write || !want.Write)
}

func coversAll(have, want []Scope) bool {
	for _, w := range want {
		if !slices.ContainsFunc(have, func(h Scope) bool { return h.covers(w) }) {
			return false
		}
	}
	return true
}

// merge appends those of more that first doesn't cover; the order of first stays, since some token services
// look at the first scope only.
func merge(first, more []Scope) []Scope {
	out := slices.Clone(first)
	for _, m := range more {
		if !coversAll(out, []Scope{m}) {
			out = append(out, m)
		}
	}
	return out
}

// demandCovered tells whether a challenge's scope (resource scopes, separated by spaces) asks for nothing that
// have lacks.
func demandCovered(demand string, have []Scope) bool {
	for _, item := range strings.Fields(demand) {
		kind, rest, _ := strings.Cut(item, ":")
		i := strings.LastIndexByte(rest, ':')
		if kind != "repository" || i < 0 {
			return false
		}
		want := Scope{Repository: rest[:i]}
		for _, action := range strings.Split(rest[i+1:], ",") {
			switch action {
			case "pull":
			case "push":
				want.Write = true
			default:
				return false
			}
		}
		if !coversAll(have, []Scope{want}) {
			return false
		}
	}
	return true
}
