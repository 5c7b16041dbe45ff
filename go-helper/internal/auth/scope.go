package auth

import (
	"slices"
	"strings"
)

// Scope is what a token allows on one repository ("Token Scope Documentation" of distribution).
type Scope struct {
	Repository string
	Access     Access
}

// Access is a set of actions; each includes those before it.
type Access int

// The accesses that the distribution API's verbs need.
const (
	AccessPull Access = iota
	AccessPush
	AccessDelete
)

// Pull allows to read a repository.
func Pull(repository string) Scope { return Scope{repository, AccessPull} }

// Push allows to read and write it.
func Push(repository string) Scope { return Scope{repository, AccessPush} }

// Delete allows all that Push does, and to delete; distribution wants it for cancelling an upload as well.
func Delete(repository string) Scope { return Scope{repository, AccessDelete} }

// String spells it as the token service wants it.
func (s Scope) String() string {
	return "repository:" + s.Repository + ":" + [...]string{"pull", "pull,push", "pull,push,delete"}[s.Access]
}

func (s Scope) covers(want Scope) bool {
	return s.Repository == want.Repository && s.Access >= want.Access
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
				want.Access = max(want.Access, AccessPush)
			case "delete":
				want.Access = AccessDelete
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
