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

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// maxErrorBody caps what is read of an error answer.
const maxErrorBody = 8 << 10

// ErrNotFound is what a 404 unwraps to: the manifest, blob, repository or upload session isn't there.
var ErrNotFound = errors.New("not found")

// ErrUploadLost is what an error unwraps to where the registry doesn't know an upload session, or no longer: another one
// may do.
var ErrUploadLost = errors.New("upload session lost")

// Code is one entry of an error answer's body (distribution spec, "Error Codes").
type Code struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Error is a registry's refusal.
type Error struct {
	Op         string // what was being done: "get manifest"
	Host       string
	Repository string // empty where the request concerned none
	Reference  string // tag, digest or upload; may be empty
	Status     int
	Codes      []Code // as far as the registry named any
	// Said is what the answer says in another form than the specification's, cleaned and shortened.
	Said string
	// Login is what the request carried, for a refusal of it.
	Login Login
	// MediaType is that of a manifest which was sent; empty for all else.
	MediaType string
	// RetryAfter is how long the registry asked to be left alone; 0 where it said nothing.
	RetryAfter time.Duration
	// Detail is what we know beyond the answer: which credentials were used, or that there were none; which
	// other host it was.
	Detail string

	length    int64 // of what a range was asked of; 0: not told
	session   bool  // it was about an upload session
	elsewhere bool  // another host than the registry's API refused
	bearer    bool  // a token was sent
	noToken   bool  // the token service refused, not the registry
	again     bool  // temporary whatever the status: what it was about has been mended
	learned   bool  // and the next try is another one, of which there is a bounded number: this one doesn't count
}

// Error says what was being done, to what, and what the registry answered.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %d", e.Op, where(e.Host, e.Repository, e.Reference), e.Status)
	if text := http.StatusText(e.Status); text != "" {
		b.WriteString(" " + text)
	}
	for i, c := range e.Codes {
		if i == 0 {
			b.WriteString(": ")
		} else {
			b.WriteString("; ")
		}
		b.WriteString(c.Code)
		if c.Message != "" && c.Code != "" {
			b.WriteString(": ")
		}
		b.WriteString(c.Message)
	}
	if e.Said != "" {
		fmt.Fprintf(&b, ": %q", e.Said)
	}
	if e.Detail != "" {
		b.WriteString(" (" + e.Detail + ")")
	}
	return b.String()
}

// Login is how a request was authenticated that a registry refused.
type Login int

// The logins. LoginUnwanted: the registry asked for none.
const (
	LoginUnknown Login = iota
	LoginUnwanted
	LoginMissing
	LoginSent
)

// Elsewhere tells whether it was another host that refused, which the registry had pointed at.
func (e *Error) Elsewhere() bool { return e.elsewhere }

// Is makes a 404 an [ErrNotFound], and the loss of an upload session an [ErrUploadLost].
func (e *Error) Is(target error) bool {
	switch target {
	case ErrNotFound:
		return e.Status == http.StatusNotFound
	case ErrUploadLost:
		return e.session && e.sessionLost()
	}
	return false
}

// sessionLost: distribution has 404 with BLOB_UPLOAD_UNKNOWN or BLOB_UPLOAD_INVALID, others 400 with one of these; proxies
// and object stores no code at all.
func (e *Error) sessionLost() bool {
	told := e.HasCode("BLOB_UPLOAD_UNKNOWN") || e.HasCode("BLOB_UPLOAD_INVALID")
	switch e.Status {
	case http.StatusNotFound:
		return told || len(e.Codes) == 0
	case http.StatusGone:
		return true
	}
	return e.Status == http.StatusBadRequest && told
}

// Temporary tells whether the same request may succeed later.
func (e *Error) Temporary() bool { return e.again || temporaryStatus(e.Status) && !e.StorageFull() }

// HasCode tells whether the registry named this error code.
func (e *Error) HasCode(code string) bool {
	for _, c := range e.Codes {
		if c.Code == code {
			return true
		}
	}
	return false
}

func temporaryStatus(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return false
	}
	return status >= 500
}

// DigestMismatchError tells that content isn't what its digest says.
type DigestMismatchError struct {
	Reference string // where it came from or went to, in full
	Want, Got v1.Hash
}

func (e *DigestMismatchError) Error() string {
	return fmt.Sprintf("%s: content has digest %s, want %s", e.Reference, e.Got, e.Want)
}

// transportError is a failure below HTTP: no answer, or one cut short.
type transportError struct {
	op, where string
	err       error
	temporary bool
}

func (e *transportError) Error() string   { return e.op + " " + e.where + ": " + e.err.Error() }
func (e *transportError) Unwrap() error   { return e.err }
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

func (e *timeoutError) Error() string   { return fmt.Sprintf("%s for %s", e.what, e.limit) }
func (e *timeoutError) Timeout() bool   { return true }
func (e *timeoutError) Temporary() bool { return true }

// wrapTransport names what failed below HTTP and classifies it, with ctx being the caller's.
func wrapTransport(ctx context.Context, op, where string, err error) error {
	if ctx.Err() != nil {
		// Also where the transport reports it as a broken connection.
		return fmt.Errorf("%s %s: %w", op, where, ctx.Err())
	}
	var mine *timeoutError
	var netErr net.Error
	if !errors.As(err, &mine) && errors.As(err, &netErr) && netErr.Timeout() {
		// net/http's own timeouts claim to be context.DeadlineExceeded, which here means the caller's.
		err = errors.New(redactURLError(err).Error())
		return &transportError{op: op, where: where, err: err, temporary: true}
	}
	return &transportError{op: op, where: where, err: redactURLError(err), temporary: passing(err)}
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
	switch {
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

// clip keeps what a registry says printable and short.
func clip(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "") + "…"
	}
	return s
}

// where spells host/repository:tag, host/repository@digest or less.
func where(host, repository, reference string) string {
	s := host
	if repository != "" {
		s += "/" + repository
	}
	switch {
	case reference == "":
	case strings.Contains(reference, ":"):
		s += "@" + reference
	default:
		s += ":" + reference
	}
	return s
}
