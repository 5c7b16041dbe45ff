package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

func temporaryStatus(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return false
	}
	return status >= 500
}

// transportError is a failure below HTTP: no answer, or one cut short.
type transportError struct {
	op, where string
	err       error
	from      string // the host that was asked, where that isn't the registry's
	temporary bool
	timedOut  bool
	waited    time.Duration // in vain, where that is known
}

func (e *transportError) Error() string {
	from := ""
	if e.from != "" {
		from = "from " + e.from + ": "
	}
	return e.op + " " + e.where + ": " + from + e.err.Error()
}

func (e *transportError) Unwrap() error { return e.err }

func (e *transportError) Temporary() bool { return e.temporary }

// finalError is a failure that was retried as often as is sensible, somewhere below.
type finalError struct{ err error }

func (e *finalError) Error() string { return e.err.Error() }

func (e *finalError) Unwrap() error { return e.err }

// timeoutError is a limit of ours that ran out. It is no context error: those mean that the caller gave up.
type timeoutError struct {
	what  string
	limit time.Duration
}

func (e *timeoutError) Error() string { return fmt.Sprintf("%s for %s", e.what, e.limit) }

func (e *timeoutError) Timeout() bool { return true }

func (e *timeoutError) Temporary() bool { return true }

// wrapTransport names what failed below HTTP and classifies it, with ctx being the caller's.
func wrapTransport(ctx context.Context, op, where string, err error) error {
	if ctx.Err() != nil {
		// Also where the transport reports it as a broken connection.
		return fmt.Errorf("%s %s: %w", op, where, ctx.Err())
	}
	var mine *timeoutError
	var netErr net.Error
	var quiet *quietError
	waited, timedOut := time.Duration(0), errors.As(err, &quiet)
	if timedOut {
		waited = quiet.waited
	}
	if !errors.As(err, &mine) && errors.As(err, &netErr) && netErr.Timeout() {
		// net/http's own timeouts claim to be context.DeadlineExceeded, which here means the caller's.
		err = errors.New(redactURLError(err).Error())
		return &transportError{op: op, where: where, err: err, temporary: true, timedOut: true, waited: waited}
	}
	return &transportError{op: op, where: where, err: redactURLError(err), temporary: passing(err), timedOut: timedOut, waited: waited}
}

// redactURLError drops the URL, which may hold a signature (pre-signed Location, redirect to a CDN).
func redactURLError(err error) error {
	var urlErr *url.Error
	if errors.As(err, &urlErr) {
		return urlErr.Err
	}
	return err
}

// passing tells which failures below HTTP are worth another try: all but those that a retry can't mend.
func passing(err error) bool {
	var (
		unknownAuthority x509.UnknownAuthorityError
		hostname         x509.HostnameError
		invalid          x509.CertificateInvalidError
		verification     *tls.CertificateVerificationError
		record           tls.RecordHeaderError
		quic             tls.AlertError
		dns              *net.DNSError
		permanent        *permanentError
	)
	var proxy *ProxyError
	switch {
	case errors.As(err, &proxy) && proxy.Status != 0:
		return temporaryStatus(proxy.Status)
	case errors.As(err, &permanent), errors.As(err, new(*ProtocolError)), errors.As(err, new(*silentError)),
		errors.As(err, &unknownAuthority), errors.As(err, &hostname), errors.As(err, &invalid),
		errors.As(err, &verification), errors.As(err, &record), errors.As(err, &quic), finalAlert(err):
		return false
	case errors.As(err, &dns):
		return !dns.IsNotFound
	}
	// net/http has no type for these.
	text := err.Error()
	return !strings.Contains(text, "server gave HTTP response to HTTPS client") &&
		!strings.Contains(text, "unsupported protocol scheme") &&
		!strings.Contains(text, "server response headers exceeded")
}

// permanentError marks a refusal of ours (a redirect too many, an answer outside the protocol).
type permanentError struct{ msg string }

func (e *permanentError) Error() string { return e.msg }

func permanentf(format string, args ...any) error {
	return &permanentError{msg: fmt.Sprintf(format, args...)}
}

// TimedOut tells whether something failed because nothing came for long.
func TimedOut(err error) bool {
	var broken *transportError
	return errors.As(err, &broken) && broken.timedOut || errors.As(err, new(*timeoutError))
}

// Temporary tells whether what failed may succeed on another try: 408, 425, 429 and 5xx (but 501 and 505),
// resets, unexpected ends, timeouts, stalls. Never where a context ended, on 401, 403, 404, or on a mismatch.
func Temporary(err error) bool {
	if err == nil {
		return false
	}
	var final *finalError
	if errors.As(err, &final) {
		return false
	}
	var refused *Error
	if errors.As(err, &refused) {
		return refused.Temporary()
	}
	var broken *transportError
	if errors.As(err, &broken) {
		return broken.temporary
	}
	var ours *timeoutError
	if errors.As(err, &ours) || errors.As(err, new(*PausedError)) {
		return true
	}
	var mismatch *DigestMismatchError
	if errors.As(err, &mismatch) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var netErr net.Error
	if errors.As(err, &netErr) && netErr.Timeout() {
		return true
	}
	return errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// IsDenied tells whether the registry or its token service said 401 or 403.
func IsDenied(err error) bool {
	var refused *Error
	return errors.As(err, &refused) &&
		(refused.Status == http.StatusUnauthorized || refused.Status == http.StatusForbidden)
}
