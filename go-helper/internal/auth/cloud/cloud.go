// Package cloud has the keychains of the clouds' registries: they turn the identity that a process has in a cloud
// into a registry's credentials, in process, without a credential helper.
//
// None of them is asked for another host than its own. Where the cloud knows no identity the error wraps
// [auth.ErrNone]: public images can be read without.
package cloud

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"docker-mirror/go-helper/internal/auth"
)

const (
	// findTimeout bounds the search for an identity: outside a cloud its metadata service doesn't answer.
	findTimeout = 20 * time.Second
	// failureMemory is how long a search that found nothing isn't repeated.
	failureMemory = 10 * time.Minute
	// margin is how long before their end credentials are renewed, so that what has begun ends with them.
	margin = 5 * time.Minute
)

// provider is one cloud.
type provider interface {
	// name is for people.
	name() string
	// serves tells whether the host is the cloud's, and under which key its credentials are remembered.
	serves(host string) (key string, ok bool)
	// find gets credentials, with Expires set.
	find(ctx context.Context, host string) (auth.Credentials, error)
}

// Keychain resolves the credentials of Amazon ECR (private and public), Google Artifact Registry and Container
// Registry, Azure Container Registry and GitHub's.
type Keychain struct {
	logger    *slog.Logger
	providers []provider
	memory    auth.Memory[string, auth.Credentials]
}

var (
	_ auth.Keychain  = (*Keychain)(nil)
	_ auth.Forgetter = (*Keychain)(nil)
	_ auth.Describer = (*Keychain)(nil)
)

// New returns the keychain of all clouds, which reads the process's environment. A nil logger discards.
func New(logger *slog.Logger) *Keychain {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Keychain{logger: logger, providers: []provider{
		github{os.Getenv}, amazon{}, amazonPublic{}, google{}, newAzure(os.Getenv),
	}}
}

// Resolve implements [auth.Keychain]; an identity speaks for a whole host.
func (k *Keychain) Resolve(ctx context.Context, host, _ string) (auth.Credentials, error) {
	for _, p := range k.providers {
		key, ok := p.serves(host)
		if !ok {
			continue
		}
		return k.memory.Get(ctx, key, func(ctx context.Context) (auth.Credentials, time.Time, error) {
			ctx, stop := context.WithTimeout(ctx, findTimeout)
			defer stop()
			creds, err := p.find(ctx, host)
			if err != nil {
				err = fmt.Errorf("%w from %s: %w", auth.ErrNone, p.name(), err)
				k.logger.Debug("no cloud credentials", "registry", host, "reason", err)
				return auth.Credentials{}, time.Now().Add(failureMemory), err
			}
			if left := time.Until(creds.Expires); left > 2*margin {
				creds.Expires = creds.Expires.Add(-margin)
			} else {
				creds.Expires = time.Now().Add(left / 2)
			}
			creds.Source, creds.Ambient = p.name(), true
			k.logger.Debug("credentials found", "registry", host, "credentials", creds, "until", creds.Expires)
			return creds, creds.Expires, nil
		})
	}
	return auth.Credentials{}, nil
}

// Forget implements [auth.Forgetter].
func (k *Keychain) Forget(host string) {
	for _, p := range k.providers {
		if refused, ok := p.serves(host); ok {
			k.memory.Forget(func(key string) bool { return key == refused })
		}
	}
}

// Describe implements [auth.Describer].
func (k *Keychain) Describe(host string) string {
	for _, p := range k.providers {
		if _, ok := p.serves(host); ok {
			return p.name()
		}
	}
	return ""
}
