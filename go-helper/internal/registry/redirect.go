package registry

import (
	"net"
	"net/http"
	"net/url"
	"strings"
)

// isAPI tells whether u is at the registry's own host, which alone gets credentials.
func (c *Client) isAPI(u *url.URL) bool {
	return u.Scheme == c.base.Scheme && canonicalPort(u) == canonicalPort(&c.base)
}

// canonicalPort spells host:port in full.
func canonicalPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// resolve reads a Location, relative to the answer's address. A registry behind a proxy that ends TLS may think
// that it speaks HTTP: its own host stays on TLS.
func (c *Client) resolve(answered *url.URL, location string) (*url.URL, error) {
	next, err := answered.Parse(location)
	if err != nil || next.Host == "" || (next.Scheme != "https" && next.Scheme != "http") {
		return nil, permanentf("the answer has an unusable Location")
	}
	next.User, next.Fragment = nil, ""
	if local(next.Hostname()) && !isLoopback(c.base.Host) && next.Hostname() != c.base.Hostname() {
		// A hostile registry could reach services of this machine, or a cloud's metadata service.
		return nil, permanentf("the answer points at %s, an address of this machine or its link: refused", next.Host)
	}
	if next.Scheme == "http" && c.base.Scheme == "https" && next.Hostname() == c.base.Hostname() {
		next.Scheme = "https"
		if next.Port() == "80" {
			next.Host = c.base.Host
		}
	}
	return next, nil
}

// maxRedirects is how many redirects one request follows.
const maxRedirects = 5

// local tells whether a host is this machine or on its link only, 169.254.169.254 among them.
func local(host string) bool {
	ip := net.ParseIP(host)
	return isLoopback(host) || ip != nil && (ip.IsLinkLocalUnicast() || ip.IsUnspecified())
}

// redirect returns where an answer points, nil where it is no redirect or mustn't be followed; it is read then.
func (c *Client) redirect(r *request, resp *http.Response) (*url.URL, error) {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther:
		if r.method != http.MethodGet && r.method != http.MethodHead {
			return nil, nil // the method would change (RFC 9110, 15.4)
		}
	case http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, nil
	}
	location := resp.Header.Get("Location")
	if location == "" {
		return nil, nil
	}
	discard(resp)
	next, err := c.resolve(resp.Request.URL, location)
	if err != nil {
		return nil, err
	}
	if next.Scheme == "http" && resp.Request.URL.Scheme == "https" {
		return nil, permanentf("redirected from TLS to http://%s: refused", next.Host)
	}
	return next, nil
}
