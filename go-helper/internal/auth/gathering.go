package auth

import (
	"context"
	"errors"
	"slices"
	"time"
)

// maxHeld bounds the shared tokens that are kept side by side, for sets whose repositories don't fit into one.
const maxHeld = 8

// gathering is the tokens for many repositories that one set of credentials gets from a service. Tokens that say what
// they allow prove that a service gives such: then what is wanted meanwhile is asked for together, so that a set
// doesn't cost a token, and one more for each mount's origin, for every repository. All else is asked for singly.
type gathering struct {
	state   gatheringState
	tried   chan struct{} // of stateTrying: closed when the state is another
	held    []sharedToken // newest last
	waiting []Scope       // wanted since the flight began
	alone   map[Scope]bool
	flight  *tokenFlight
	// overhead is a token's size beyond what its scopes take.
	overhead int
}

type gatheringState int

const (
	stateUntried gatheringState = iota
	stateTrying                 // a first token, for one repository, is on its way
	stateProven                 // it told what it allows
	stateNever                  // it didn't, or the service refuses several in one, or its tokens grow too long
)

type sharedToken struct {
	grantedToken
	scopes []Scope // that it says it allows, of those asked for
}

// size is about what a scope adds to a token that tells of it.
func (s Scope) size() int {
	const around = len(`{"type":"repository","name":"","actions":["pull","push","delete"]},`)
	return (around + len(s.Repository)) * 4 / 3 // base64
}

func size(scopes []Scope) int {
	total := 0
	for _, s := range scopes {
		total += s.size()
	}
	return total
}

// lookup finds a shared token that covers the scopes and isn't about to expire.
func (g *gathering) lookup(now time.Time, scopes []Scope) string {
	for _, t := range slices.Backward(g.held) {
		if t.value != "" && now.Before(t.expires) && coversAll(t.scopes, scopes) {
			return t.value
		}
	}
	return ""
}

// gather composes a request: what is needed, first, then what others wait for, then what the newest token has, as
// much as fits.
func (g *gathering) gather(need []Scope) []Scope {
	candidates := g.waiting
	if n := len(g.held); n > 0 {
		candidates = slices.Concat(candidates, g.held[n-1].scopes)
	}
	g.waiting = nil
	wanted := slices.Clone(need)
	room := maxSharedToken - g.overhead - size(need)
	for _, c := range candidates {
		if g.alone[c] || coversAll(wanted, []Scope{c}) {
			continue
		}
		same := func(s Scope) bool { return s.Repository == c.Repository }
		if i := slices.IndexFunc(wanted, same); i > 0 {
			wanted[i] = c // more of the same
			continue
		}
		if room -= c.size(); room < 0 {
			break
		}
		wanted = append(wanted, c)
	}
	return wanted
}

// keep takes in a token that was asked for with scopes, and gives what it allows of them.
func (g *gathering) keep(t grantedToken, scopes []Scope) []Scope {
	granted, _ := grantedBy(t.value)
	kept := sharedToken{grantedToken: t}
	for _, s := range scopes {
		if coversAll(granted, []Scope{s}) {
			kept.scopes = append(kept.scopes, s)
		} else {
			g.alone[s] = true
		}
	}
	g.held = append(g.held, kept)
	if len(g.held) > maxHeld {
		g.held = slices.Delete(g.held, 0, 1)
	}
	if len(t.value) > maxSharedToken || len(scopes) > 1 && len(kept.scopes) <= 1 {
		g.state = stateNever
	}
	return kept.scopes
}

// refuseShared drops a shared token that a registry refused, for the given reason (RFC 6750, 3.1), with all that were
// got before it: what took this one back took those. Unless that is the reason, the scopes are asked for by themselves
// from now on, whatever the token says that it allows. It needs the lock.
func (a *Authorizer) refuseShared(header string, scopes []Scope, reason string) {
	for _, g := range a.gatherings {
		i := slices.IndexFunc(g.held, func(t sharedToken) bool { return t.value != "" && bearerHeader(t.value) == header })
		if i < 0 {
			continue
		}
		if reason != "invalid_token" {
			for _, s := range scopes {
				g.alone[s] = true
			}
		}
		if reason == "insufficient_scope" {
			continue
		}
		for _, t := range a.tokens {
			if t.asked.Before(g.held[i].asked) {
				t.value = ""
			}
		}
		for i := range g.held[:i+1] {
			g.held[i].value = "" // its scopes say what to ask for next
		}
	}
}

