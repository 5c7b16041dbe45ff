package cloud

import (
	"context"
	"errors"
	"time"

	"docker-mirror/go-helper/internal/auth"
)

// github is GitHub's container registry, with the token that a workflow has ("Working with the Container
// registry": any user name will do).
type github struct{ getenv func(string) string }

func (github) name() string { return "GITHUB_TOKEN" }

func (github) serves(host string) (string, bool) { return "github", host == "ghcr.io" }

func (g github) find(context.Context, string) (auth.Credentials, error) {
	token := g.getenv("GITHUB_TOKEN")
	if token == "" {
		return auth.Credentials{}, errors.New("it is not set")
	}
	user := g.getenv("GITHUB_ACTOR")
	if user == "" {
		user = "token"
	}
	return auth.Credentials{Username: user, Password: token, Expires: time.Now().Add(24 * time.Hour)}, nil
}
