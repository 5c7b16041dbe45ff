package auth

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestParseChallenge(t *testing.T) {
	for _, tt := range []struct {
		headers []string
		want    Challenge
	}{
		{[]string{`Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"`}, Challenge{"bearer", "https://auth.docker.io/token", "registry.docker.io", "repository:a/b:pull,push", ""}},
		{[]string{`bearer service=s, realm="https://a.example/t?x=1"`}, Challenge{"bearer", "https://a.example/t?x=1", "s", "", ""}},
		{[]string{`Bearer realm="https://a.example/t",error="invalid_token"`}, Challenge{Scheme: "bearer", Realm: "https://a.example/t", Error: "invalid_token"}},
		{[]string{`Negotiate`, `Basic realm="ECR"`}, Challenge{Scheme: "basic", Realm: "ECR"}},
		{[]string{`BASIC`}, Challenge{Scheme: "basic"}},
		{nil, Challenge{}},
		{[]string{`"`}, Challenge{}},
		{[]string{`Basic realm="r", Bearer realm="https://a.example/t",service="s"`}, Challenge{Scheme: "bearer", Realm: "https://a.example/t", Service: "s"}},
		{[]string{`Bearer realm="https://a.example/t", service="s, \"t\"", Basic realm="r"`}, Challenge{Scheme: "bearer", Realm: "https://a.example/t", Service: `s, "t"`}},
		{[]string{`Negotiate, Basic realm="r"`}, Challenge{Scheme: "basic", Realm: "r"}},
		{[]string{`NTLM TlRMTVNTUAAB==, Negotiate YWJj, Basic realm = "r" ,charset="UTF-8"`}, Challenge{Scheme: "basic", Realm: "r"}},
		{[]string{`Digest realm="d", nonce=x, algorithm=MD5, Basic realm="r"`}, Challenge{Scheme: "basic", Realm: "r"}},
		{[]string{`Basic realm="r"`, `Bearer realm="https://a.example/t"`}, Challenge{Scheme: "bearer", Realm: "https://a.example/t"}},
		{[]string{`Bearer error="invalid_token", Basic realm="r"`}, Challenge{Scheme: "basic", Realm: "r"}},
		{[]string{`Bearer realm=https://a.example/t?x=1,service=s`}, Challenge{Scheme: "bearer", Realm: "https://a.example/t?x=1", Service: "s"}},
		{[]string{`Negotiate`}, Challenge{Scheme: "negotiate"}},
		{[]string{`, ,Basic ,`}, Challenge{Scheme: "basic"}},
		{[]string{`Bearer realm="https://a.example/t`}, Challenge{Scheme: "bearer", Realm: "https://a.example/t"}},
		{[]string{`=,=`, `Basic ===`}, Challenge{Scheme: "basic"}},
	} {
		if got := ParseChallenge(http.Header{"Www-Authenticate": tt.headers}); got != tt.want {
			t.Errorf("%q: %+v, want %+v", tt.headers, got, tt.want)
		}
	}
}

func TestCheckRealm(t *testing.T) {
	for _, tt := range []struct {
		api, realm string
		secret     bool
		refused    string
	}{
		{"https://r.example", "https://auth.example/token", true, ""},
		{"https://r.example", "https://r.example/token", true, ""},
		{"https://r.example", "http://auth.example/token", true, "without TLS"},
		{"https://r.example", "http://r.example/token", true, "without TLS"},
		{"https://r.example", "http://auth.example/token", false, "without TLS"},
		{"http://r.internal", "http://r.internal/token", true, ""},
		{"http://r.internal", "http://r.internal:5001/token", true, ""},
		{"http://r.internal", "http://auth.example/token", true, "password"},
		{"http://r.internal", "http://auth.example/token", false, ""},
		{"http://127.0.0.1:5000", "http://127.0.0.1:5001/token", true, ""},
		{"http://127.0.0.1:5000", "http://localhost:5001/token", true, ""},
		{"http://127.0.0.1:5000", "http://auth.example/token", true, "password"},
		{"https://r.example", "http://127.0.0.1/token", false, "without TLS"},
		{"https://r.example", "https://127.0.0.1/token", false, "private address"},
		{"https://r.example", "https://[::1]/token", false, "private address"},
		{"https://r.example", "https://169.254.169.254/latest", false, "private address"},
		{"https://r.example", "https://10.0.0.1/token", true, "private address"},
		{"https://10.0.0.1", "https://10.0.0.1:8443/token", true, ""},
		{"https://r.example", "ftp://auth.example/token", false, "unusable"},
		{"https://r.example", "", false, "unusable"},
		{"https://r.example", "/token", false, "unusable"},
		{"https://r.example", "https://user:pw@auth.example/token", false, "with a user"},
	} {
		api, err := url.Parse(tt.api)
		if err != nil {
			t.Fatal(err)
		}
		_, err = checkRealm(tt.realm, api, tt.secret)
		switch {
		case tt.refused == "" && err != nil:
			t.Errorf("%s, realm %s, secret %v: %v", tt.api, tt.realm, tt.secret, err)
		case tt.refused != "" && (err == nil || !strings.Contains(err.Error(), tt.refused)):
			t.Errorf("%s, realm %s, secret %v: %v, want %q", tt.api, tt.realm, tt.secret, err, tt.refused)
		case err != nil && strings.Contains(err.Error(), "pw"):
			t.Errorf("a secret in %v", err)
		}
	}
}

func TestScopes(t *testing.T) {
	if got := Push("a/b").String(); got != "repository:a/b:pull,push" {
		t.Error(got)
	}
	merged := merge([]Scope{Push("a"), Pull("b")}, []Scope{Pull("a"), Pull("c"), Push("b")})
	want := []Scope{Push("a"), Pull("b"), Pull("c"), Push("b")}
	if len(merged) != len(want) {
		t.Fatalf("%v, want %v", merged, want)
	}
	for i := range want {
		if merged[i] != want[i] {
			t.Errorf("%v, want %v", merged, want)
		}
	}
	have := []Scope{Push("a"), Pull("b")}
	for demand, covered := range map[string]bool{
		"": true, "repository:a:pull": true, "repository:a:pull,push repository:b:pull": true,
		"repository:b:push": false, "repository:a:pull,delete": false, "registry:catalog:*": false, "nonsense": false,
	} {
		if got := demandCovered(demand, have); got != covered {
			t.Errorf("%q: %v", demand, got)
		}
	}
}
