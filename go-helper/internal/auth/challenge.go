package auth

import (
	"net/http"
	"strings"
)

// Challenge is what a registry asks for in WWW-Authenticate (RFC 9110, 11.6.1).
type Challenge struct {
	Scheme  string // "basic", "bearer", another one that isn't known here, or "" where none is needed
	Realm   string
	Service string
	Scope   string
	Error   string // what was wrong with the token that was sent (RFC 6750, 3.1)
}

// known tells whether the challenge can be met.
func (c Challenge) known() bool { return c.Scheme == "bearer" && c.Realm != "" || c.Scheme == "basic" }

// ParseChallenge reads the challenge of a 401. Of several, in one line or in many, it takes a token service before a
// password, which anonymous users don't have, and what is known here before the rest.
func ParseChallenge(h http.Header) Challenge {
	var best Challenge
	for _, line := range h.Values("WWW-Authenticate") {
		for _, c := range parseChallenges(line) {
			if rank(c) > rank(best) {
				best = c
			}
		}
	}
	return best
}

func rank(c Challenge) int {
	switch {
	case c.Scheme == "":
		return 0
	case !c.known():
		return 1
	case c.Scheme == "basic":
		return 2
	}
	return 3
}

// parseChallenges reads one header line: challenge *( "," challenge ), where a challenge is a scheme with either a
// token68 or parameters, which are separated by commas as well. go-containerregistry's parser, as distribution's, takes all
// of a line for one challenge.
func parseChallenges(line string) (challenges []Challenge) {
	s := scanner{line}
	for {
		s.skip(" \t,")
		name := s.token()
		if name == "" {
			return challenges
		}
		s.skip(" \t")
		if s.next('=') && len(challenges) > 0 {
			challenges[len(challenges)-1].set(strings.ToLower(name), s.value())
			continue
		}
		challenges = append(challenges, Challenge{Scheme: strings.ToLower(name)})
		s.skipToken68()
	}
}

func (c *Challenge) set(key, value string) {
	switch key {
	case "realm":
		c.Realm = value
	case "service":
		c.Service = value
	case "scope":
		c.Scope = value
	case "error":
		c.Error = value
	}
}

// scanner takes the parts of a header's value (RFC 9110, 5.6) from its front.
type scanner struct{ rest string }

func (s *scanner) skip(set string) { s.rest = strings.TrimLeft(s.rest, set) }

func (s *scanner) next(c byte) bool {
	if s.rest == "" || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

func (s *scanner) token() string {
	end := strings.IndexFunc(s.rest, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r) })
	if end < 0 {
		end = len(s.rest)
	}
	token := s.rest[:end]
	s.rest = s.rest[end:]
	return token
}

// value is a token or a quoted string.
func (s *scanner) value() string {
	s.skip(" \t")
	if !s.next('"') {
		return s.unquoted()
	}
	var b strings.Builder
	for s.rest != "" {
		c := s.rest[0]
		s.rest = s.rest[1:]
		switch {
		case c == '"':
			return b.String()
		case c == '\\' && s.rest != "":
			c = s.rest[0]
			s.rest = s.rest[1:]
		}
		b.WriteByte(c)
	}
	return b.String()
}

// unquoted takes more than a token: some services don't quote their addresses.
func (s *scanner) unquoted() string {
	end := strings.IndexAny(s.rest, ", \t")
	if end < 0 {
		end = len(s.rest)
	}
	value := s.rest[:end]
	s.rest = s.rest[end:]
	return value
}

// skipToken68 drops what Negotiate and others have instead of parameters.
func (s *scanner) skipToken68() {
	end := strings.IndexByte(s.rest, ',')
	if end < 0 {
		end = len(s.rest)
	}
	candidate := strings.TrimRight(s.rest[:end], " \t")
	if !strings.ContainsAny(strings.TrimRight(candidate, "="), "= \t") {
		s.rest = s.rest[end:]
	}
}
