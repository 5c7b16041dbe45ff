package devregistry_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"docker-mirror/go-helper/internal/devregistry"
)

// token asks the token service, as the password's owner or anonymously.
func (c *client) token(status int, user, password string, scopes ...string) string {
	c.t.Helper()
	query := url.Values{"service": {c.server.Host}, "scope": scopes}
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, c.server.URL+"/token?"+query.Encode(), nil)
	if err != nil {
		c.t.Fatal(err)
	}
	if user != "" {
		req.SetBasicAuth(user, password)
	}
	return c.tokenFrom(req, status)
}

func (c *client) tokenFrom(req *http.Request, status int) string {
	c.t.Helper()
	resp, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != status {
		c.t.Fatalf("token: %d, want %d", resp.StatusCode, status)
	}
	if status != http.StatusOK {
		return ""
	}
	var answer struct {
		Token       string `json:"token"`
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		c.t.Fatal(err)
	}
	if answer.Token == "" {
		return answer.AccessToken
	}
	return answer.Token
}

func (c *client) use(token string) { c.header.Set("Authorization", "Bearer "+token) }

func bearer(auth devregistry.Auth) devregistry.Options {
	auth.Scheme = devregistry.AuthBearer
	return devregistry.Options{Dialect: devregistry.Dialect{Auth: auth}}
}

func TestBearerChallenge(t *testing.T) {
	c := start(t, bearer(devregistry.Auth{}))
	realm := `Bearer realm="` + c.server.URL + `/token",service="` + c.server.Host + `"`
	_, h := content(10, "a")
	for _, step := range []struct{ method, target, scope string }{
		{http.MethodGet, "/v2/", ""},
		{http.MethodGet, "/v2/team/a/manifests/v1", `,scope="repository:team/a:pull"`},
		{http.MethodPost, "/v2/team/a/blobs/uploads/", `,scope="repository:team/a:pull,push"`},
		{http.MethodPost, "/v2/team/a/blobs/uploads/?mount=" + h.String() + "&from=team/b", `,scope="repository:team/a:pull,push repository:team/b:pull"`},
		{http.MethodDelete, "/v2/team/a/blobs/uploads/x", `,scope="repository:team/a:delete"`},
	} {
		a := c.want(http.StatusUnauthorized, step.method, step.target, nil)
		if got := a.Header.Get("WWW-Authenticate"); got != realm+step.scope {
			t.Errorf("%s %s: %s", step.method, step.target, got)
		}
	}
}

func TestBearerScopes(t *testing.T) {
	c := start(t, bearer(devregistry.Auth{}))
	blob, h := content(1000, "a")
	c.use(c.token(http.StatusOK, "", "", "repository:from:pull,push"))
	c.push("from", blob)
	c.want(http.StatusOK, http.MethodGet, "/v2/from/blobs/"+h.String(), nil)
	c.want(http.StatusOK, http.MethodGet, "/v2/", nil)
	// Another repository, another action.
	if a := c.want(http.StatusUnauthorized, http.MethodGet, "/v2/to/blobs/"+h.String(), nil); !strings.HasSuffix(a.Header.Get("WWW-Authenticate"), `error="insufficient_scope"`) {
		t.Errorf("challenge %s", a.Header.Get("WWW-Authenticate"))
	}
	c.want(http.StatusUnauthorized, http.MethodDelete, "/v2/from/blobs/"+h.String(), nil)
	// A mount needs pull on its origin.
	c.use(c.token(http.StatusOK, "", "", "repository:to:pull,push"))
	if a := c.mount("to", "from", h); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("mount without the origin's scope: %d", a.StatusCode)
	}
	for _, scopes := range [][]string{
		{"repository:to:pull,push", "repository:from:pull"},
		{"repository:to:pull,push repository:from:pull"},
	} {
		c.use(c.token(http.StatusOK, "", "", scopes...))
		if a := c.mount("to", "from", h); a.StatusCode != http.StatusCreated {
			t.Errorf("mount with %q: %d", scopes, a.StatusCode)
		}
	}
	if counts := c.server.Log().Counts(); counts[devregistry.KindToken] != 4 {
		t.Errorf("%v", counts)
	}
	tokens := c.server.Log().Select(func(e devregistry.Entry) bool { return e.Kind == devregistry.KindToken })
	if got := tokens[0].Scopes; len(got) != 1 || got[0] != "repository:from:pull,push" {
		t.Errorf("scopes %q", got)
	}
	c.server.RevokeTokens()
	if a := c.mount("to", "from", h); a.StatusCode != http.StatusUnauthorized || !strings.Contains(a.Header.Get("WWW-Authenticate"), "invalid_token") {
		t.Errorf("after revoking: %d", a.StatusCode)
	}
}

func TestBearerUsers(t *testing.T) {
	auth := devregistry.Auth{
		Users: map[string]string{"me": "secret"}, AnonymousPull: true,
		Allow: func(user, repository, action string) bool { return repository != "private" || user == "me" },
	}
	c := start(t, bearer(auth))
	blob, h := content(1000, "a")
	c.token(http.StatusUnauthorized, "me", "wrong")
	c.use(c.token(http.StatusOK, "me", "secret", "repository:a:pull,push", "repository:private:pull,push"))
	c.push("a", blob)
	c.push("private", blob)
	// Anonymous: what may be read, without what may not.
	c.use(c.token(http.StatusOK, "", "", "repository:a:pull,push", "repository:private:pull"))
	c.want(http.StatusOK, http.MethodGet, "/v2/a/blobs/"+h.String(), nil)
	c.want(http.StatusUnauthorized, http.MethodPost, "/v2/a/blobs/uploads/", nil)
	c.want(http.StatusUnauthorized, http.MethodGet, "/v2/private/blobs/"+h.String(), nil)
	auth.Scheme, auth.AnonymousPull = devregistry.AuthBearer, false
	c.server.SetDialect(devregistry.Dialect{Auth: auth})
	c.token(http.StatusUnauthorized, "", "", "repository:a:pull")
}

