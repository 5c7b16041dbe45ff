package auth

import (
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Challenge is what a registry asks for in WWW-Authenticate (RFC 9110, 11.6.1).
type Challenge struct {
	Scheme  string // "basic", "bearer", or "" where none is needed
	Realm   string
	Service string
	Scope   string
	Error   string // what was wrong with the token that was sent (RFC 6750, 3.1)
}

// ParseChallenge reads the challenge of a 401, of several the first that can be met.
func ParseChallenge(h http.Header) Challenge {
	// go-containerregistry's parser is reached through its Ping alone, which is given the answer that we have.
	answer := roundTripper(func(req *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: http.StatusUnauthorized,
			Header:     http.Header{"Www-Authenticate": h.Values("WWW-Authenticate")},
			Body:       io.NopCloser(strings.NewReader("")),
			Request:    req,
		}, nil
	})
	registry, err := name.NewRegistry("registry.invalid")
	if err != nil {
		return Challenge{}
	}
	parsed, err := transport.Ping(context.Background(), registry, answer)
	if err != nil {
		return Challenge{}
	}
	return Challenge{
		Scheme: strings.ToLower(parsed.Scheme),
		Realm:  parsed.Parameters["realm"], Service: parsed.Parameters["service"], Scope: parsed.Parameters["scope"],
		Error: parsed.Parameters["error"],
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
