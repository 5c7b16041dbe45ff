package run

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"golang.org/x/net/http/httpproxy"
)

// proxies are those that the environment names, read once and checked: what net/http can't read it goes without, which may
// be past a proxy that is there for a reason.
type proxies struct {
	of func(*url.URL) (*url.URL, error)
}

// schemesOfProxies are those that [http.Transport] knows.
var schemesOfProxies = []string{"http", "https", "socks5", "socks5h"}

// environmentProxies reads HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, in either case. ALL_PROXY, which curl has, stands
// in for those of the first two that aren't there.
func environmentProxies(getenv func(string) string) (proxies, error) {
	read := func(name string) (value string, err error) {
		for _, name := range []string{name, strings.ToLower(name)} {
			if value = getenv(name); value != "" {
				return value, checkProxy(name, value)
			}
		}
		return "", nil
	}
	all, allErr := read("ALL_PROXY")
	plain, plainErr := read("HTTP_PROXY")
	secure, secureErr := read("HTTPS_PROXY")
	config := httpproxy.Config{HTTPProxy: plain, HTTPSProxy: secure, CGI: getenv("REQUEST_METHOD") != ""}
	config.NoProxy, _ = read("NO_PROXY")
	if config.HTTPProxy == "" {
		config.HTTPProxy = all
	}
	if config.HTTPSProxy == "" {
		config.HTTPSProxy = all
	}
	return proxies{config.ProxyFunc()}, errors.Join(plainErr, secureErr, allErr)
}

// checkProxy doesn't repeat the value: it may hold a password.
func checkProxy(name, value string) error {
	if name == "NO_PROXY" || name == "no_proxy" {
		return nil
	}
	proxy, err := parseProxy(value)
	if err != nil || proxy.Hostname() == "" || !slices.Contains(schemesOfProxies, proxy.Scheme) {
		return fmt.Errorf("the environment variable %s isn't a proxy's address: want a URL such as http://proxy.example:3128, with one of %s",
			name, strings.Join(schemesOfProxies, ", "))
	}
	return nil
}

// parseProxy takes a host with a port for HTTP, as net/http does.
func parseProxy(value string) (*url.URL, error) {
	if !strings.Contains(value, "://") {
		value = "http://" + value
	}
	return url.Parse(value)
}

// proxy is for [http.Transport].
func (p proxies) proxy(req *http.Request) (*url.URL, error) { return p.of(req.URL) }

// withProxies reads the environment's.
func (c config) withProxies() (config, error) {
	found, err := environmentProxies(os.Getenv)
	c.proxies = found
	return c, err
}
