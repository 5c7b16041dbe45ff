package auth

import (
	"context"
	"slices"
)

// Credentials that nobody gave for this registry, as a token that a workflow always has, may be refused where everybody may
// read. Then reading goes on without them.

// readOnly tells whether scopes are to read alone.
func readOnly(scopes []Scope) bool {
	return len(scopes) > 0 && !slices.ContainsFunc(scopes, func(s Scope) bool { return s.Access != AccessPull })
}

// withoutFor is the anonymous authorizer where that is to be used for the scopes, else nil. It needs the lock.
func (a *Authorizer) withoutFor(scopes []Scope) *Authorizer {
	if readOnly(scopes) && (a.anonymous[""] || a.anonymous[scopes[0].Repository]) {
		return a.without
	}
	return nil
}

// GoWithout tells whether another try shall go without the ambient credentials that a request was refused with. It is
// followed by WentWithout, or by GoBack where that was refused as well.
func (a *Authorizer) GoWithout(scopes []Scope, sent Authorization) bool {
	if !sent.creds.Ambient || sent.instead != nil || !readOnly(scopes) {
		return false
	}
	a.goWithout(scopes[0].Repository)
	return true
}

// WentWithout tells that a request was let in without the credentials.
func (a *Authorizer) WentWithout(ctx context.Context, sent Authorization) {
	if sent.instead != nil {
		a.notice(ctx, *sent.instead)
	}
}

// GoBack takes the credentials again: they are no worse than none.
func (a *Authorizer) GoBack(scopes []Scope) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(scopes) > 0 {
		delete(a.anonymous, scopes[0].Repository)
	}
}

// tryWithout gets a token without the ambient credentials that the token service refused.
func (a *Authorizer) tryWithout(ctx context.Context, scopes []Scope, sent Authorization, denied *DeniedError) (Authorization, bool) {
	if !sent.creds.Ambient || !readOnly(scopes) {
		return sent, false
	}
	a.mu.Lock()
	without := a.twin()
	a.mu.Unlock()
	instead, err := without.Authorize(ctx, scopes)
	if err != nil {
		return sent, false
	}
	instead.instead = &sent.creds
	repository := scopes[0].Repository
	if denied.Status == 401 {
		repository = "" // the credentials as such
	}
	a.goWithout(repository)
	a.notice(ctx, sent.creds)
	return instead, true
}

func (a *Authorizer) goWithout(repository string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.twin()
	if a.anonymous == nil {
		a.anonymous = map[string]bool{}
	}
	a.anonymous[repository] = true
}

// twin needs the lock.
func (a *Authorizer) twin() *Authorizer {
	if a.without == nil {
		a.without = NewAuthorizer(a.host, a.api, nil, a.clientID, a.logger, a.send)
		a.without.challenge = a.challenge
	}
	return a.without
}

func (a *Authorizer) notice(ctx context.Context, creds Credentials) {
	if !a.noticed.Swap(true) {
		a.logger.WarnContext(ctx, "credentials of the environment were refused: reading without them", "registry", a.host, "credentials", creds)
	}
}
