package auth

import (
	"context"
	"errors"
	"strings"
)

// ErrNone is what a keychain's error wraps where it has no credentials and that is nothing unusual: the request
// goes out without, and only its refusal tells of it.
var ErrNone = errors.New("no credentials")

// Chain asks keychains in turn; the first that has credentials wins, also over the errors of those before it.
type Chain []Keychain

var (
	_ Keychain  = Chain(nil)
	_ Forgetter = Chain(nil)
	_ Describer = Chain(nil)
)

// Resolve implements [Keychain].
func (c Chain) Resolve(ctx context.Context, host, repository string) (Credentials, error) {
	var failed, none []error
	for _, k := range c {
		creds, err := k.Resolve(ctx, host, repository)
		switch {
		case ctx.Err() != nil:
			return Credentials{}, ctx.Err()
		case errors.Is(err, ErrNone):
			none = append(none, err)
		case err != nil:
			failed = append(failed, err)
		case !creds.Anonymous():
			return creds, nil
		}
	}
	if len(failed) > 0 {
		return Credentials{}, errors.Join(failed...)
	}
	return Credentials{}, errors.Join(none...)
}

// Forget implements [Forgetter].
func (c Chain) Forget(host string) {
	for _, k := range c {
		if f, ok := k.(Forgetter); ok {
			f.Forget(host)
		}
	}
}

// Describe implements [Describer].
func (c Chain) Describe(host string) string {
	var parts []string
	for _, k := range c {
		if d, ok := k.(Describer); ok {
			if part := d.Describe(host); part != "" {
				parts = append(parts, part)
			}
		}
	}
	return strings.Join(parts, "; ")
}
