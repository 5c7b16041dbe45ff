package auth

import (
	"fmt"
	"net"
	"net/url"
)

// checkRealm decides whether a token service may be asked at all, and with credentials. The realm is the
// registry's word: one that is hostile or broken into could point it at a service inside the user's network, or
// have a password sent in the clear.
func checkRealm(realm string, api *url.URL, secret bool) (*url.URL, error) {
	u, err := url.Parse(realm)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return nil, fmt.Errorf("registry %s names an unusable token service", api.Host)
	}
	if u.User != nil {
		return nil, fmt.Errorf("registry %s names a token service with a user in its address", api.Host)
	}
	same := u.Hostname() == api.Hostname()
	here := isLoopback(api.Hostname())
	if u.Scheme == "http" && !(here && isLoopback(u.Hostname())) {
		switch {
		case api.Scheme == "https":
			return nil, fmt.Errorf("registry %s names a token service without TLS, http://%s: refused", api.Host, u.Host)
		case secret && !same:
			return nil, fmt.Errorf("registry %s wants its password sent to http://%s, without TLS: refused", api.Host, u.Host)
		}
	}
	if ip := net.ParseIP(u.Hostname()); ip != nil && !same &&
		(ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip.IsUnspecified() || (ip.IsLoopback() && !here)) {
		return nil, fmt.Errorf("registry %s names a token service at the private address %s: refused", api.Host, u.Host)
	}
	return u, nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
