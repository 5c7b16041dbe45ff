package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"docker-mirror/go-helper/internal/auth"
	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
)

// The planted secrets: no output of ours may have them.
const (
	password      = "p4ssw0rd-planted"
	identityToken = "1dentity-planted"
)

type keychain map[string]auth.Credentials

func (k keychain) Resolve(_ context.Context, host, repository string) (auth.Credentials, error) {
	if creds, ok := k[host+"/"+repository]; ok {
		return creds, nil
	}
	return k[""], nil
}

func (k keychain) Describe(string) string { return "the test's keychain" }

var user = keychain{"": {Username: "robot", Password: password, Source: "the test"}}

// lockedBuffer collects logs of many goroutines.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// noSecrets fails the test where a log or an error has a planted secret, in any spelling that we send.
func noSecrets(t *testing.T, texts ...string) {
	t.Helper()
	secrets := []string{password, identityToken, "cm9ib3Q6cDRzc3" /* "robot:p4ss" in base64 */}
	for _, text := range texts {
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("a secret in: %s", text)
			}
		}
	}
}

func entries(server *devregistry.Server, kind devregistry.Kind) (found []devregistry.Entry) {
	for _, e := range server.Log().Entries() {
		if e.Kind == kind {
			found = append(found, e)
		}
	}
	return found
}

func TestTokenServices(t *testing.T) {
	users := map[string]string{"robot": password}
	base := devregistry.Auth{Scheme: devregistry.AuthBearer, Users: users}
	with := func(change func(*devregistry.Auth)) devregistry.Auth {
		a := base
		change(&a)
		return a
	}
	for _, tt := range []struct {
		name     string
		auth     devregistry.Auth
		keychain auth.Keychain
		posts    bool
		gathers  bool
	}{
		{name: "GET with a password", auth: base, keychain: user},
		{name: "anonymous", auth: devregistry.Auth{Scheme: devregistry.AuthBearer}},
		{name: "access_token", auth: with(func(a *devregistry.Auth) { a.AccessTokenKey = true }), keychain: user},
		{name: "POST only", auth: with(func(a *devregistry.Auth) { a.PostOnly = true }), keychain: user, posts: true},
		{name: "no expires_in", auth: with(func(a *devregistry.Auth) { a.NoExpiresIn = true }), keychain: user},
		{name: "first scope only", auth: with(func(a *devregistry.Auth) { a.FirstScopeOnly = true }), keychain: user},
		{name: "large tokens", auth: with(func(a *devregistry.Auth) { a.TokenSize, a.MaxAuthorization = 6<<10, 8<<10 }), keychain: user},
		{name: "403 for another scope's token", auth: with(func(a *devregistry.Auth) { a.WrongScopeStatus = 403 }), keychain: user},
		{
			name: "identity token", keychain: keychain{"": {IdentityToken: identityToken}}, posts: true,
			auth: with(func(a *devregistry.Auth) { a.IdentityTokens = map[string]string{identityToken: "robot"} }),
		},
		{name: "tokens that tell what they allow", auth: with(func(a *devregistry.Auth) { a.TellingTokens = true }), keychain: user, gathers: true},
		{name: "basic", auth: devregistry.Auth{Scheme: devregistry.AuthBasic, Users: users}, keychain: user},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := devregistrytest.Start(t, devregistry.Options{Dialect: devregistry.Dialect{Auth: tt.auth}})
			log := &lockedBuffer{}
			pool := newPool(t, Options{Keychain: tt.keychain, Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
			c := pool.Client(server.Host)
			blob := []byte("content")
			digest := DigestOf(blob)
			many(t, 12, func(i int) error {
				_, err := c.HeadManifest(t.Context(), fmt.Sprintf("r%d", i%3), "v1")
				return notFoundIsFine(err)
			})
			push(t, c, "a/b", blob)
			if up, err := c.StartUpload(t.Context(), "c/d", digest, "a/b"); err != nil {
				t.Fatal(err)
			} else if up != nil && tt.name != "first scope only" {
				t.Error("not mounted")
			} else if up != nil {
				if err := up.Cancel(t.Context()); err != nil {
					t.Errorf("cancel: %v", err)
				}
			}
			if pings := len(entries(server, devregistry.KindPing)); pings != 1 {
				t.Errorf("%d pings", pings)
			}
			if tt.auth.Scheme == devregistry.AuthBearer {
				asked := map[string]int{}
				for _, e := range entries(server, devregistry.KindToken) {
					if e.Status == 200 {
						asked[strings.Join(e.Scopes, " ")]++
					}
					if tt.posts && e.Method != "POST" && e.Status == 200 {
						t.Errorf("token by %s", e.Method)
					}
				}
				for scopes, n := range asked {
					if n != 1 && tt.name != "first scope only" {
						t.Errorf("%d tokens for %s", n, scopes)
					}
				}
				want := []string{
					"repository:r0:pull", "repository:a/b:pull,push", "repository:c/d:pull,push repository:a/b:pull",
				}
				for _, scopes := range want {
					if asked[scopes] == 0 && !tt.gathers {
						t.Errorf("no token for %s; got %v", scopes, asked)
					}
				}
			}
			for _, e := range server.Log().Entries() {
				if e.Status == 401 && e.Kind != devregistry.KindPing && tt.name != "first scope only" {
					t.Errorf("401 to %s %s", e.Kind, e.Repository)
				}
			}
			noSecrets(t, log.String())
		})
	}
}

