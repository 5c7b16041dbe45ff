package registry

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

const proxySecret = "s3cret"

// answering is a proxy that gives one answer to whatever it is asked, which repeats the login that it got.
func answering(status string) func(net.Conn) {
	return func(conn net.Conn) {
		req, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		login := req.Header.Get("Proxy-Authorization")
		decoded, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(login, "Basic "))
		body := "<html><title>Denied: " + login + " " + string(decoded) + "</title></html>"
		_, _ = io.WriteString(conn, "HTTP/1.1 "+status+"\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n"+body)
	}
}

// leading is a proxy that leads on to one server, whatever it is asked for.
func leading(to string) func(net.Conn) {
	return func(conn net.Conn) {
		reader := bufio.NewReader(conn)
		if _, err := http.ReadRequest(reader); err != nil {
			return
		}
		target, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		defer func() { _ = target.Close() }()
		_, _ = io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n")
		go func() { _, _ = io.Copy(target, reader) }()
		_, _ = io.Copy(conn, target)
	}
}

// socks is a proxy that answers a greeting, and a request with a reply.
func socks(method, reply byte) func(net.Conn) {
	return func(conn net.Conn) {
		if _, err := io.ReadFull(conn, make([]byte, 4)); err != nil { // with a login there are two methods
			return
		}
		_, _ = conn.Write([]byte{5, method})
		if _, err := conn.Read(make([]byte, 100)); err == nil {
			_, _ = conn.Write([]byte{5, reply, 0, 1, 0, 0, 0, 0, 0, 0})
		}
	}
}

func tlsServer(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// alerting answers as a TLS server does to plain HTTP: once it has read something, or the client might take it for no answer to it.
func alerting(c net.Conn) {
	_, _ = c.Read(make([]byte, 4096))
	_, _ = io.WriteString(c, "\x15\x03\x01\x00\x02\x02\x46")
}

// Where a proxy is what fails, it is named, without what logs in to it, and asked again only where that may help.
func TestProxiesThatFailAreNamed(t *testing.T) {
	closed := listen(t, func(net.Conn) {})
	unused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing := unused.Addr().String()
	secure := tlsServer(t)
	secureAddress := secure.Listener.Addr().String()
	tests := map[string]struct {
		scheme, address string
		plain           bool // the registry is asked over plain HTTP
		want            string
		through, again  bool
	}{
		"refuses connections":                 {"http", refusing, false, "no connection to the proxy PROXY: connection refused", false, true},
		"refuses connections, plain":          {"http", refusing, true, "no connection to the proxy PROXY: connection refused", false, true},
		"refuses connections, SOCKS":          {"socks5", refusing, false, "no connection to the proxy PROXY: connection refused", false, true},
		"hangs up":                            {"http", closed, false, "through the proxy PROXY: ", true, true},
		"wants a login":                       {"http", listen(t, answering("407 "+proxySecret)), false, "the proxy PROXY refuses to connect: 407 Proxy Authentication Required", false, false},
		"forbids":                             {"http", listen(t, answering("403 No")), false, "the proxy PROXY refuses to connect: 403 Forbidden", false, false},
		"doesn't reach the registry":          {"http", listen(t, answering("502 No")), false, "the proxy PROXY refuses to connect: 502 Bad Gateway", false, true},
		"waits for the registry in vain":      {"http", listen(t, answering("504 No")), false, "the proxy PROXY refuses to connect: 504 Gateway Timeout", false, true},
		"answers with a status of its own":    {"http", listen(t, answering("599 No")), false, "the proxy PROXY refuses to connect: 599", false, true},
		"speaks TLS":                          {"http", listen(t, alerting), false, "the proxy PROXY speaks TLS, and was asked over plain HTTP", false, true},
		"speaks TLS, plain":                   {"http", listen(t, alerting), true, "the proxy PROXY speaks TLS, and was asked over plain HTTP", false, true},
		"speaks no TLS":                       {"https", listen(t, func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.0 400 Bad Request\r\n\r\n") }), false, "no connection to the proxy PROXY: tls: first record does not look like a TLS handshake", false, false},
		"has a certificate of its own":        {"https", secureAddress, false, "no connection to the proxy PROXY: tls: failed to verify certificate", false, false},
		"leads to a registry with one":        {"http", listen(t, leading(secureAddress)), false, "through the proxy PROXY: tls: failed to verify certificate", true, false},
		"refuses, SOCKS":                      {"socks5", listen(t, socks(0, 5)), false, "the proxy PROXY doesn't connect: unknown error connection refused", false, true},
		"knows no method of logging in":       {"socks5", listen(t, socks(255, 0)), false, "the proxy PROXY doesn't connect: no acceptable authentication methods", false, true},
		"doesn't take the password":           {"socks5", listen(t, socks(2, 0)), false, "the proxy PROXY doesn't connect: ", false, true},
		"wants a login, plain":                {"http", listen(t, answering("407 No")), true, "407 Proxy Authentication Required: Denied: ", false, false},
		"forbids, plain":                      {"http", listen(t, answering("403 No")), true, "through the proxy PROXY", false, false},
		"doesn't reach the registry, plainly": {"http", listen(t, answering("502 No")), true, "(through the proxy PROXY)", false, true},
	}
	_ = unused.Close() // now that nothing else can get its port
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy := &url.URL{Scheme: tt.scheme, Host: tt.address, User: url.UserPassword("user", proxySecret), Path: "/"}
			c := newPool(t, Options{Retry: impatient, PlainHTTP: func(string) bool { return tt.plain }, Host: func(string) HostOptions {
				return HostOptions{Proxy: http.ProxyURL(proxy)}
			}}).Client("r.example")
			_, err := c.GetManifest(t.Context(), "a/b", "v1")
			if err == nil {
				t.Fatal("no error")
			}
			cause, _ := CauseOf(err)
			told := err.Error() + "\n" + cause.String()
			address := tt.scheme + "://" + tt.address
			if want := strings.ReplaceAll(tt.want, "PROXY", address); !strings.Contains(told, want) || !strings.Contains(told, address) {
				t.Errorf("%s; want %s", told, want)
			}
			for _, secret := range []string{proxySecret, base64.StdEncoding.EncodeToString([]byte("user:" + proxySecret)), "user@"} {
				if strings.Contains(told, secret) {
					t.Errorf("%q is told: %s", secret, told)
				}
			}
			var failed *ProxyError
			if errors.As(err, &failed) && (failed.Host != "r.example" || failed.Proxy != address || failed.Through != tt.through) {
				t.Errorf("%+v", failed)
			}
			if again := c.stats.retries.Load() > 0; again != tt.again {
				t.Errorf("tried again: %v, want %v: %v", again, tt.again, err)
			}
		})
	}
}

