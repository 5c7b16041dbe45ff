package devregistry

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// AuthScheme is how a registry wants to know who asks.
type AuthScheme string

// The schemes. Basic is what ECR and many a private registry use; Bearer is distribution's token authentication
// (https://distribution.github.io/distribution/spec/auth/token/), which the public services use.
const (
	AuthNone   AuthScheme = ""
	AuthBasic  AuthScheme = "basic"
	AuthBearer AuthScheme = "bearer"
)

// Auth is who may do what, and how the token service behaves.
type Auth struct {
	Scheme AuthScheme
	// Users maps names to passwords. Empty: whoever asks gets a token (bearer), or any name and password will do (basic).
	Users map[string]string
	// IdentityTokens maps refresh tokens, which Docker's config has as identitytoken, to names.
	IdentityTokens map[string]string
	// AnonymousPull lets whoever sends no credentials pull. Docker Hub and GHCR do so for public images.
	AnonymousPull bool
	// Allow decides about a name ("" is anonymous), a repository and an action (pull, push, delete); nil allows all.
	Allow func(user, repository, action string) bool

	// TTL is how long a token lives; 0 is 300 s, as on Docker Hub.
	TTL time.Duration
	// NoExpiresIn leaves expires_in out; the specification's default is then 60 s.
	NoExpiresIn bool
	// AccessTokenKey answers with access_token and no token: Azure Container Registry, and what OAuth 2 asks for.
	AccessTokenKey bool
	// TellingTokens are JSON Web Tokens that say what they allow ("Token Authentication Implementation"): those of Docker
	// Hub, Harbor, GitLab, Quay and Azure. Without it they are opaque: those of GHCR and Artifact Registry.
	TellingTokens bool
	// TokenSize pads tokens to so many bytes; 0 is their own size. Tokens of services that put all claims in grow with each scope.
	TokenSize int
	// MaxAuthorization answers 431 to an Authorization header beyond so many bytes; 0 is no limit. nginx stops at 8 KB.
	MaxAuthorization int
	// FirstScopeOnly looks at the first scope of a token request alone. Reported of GHCR and Quay's older versions.
	FirstScopeOnly bool
	// RefuseForbidden answers 403 to a token request with one forbidden scope, instead of granting the others: Harbor's
	// and GitLab's robots are reported to.
	RefuseForbidden bool
	// PostOnly has no GET at the token service, only OAuth 2's POST.
	PostOnly bool
	// WrongScopeStatus is answered to a valid token of another scope; 0 is 401 with a challenge. cgr.dev answers 403.
	WrongScopeStatus int
	// MissingNeedsPush answers 401 to a token without the right to push where the repository doesn't exist: Quay.
	MissingNeedsPush bool
	// TokenStatus is answered by the token service to credentials that it doesn't know; 0 is 401. ghcr.io answers 403.
	TokenStatus int
	// TwoInOneLine asks for Basic and for Bearer in one WWW-Authenticate header, as RFC 9110 allows.
	TwoInOneLine bool
	// Realm overrides the token service's URL in the challenge; "" is this registry's own.
	Realm string
	// Service overrides the service in the challenge; "" is the Host.
	Service string
}

const defaultTokenTTL = 300 * time.Second

// grant is what a token allows.
type grant struct {
	user    string
	expires time.Time
	scopes  map[string][]string // repository -> actions
}

// tokenStore knows the tokens that were given out.
type tokenStore struct {
	mu     sync.Mutex
	tokens map[string]grant
}

func (s *tokenStore) issue(g grant, telling bool, size int) string {
	token := rand.Text()
	if telling {
		token = g.tell(token)
	}
	if size > len(token) {
		token += strings.Repeat("x", size-len(token))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tokens == nil {
		s.tokens = map[string]grant{}
	}
	now := time.Now()
	for old, g := range s.tokens {
		if now.After(g.expires) {
			delete(s.tokens, old)
		}
	}
	s.tokens[token] = g
	return token
}

func (s *tokenStore) find(token string) (grant, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.tokens[token]
	return g, ok && time.Now().Before(g.expires)
}

func (s *tokenStore) revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens = nil
}

// tell writes a JSON Web Token. Nobody checks its signature: tokens are looked up.
func (g grant) tell(id string) string {
	type entry struct {
		Type    string   `json:"type"`
		Name    string   `json:"name"`
		Actions []string `json:"actions"`
	}
	claims := struct {
		ID     string  `json:"jti"`
		Expiry int64   `json:"exp"`
		Access []entry `json:"access"`
	}{id, g.expires.Unix(), []entry{}}
	for _, repository := range slices.Sorted(maps.Keys(g.scopes)) {
		claims.Access = append(claims.Access, entry{"repository", repository, g.scopes[repository]})
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err) // strings and numbers alone
	}
	return strings.Join([]string{
		base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)),
		base64.RawURLEncoding.EncodeToString(payload), "none",
	}, ".")
}

