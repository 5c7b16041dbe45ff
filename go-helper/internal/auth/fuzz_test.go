package auth

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// What a hostile registry or token service says never panics, and never gets a secret into an error.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{
		"", `Bearer realm="https://a.example/t",service="s",scope="repository:a:pull"`, `Basic realm=x`, `Bearer realm=`, `,="`,
		`{"token": "t", "expires_in": 300, "issued_at": "2026-01-02T03:04:05Z"}`, `{"token": "t", "expires_in": -1e300}`, `{"access_token": 1}`,
		`{"errors": [{"code": "DENIED", "message": "` + planted + `"}]}`, `{"error": "invalid_grant", "error_description": "` + planted + `"}`,
		"http://169.254.169.254/", "https://user:" + planted + "@a.example/",
	} {
		f.Add(seed, 200)
		f.Add(seed, 401)
	}
	a := NewAuthorizer("r.example", &url.URL{Scheme: "https", Host: "r.example"}, nil, "x", discard(), nil)
	creds := Credentials{Username: "u", Password: planted}
	realm := &url.URL{Scheme: "https", Host: "a.example"}
	f.Fuzz(func(t *testing.T, text string, status int) {
		challenge := ParseChallenge(http.Header{"Www-Authenticate": {text}})
		if u, err := checkRealm(challenge.Realm, a.api, true); err == nil && u.Scheme != "https" {
			t.Errorf("a password would go to %s", u)
		}
		_ = demandCovered(text, []Scope{Push("a")})
		_ = normaliseKey(text)
		asked := time.Now()
		granted, err := a.read(TokenAnswer{Status: status, Header: http.Header{}, Body: []byte(text)}, realm, creds, nil, asked)
		switch {
		case err != nil && strings.Contains(err.Error(), planted):
			t.Errorf("a secret in %v", err)
		case err == nil && (granted.value == "" || granted.expires.Before(asked)):
			t.Errorf("%+v", granted.expires)
		}
	})
}
