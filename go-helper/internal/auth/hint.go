package auth

import (
	"errors"
	"fmt"
	"strings"
)

// DeniedError tells that a registry or its token service wants other credentials, or none will do.
type DeniedError struct {
	Status int    // 401 or 403, or what else a token service refused with
	Reason string // never holds a secret
	Hint   string // what is known of the credentials
}

func (e *DeniedError) Error() string {
	if e.Hint == "" {
		return e.Reason
	}
	return e.Reason + "; " + e.Hint
}

// Hint explains the registry's refusal of a request by what it carried.
func (a *Authorizer) Hint(sent Authorization) string {
	switch {
	case sent.instead != nil:
		return "asked without credentials, after " + sent.instead.String() + " were refused"
	case sent.err != nil && !errors.Is(sent.err, ErrNone):
		return fmt.Sprintf("credentials for %s can't be had: %v", a.host, sent.err)
	case !sent.creds.Anonymous():
		return "asked with " + sent.creds.String()
	case sent.challenge.Scheme == "":
		return "asked without credentials: the registry wanted none"
	case !sent.challenge.known():
		return fmt.Sprintf("the registry wants to be authenticated to by %q, which isn't known here", printable(sent.challenge.Scheme))
	}
	hint := "no credentials for " + a.host + " were found"
	if d, ok := a.keychain.(Describer); ok {
		if searched := d.Describe(a.host); searched != "" {
			hint += " (searched: " + searched + ")"
		}
	}
	if sent.err != nil {
		hint += ": " + sent.err.Error()
	}
	return hint
}

// printable keeps a foreign text on one line and short.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:200], "") + "…"
	}
	return s
}