// access is an action on a repository.
type access struct{ repository, action string }

// needed is what distribution asks for: pull to read, pull and push to write, delete to delete (an upload as well),
// and pull on a mount's origin.
func (c *call) needed() []access {
	var needed []access
	switch c.resource {
	case resourcePing, resourceToken, resourceCDN, resourceNone:
		return nil
	}
	switch c.r.Method {
	case http.MethodGet, http.MethodHead:
		needed = append(needed, access{c.repository, "pull"})
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		needed = append(needed, access{c.repository, "pull"}, access{c.repository, "push"})
	case http.MethodDelete:
		needed = append(needed, access{c.repository, "delete"})
	}
	if from := c.from; from != "" && from != c.repository {
		needed = append(needed, access{from, "pull"})
	}
	return needed
}

func (a *Auth) allows(user string, anonymous bool, want access) bool {
	if anonymous && len(a.Users)+len(a.IdentityTokens) > 0 && (!a.AnonymousPull || want.action != "pull") {
		return false
	}
	return a.Allow == nil || a.Allow(user, want.repository, want.action)
}

func (a *Auth) knows(user, password string) bool {
	if len(a.Users) == 0 {
		return len(a.IdentityTokens) == 0
	}
	want, ok := a.Users[user]
	return ok && subtle.ConstantTimeCompare([]byte(want), []byte(password)) == 1
}

// authorize lets the request through or says what is missing.
func (c *call) authorize() error {
	auth := &c.dialect.Auth
	header := c.r.Header.Get("Authorization")
	if auth.MaxAuthorization > 0 && len(header) > auth.MaxAuthorization {
		return fail(http.StatusRequestHeaderFieldsTooLarge, CodeDenied, "the Authorization header is larger than %d bytes", auth.MaxAuthorization)
	}
	switch auth.Scheme {
	case AuthBasic:
		return c.authorizeBasic(auth)
	case AuthBearer:
		return c.authorizeBearer(auth, header)
	case AuthNone:
	}
	return nil
}

func (c *call) authorizeBasic(auth *Auth) error {
	user, password, sent := c.r.BasicAuth()
	if sent && !auth.knows(user, password) || !sent && !auth.AnonymousPull {
		return c.challenge(`Basic realm="devregistry"`)
	}
	for _, want := range c.needed() {
		if auth.allows(user, !sent, want) {
			continue
		}
		if !sent {
			return c.challenge(`Basic realm="devregistry"`)
		}
		return fail(http.StatusForbidden, CodeDenied, "%s may not %s %s", user, want.action, want.repository)
	}
	return nil
}

func (c *call) authorizeBearer(auth *Auth, header string) error {
	realm := auth.Realm
	if realm == "" {
		realm = c.url(tokenPath)
	}
	challenge := fmt.Sprintf(`Bearer realm=%q,service=%q`, realm, c.service())
	needed := c.needed()
	if scope := scopesOf(needed); scope != "" {
		challenge += fmt.Sprintf(`,scope=%q`, scope)
	}
	if auth.TwoInOneLine {
		challenge = `Basic realm="devregistry", ` + challenge
	}
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "bearer") {
		return c.challenge(challenge)
	}
	g, ok := c.registry.tokens.find(token)
	if !ok {
		return c.challenge(challenge + `,error="invalid_token"`)
	}
	if auth.MissingNeedsPush && c.repository != "" && !slices.Contains(g.scopes[c.repository], "push") {
		if _, ok := c.registry.lookup(c.repository); !ok {
			return c.challenge(challenge + `,error="insufficient_scope"`)
		}
	}
	for _, want := range needed {
		if slices.Contains(g.scopes[want.repository], want.action) {
			continue
		}
		if auth.WrongScopeStatus != 0 && auth.WrongScopeStatus != http.StatusUnauthorized {
			return fail(auth.WrongScopeStatus, CodeDenied, "the token doesn't allow to %s %s", want.action, want.repository)
		}
		return c.challenge(challenge + `,error="insufficient_scope"`)
	}
	return nil
}

func (c *call) challenge(value string) error {
	c.w.Header().Set("WWW-Authenticate", value)
	return fail(http.StatusUnauthorized, CodeUnauthorized, "authentication required")
}

func (c *call) service() string {
	if s := c.dialect.Auth.Service; s != "" {
		return s
	}
	return c.r.Host
}

