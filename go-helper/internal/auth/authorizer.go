package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpguts"
)

// Sender sends a request to a token service and reads the answer, whatever its status; passing failures (a
// broken connection, 429, 5xx) it has retried before it returns an error.
type Sender func(ctx context.Context, req TokenRequest) (TokenAnswer, error)

// TokenRequest is a GET, or a POST of Form.
type TokenRequest struct {
	URL    *url.URL
	Header http.Header
	Form   url.Values // nil: GET
}

// TokenAnswer is a token service's answer, with at most 64 KiB of body.
type TokenAnswer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Authorizer gives requests to one registry their Authorization header, and learns from its challenges.
// It is safe for concurrent use.
type Authorizer struct {
	host     string
	api      *url.URL // scheme and host of the registry's API
	keychain Keychain
	clientID string
	logger   *slog.Logger
	send     Sender
	now      func() time.Time
	warned   atomic.Bool // of credentials that can't be had
	noticed  atomic.Bool // that credentials nobody gave for this were refused
	postOnly atomic.Bool // the token service knows OAuth2's POST alone

	mu        sync.Mutex
	challenge Challenge
	resolved  map[string]resolution // by repository
	tokens    map[Scope]*token      // by first scope
	oauth     map[string]string     // refresh tokens that the service gave, by user name

	gatherings map[Credentials]*gathering

	without   *Authorizer     // the same registry's, anonymous; nil until it is needed
	anonymous map[string]bool // repositories that are read through it; "" is all of them
}

// Authorization is what a request carries, and by whose credentials.
type Authorization struct {
	Header string

	creds Credentials
	err   error // why there are no credentials where there should be some
	// instead is set where the registry's refusal of these credentials made us go on without.
	instead   *Credentials
	challenge Challenge
}

// Authenticated tells whether it says who asks, or would have, had those credentials been taken.
func (a Authorization) Authenticated() bool { return !a.creds.Anonymous() || a.instead != nil }

// Wanted tells whether the registry asks who asks.
func (a Authorization) Wanted() bool { return a.challenge.Scheme != "" }

type resolution struct {
	creds Credentials
	err   error
}

// NewAuthorizer is for the registry known as host whose API is at api; a nil keychain has no credentials.
func NewAuthorizer(host string, api *url.URL, keychain Keychain, clientID string, logger *slog.Logger, send Sender) *Authorizer {
	return &Authorizer{
		host: host, api: api, keychain: keychain, clientID: clientID, logger: logger, send: send, now: time.Now,
		resolved: map[string]resolution{}, tokens: map[Scope]*token{}, oauth: map[string]string{},
		gatherings: map[Credentials]*gathering{},
	}
}

// Challenged tells what a ping was answered with; the zero Challenge where it passed.
func (a *Authorizer) Challenged(c Challenge) {
	a.mu.Lock()
	a.challenge = c
	a.mu.Unlock()
}

// Authorize returns what a request that needs the scopes carries, the first one most; its header is empty where there is
// nothing to say. It fetches a token where none is at hand that covers them.
func (a *Authorizer) Authorize(ctx context.Context, scopes []Scope) (Authorization, error) {
	a.mu.Lock()
	challenge := a.challenge
	without := a.withoutFor(scopes)
	a.mu.Unlock()
	if without != nil {
		authorization, err := without.Authorize(ctx, scopes)
		creds, _ := a.credentials(ctx, scopes)
		authorization.instead = &creds
		var denied *DeniedError
		if errors.As(err, &denied) {
			denied.Hint = a.Hint(authorization)
		}
		return authorization, err
	}
	switch challenge.Scheme {
	case "bearer":
		return a.bearer(ctx, challenge, scopes)
	case "basic":
		creds, err := a.credentials(ctx, scopes)
		return Authorization{Header: basicHeader(creds), creds: creds, err: err, challenge: challenge}, ctx.Err()
	}
	return Authorization{challenge: challenge}, nil
}

// Refused takes in a 401's answer to a request that was authorized so. It tells whether another try may do better, and
// whether that is because the challenge is a new one.
func (a *Authorizer) Refused(ctx context.Context, scopes []Scope, sent Authorization, answer http.Header) (again, changed bool) {
	if sent.instead != nil {
		a.mu.Lock()
		without := a.without
		a.mu.Unlock()
		return without.refused(ctx, scopes, sent.Header, answer)
	}
	return a.refused(ctx, scopes, sent.Header, answer)
}

