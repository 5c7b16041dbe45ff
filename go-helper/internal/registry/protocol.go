package registry

import (
	"crypto/tls"
	"errors"
	"net/http"
	"strings"
)

// ProtocolError tells that a registry speaks TLS where it was asked without, or the other way round.
type ProtocolError struct {
	Host string
	TLS  bool // it speaks TLS
	Err  error
}

func (e *ProtocolError) Error() string {
	if e.TLS {
		return "the registry speaks TLS, and was asked over plain HTTP"
	}
	return "the registry doesn't speak TLS: " + e.Err.Error()
}

func (e *ProtocolError) Unwrap() error { return e.Err }

// protocolError finds out whether a connection to host failed over TLS that one side alone speaks.
func protocolError(host string, err error) error {
	switch {
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, new(tls.RecordHeaderError)):
		return &ProtocolError{Host: host, Err: err}
	case strings.Contains(err.Error(), tlsAnswer):
		return &ProtocolError{Host: host, TLS: true, Err: err}
	}
	return err
}

// tlsAnswer is how net/http words that it was answered with a TLS alert; it has no type for it.
const tlsAnswer = `malformed HTTP response "\x15\x03`

// wantsTLS are the words of servers that were sent HTTP where they wait for TLS: Go, nginx, Apache.
var wantsTLS = []string{"HTTP request to an HTTPS server", "plain HTTP request was sent to HTTPS port", "speaking plain HTTP to an SSL-enabled server port"}

// refusedPlainHTTP tells whether an answer says so.
func refusedPlainHTTP(resp *http.Response, body []byte) bool {
	if resp.StatusCode != http.StatusBadRequest || resp.Request.URL.Scheme != "http" {
		return false
	}
	for _, words := range wantsTLS {
		if strings.Contains(string(body), words) {
			return true
		}
	}
	return false
}
