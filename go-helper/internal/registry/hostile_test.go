package registry

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// Whatever an answer claims of its encoding, its bytes are taken as they are.
func TestContentEncodingIsNotDecoded(t *testing.T) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(make([]byte, 10<<20)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Accept-Encoding"); got != "" {
			t.Errorf("%s asks for %q", r.URL.Path, got)
		}
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(packed.Bytes())
	}))
	defer server.Close()
	c := newPool(t, Options{Retry: impatient}).Client(strings.TrimPrefix(server.URL, "http://"))
	digest := DigestOf(packed.Bytes())
	if m, err := c.GetManifest(t.Context(), "a/b", digest.String()); err != nil || !bytes.Equal(m.Body, packed.Bytes()) {
		t.Errorf("a manifest: %v", err)
	}
	readOn(t, c, "a/b", packed.Bytes())
}

// An answer's header, and a token service's answer, have limits, and going beyond them is final.
func TestOverlargeAnswers(t *testing.T) {
	var asked atomic.Int32
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	mux.HandleFunc("GET /v2/{$}", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /v2/header/", func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		for i := range 100 {
			w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 1<<10))
		}
	})
	mux.HandleFunc("GET /v2/token/", func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+server.URL+`/endless"`)
		w.WriteHeader(http.StatusUnauthorized)
	})
	mux.HandleFunc("GET /endless", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"token": "`)
		for range 1 << 10 {
			if _, err := w.Write(bytes.Repeat([]byte("x"), 1<<10)); err != nil {
				return
			}
		}
		fmt.Fprint(w, `"}`)
	})
	for repository, want := range map[string]string{"header": "headers exceeded", "token": "something else than a token"} {
		asked.Store(0)
		c := newPool(t, Options{Retry: impatient}).Client(strings.TrimPrefix(server.URL, "http://"))
		_, err := c.GetManifest(t.Context(), repository, "v1")
		if err == nil || Temporary(err) || !strings.Contains(err.Error(), want) || len(err.Error()) > 500 || asked.Load() > 2 {
			t.Errorf("%s: after %d tries: %v", repository, asked.Load(), err)
		}
	}
}

// The URL of a redirect or an upload may hold a signature, which is as good as a password.
func TestSignedAddressesAreNotTold(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/" {
			w.Header().Set("Location", closed.URL+"/blob?X-Amz-Signature="+password)
			w.WriteHeader(http.StatusTemporaryRedirect)
		}
	}))
	defer server.Close()
	var told []string
	c := newPool(t, Options{Retry: RetryPolicy{Attempts: 2}, OnRetry: func(r Retry) {
		told = append(told, r.What, r.Err.Error())
	}}).Client(strings.TrimPrefix(server.URL, "http://"))
	_, err := c.OpenBlob(t.Context(), "a/b", DigestOf(nil), 0)
	if err == nil || len(told) == 0 {
		t.Fatalf("%v, %q", err, told)
	}
	noSecrets(t, append(told, err.Error())...)
}

// A server that repeats what it was sent doesn't get it into an error.
func TestRepeatedSecretsAreNotTold(t *testing.T) {
	const header = "cm9ib3Q6cDRzc3" // of "robot:p4ss…" in base64
	for _, scheme := range []string{"Basic", "Bearer", "form"} {
		mux := http.NewServeMux()
		server := httptest.NewServer(mux)
		echo := func(w http.ResponseWriter, r *http.Request, status int) {
			user, plain, _ := r.BasicAuth()
			user = strings.Repeat(user, 90) // so that the secret is where a long message is cut
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"errors": [{"code": "DENIED", "message": %q}]}`, fmt.Sprint(user, " ", plain, " ", r.Header.Get("Authorization"), " ", r.PostFormValue("password")))
		}
		mux.HandleFunc("/v2/", func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "" {
				echo(w, r, http.StatusForbidden)
				return
			}
			challenge := `Basic realm="x"`
			if scheme != "Basic" {
				challenge = `Bearer realm="` + server.URL + `/token"`
			}
			w.Header().Set("WWW-Authenticate", challenge)
			w.WriteHeader(http.StatusUnauthorized)
		})
		mux.HandleFunc("GET /token", func(w http.ResponseWriter, _ *http.Request) {
			if scheme == "form" {
				w.WriteHeader(http.StatusMethodNotAllowed)
				return
			}
			fmt.Fprintf(w, `{"token": %q}`, identityToken)
		})
		mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) { echo(w, r, http.StatusServiceUnavailable) })
		c := newPool(t, Options{Keychain: user, Retry: RetryPolicy{Attempts: 1}}).Client(strings.TrimPrefix(server.URL, "http://"))
		_, err := c.GetManifest(t.Context(), "a/b", "v1")
		if err == nil || !strings.Contains(err.Error(), "[redacted]") || strings.Contains(err.Error(), header) {
			t.Errorf("%s: %v", scheme, err)
		}
		noSecrets(t, fmt.Sprint(err))
		server.Close()
	}
}

// A redirect away from TLS, or of a token service away from the realm that was checked, isn't followed.
func TestRedirectsThatAreRefused(t *testing.T) {
	var reached atomic.Int32
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer plain.Close()
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/" {
			http.Redirect(w, r, strings.Replace(plain.URL, "127.0.0.1", "localhost", 1)+"/blob", http.StatusTemporaryRedirect)
		}
	}))
	defer secure.Close()
	overTLS := Options{
		Keychain: user, Retry: impatient, PlainHTTP: func(string) bool { return false },
		Host: func(string) HostOptions {
			return HostOptions{TLS: secure.Client().Transport.(*http.Transport).TLSClientConfig}
		},
	}
	realm := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="http://auth.example/token",service="s"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer realm.Close()
	overTLSToo := overTLS
	overTLSToo.Host = func(string) HostOptions {
		return HostOptions{TLS: &tls.Config{InsecureSkipVerify: true}} // #nosec G402: a test's own server
	}
	var asked atomic.Int32
	moving := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			asked.Add(1)
			http.Redirect(w, r, plain.URL+"/token", http.StatusTemporaryRedirect)
			return
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+r.Host+`/token"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer moving.Close()
	for _, tt := range []struct {
		name, url string
		opts      Options
		want      string
	}{
		{"from TLS", secure.URL, overTLS, "redirected from TLS"},
		{"to a realm without TLS", realm.URL, overTLSToo, "names a token service without TLS"},
		{"of the token service", moving.URL, Options{Keychain: user, Retry: impatient}, "redirects elsewhere"},
	} {
		_, host, _ := strings.Cut(tt.url, "://")
		_, err := newPool(t, tt.opts).Client(host).OpenBlob(t.Context(), "a/b", DigestOf(nil), 0)
		if err == nil || Temporary(err) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if reached.Load() != 0 || asked.Load() == 0 {
		t.Errorf("%d requests there, %d for a token", reached.Load(), asked.Load())
	}
}