// gatheringOf needs the lock.
func (a *Authorizer) gatheringOf(creds Credentials) *gathering {
	creds.Expires = time.Time{} // the same ones, resolved again
	g := a.gatherings[creds]
	if g == nil {
		g = &gathering{alone: map[Scope]bool{}}
		a.gatherings[creds] = g
	}
	return g
}

// gathered gives a token that was asked for together with what others want. It isn't ok where that can't be: the
// scopes are then to be asked for by themselves.
func (a *Authorizer) gathered(ctx context.Context, challenge Challenge, creds Credentials, scopes []Scope) (value string, ok bool, err error) {
	if len(scopes) == 0 || scopes[0].Repository == "" {
		return "", false, nil
	}
	for {
		a.mu.Lock()
		g := a.gatheringOf(creds)
		alone := slices.ContainsFunc(scopes, func(s Scope) bool { return g.alone[s] })
		if value := g.lookup(a.now(), scopes); value != "" && !alone {
			a.mu.Unlock()
			return value, true, nil
		}
		aside := alone || g.state == stateNever || a.tokenEntry(scopes[0]).demand != ""
		flight, tried := g.flight, g.tried
		switch {
		case aside:
			a.mu.Unlock()
			return "", false, nil
		case g.state == stateUntried:
			g.state, g.tried = stateTrying, make(chan struct{})
			a.mu.Unlock()
			value, err := a.try(ctx, g, challenge, creds, scopes)
			return value, true, err
		case g.state == stateTrying:
			g.waiting = merge(g.waiting, scopes)
			a.mu.Unlock()
			if err := wait(ctx, tried); err != nil {
				return "", false, err
			}
			continue
		case flight == nil:
			flight = &tokenFlight{scopes: g.gather(scopes), done: make(chan struct{})}
			g.flight = flight
			a.mu.Unlock()
			a.flyGathered(ctx, g, flight, challenge, creds)
		default:
			g.waiting = merge(g.waiting, scopes)
			a.mu.Unlock()
			if err := wait(ctx, flight.done); err != nil {
				return "", false, err
			}
		}
		var denied *DeniedError
		switch {
		case errors.As(flight.err, &denied): // one of them, perhaps
			return "", false, nil
		case flight.err == nil && coversAll(flight.scopes, scopes):
			return flight.value, true, nil
		case flight.err != nil && ctx.Err() != nil:
			return "", false, ctx.Err()
		case flight.err != nil && !interrupted(flight.err):
			return "", false, flight.err
		}
	}
}

// try gets the first token, by itself, and sees whether it tells what it allows.
func (a *Authorizer) try(ctx context.Context, g *gathering, challenge Challenge, creds Credentials, scopes []Scope) (string, error) {
	value, err := a.token(ctx, challenge, creds, scopes)
	a.mu.Lock()
	defer a.mu.Unlock()
	g.state = stateNever
	switch granted, told := grantedBy(value); {
	case err != nil && ctx.Err() != nil:
		g.state = stateUntried // whoever is next
	case err == nil && told && coversAll(granted, scopes):
		g.state, g.overhead = stateProven, max(0, len(value)-size(scopes))
	}
	close(g.tried)
	return value, err
}

// flyGathered fetches for a flight, whose scopes are in the end those that the token allows.
func (a *Authorizer) flyGathered(ctx context.Context, g *gathering, flight *tokenFlight, challenge Challenge, creds Credentials) {
	granted, err := a.fetch(ctx, challenge, creds, flight.scopes, "")
	a.mu.Lock()
	defer a.mu.Unlock()
	var denied *DeniedError
	switch {
	case err == nil:
		flight.scopes = g.keep(granted, flight.scopes)
	case errors.As(err, &denied) && len(flight.scopes) > 1:
		g.state = stateNever
	case errors.As(err, &denied):
		g.alone[flight.scopes[0]] = true
	}
	flight.value, flight.err = granted.value, err
	g.flight = nil
	close(flight.done)
}
