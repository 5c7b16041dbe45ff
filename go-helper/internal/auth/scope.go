package auth

// Scope is what a token allows on one repository (distribution token scope documentation).
type Scope struct {
	Repository string
	Push       bool // with pull
}

// Pull and Push are the scopes that the distribution API's verbs need.
func Pull(repository string) Scope { return Scope{Repository: repository} }

// Push includes pull.
func Push(repository string) Scope { return Scope{Repository: repository, Push: true} }

// String spells it as the token service wants it.
func (s Scope) String() string {
	if s.Push {
		return "repository:" + s.Repository + ":pull,push"
	}
	return "repository:" + s.Repository + ":pull"
}
