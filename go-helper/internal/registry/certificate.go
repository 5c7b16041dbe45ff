package registry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"slices"
)

// CertificateError tells that a connection failed over a certificate, which no retry mends.
type CertificateError struct {
	Host string
	// Ours: the server doesn't take the client's certificate, or wants one. Else it is the server's that isn't trusted.
	Ours bool
	Err  error
}

func (e *CertificateError) Error() string { return e.Err.Error() }
func (e *CertificateError) Unwrap() error { return e.Err }

// certificateError finds out whether it is a certificate that a connection to host failed over.
func certificateError(host string, err error) error {
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	switch {
	case slices.Contains(certificateAlerts, alert(err)):
		return &CertificateError{Host: host, Ours: true, Err: err}
	case errors.As(err, &verification), errors.As(err, &authority):
		return &CertificateError{Host: host, Err: err}
	}
	return err
}

// Alerts that a server ends a connection with for good (RFC 8446, 6.2), as crypto/tls words them: it has no type for
// them.
var (
	certificateAlerts = []string{
		"tls: certificate required", "tls: bad certificate", "tls: unsupported certificate", "tls: revoked certificate",
		"tls: expired certificate", "tls: unknown certificate", "tls: unknown certificate authority", "tls: access denied",
	}
	otherAlerts = []string{
		"tls: handshake failure", "tls: protocol version not supported", "tls: insufficient security level",
		"tls: unrecognized name", "tls: no application protocol",
	}
)

// alert is what the server ended the connection with, or "".
func alert(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" && op.Err != nil {
		return op.Err.Error()
	}
	return ""
}

func finalAlert(err error) bool {
	said := alert(err)
	return slices.Contains(certificateAlerts, said) || slices.Contains(otherAlerts, said)
}