// scopesOf writes accesses as the token specification does: `repository:name:pull,push`, separated by spaces.
func scopesOf(needed []access) string {
	var order []string
	actions := map[string][]string{}
	for _, a := range needed {
		if _, ok := actions[a.repository]; !ok {
			order = append(order, a.repository)
		}
		actions[a.repository] = append(actions[a.repository], a.action)
	}
	for i, repository := range order {
		order[i] = "repository:" + repository + ":" + strings.Join(actions[repository], ",")
	}
	return strings.Join(order, " ")
}

// parseScopes reads scope parameters; types other than repository are passed over.
func parseScopes(values []string) [][]access {
	var scopes [][]access
	for _, value := range values {
		for scope := range strings.FieldsSeq(value) {
			kind, rest, _ := strings.Cut(scope, ":")
			repository, actions, ok := cutLast(rest, ":")
			if kind != "repository" || !ok {
				continue
			}
			var wanted []access
			for action := range strings.SplitSeq(actions, ",") {
				wanted = append(wanted, access{repository, action})
			}
			scopes = append(scopes, wanted)
		}
	}
	return scopes
}

// serveToken is the token service.
func (c *call) serveToken() error {
	auth := &c.dialect.Auth
	if auth.Scheme != AuthBearer {
		return errNoSuchPage
	}
	user, sent, form, err := c.tokenCredentials(auth)
	if err != nil {
		return err
	}
	if service := form.Get("service"); service != c.service() {
		return fail(http.StatusBadRequest, CodeDenied, "service is %q, not %q", service, c.service())
	}
	scopes := parseScopes(form["scope"])
	c.w.record.scopes.Store(&scopeList{form["scope"]})
	if auth.FirstScopeOnly && len(scopes) > 1 {
		scopes = scopes[:1]
	}
	granted := map[string][]string{}
	for _, want := range slices.Concat(scopes...) {
		if auth.allows(user, !sent, want) {
			granted[want.repository] = append(granted[want.repository], want.action)
		} else if auth.RefuseForbidden {
			return fail(http.StatusForbidden, CodeDenied, "%q may not %s %s", user, want.action, want.repository)
		}
	}
	ttl := auth.TTL
	if ttl == 0 {
		ttl = defaultTokenTTL
	}
	issued := time.Now()
	token := c.registry.tokens.issue(grant{user: user, expires: issued.Add(ttl), scopes: granted}, auth.TellingTokens, auth.TokenSize)
	answer := map[string]any{"issued_at": issued.UTC().Format(time.RFC3339)}
	if auth.AccessTokenKey {
		answer["access_token"] = token
	} else {
		answer["token"] = token
	}
	if !auth.NoExpiresIn {
		answer["expires_in"] = int(ttl.Seconds())
	}
	return c.writeJSON("application/json", answer)
}

// tokenCredentials reads GET's Basic header or the form of OAuth 2's POST
// (https://distribution.github.io/distribution/spec/auth/oauth/).
func (c *call) tokenCredentials(auth *Auth) (user string, sent bool, form url.Values, err error) {
	denied := func() error {
		c.w.Header().Set("WWW-Authenticate", `Basic realm="devregistry"`)
		status := http.StatusUnauthorized
		if auth.TokenStatus != 0 {
			status = auth.TokenStatus
		}
		return fail(status, CodeUnauthorized, "incorrect username or password")
	}
	switch {
	case c.r.Method == http.MethodGet && !auth.PostOnly:
		user, password, sent := c.r.BasicAuth()
		if sent && !auth.knows(user, password) || !sent && !auth.AnonymousPull && len(auth.Users)+len(auth.IdentityTokens) > 0 {
			return "", false, nil, denied()
		}
		return user, sent, c.r.URL.Query(), nil
	case c.r.Method == http.MethodPost:
		c.r.Body = http.MaxBytesReader(c.w, c.r.Body, 64<<10)
		if err := c.r.ParseForm(); err != nil {
			return "", false, nil, fail(http.StatusBadRequest, CodeDenied, "%v", err)
		}
		form := c.r.PostForm
		switch form.Get("grant_type") {
		case "password":
			if !auth.knows(form.Get("username"), form.Get("password")) {
				return "", false, nil, denied()
			}
			return form.Get("username"), true, form, nil
		case "refresh_token":
			user, ok := auth.IdentityTokens[form.Get("refresh_token")]
			if !ok {
				return "", false, nil, denied()
			}
			return user, true, form, nil
		}
		return "", false, nil, fail(http.StatusBadRequest, CodeUnsupported, "grant_type is password or refresh_token")
	}
	return "", false, nil, fail(http.StatusMethodNotAllowed, CodeUnsupported, "the token service doesn't have %s", c.r.Method)
}
