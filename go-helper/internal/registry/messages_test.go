package registry

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
)

// TLS that one side alone speaks is told as that, after one request.
func TestProtocolsThatDontMeet(t *testing.T) {
	handler := http.NotFoundHandler()
	plain := httptest.NewServer(handler)
	defer plain.Close()
	secure := httptest.NewUnstartedServer(handler)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	nginx := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, "<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>")
	}))
	defer nginx.Close()
	alerting := alertingServer(t)
	ssh := talkingServer(t, "SSH-2.0-OpenSSH_9.6\r\n")
	for _, tt := range []struct {
		name, host string
		plain      bool
		tls        bool
		want       bool
	}{
		{"plain HTTP, asked over TLS", strings.TrimPrefix(plain.URL, "http://"), false, false, true},
		{"something else, asked over TLS", ssh, false, false, true},
		{"TLS, asked over plain HTTP", strings.TrimPrefix(secure.URL, "https://"), true, true, true},
		{"nginx with TLS, asked over plain HTTP", strings.TrimPrefix(nginx.URL, "http://"), true, true, true},
		{"TLS that only alerts, asked over plain HTTP", alerting, true, true, true},
		{"what it should be", strings.TrimPrefix(plain.URL, "http://"), true, false, false},
	} {
		pool := newPool(t, Options{
			Retry: impatient, PlainHTTP: func(string) bool { return tt.plain },
			Host: func(string) HostOptions {
				return HostOptions{TLS: &tls.Config{InsecureSkipVerify: true}} // #nosec G402: what it says is no matter here
			},
		})
		_, err := pool.Client(tt.host).GetManifest(t.Context(), "a/b", "v1")
		var protocol *ProtocolError
		if errors.As(err, &protocol) != tt.want || tt.want && (protocol.TLS != tt.tls || protocol.Host != tt.host || Temporary(err)) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if n := pool.Stats()[tt.host].Requests["ping"]; n != 1 {
			t.Errorf("%s: asked %d times", tt.name, n)
		}
	}
}

// talkingServer says the same to everyone.
func talkingServer(t *testing.T, says string) (host string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = io.WriteString(conn, says)
			conn.Close()
		}
	}()
	t.Cleanup(func() { listener.Close(); <-done })
	return listener.Addr().String()
}

func alertingServer(t *testing.T) string {
	return talkingServer(t, "\x15\x03\x01\x00\x02\x02\x46") // fatal, protocol_version
}

// What an answer says in another form than the specification's is told, in short.
func TestOtherBodiesAreTold(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{"text", "upstream  is\nout of order\x1b[31m", `403 Forbidden: "upstream is out of order [31m"`},
		{"a page with a title", "<html><head><title> Access\ndenied </title></head><body>by policy</body></html>", `"Access denied"`},
		{"a page without", "<!doctype html><style>a{}</style><body><h1>Blocked</h1> by <b>Zscaler</b></body>", `"Blocked by Zscaler"`},
		{"an object store", "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message><StringToSign>geheim</StringToSign></Error>", `"AccessDenied: Request has expired"`},
		{"JSON of its own", `{"message": "no such tenant"}`, `"no such tenant"`},
		{"nested JSON", `{"error": {"code": 403, "message": "billing is off"}}`, `"billing is off"`},
		{"a problem", `{"title": "Forbidden", "detail": "by rule 7"}`, `"by rule 7"`},
		{"an array", `[1, 2]`, `"[1, 2]"`},
		{"long", strings.Repeat("long ", 200), "long …\""},
		{"the specification's", `{"errors": [{"code": "DENIED", "message": "no"}]}`, "403 Forbidden: DENIED: no"},
		{"what the detail alone says", `{"errors": [{"code": "UNKNOWN", "message": "unknown error", "detail": "quota is used up"}]}`, "UNKNOWN: unknown error (quota is used up)"},
		{"nothing", "", "403 Forbidden ("},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/v2/" {
				w.WriteHeader(http.StatusForbidden)
				fmt.Fprint(w, tt.body)
			}
		}))
		c := newPool(t, Options{Retry: impatient}).Client(strings.TrimPrefix(server.URL, "http://"))
		_, err := c.GetManifest(t.Context(), "a/b", "v1")
		if err == nil || !strings.Contains(err.Error(), tt.want) || len(err.Error()) > 500 || strings.ContainsAny(err.Error(), "\n\x1b") || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", tt.name, err)
		}
		server.Close()
	}
}

// A body that repeats what was sent doesn't get it into an error either.
func TestOtherBodiesTellNoSecrets(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
		w.WriteHeader(http.StatusUnauthorized)
		user, plain, _ := r.BasicAuth()
		fmt.Fprint(w, user, plain, r.Header)
	}))
	defer server.Close()
	c := newPool(t, Options{Retry: impatient, Keychain: user}).Client(strings.TrimPrefix(server.URL, "http://"))
	_, err := c.GetManifest(t.Context(), "a/b", "v1")
	if !IsDenied(err) || !strings.Contains(err.Error(), "[redacted]") {
		t.Errorf("got %v", err)
	}
	noSecrets(t, fmt.Sprint(err))
}

// A disk that is full is nothing that passes while we wait.
func TestFullStorageIsFinal(t *testing.T) {
	blob := []byte("content")
	for _, tt := range []struct {
		name   string
		fault  *devregistry.Fault
		passes bool
	}{
		{"distribution", nil, false},
		{"507", &devregistry.Fault{Status: 507}, false},
		{"in words", &devregistry.Fault{Status: 500, Body: "write /data: disk quota exceeded"}, false},
		{"something else", &devregistry.Fault{Status: 500, Body: "no idea"}, true},
	} {
		server := devregistrytest.Start(t, devregistry.Options{Dialect: devregistry.Dialect{DiskFull: true}})
		if tt.fault != nil {
			server.SetFaults(devregistry.Faults{Intercept: devregistry.FirstOf(
				devregistry.Always(isKind(devregistry.KindUploadPut), *tt.fault), devregistry.Always(isKind(devregistry.KindManifestPut), *tt.fault),
			)})
		}
		c := newPool(t, Options{Retry: impatient}).Client(server.Host)
		_, err := pushOn(t, c, "a/b", blob)
		var refused *Error
		if !errors.As(err, &refused) || refused.StorageFull() == tt.passes || Temporary(err) != tt.passes {
			t.Errorf("%s: a blob: %v", tt.name, err)
		}
		err = c.PutManifest(t.Context(), "a/b", "v1", emptyIndex)
		if !errors.As(err, &refused) || refused.StorageFull() == tt.passes || refused.MediaType != emptyIndex.MediaType {
			t.Errorf("%s: a manifest: %v", tt.name, err)
		}
		if n := len(entries(server, devregistry.KindManifestPut)); (n == 1) == tt.passes {
			t.Errorf("%s: sent %d times", tt.name, n)
		}
	}
}