func (a *Authorizer) refused(ctx context.Context, scopes []Scope, header string, answer http.Header) (again, changed bool) {
	challenge := ParseChallenge(answer)
	a.mu.Lock()
	changed = challenge.Scheme != "" && (challenge.Scheme != a.challenge.Scheme ||
		challenge.Realm != a.challenge.Realm || challenge.Service != a.challenge.Service)
	if changed {
		a.challenge = challenge
		clear(a.tokens)
		clear(a.gatherings)
	}
	current := a.challenge
	if current.Scheme == "bearer" && len(scopes) > 0 {
		entry := a.tokenEntry(scopes[0])
		if !demandCovered(challenge.Scope, merge(scopes, entry.scopes)) {
			entry.demand = challenge.Scope
		}
		// Expired before its time, or taken back. Where no token is this one another caller has been here.
		for _, t := range a.tokens {
			if t.value != "" && bearerHeader(t.value) == header {
				t.value = ""
			}
		}
		a.refuseShared(header, scopes, challenge.Error)
	}
	a.mu.Unlock()
	if current.Scheme == "bearer" {
		creds, _ := a.credentials(ctx, scopes)
		return creds.RegistryToken == "" || changed, changed
	}
	if current.Scheme != "basic" {
		return false, changed
	}
	if header != "" {
		a.forget()
	}
	creds, _ := a.credentials(ctx, scopes)
	fresh := basicHeader(creds)
	return fresh != "" && fresh != header, changed
}

// forget drops credentials that were refused, so that they are looked up anew.
func (a *Authorizer) forget() {
	if f, ok := a.keychain.(Forgetter); ok {
		f.Forget(a.host)
	}
	a.mu.Lock()
	clear(a.resolved)
	a.mu.Unlock()
}

// credentials resolves, and remembers, the credentials for the first scope's repository. Where they can't be had
// the request goes out without: what it is about may be public. The error then explains the refusal.
func (a *Authorizer) credentials(ctx context.Context, scopes []Scope) (Credentials, error) {
	if a.keychain == nil {
		return Credentials{}, nil
	}
	repository := ""
	if len(scopes) > 0 {
		repository = scopes[0].Repository
	}
	a.mu.Lock()
	known, ok := a.resolved[repository]
	a.mu.Unlock()
	if ok && (known.creds.Expires.IsZero() || a.now().Before(known.creds.Expires)) {
		return known.creds, known.err
	}
	creds, err := a.keychain.Resolve(ctx, a.host, repository)
	if ctx.Err() != nil {
		return Credentials{}, ctx.Err()
	}
	if err != nil {
		creds = Credentials{}
		level := slog.LevelDebug
		if !errors.Is(err, ErrNone) && !a.warned.Swap(true) {
			level = slog.LevelWarn
		}
		a.logger.Log(ctx, level, "going on without credentials", "registry", a.host, "repository", repository, "reason", err)
	}
	a.mu.Lock()
	a.resolved[repository] = resolution{creds, err}
	a.mu.Unlock()
	return creds, err
}

func basicHeader(c Credentials) string {
	if c.Username == "" && c.Password == "" {
		return ""
	}
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(c.Username+":"+c.Password))
}

func bearerHeader(token string) string { return "Bearer " + token }

func (a *Authorizer) bearer(ctx context.Context, challenge Challenge, scopes []Scope) (Authorization, error) {
	a.mu.Lock()
	value, creds := a.lookup(scopes)
	a.mu.Unlock()
	sent := Authorization{creds: creds, challenge: challenge}
	if value != "" {
		sent.Header = bearerHeader(value)
		return sent, nil
	}
	sent.creds, sent.err = a.credentials(ctx, scopes)
	if ctxErr := ctx.Err(); ctxErr != nil {
		return sent, ctxErr
	}
	if sent.creds.RegistryToken != "" {
		// net/http refuses to send it, without telling whose it is.
		if !httpguts.ValidHeaderFieldValue(sent.creds.RegistryToken) {
			return sent, fmt.Errorf("the token for %s in %s is one that no header can carry: it has a line break, or another control character", a.host, sent.creds.Source)
		}
		sent.Header = bearerHeader(sent.creds.RegistryToken)
		return sent, nil
	}
	value, ok, tokenErr := a.gathered(ctx, challenge, sent.creds, scopes)
	if !ok && tokenErr == nil {
		value, tokenErr = a.token(ctx, challenge, sent.creds, scopes)
	}
	var denied *DeniedError
	if errors.As(tokenErr, &denied) {
		if instead, ok := a.tryWithout(ctx, scopes, sent, denied); ok {
			return instead, nil
		}
		return sent, &DeniedError{Status: denied.Status, Reason: denied.Reason, Hint: a.Hint(sent)}
	}
	if tokenErr != nil {
		return sent, tokenErr
	}
	sent.Header = bearerHeader(value)
	return sent, nil
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
