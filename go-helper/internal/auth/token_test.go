package auth

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// opaqueService gives tokens that say nothing of what they allow, and remembers what it was asked.
type opaqueService struct {
	asked []string                                             // the scopes of each request
	forms []url.Values                                         // of POSTs
	more  map[string]any                                       // in each answer
	large bool                                                 // the tokens are
	deny  func(scopes []string, form url.Values) (int, string) // status and body; 0: none
	date  time.Time
}

func (s *opaqueService) send(ctx context.Context, r TokenRequest) (TokenAnswer, error) {
	scopes := r.URL.Query()["scope"]
	if r.Form != nil {
		scopes = strings.Fields(r.Form.Get("scope"))
		s.forms = append(s.forms, r.Form)
	}
	s.asked = append(s.asked, strings.Join(scopes, " "))
	if s.deny != nil {
		if status, body := s.deny(scopes, r.Form); status != 0 {
			return TokenAnswer{Status: status, Header: http.Header{}, Body: []byte(body)}, ctx.Err()
		}
	}
	value := "token-" + string(rune('a'+len(s.asked)))
	if s.large {
		value += strings.Repeat("x", maxSharedToken)
	}
	answer := map[string]any{"token": value}
	for k, v := range s.more {
		answer[k] = v
	}
	body, err := json.Marshal(answer)
	header := http.Header{}
	if !s.date.IsZero() {
		header.Set("Date", s.date.UTC().Format(http.TimeFormat))
	}
	return TokenAnswer{Status: http.StatusOK, Header: header, Body: body}, err
}

type fixedKeychain struct{ Credentials }

func (k fixedKeychain) Resolve(context.Context, string, string) (Credentials, error) {
	return k.Credentials, nil
}

// asker is an authorizer whose clock the test turns.
type asker struct {
	*Authorizer
	t     *testing.T
	clock time.Time
}

func (s *opaqueService) asker(t *testing.T, creds Credentials) *asker {
	k := &asker{t: t, clock: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	k.Authorizer = NewAuthorizer("r.example", &url.URL{Scheme: "https", Host: "r.example"}, fixedKeychain{creds}, "test", discard(), s.send)
	k.now = func() time.Time { return k.clock }
	k.Challenged(Challenge{Scheme: "bearer", Realm: "https://r.example/token", Service: "s"})
	return k
}

func (k *asker) authorize(scopes ...Scope) string {
	k.t.Helper()
	sent, err := k.Authorize(k.t.Context(), scopes)
	if err != nil {
		k.t.Fatalf("%v: %v", scopes, err)
	}
	return sent.Header
}

func (s *opaqueService) wantAsked(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(s.asked, want) {
		t.Errorf("asked for %q, want %q", s.asked, want)
	}
}

const pullA, pushA, pullB, pullC = "repository:a:pull", "repository:a:pull,push", "repository:b:pull", "repository:c:pull"

func TestATokenServesWhatItCovers(t *testing.T) {
	s := &opaqueService{}
	k := s.asker(t, Credentials{})
	push := k.authorize(Push("a"))
	if got := k.authorize(Pull("a")); got != push {
		t.Errorf("to read: %s, to write: %s", got, push)
	}
	s.wantAsked(t, pushA)
	k.authorize(Push("a"), Pull("b")) // a mount
	s.wantAsked(t, pushA, pushA+" "+pullB)
	k.authorize(Push("a"), Pull("c")) // the origins of earlier mounts stay
	s.wantAsked(t, pushA, pushA+" "+pullB, pushA+" "+pullC+" "+pullB)
	k.authorize(Push("a"), Pull("b"))
	if len(s.asked) != 3 {
		t.Errorf("asked again: %q", s.asked[3:])
	}
}

func TestATokenEndsBeforeItsTime(t *testing.T) {
	issued := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		more map[string]any
		date time.Time
		life time.Duration
	}{
		"nothing is said": {nil, time.Time{}, 45 * time.Second},
		"short":           {map[string]any{"expires_in": 20}, time.Time{}, 15 * time.Second},
		"long":            {map[string]any{"expires_in": 300}, time.Time{}, 285 * time.Second},
		"made earlier":    {map[string]any{"expires_in": 300, "issued_at": issued}, issued.Add(100 * time.Second), 185 * time.Second},
		"its clock alone": {map[string]any{"expires_in": 300, "issued_at": issued}, time.Time{}, 285 * time.Second},
		"no time":         {map[string]any{"expires_in": 300, "issued_at": "today"}, issued, 285 * time.Second},
		"older than that": {map[string]any{"expires_in": 300, "issued_at": issued}, issued.Add(time.Hour), 285 * time.Second},
	} {
		s := &opaqueService{more: tt.more, date: tt.date}
		k := s.asker(t, Credentials{})
		k.authorize(Pull("a"))
		k.clock = k.clock.Add(tt.life - time.Second)
		k.authorize(Pull("a"))
		if len(s.asked) != 1 {
			t.Errorf("%s: asked again within %s", name, tt.life)
		}
		k.clock = k.clock.Add(time.Second)
		k.authorize(Pull("a"))
		if len(s.asked) != 2 {
			t.Errorf("%s: not asked again after %s", name, tt.life)
		}
	}
}

