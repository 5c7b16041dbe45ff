package registry

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"
)

// replies is a connection that gives a byte at a time and notes its deadlines.
type replies struct {
	net.Conn
	left      []byte
	deadlines []bool // whether there was one
}

func (r *replies) Read(p []byte) (int, error) {
	if len(r.left) == 0 {
		return 0, io.EOF
	}
	p[0], r.left = r.left[0], r.left[1:]
	return 1, nil
}

func (r *replies) SetDeadline(at time.Time) error {
	r.deadlines = append(r.deadlines, !at.IsZero())
	return nil
}

// The deadline ends with the last byte of what the proxy answers, and not before.
func TestTheDeadlineOfASOCKSProxyEndsWithItsAnswer(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string][]byte{
		"IPv4":       {5, 0, 5, 0, 0, 1, 127, 0, 0, 1, 0, 80},
		"IPv6":       append([]byte{5, 0, 5, 0, 0, 4}, make([]byte, 18)...),
		"a name":     {5, 0, 5, 0, 0, 3, 1, 'h', 0, 80},
		"a password": {5, 2, 1, 0, 5, 0, 0, 1, 127, 0, 0, 1, 0, 80},
	} {
		inner := &replies{left: append(answer, "HTTP/1.1 200"...)}
		conn, err := newSocksConn(inner, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		for i := range answer {
			if len(inner.deadlines) != 1 || !inner.deadlines[0] {
				t.Errorf("%s, after %d bytes: deadlines %v", name, i, inner.deadlines)
			}
			if n, err := conn.Read(make([]byte, 1)); n != 1 || err != nil {
				t.Fatal(n, err)
			}
		}
		if rest, err := io.ReadAll(conn); err != nil || string(rest) != "HTTP/1.1 200" {
			t.Errorf("%s: %q, %v", name, rest, err)
		}
		if len(inner.deadlines) != 2 || inner.deadlines[1] {
			t.Errorf("%s, at the end: deadlines %v", name, inner.deadlines)
		}
	}
}

// A SOCKS proxy that takes connections and says nothing doesn't hold up a request for ever; one that answers serves.
func TestSOCKSProxies(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "here") }))
	defer server.Close()
	api, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(patience time.Duration, serve func(net.Conn)) (string, error) {
		t.Helper()
		proxy := listen(t, serve)
		guard := newDialGuard(api)
		guard.patience = patience
		transport := newTransport(HostOptions{Proxy: http.ProxyURL(&url.URL{Scheme: "socks5", Host: proxy})}, guard, 4096, 0)
		defer transport.CloseIdleConnections()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := transport.RoundTrip(request)
		if err != nil {
			return "", err
		}
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		return string(body), err
	}
	var timeout net.Error
	if _, err := ask(50*time.Millisecond, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }); !errors.As(err, &timeout) || !timeout.Timeout() || !silent(err) {
		t.Errorf("silent: %v", err)
	}
	body, err := ask(dialTimeout, func(conn net.Conn) {
		greeting, request := make([]byte, 3), make([]byte, 10)
		if _, err := io.ReadFull(conn, greeting); err != nil {
			return
		}
		_, _ = conn.Write([]byte{5, 0})
		if _, err := io.ReadFull(conn, request); err != nil {
			return
		}
		target, err := net.Dial("tcp", api.Host)
		if err != nil {
			return
		}
		defer func() { _ = target.Close() }()
		_, _ = conn.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
		go func() { _, _ = io.Copy(target, conn) }()
		_, _ = io.Copy(conn, target)
	})
	if err != nil || body != "here" {
		t.Errorf("serving: %q, %v", body, err)
	}
}

// listen serves each connection until the test ends.
func listen(t *testing.T, serve func(net.Conn)) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				serve(conn)
			}()
		}
	}()
	return listener.Addr().String()
}