// Services whose tokens tell what they allow are asked for many repositories at once; and whatever they then do,
// every repository that may be read is.
func TestTokensForManyRepositories(t *testing.T) {
	const repositories = 40
	forbidden := func(_, repository, _ string) bool { return repository != "team/r7" }
	for _, tt := range []struct {
		name string
		auth devregistry.Auth
		most int // tokens
	}{
		{"telling", devregistry.Auth{TellingTokens: true}, 15},
		{"telling, access_token", devregistry.Auth{TellingTokens: true, AccessTokenKey: true}, 15},
		{"telling, one forbidden", devregistry.Auth{TellingTokens: true, Allow: forbidden}, 15},
		{"telling, one forbidden, which refuses all", devregistry.Auth{TellingTokens: true, Allow: forbidden, RefuseForbidden: true}, repositories + 5},
		{"telling, first scope only", devregistry.Auth{TellingTokens: true, FirstScopeOnly: true}, repositories + 5},
		{"telling, padded", devregistry.Auth{TellingTokens: true, TokenSize: 5 << 10, MaxAuthorization: 6 << 10}, repositories + 5},
		{"opaque", devregistry.Auth{}, repositories},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.auth.Scheme, tt.auth.Users = devregistry.AuthBearer, map[string]string{"robot": password}
			server := devregistrytest.Start(t, devregistry.Options{Dialect: devregistry.Dialect{Auth: tt.auth}})
			c := newPool(t, Options{Keychain: user}).Client(server.Host)
			many(t, repositories, func(i int) error {
				_, err := c.HeadManifest(t.Context(), fmt.Sprintf("team/r%d", i), "v1")
				if i == 7 && tt.auth.Allow != nil {
					if errors.Is(err, ErrNotFound) || err == nil {
						t.Errorf("forbidden: %v", err)
					}
					return nil
				}
				return notFoundIsFine(err)
			})
			tokens := entries(server, devregistry.KindToken)
			if len(tokens) > tt.most {
				t.Errorf("%d tokens, want %d at most", len(tokens), tt.most)
			}
			if tt.name != "telling" {
				return
			}
			// What was taken back is asked for anew, together.
			server.RevokeTokens()
			server.Log().Reset()
			many(t, repositories, func(i int) error {
				_, err := c.HeadManifest(t.Context(), fmt.Sprintf("team/r%d", i), "v1")
				return notFoundIsFine(err)
			})
			if tokens := entries(server, devregistry.KindToken); len(tokens) > 15 {
				t.Errorf("%d tokens after all were revoked", len(tokens))
			}
		})
	}
}

