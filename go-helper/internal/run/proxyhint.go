package run

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"

	"docker-mirror/go-helper/internal/registry"
)

// atProxy is the hint of what failed at a proxy, or on its way through one; empty where there is none.
func atProxy(err error) string {
	var proxy *registry.ProxyError
	var verification *tls.CertificateVerificationError
	if !errors.As(err, &proxy) {
		return ""
	}
	named := fmt.Sprintf("HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names it, or proxy in [registries.%q] of the --config file", proxy.Host)
	switch {
	case proxy.Through:
		return fmt.Sprintf("check that %s can be reached through the proxy %s, and run again: what is done is kept", proxy.Host, proxy.Proxy)
	case proxy.Status == http.StatusProxyAuthRequired:
		return "put user name and password into the proxy's address: " + named
	case proxy.Status >= http.StatusInternalServerError:
		return fmt.Sprintf("check that %s can be reached from the proxy, or go past it with NO_PROXY: %s", proxy.Host, named)
	case proxy.Status != 0:
		return fmt.Sprintf("have the proxy let through what goes to %s, or go past it with NO_PROXY: %s", proxy.Host, named)
	case errors.As(err, &verification):
		return fmt.Sprintf("if the proxy has a private certificate authority, set ca_file in [registries.%q] of the --config file", proxy.Host)
	}
	return "check the proxy's address, and that it can be reached from here: " + named
}