func TestTokenServiceDialects(t *testing.T) {
	forbidden := func(_, repository, _ string) bool { return repository != "forbidden" }
	c := start(t, bearer(devregistry.Auth{}))
	set := func(auth devregistry.Auth) {
		c.server.SetDialect(bearer(auth).Dialect)
	}
	pull := func(repository string) int {
		return c.do(http.MethodGet, "/v2/"+repository+"/tags/list", nil).StatusCode
	}

	set(devregistry.Auth{FirstScopeOnly: true})
	c.use(c.token(http.StatusOK, "", "", "repository:a:pull", "repository:b:pull"))
	if a, b := pull("a"), pull("b"); a != http.StatusNotFound || b != http.StatusUnauthorized {
		t.Errorf("FirstScopeOnly: %d, %d", a, b)
	}

	set(devregistry.Auth{RefuseForbidden: true, Allow: forbidden})
	c.token(http.StatusForbidden, "", "", "repository:a:pull", "repository:forbidden:pull")
	c.token(http.StatusOK, "", "", "repository:a:pull")

	set(devregistry.Auth{AccessTokenKey: true, TokenSize: 9000})
	token := c.token(http.StatusOK, "", "", "repository:a:pull")
	if len(token) != 9000 {
		t.Errorf("TokenSize: %d bytes", len(token))
	}
	c.use(token)
	if got := pull("a"); got != http.StatusNotFound {
		t.Errorf("a large token: %d", got)
	}
	set(devregistry.Auth{MaxAuthorization: 8000})
	if got := pull("a"); got != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("MaxAuthorization: %d", got)
	}

	set(devregistry.Auth{TTL: 50 * time.Millisecond})
	c.use(c.token(http.StatusOK, "", "", "repository:a:pull"))
	if got := pull("a"); got != http.StatusNotFound {
		t.Errorf("a fresh token: %d", got)
	}
	time.Sleep(60 * time.Millisecond)
	if got := pull("a"); got != http.StatusUnauthorized {
		t.Errorf("an expired token: %d", got)
	}

	set(devregistry.Auth{WrongScopeStatus: http.StatusForbidden})
	c.use(c.token(http.StatusOK, "", "", "repository:a:pull"))
	if got := pull("b"); got != http.StatusForbidden {
		t.Errorf("WrongScopeStatus: %d", got)
	}
}

func TestTokenPost(t *testing.T) {
	c := start(t, bearer(devregistry.Auth{
		PostOnly: true, Users: map[string]string{"me": "secret"}, IdentityTokens: map[string]string{"refresh": "me"},
	}))
	post := func(status int, form url.Values) string {
		t.Helper()
		form.Set("service", c.server.Host)
		form.Set("client_id", "test")
		form.Set("scope", "repository:a:pull")
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.server.URL+"/token", strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return c.tokenFrom(req, status)
	}
	c.token(http.StatusMethodNotAllowed, "me", "secret", "repository:a:pull")
	for _, form := range []url.Values{
		{"grant_type": {"password"}, "username": {"me"}, "password": {"secret"}},
		{"grant_type": {"refresh_token"}, "refresh_token": {"refresh"}},
	} {
		c.use(post(http.StatusOK, form))
		c.want(http.StatusNotFound, http.MethodGet, "/v2/a/tags/list", nil)
	}
	post(http.StatusUnauthorized, url.Values{"grant_type": {"password"}, "username": {"me"}, "password": {"wrong"}})
	post(http.StatusUnauthorized, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"other"}})
	post(http.StatusBadRequest, url.Values{})
}

func TestBasic(t *testing.T) {
	c := start(t, devregistry.Options{Dialect: devregistry.Dialect{Auth: devregistry.Auth{
		Scheme: devregistry.AuthBasic, Users: map[string]string{"me": "secret"},
		Allow: func(_, repository, _ string) bool { return repository != "forbidden" },
	}}})
	if a := c.want(http.StatusUnauthorized, http.MethodGet, "/v2/", nil); !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Basic ") {
		t.Errorf("challenge %q", a.Header.Get("WWW-Authenticate"))
	}
	c.header.Set("Authorization", "Basic bWU6c2VjcmV0") // me:secret
	c.want(http.StatusOK, http.MethodGet, "/v2/", nil)
	c.pushImage("a", "v1", []byte("layer"))
	c.want(http.StatusForbidden, http.MethodGet, "/v2/forbidden/tags/list", nil)
	c.header.Set("Authorization", "Basic bWU6d3Jvbmc=") // me:wrong
	c.want(http.StatusUnauthorized, http.MethodGet, "/v2/", nil)
	for _, e := range c.server.Log().Entries() {
		if strings.Contains(e.Authorization, " ") || strings.Contains(e.Path, "secret") {
			t.Errorf("the log has a credential: %+v", e)
		}
	}
}