// push uploads a blob.
func push(t *testing.T, c *Client, repository string, blob []byte) {
	t.Helper()
	digest := DigestOf(blob)
	up, err := c.StartUpload(t.Context(), repository, digest, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := up.Put(t.Context(), digest, int64(len(blob)), bytes.NewReader(blob), 0); err != nil {
		t.Fatal(err)
	}
}

func TestTokensAreRefreshed(t *testing.T) {
	server := devregistrytest.Start(t, devregistry.Options{Dialect: devregistry.Dialect{
		Auth: devregistry.Auth{Scheme: devregistry.AuthBearer, TTL: time.Second},
	}})
	c := newPool(t, Options{}).Client(server.Host)
	end := time.Now().Add(3 * time.Second)
	many(t, 8, func(int) error {
		for time.Now().Before(end) {
			if _, err := c.HeadManifest(t.Context(), "a/b", "v1"); !errors.Is(err, ErrNotFound) {
				return err
			}
			time.Sleep(5 * time.Millisecond)
		}
		return nil
	})
	tokens := len(entries(server, devregistry.KindToken))
	if tokens < 3 || tokens > 6 {
		t.Errorf("%d tokens of one second in three", tokens)
	}
	for _, e := range entries(server, devregistry.KindManifestHead) {
		if e.Status == 401 {
			t.Error("a token was used after its end")
			break
		}
	}
}

func TestRevokedTokenIsReplacedOnce(t *testing.T) {
	server := devregistrytest.Start(t, devregistry.Options{Dialect: devregistry.Dialect{
		Auth: devregistry.Auth{Scheme: devregistry.AuthBearer},
	}})
	c := newPool(t, Options{}).Client(server.Host)
	head := func(int) error {
		_, err := c.HeadManifest(t.Context(), "a/b", "v1")
		return notFoundIsFine(err)
	}
	many(t, 1, head)
	server.RevokeTokens()
	many(t, 20, head)
	if tokens := len(entries(server, devregistry.KindToken)); tokens != 2 {
		t.Errorf("%d tokens, want one before and one after", tokens)
	}
	// In the middle of an upload: once some of the body is gone it can't be sent again here, but the next try may.
	blob := bytes.Repeat([]byte("x"), 1<<20)
	digest := DigestOf(blob)
	up, err := c.StartUpload(t.Context(), "a/b", digest, "")
	if err != nil {
		t.Fatal(err)
	}
	server.RevokeTokens()
	err = up.Put(t.Context(), digest, int64(len(blob)), bytes.NewReader(blob), 0)
	if err == nil { // the refusal came before the body's first byte was sent
		if exists, err := c.HeadBlob(t.Context(), "a/b", digest, int64(len(blob))); err != nil || !exists {
			t.Errorf("it was taken, and is there: %v, %v", exists, err)
		}
		return
	}
	if !Temporary(err) || !IsDenied(err) {
		t.Fatalf("Put with a revoked token: %v", err)
	}
	at, err := up.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := up.Put(t.Context(), digest, int64(len(blob)), bytes.NewReader(blob[at:]), at); err != nil {
		t.Fatal(err)
	}
}

func TestDenied(t *testing.T) {
	users := map[string]string{"robot": "another"}
	for _, tt := range []struct {
		name     string
		auth     devregistry.Auth
		keychain auth.Keychain
		want     []string
	}{
		{"wrong password, token service", devregistry.Auth{Scheme: devregistry.AuthBearer, Users: users}, user, []string{"401", "robot", "the test"}},
		{"wrong password, basic", devregistry.Auth{Scheme: devregistry.AuthBasic, Users: users}, user, []string{"401", "the test"}},
		{"none, token service", devregistry.Auth{Scheme: devregistry.AuthBearer, Users: users}, keychain{}, []string{"401", "no credentials for 127.0.0.1", "the test's keychain"}},
		{"none, basic", devregistry.Auth{Scheme: devregistry.AuthBasic, Users: users}, keychain{}, []string{"401", "no credentials for 127.0.0.1", "the test's keychain"}},
		{"forbidden", devregistry.Auth{Scheme: devregistry.AuthBearer, Allow: func(string, string, string) bool { return false }}, user, []string{"401"}},
		{"forbidden, basic", devregistry.Auth{Scheme: devregistry.AuthBasic, Allow: func(string, string, string) bool { return false }}, user, []string{"403"}},
		{"no helper", devregistry.Auth{Scheme: devregistry.AuthBearer, Users: users}, failing{}, []string{"401", "can't be had", "helper is not on PATH"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.name == "wrong password, token service" {
				tt.want = []string{"401", "user and password from the test"}
			}
			server := devregistrytest.Start(t, devregistry.Options{Dialect: devregistry.Dialect{Auth: tt.auth}})
			log := &lockedBuffer{}
			pool := newPool(t, Options{Keychain: tt.keychain, Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
			_, err := pool.Client(server.Host).GetManifest(t.Context(), "a/b", "v1")
			if !IsDenied(err) || Temporary(err) {
				t.Fatalf("got %v", err)
			}
			for _, want := range append(tt.want, server.Host+"/a/b") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q doesn't say %q", err, want)
				}
			}
			if n := len(server.Log().Entries()); n > 5 {
				t.Errorf("%d requests: it loops", n)
			}
			noSecrets(t, err.Error(), fmt.Sprintf("%+v %#v", err, err), log.String())
		})
	}
}

type failing struct{}

func (failing) Resolve(context.Context, string, string) (auth.Credentials, error) {
	return auth.Credentials{}, errors.New("the helper is not on PATH")
}

// A token service that refuses a token for both repositories of a mount leaves the upload.
func TestMountWithoutAccessToTheOrigin(t *testing.T) {
	for _, refuse := range []bool{false, true} {
		server := devregistrytest.Start(t, devregistry.Options{Dialect: devregistry.Dialect{Auth: devregistry.Auth{
			Scheme: devregistry.AuthBearer, RefuseForbidden: refuse,
			Allow: func(_, repository, _ string) bool { return repository != "secret/origin" },
		}}})
		c := newPool(t, Options{}).Client(server.Host)
		blob := []byte("content")
		for i := range 2 {
			up, err := c.StartUpload(t.Context(), "a/b", DigestOf(blob), "secret/origin")
			if err != nil {
				t.Fatalf("refuse=%v: %v", refuse, err)
			}
			if up == nil {
				t.Fatal("mounted without access")
			}
			if i == 1 {
				if err := up.Put(t.Context(), DigestOf(blob), int64(len(blob)), bytes.NewReader(blob), 0); err != nil {
					t.Fatal(err)
				}
			}
		}
		if refuse {
			if n := len(entries(server, devregistry.KindToken)); n != 2 {
				t.Errorf("%d token requests: the refusal isn't remembered", n)
			}
		}
	}
}

// A registry that answers its ping and asks for credentials later, then for others.
func TestChallengeAfterThePing(t *testing.T) {
	var tokens atomic.Int32
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	realm := server.URL + "/token1"
	var mu sync.Mutex
	good := ""
	mux.HandleFunc("GET /v2/{$}", func(http.ResponseWriter, *http.Request) {})
	token := func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		good = fmt.Sprintf("t%d", tokens.Add(1))
		fmt.Fprintf(w, `{"token": %q, "issued_at": "yesterday"}`, good)
	}
	mux.HandleFunc("GET /token1", token)
	mux.HandleFunc("GET /token2", token)
	mux.HandleFunc("HEAD /v2/a/b/manifests/v1", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if good == "" || r.Header.Get("Authorization") != "Bearer "+good {
			w.Header().Add("WWW-Authenticate", "Negotiate")
			w.Header().Add("WWW-Authenticate", `Bearer realm="`+realm+`",service="s",scope="repository:a/b:pull"`)
			w.WriteHeader(401)
			return
		}
		w.WriteHeader(404)
	})
	c := newPool(t, Options{}).Client(strings.TrimPrefix(server.URL, "http://"))
	for range 2 {
		if _, err := c.HeadManifest(t.Context(), "a/b", "v1"); !errors.Is(err, ErrNotFound) {
			t.Fatal(err)
		}
	}
	mu.Lock()
	realm, good = server.URL+"/token2", ""
	mu.Unlock()
	if _, err := c.HeadManifest(t.Context(), "a/b", "v1"); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	if tokens.Load() != 2 {
		t.Errorf("%d tokens", tokens.Load())
	}
}

