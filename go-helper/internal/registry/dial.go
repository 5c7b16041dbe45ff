package registry

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const dialTimeout, keepAlive = 30 * time.Second, 30 * time.Second

// dialGuard looks at where connections really go. A Location or realm names a host, and only its lookup tells that it is
// this machine or a cloud's metadata service.
type dialGuard struct {
	own  string      // host:port of the registry's API
	home atomic.Bool // that is on this machine itself

	patience time.Duration // with a proxy's greeting

	mu      sync.Mutex
	proxies map[string]string // host:port -> scheme
}

func newDialGuard(api *url.URL) *dialGuard {
	return &dialGuard{own: canonicalPort(api), patience: dialTimeout, proxies: map[string]string{}}
}

// watch notes which proxies are in use: their addresses are the user's word.
func (g *dialGuard) watch(proxy func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	return func(req *http.Request) (*url.URL, error) {
		u, err := proxy(req)
		if u != nil {
			g.mu.Lock()
			g.proxies[canonicalPort(u)] = u.Scheme
			g.mu.Unlock()
		}
		return u, err
	}
}

// dial is http.Transport's DialContext.
func (g *dialGuard) dial(ctx context.Context, network, address string) (net.Conn, error) {
	name := strings.ToLower(address)
	g.mu.Lock()
	proxy := g.proxies[name]
	g.mu.Unlock()
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}
	dialer.Control = func(_, resolved string, _ syscall.RawConn) error {
		host, _, err := net.SplitHostPort(resolved)
		if err != nil {
			return err
		}
		host, _, _ = strings.Cut(host, "%") // an IPv6 zone
		switch {
		case proxy != "" || !local(host):
			return nil
		case name == g.own:
			g.home.Store(true)
			return nil
		case g.home.Load():
			return nil
		}
		return permanentf("%s is %s, an address of this machine or its link: refused", address, host)
	}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil || !strings.HasPrefix(proxy, "socks5") {
		return conn, err
	}
	return newSocksConn(conn, g.patience)
}
