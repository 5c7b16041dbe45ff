package main

import (
	"fmt"
	"regexp"
	"sync"

	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
)

// patterns are compiled once.
type patterns struct {
	mu       sync.Mutex
	compiled map[string]*regexp.Regexp // by their text
}

// matches tells whether all of value matches; a pattern that is none matches nothing.
func (ps *patterns) matches(p pattern, value string) (bool, error) {
	compiled, err := ps.compile(p)
	return err == nil && compiled.MatchString(value), err
}

func (ps *patterns) compile(p pattern) (*regexp.Regexp, error) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if compiled := ps.compiled[p.Regexp]; compiled != nil {
		return compiled, nil
	}
	// sigstore-go's own patterns may match a part of a value.
	compiled, err := regexp.Compile(`\A(?:` + p.Regexp + `)\z`)
	if err != nil {
		return nil, fmt.Errorf("the pattern %q is malformed: %w", p.Text, err)
	}
	if ps.compiled == nil {
		ps.compiled = map[string]*regexp.Regexp{}
	}
	ps.compiled[p.Regexp] = compiled
	return compiled, nil
}

// admits tells how a certificate differs from those that an authority means; nil where it doesn't. The certificate has been verified.
func (a authority) admits(ps *patterns, c certificate.Summary) error {
	if a.Issuer == "" || a.Subject == nil {
		return fmt.Errorf("no issuer and subject are wanted of a certificate") // and so nobody is
	}
	if c.Issuer != a.Issuer {
		return fmt.Errorf("signed by %s, as %s says, and %s is to say so", c.SubjectAlternativeName, c.Issuer, a.Issuer)
	}
	for _, field := range []struct {
		what  string
		want  *pattern
		value string
	}{
		{"signed by", a.Subject, c.SubjectAlternativeName},
		{"signed from source repository", a.SourceRepository, c.SourceRepositoryURI},
		{"signed from source ref", a.SourceRef, c.SourceRepositoryRef},
	} {
		if field.want == nil {
			continue
		}
		ok, err := ps.matches(*field.want, field.value)
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("%s %s, and %s is wanted", field.what, orNone(field.value), field.want.Text)
		}
	}
	return nil
}

func orNone(value string) string {
	if value == "" {
		return "none"
	}
	return value
}