// Where a token for several repositories is refused, what is needed is asked for alone, and what was refused isn't asked for again.
func TestARefusedTokenForSeveralIsAskedForAlone(t *testing.T) {
	s := &opaqueService{deny: func(scopes []string, _ url.Values) (int, string) {
		if slices.Contains(scopes, pullB) && len(scopes) > 1 {
			return http.StatusForbidden, ""
		}
		return 0, ""
	}}
	k := s.asker(t, Credentials{})
	k.authorize(Push("a"), Pull("c"))
	if _, err := k.Authorize(t.Context(), []Scope{Push("a"), Pull("b")}); !errors.As(err, new(*DeniedError)) {
		t.Errorf("with b: %v", err)
	}
	s.wantAsked(t, pushA+" "+pullC, pushA+" "+pullB+" "+pullC, pushA+" "+pullB)
	if _, err := k.Authorize(t.Context(), []Scope{Push("a"), Pull("b")}); err == nil || !strings.Contains(err.Error(), "no token for a together with b") {
		t.Errorf("with b once more: %v", err)
	}
	k.authorize(Push("a"), Pull("c"))
	if len(s.asked) != 3 {
		t.Errorf("asked again: %q", s.asked[3:])
	}
}

// What came with a wider request that was refused is had with what is needed alone.
func TestTheNeededTokenIsHadWithoutTheOthers(t *testing.T) {
	s := &opaqueService{}
	k := s.asker(t, Credentials{})
	k.authorize(Push("a"), Pull("b"))
	s.deny = func(scopes []string, _ url.Values) (int, string) {
		if slices.Contains(scopes, pullB) {
			return http.StatusForbidden, ""
		}
		return 0, ""
	}
	k.authorize(Push("a"), Pull("c"))
	s.wantAsked(t, pushA+" "+pullB, pushA+" "+pullC+" "+pullB, pushA+" "+pullC)
}

// Servers limit their headers, so that a large token isn't made larger.
func TestALargeTokenGathersNothing(t *testing.T) {
	s := &opaqueService{large: true}
	k := s.asker(t, Credentials{})
	k.authorize(Push("a"), Pull("b"))
	k.authorize(Push("a"), Pull("c"))
	s.wantAsked(t, pushA+" "+pullB, pushA+" "+pullC)
}