func TestTokenServiceInTrouble(t *testing.T) {
	var calls atomic.Int32
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	mux.HandleFunc("GET /v2/", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" {
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+server.URL+`/token",service="s"`)
			w.WriteHeader(401)
			return
		}
		w.WriteHeader(404)
	})
	mux.HandleFunc("GET /token", func(w http.ResponseWriter, r *http.Request) {
		switch calls.Add(1) {
		case 1:
			w.WriteHeader(503)
		case 2:
			panic(http.ErrAbortHandler)
		case 3:
			fmt.Fprint(w, `{"token": "t"}`)
		}
	})
	c := newPool(t, Options{}).Client(strings.TrimPrefix(server.URL, "http://"))
	if _, err := c.GetManifest(t.Context(), "a/b", "v1"); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	if calls.Load() != 3 {
		t.Errorf("%d calls", calls.Load())
	}
}

// A token that can't be sent is the token service's mistake, told at once and without the token.
func TestATokenWithALineBreakIsToldAtOnce(t *testing.T) {
	var tokens, retries atomic.Int32
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			tokens.Add(1)
			fmt.Fprint(w, `{"token": "s3cret\r\nX-Other: 1"}`)
			return
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+server.URL+`/token",service="s"`)
		w.WriteHeader(401)
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	c := newPool(t, Options{Retry: impatient, OnRetry: func(Retry) { retries.Add(1) }}).Client(host)
	_, err := c.GetManifest(t.Context(), "a/b", "v1")
	if want := "token service " + host + " of " + host + " answered with a token that no header can carry"; err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v; want %q", err, want)
	}
	if tokens.Load() != 1 || retries.Load() != 0 {
		t.Errorf("%d tokens were asked for, %d tries made", tokens.Load(), retries.Load())
	}
}