// A registry behind a proxy that works is to blame for itself.
func TestWhatComesThroughAProxyIsTheRegistrys(t *testing.T) {
	var cut atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/v2/":
		case cut.Load():
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "cut")
		default:
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"errors":[{"code":"DENIED","message":"not you"}]}`)
		}
	}))
	defer server.Close()
	proxy, err := url.Parse(server.URL) // which answers in the registry's place
	if err != nil {
		t.Fatal(err)
	}
	c := newPool(t, Options{Retry: impatient, PlainHTTP: func(string) bool { return true }, Host: func(string) HostOptions {
		return HostOptions{Proxy: http.ProxyURL(proxy)}
	}}).Client("r.example")
	if _, err := c.GetManifest(t.Context(), "a/b", "v1"); err == nil || strings.Contains(err.Error(), "proxy") || !strings.Contains(err.Error(), "DENIED: not you") {
		t.Errorf("the registry's own words: %v", err)
	}
	cut.Store(true)
	body, err := c.OpenBlob(t.Context(), "a/b", DigestOf([]byte("x")), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = body.Close() }()
	_, err = io.ReadAll(body)
	var failed *ProxyError
	if !errors.As(err, &failed) || !failed.Through || !errors.Is(err, io.ErrUnexpectedEOF) || !Temporary(err) {
		t.Errorf("cut: %v", err)
	}
}

// net/http gives a CONNECT a minute, and then says what otherwise means that the caller has given up.
func TestAProxyThatSaysNothingIsNamed(t *testing.T) {
	for want, plain := range map[string]bool{
		"the proxy http://proxy.example:3128 gives no answer to CONNECT":                           false,
		"through the proxy http://proxy.example:3128: net/http: timeout awaiting response headers": true,
	} {
		synctest.Test(t, func(t *testing.T) {
			proxy := &url.URL{Scheme: "http", Host: "proxy.example:3128"}
			c := newPool(t, Options{Retry: impatient, PlainHTTP: func(string) bool { return plain }, Host: func(string) HostOptions {
				return HostOptions{Proxy: http.ProxyURL(proxy), Dial: func(context.Context, string, string) (net.Conn, error) {
					near, far := net.Pipe()
					go func() { _, _ = io.Copy(io.Discard, far) }()
					return near, nil
				}}
			}}).Client("r.example")
			_, err := c.GetManifest(t.Context(), "a/b", "v1")
			var failed *ProxyError
			if !errors.As(err, &failed) || failed.Through != plain || errors.Is(err, context.DeadlineExceeded) || c.stats.retries.Load() == 0 || !strings.Contains(err.Error(), want) {
				t.Errorf("%v; want %s", err, want)
			}
		})
	}
}