func TestAnAnswerThatIsNoToken(t *testing.T) {
	creds := Credentials{Username: "u", Password: "secret-password"}
	for name, tt := range map[string]struct {
		status int
		body   string
		want   string
		denied bool
	}{
		"refused":               {401, "", "answered 401 Unauthorized", true},
		"refused, with a token": {403, `{"token": "t"}`, "answered 403 Forbidden", true},
		"says why":              {401, `{"errors": [{"code": "DENIED", "message": "not secret-password"}]}`, "DENIED not [redacted]", true},
		"a page":                {200, "<html>", "something else than a token", false},
		"empty":                 {200, `{"token": ""}`, "without a token", false},
		"a line break":          {200, `{"token": "secret-password\n"}`, "answered with a token that no header can carry: it has a line break", false},
		"a null byte":           {200, `{"access_token": "secret-password\u0000x"}`, "that no header can carry", false},
	} {
		s := &opaqueService{deny: func([]string, url.Values) (int, string) { return tt.status, tt.body }}
		_, err := s.asker(t, creds).Authorize(t.Context(), []Scope{Pull("a")})
		if err == nil || !strings.Contains(err.Error(), tt.want) || errors.As(err, new(*DeniedError)) != tt.denied || strings.Contains(err.Error(), "secret-password") {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

// A token that somebody has put into a file with a line break is told by the file.
func TestATokenOfAFileThatNoHeaderCanCarry(t *testing.T) {
	s := &opaqueService{}
	_, err := s.asker(t, Credentials{RegistryToken: "secret-token\n", Source: "config.json"}).Authorize(t.Context(), []Scope{Pull("a")})
	if err == nil || !strings.Contains(err.Error(), "in config.json is one that no header can carry") || strings.Contains(err.Error(), "secret-token") {
		t.Errorf("got %v", err)
	}
}

// OAuth2: the refresh token that a service gives is what it is asked with next, until it refuses it.
func TestRefreshTokensAreUsedUntilTheyAreRefused(t *testing.T) {
	s := &opaqueService{more: map[string]any{"refresh_token": "fresh"}}
	s.deny = func(_ []string, form url.Values) (int, string) {
		if form == nil && len(s.asked) == 1 {
			return http.StatusNotFound, "" // no GET here
		}
		if form.Get("grant_type") == "refresh_token" && len(s.asked) > 3 {
			return http.StatusUnauthorized, ""
		}
		return 0, ""
	}
	k := s.asker(t, Credentials{Username: "u", Password: "p"})
	for _, repository := range []string{"a", "b", "c"} {
		k.authorize(Pull(repository))
	}
	var grants []string
	for _, form := range s.forms {
		grants = append(grants, form.Get("grant_type"))
	}
	if want := []string{"password", "refresh_token", "refresh_token"}; !slices.Equal(grants, want) {
		t.Errorf("asked by %q, want %q", grants, want)
	}
	s.wantAsked(t, pullA, pullA, pullB, pullC, pullC)
}

// Who waits for another's fetch isn't failed by that one's interrupt.
func TestAnInterruptedFetchFailsItsCallerAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		interrupt := make(chan struct{})
		s := &opaqueService{}
		s.deny = func([]string, url.Values) (int, string) {
			if len(s.asked) == 2 {
				<-interrupt
				return http.StatusTeapot, ""
			}
			return 0, ""
		}
		k := s.asker(t, Credentials{})
		k.authorize(Pull("b")) // whose token tells that nothing is gathered here
		ctx, cancel := context.WithCancel(t.Context())
		authorize := func(ctx context.Context) <-chan error {
			ended := make(chan error, 1)
			go func() {
				_, err := k.Authorize(ctx, []Scope{Pull("a")})
				ended <- err
			}()
			synctest.Wait()
			return ended
		}
		fetching, waiting := authorize(ctx), authorize(t.Context())
		if len(s.asked) != 2 {
			t.Errorf("asked for %q at once", s.asked[1:])
		}
		cancel()
		close(interrupt)
		if err := <-fetching; !errors.Is(err, context.Canceled) {
			t.Errorf("the interrupted one: %v", err)
		}
		if err := <-waiting; err != nil {
			t.Errorf("the one who waits: %v", err)
		}
	})
}
