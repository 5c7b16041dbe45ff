package registry

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// A server that wants a certificate, or another one, is not asked again and again.
func TestClientCertificateIsWanted(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		server := httptest.NewUnstartedServer(http.NotFoundHandler())
		server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MaxVersion: version}
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.StartTLS()
		host := strings.TrimPrefix(server.URL, "https://")
		var retries atomic.Int32
		c := newPool(t, Options{
			Retry: impatient, PlainHTTP: func(string) bool { return false },
			OnRetry: func(Retry) { retries.Add(1) },
			Host: func(string) HostOptions {
				return HostOptions{TLS: &tls.Config{InsecureSkipVerify: true}} // #nosec G402: a test's own server
			},
		}).Client(host)
		_, err := c.GetManifest(t.Context(), "a/b", "v1")
		var certificate *CertificateError
		switch {
		case err == nil || Temporary(err):
			t.Errorf("%s: %v", tls.VersionName(version), err)
		case version == tls.VersionTLS12: // has no alert of its own for this
			if retries.Load() != 0 || !strings.Contains(err.Error(), "handshake failure") {
				t.Errorf("%d retries: %v", retries.Load(), err)
			}
		case !errors.As(err, &certificate) || !certificate.Ours || certificate.Host != host:
			// The handshake is over for the client when the server looks, whose end may overtake its reason, so that there
			// can be retries.
			t.Errorf("%v", err)
		}
		server.Close()
	}
}

func TestServerCertificateIsNotTrusted(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "https://")
	_, err := newPool(t, Options{Retry: impatient, PlainHTTP: func(string) bool { return false }}).Client(host).GetManifest(t.Context(), "a/b", "v1")
	var certificate *CertificateError
	if !errors.As(err, &certificate) || certificate.Ours || certificate.Host != host || Temporary(err) {
		t.Errorf("%v", err)
	}
}
