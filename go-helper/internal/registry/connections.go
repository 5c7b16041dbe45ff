package registry

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// connections are those of one kind to a registry. Where one turns out to be dead without having been closed, as behind
// a firewall that forgets them, the others that were opened before it may be, too: what follows goes over new ones.
type connections struct {
	open func() transport

	mu      sync.Mutex
	current transport
	since   time.Time
}

// transport is [http.Transport], or what takes the place of a network.
type transport interface {
	http.RoundTripper
	CloseIdleConnections()
}

func newConnections(open func() transport) *connections {
	return &connections{open: open, current: open(), since: time.Now()}
}

var _ http.RoundTripper = (*connections)(nil)

// RoundTrip implements [http.RoundTripper].
func (c *connections) RoundTrip(req *http.Request) (*http.Response, error) {
	c.mu.Lock()
	transport := c.current
	c.mu.Unlock()
	sent := time.Now()
	resp, err := transport.RoundTrip(req)
	if err != nil && silent(err) {
		c.renew(sent)
	}
	return resp, err
}

// renew leaves the connections that were opened before a request was sent which nobody answered. Requests that are under
// way on them end as they would.
func (c *connections) renew(sent time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.since.After(sent) {
		return // done already
	}
	c.current.CloseIdleConnections()
	c.current, c.since = c.open(), time.Now()
}

// CloseIdleConnections is [http.Transport]'s.
func (c *connections) CloseIdleConnections() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current.CloseIdleConnections()
}

// silent tells whether a request failed because nothing came over its connection.
func silent(err error) bool {
	var ours *timeoutError
	var network net.Error
	return errors.As(err, &ours) || errors.As(err, &network) && network.Timeout() ||
		strings.Contains(err.Error(), "http2: client connection lost") // net/http has no type for it
}
