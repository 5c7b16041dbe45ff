package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

const (
	// defaultTokenLife is what a token without expires_in has (distribution token specification).
	defaultTokenLife = 60 * time.Second
	// maxTokenMargin is how long before its end a token is no longer given out; shorter lives have less.
	maxTokenMargin = 15 * time.Second
	// maxSharedToken ends the gathering of repositories in one token: servers limit their headers, often to 8 KB.
	maxSharedToken = 4 << 10
)

// token is what is held, or under way, for one (repository, actions).
type token struct {
	grantedToken
	scopes []Scope // that it was asked for; scopes[0] is the one that it is kept under
	demand string  // what the registry wanted beyond our scopes, verbatim

	refused map[Scope]bool // what it can't be had together with
	flight  *tokenFlight   // nil: none is being fetched
}

// tokenFlight is a fetch that others wait for.
type tokenFlight struct {
	scopes []Scope
	done   chan struct{}
	value  string
	err    error
}

// wait waits for another caller's fetch.
func wait(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// interrupted tells that a fetch failed for its own caller alone.
func interrupted(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// tokenEntry needs the lock.
func (a *Authorizer) tokenEntry(first Scope) *token {
	t := a.tokens[first]
	if t == nil {
		t = &token{refused: map[Scope]bool{}}
		a.tokens[first] = t
	}
	return t
}

// lookup finds a token at hand that covers the scopes and isn't about to expire, and whose it is; it needs the lock.
func (a *Authorizer) lookup(scopes []Scope) (string, Credentials) {
	if len(scopes) == 0 {
		scopes = []Scope{{}}
	}
	for access := scopes[0].Access; access <= AccessDelete; access++ {
		t := a.tokens[Scope{scopes[0].Repository, access}]
		if t != nil && t.value != "" && a.now().Before(t.expires) && coversAll(t.scopes, scopes) {
			return t.value, t.creds
		}
	}
	return "", Credentials{}
}

// token fetches a token for the scopes; callers that want the same one wait for one fetch.
func (a *Authorizer) token(ctx context.Context, challenge Challenge, creds Credentials, scopes []Scope) (string, error) {
	if len(scopes) == 0 {
		scopes = []Scope{{}}
	}
	for {
		a.mu.Lock()
		if value, _ := a.lookup(scopes); value != "" {
			a.mu.Unlock()
			return value, nil
		}
		entry := a.tokenEntry(scopes[0])
		for _, s := range scopes[1:] {
			if entry.refused[s] {
				a.mu.Unlock()
				return "", &DeniedError{Status: http.StatusForbidden, Reason: fmt.Sprintf(
					"the token service of %s gives no token for %s together with %s", a.host, scopes[0].Repository, s.Repository)}
			}
		}
		flight := entry.flight
		if flight == nil {
			want := scopes
			if len(entry.value) <= maxSharedToken {
				want = merge(scopes, entry.scopes) // the origins of earlier mounts, so that they don't take turns
			}
			flight = &tokenFlight{scopes: want, done: make(chan struct{})}
			entry.flight = flight
			demand := entry.demand
			a.mu.Unlock()
			a.fly(ctx, entry, flight, challenge, creds, demand, scopes)
			return flight.value, flight.err
		}
		a.mu.Unlock()
		if err := wait(ctx, flight.done); err != nil {
			return "", err
		}
		if flight.err == nil && coversAll(flight.scopes, scopes) {
			return flight.value, nil
		}
		if flight.err != nil && coversAll(flight.scopes, scopes) && len(flight.scopes) == len(scopes) &&
			!interrupted(flight.err) {
			return "", flight.err
		}
	}
}

// fly fetches for a flight, first with all that is wanted, then with what is needed.
func (a *Authorizer) fly(ctx context.Context, entry *token, flight *tokenFlight, challenge Challenge, creds Credentials, demand string, need []Scope) {
	granted, err := a.fetch(ctx, challenge, creds, flight.scopes, demand)
	var denied *DeniedError
	if errors.As(err, &denied) && len(flight.scopes) > len(need) {
		flight.scopes = need
		granted, err = a.fetch(ctx, challenge, creds, need, demand)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil {
		entry.grantedToken, entry.scopes = granted, flight.scopes
	} else if errors.As(err, &denied) && len(need) > 1 {
		for _, s := range need[1:] {
			entry.refused[s] = true
		}
	}
	flight.value, flight.err = granted.value, err
	entry.flight = nil
	close(flight.done)
}
