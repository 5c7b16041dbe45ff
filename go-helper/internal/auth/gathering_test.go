package auth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestGather(t *testing.T) {
	held := []sharedToken{{scopes: []Scope{Pull("old")}}, {scopes: []Scope{Pull("x"), Push("y"), Pull("z")}}}
	for name, tt := range map[string]struct {
		g    gathering
		need []Scope
		want []Scope
	}{
		"what is needed comes first": {gathering{waiting: []Scope{Pull("w")}, held: held}, []Scope{Push("n")}, []Scope{Push("n"), Pull("w"), Pull("x"), Push("y"), Pull("z")}},
		"more of the same":           {gathering{waiting: []Scope{Pull("w"), Push("w")}, held: held}, []Scope{Push("n"), Pull("y")}, []Scope{Push("n"), Push("y"), Push("w"), Pull("x"), Pull("z")}},
		"covered already":            {gathering{waiting: []Scope{Pull("n")}}, []Scope{Push("n")}, []Scope{Push("n")}},
		"refused in company":         {gathering{waiting: []Scope{Pull("w")}, alone: map[Scope]bool{Pull("w"): true}}, []Scope{Push("n")}, []Scope{Push("n")}},
	} {
		got := tt.g.gather(tt.need)
		slices.SortFunc(got[1:], func(a, b Scope) int { return slices.Index(tt.want, a) - slices.Index(tt.want, b) })
		if !slices.Equal(got, tt.want) || len(tt.g.waiting) != 0 {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}

	var many []Scope
	for i := range 500 {
		many = append(many, Pull(fmt.Sprintf("team/application-%d", i)))
	}
	g := gathering{waiting: many, overhead: 700}
	got := g.gather([]Scope{Push("n")})
	if total := size(got) + g.overhead; total > maxSharedToken || total < maxSharedToken-200 {
		t.Errorf("%d scopes make a token of %d bytes", len(got), total)
	}
	if got := g.gather([]Scope{Push("n")}); len(got) != 1 {
		t.Errorf("%v", got)
	}
}

// tellingService gives tokens that tell all they were asked for, and remembers what that was.
type tellingService struct{ asked []string }

func (s *tellingService) send(_ context.Context, r TokenRequest) (TokenAnswer, error) {
	scopes := r.URL.Query()["scope"]
	s.asked = append(s.asked, strings.Join(scopes, " "))
	var access []map[string]any
	for _, scope := range scopes {
		parts := strings.Split(scope, ":")
		access = append(access, map[string]any{"type": parts[0], "name": parts[1], "actions": strings.Split(parts[2], ",")})
	}
	payload, err := json.Marshal(map[string]any{"access": access, "jti": len(s.asked)})
	if err != nil {
		return TokenAnswer{}, err
	}
	body, err := json.Marshal(map[string]any{"token": "e30." + base64.RawURLEncoding.EncodeToString(payload) + ".x", "expires_in": 300})
	return TokenAnswer{Status: http.StatusOK, Header: http.Header{}, Body: body}, err
}

func TestRefusedSharedTokens(t *testing.T) {
	challenge := Challenge{Scheme: "bearer", Realm: "https://registry.example/token"}
	for reason, want := range map[string]string{
		"insufficient_scope": "repository:b:pull",                   // whatever the token told
		"":                   "repository:b:pull",                   // nobody knows
		"invalid_token":      "repository:b:pull repository:c:pull", // it had expired
	} {
		service := &tellingService{}
		a := NewAuthorizer("registry.example", &url.URL{Scheme: "https", Host: "registry.example"}, nil, "test", discard(), service.send)
		a.Challenged(challenge)
		authorize := func(scopes ...Scope) string {
			sent, err := a.Authorize(t.Context(), scopes)
			header := sent.Header
			if err != nil {
				t.Fatal(err)
			}
			return header
		}
		authorize(Pull("a"))
		authorize(Pull("b"), Pull("c"))
		b := authorize(Pull("b"))
		if len(service.asked) != 2 {
			t.Fatalf("asked for %q", service.asked)
		}
		answer := fmt.Sprintf("Bearer realm=%q", challenge.Realm)
		if reason != "" {
			answer += fmt.Sprintf(",error=%q", reason)
		}
		if again, _ := a.Refused(t.Context(), []Scope{Pull("b")}, Authorization{Header: b}, http.Header{"Www-Authenticate": {answer}}); !again {
			t.Errorf("%q: no other try", reason)
		}
		if fresh := authorize(Pull("b")); fresh == b || service.asked[len(service.asked)-1] != want {
			t.Errorf("%q: then asked for %q, want %q", reason, service.asked[2:], want)
		}
	}
}