// A token service on another host that wants to be left alone for an hour is left alone, and the error says who asked for how long.
func TestTokenServiceThatWantsAnHoursRest(t *testing.T) {
	var calls atomic.Int32
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer service.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+service.URL+`/token",service="s"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer server.Close()
	c := newPool(t, Options{}).Client(strings.TrimPrefix(server.URL, "http://"))
	for _, repository := range []string{"a/b", "a/c", "d"} {
		_, err := c.GetManifest(t.Context(), repository, "v1")
		if err == nil || !strings.Contains(err.Error(), "(from "+strings.TrimPrefix(service.URL, "http://")+"; it asks to be left alone for 1h0m0s") {
			t.Errorf("%s: %v", repository, err)
		}
	}
	if calls.Load() != 1 {
		t.Errorf("the service was asked %d times", calls.Load())
	}
}

func TestPasswordStaysHome(t *testing.T) {
	var got atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got.Add(1)
		if r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "" {
			t.Errorf("credentials went to another host: %v", slices.Sorted(mapsKeys(r.Header)))
		}
		fmt.Fprint(w, "content")
	}))
	defer elsewhere.Close()
	home := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "session=secret")
		if _, _, ok := r.BasicAuth(); !ok {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(401)
			return
		}
		http.Redirect(w, r, elsewhere.URL+"/cdn?signature=secret", http.StatusTemporaryRedirect)
	}))
	defer home.Close()
	c := newPool(t, Options{Keychain: user}).Client(strings.TrimPrefix(home.URL, "http://"))
	r, err := c.OpenBlob(t.Context(), "a/b", DigestOf([]byte("content")), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got.Load() != 1 {
		t.Errorf("%d requests there", got.Load())
	}
}

func mapsKeys(h http.Header) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range h {
			if !yield(k) {
				return
			}
		}
	}
}

// A registry that redirects to another registry, which wants a token from whoever may read everything.
func TestRedirectToARegistryWithTokens(t *testing.T) {
	there := devregistrytest.Start(t, devregistry.Options{})
	blob := []byte("content")
	push(t, newPool(t, Options{}).Client(there.Host), "images/pause", blob)
	there.SetDialect(devregistry.Dialect{Auth: devregistry.Auth{
		Scheme: devregistry.AuthBearer, Users: map[string]string{"someone": "else"}, AnonymousPull: true,
	}})
	there.Log().Reset()
	home := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/" {
			return
		}
		http.Redirect(w, r, there.URL+strings.Replace(r.URL.Path, "/v2/", "/v2/images/", 1), http.StatusTemporaryRedirect)
	}))
	defer home.Close()
	c := newPool(t, Options{Keychain: user}).Client(strings.TrimPrefix(home.URL, "http://"))
	for range 3 {
		readOn(t, c, "pause", blob)
	}
	if tokens := entries(there, devregistry.KindToken); len(tokens) != 1 || tokens[0].Authorization != "" {
		t.Errorf("tokens: %+v", tokens)
	}
	for _, e := range there.Log().Entries() {
		if e.Authorization != "" && e.Authorization != "Bearer" {
			t.Errorf("%s with %s", e.Kind, e.Authorization)
		}
	}
}
