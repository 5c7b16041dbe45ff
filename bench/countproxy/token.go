package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

const tokenPath = "/__token"

// tokens is a token server that grants every scope to everyone, for a while, and checks that requests
// carry what they need. See the distribution project's token authentication specification.
type tokens struct {
	ttl   time.Duration
	mu    sync.Mutex
	given map[string]grant
}

type grant struct {
	actions map[string]map[string]bool // by repository
	expires time.Time
}

func newTokens(ttl time.Duration) *tokens { return &tokens{ttl: ttl, given: map[string]grant{}} }

// give answers GET /__token?scope=repository:NAME:pull,push.
func (t *tokens) give(w http.ResponseWriter, r *http.Request) {
	g := grant{actions: map[string]map[string]bool{}, expires: time.Now().Add(t.ttl)}
	for _, scopes := range r.URL.Query()["scope"] {
		for _, scope := range strings.Fields(scopes) {
			parts := strings.Split(scope, ":")
			if len(parts) != 3 || parts[0] != "repository" {
				continue
			}
			if g.actions[parts[1]] == nil {
				g.actions[parts[1]] = map[string]bool{}
			}
			for _, action := range strings.Split(parts[2], ",") {
				g.actions[parts[1]][action] = true
			}
		}
	}
	token := rand.Text()
	t.mu.Lock()
	t.given[token] = g
	t.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"token": token, "expires_in": int(t.ttl.Seconds()), "issued_at": time.Now().UTC().Format(time.RFC3339),
	})
}

// allow tells whether a request's token covers it; where not, it has answered 401 with a challenge.
func (t *tokens) allow(w http.ResponseWriter, r *http.Request, k kind) bool {
	type need struct{ repository, actions string }
	var needs []need
	if k.repository != "" {
		actions := "pull"
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			actions = "pull,push"
		}
		needs = append(needs, need{k.repository, actions})
		if from := r.URL.Query().Get("from"); k.mount && from != "" {
			needs = append(needs, need{from, "pull"})
		}
	}
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	t.mu.Lock()
	g, known := t.given[token]
	t.mu.Unlock()
	enough := known && time.Now().Before(g.expires)
	var scopes []string
	for _, n := range needs {
		scopes = append(scopes, "repository:"+n.repository+":"+n.actions)
		for _, action := range strings.Split(n.actions, ",") {
			enough = enough && g.actions[n.repository][action]
		}
	}
	if enough {
		return true
	}
	challenge := fmt.Sprintf(`Bearer realm="http://%s%s",service="countproxy"`, r.Host, tokenPath)
	if len(scopes) > 0 {
		challenge += `,scope="` + strings.Join(scopes, " ") + `"`
	}
	w.Header().Set("WWW-Authenticate", challenge)
	fail(w, http.StatusUnauthorized, "UNAUTHORIZED")
	return false
}
