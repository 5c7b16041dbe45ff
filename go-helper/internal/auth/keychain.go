// Package auth finds the credentials for a registry and turns them into what its requests carry: Basic
// authentication, or the tokens of the distribution token specification.
//
// No secret is ever part of an error, a log record or a String method's result here.
package auth

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// Keychain resolves the credentials for a repository of a registry.
type Keychain interface {
	// Resolve gives the credentials for a canonical registry host (Docker Hub's is "docker.io") and a
	// repository of it; an empty repository asks for the host's own. Anonymous credentials and no error
	// mean that there are none; an error means that there should be some and they can't be had.
	Resolve(ctx context.Context, host, repository string) (Credentials, error)
}

// Forgetter is a [Keychain] that remembers, and can be told that what it gave for a host was refused.
type Forgetter interface{ Forget(host string) }

// Describer is a [Keychain] that can say where it looks for a host's credentials, "" where nowhere, for the error that tells
// of missing ones.
type Describer interface{ Describe(host string) string }

// Credentials authenticate against one registry. The zero value is anonymous.
type Credentials struct {
	Username, Password string
	// IdentityToken is an OAuth2 refresh token, exchanged at the token service for access tokens.
	IdentityToken string
	// RegistryToken is a bearer token for the registry itself, used as it is.
	RegistryToken string
	// Expires is when they have to be resolved anew; zero where that isn't known.
	Expires time.Time
	// Ambient are credentials that the process has anyway, rather than that somebody gave for this registry. Where they are
	// refused what everybody may read is read without.
	Ambient bool
	// Source says where they were found, for people ("docker config /…/config.json, entry ghcr.io").
	Source string
}

// Anonymous tells that there is nothing to authenticate with.
func (c Credentials) Anonymous() bool {
	return c.Username == "" && c.Password == "" && c.IdentityToken == "" && c.RegistryToken == ""
}

// secrets are what no output may have, in the spellings that are sent.
func (c Credentials) secrets() []string {
	return []string{c.Password, c.IdentityToken, c.RegistryToken, strings.TrimPrefix(basicHeader(c), "Basic ")}
}

// String names the source and the kind, never a secret.
func (c Credentials) String() string {
	kind := "user and password"
	switch {
	case c.Anonymous():
		return "anonymous"
	case c.RegistryToken != "":
		kind = "registry token"
	case c.IdentityToken != "":
		kind = "identity token"
	}
	if c.Source == "" {
		return kind
	}
	return fmt.Sprintf("%s from %s", kind, c.Source)
}

// GoString keeps secrets out of %#v.
func (c Credentials) GoString() string { return "auth.Credentials{" + c.String() + "}" }

// LogValue keeps secrets out of structured logs.
func (c Credentials) LogValue() slog.Value { return slog.StringValue(c.String()) }

var (
	_ fmt.Stringer   = Credentials{}
	_ fmt.GoStringer = Credentials{}
	_ slog.LogValuer = Credentials{}
)
