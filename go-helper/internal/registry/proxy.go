package registry

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// ProxyError tells that a request failed at a proxy, or on its way through one. The proxy's address is named without what logs
// in to it.
type ProxyError struct {
	Host  string // the registry that was to be asked
	Proxy string
	// Status is what the proxy answered instead of leading on; 0 where it said nothing.
	Status int
	// Through: it led on, so that the failure may be the registry's own.
	Through bool

	what string
	err  error // nil where what says it all
}

func (e *ProxyError) Error() string { return e.tell(func(err error) string { return err.Error() }) }

func (e *ProxyError) Unwrap() error { return e.err }

func (e *ProxyError) tell(why func(error) string) string {
	if e.err == nil {
		return e.what
	}
	return e.what + ": " + why(e.err)
}

// proxyAddress is a proxy's as it may be told.
func proxyAddress(u *url.URL) string { return u.Scheme + "://" + u.Host }

// proxyRefusal is the end of a CONNECT that wasn't answered with 200: net/http would give the answer's words alone. It is what
// [http.Transport.OnProxyConnectResponse] wants.
func proxyRefusal(_ context.Context, proxy *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	return &ProxyError{
		Proxy: proxyAddress(proxy), Status: resp.StatusCode,
		what: strings.TrimSpace(fmt.Sprintf("the proxy %s refuses to connect: %d %s", proxyAddress(proxy), resp.StatusCode, http.StatusText(resp.StatusCode))),
	}
}

// proxyOf is the proxy that a request goes through; nil where it goes through none.
func (c *Client) proxyOf(req *http.Request) *url.URL {
	if c.proxy == nil {
		return nil
	}
	proxy, err := c.proxy(req)
	if err != nil {
		return nil
	}
	return proxy
}

// proxyError finds out whether a request failed at a proxy or behind it.
func (c *Client) proxyError(req *http.Request, err error) error {
	var refused *ProxyError
	if errors.As(err, &refused) {
		refused.Host = c.host
		return refused
	}
	proxy := c.proxyOf(req)
	if proxy == nil || req.Context().Err() != nil {
		return err
	}
	address := proxyAddress(proxy)
	found := &ProxyError{Host: c.host, Proxy: address, what: "through the proxy " + address, Through: true, err: err}
	var op *net.OpError
	switch {
	case errors.As(err, &op) && op.Op == "proxyconnect":
		found.what, found.Through, found.err = "no connection to the proxy "+address, false, op.Err
	case errors.As(err, &op) && strings.HasPrefix(op.Op, "socks"):
		found.what, found.Through, found.err = "the proxy "+address+" doesn't connect", false, op.Err
	case err == context.DeadlineExceeded: // net/http's of a CONNECT, not the caller's
		found.what, found.Through, found.err = "the proxy "+address+" gives no answer to CONNECT", false, nil
	case strings.Contains(err.Error(), tlsAnswer):
		found.what, found.Through, found.err = "the proxy "+address+" speaks TLS, and was asked over plain HTTP", false, nil
	}
	if found.err != nil && silent(found.err) { // which claims to be context.DeadlineExceeded, and that means the caller's
		found.err = errors.New(found.err.Error())
	}
	if found.Through {
		found.err = protocolError(c.host, certificateError(c.host, found.err))
	}
	return found
}

// proxiedBody tells of a body that breaks which proxy it came through.
type proxiedBody struct {
	io.ReadCloser
	client  *Client
	request *http.Request
}

// Read implements [io.Reader].
func (b *proxiedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = b.client.proxyError(b.request, err)
	}
	return n, err
}

// within ends the body after so long.
func (b *proxiedBody) within(limit time.Duration) {
	if b, ok := b.ReadCloser.(*answerBody); ok {
		b.within(limit)
	}
}

// answeredThrough is what is said of an answer that a proxy may have made itself: to plain HTTP it can.
func (c *Client) answeredThrough(req *http.Request, status int) string {
	proxy := c.proxyOf(req)
	switch {
	case proxy == nil || req.URL.Scheme != "http" || strings.HasPrefix(proxy.Scheme, "socks"):
		return ""
	case status == http.StatusProxyAuthRequired:
		return "from the proxy " + proxyAddress(proxy)
	case status == http.StatusForbidden || status >= http.StatusInternalServerError:
		return "through the proxy " + proxyAddress(proxy)
	}
	return ""
}

// proxySecrets are what a proxy's answer may repeat of the login to it.
func (c *Client) proxySecrets(req *http.Request) []string {
	proxy := c.proxyOf(req)
	if proxy == nil || proxy.User == nil {
		return nil
	}
	password, _ := proxy.User.Password()
	return []string{password, base64.StdEncoding.EncodeToString([]byte(proxy.User.Username() + ":" + password))}
}
