package registry

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// A name that only its lookup shows to be this machine is refused, but where the registry is here itself, or a proxy is.
func TestNamesOfThisMachineAreRefused(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := net.LookupHost("localhost."); err != nil {
		t.Skipf("no name of this machine is known here: %v", err)
	}
	there := "localhost.:" + port // as evil.example would be that has 127.0.0.1 for its address
	dial := func(g *dialGuard, address string) error {
		conn, err := g.dial(t.Context(), "tcp4", address)
		if err == nil {
			conn.Close()
		}
		return err
	}
	guard := newDialGuard(&url.URL{Scheme: "https", Host: "r.example"})
	for _, address := range []string{there, "127.0.0.1:" + port, "169.254.169.254:80", "0.0.0.0:" + port} {
		err := dial(guard, address)
		if err == nil || passing(err) || !strings.Contains(err.Error(), "refused") {
			t.Errorf("%s: %v", address, err)
		}
	}
	proxied := guard.watch(func(*http.Request) (*url.URL, error) { return url.Parse(server.URL) })
	if _, err := proxied(nil); err != nil {
		t.Fatal(err)
	}
	if err := dial(guard, "127.0.0.1:"+port); err != nil {
		t.Errorf("the user's proxy: %v", err)
	}
	if err := dial(guard, there); err == nil {
		t.Error("another name beside the proxy's was let through")
	}

	if got := canonicalPort(&url.URL{Scheme: "socks5", Host: "localhost"}); got != "localhost:1080" {
		t.Errorf("a proxy is watched at %s", got)
	}

	home := newDialGuard(&url.URL{Scheme: "http", Host: there})
	if err := dial(home, "127.0.0.1:"+port); err == nil {
		t.Error("let through before the registry was known to be here")
	}
	for _, address := range []string{there, "127.0.0.1:" + port} {
		if err := dial(home, address); err != nil {
			t.Errorf("%s beside a registry on this machine: %v", address, err)
		}
	}
}
