package registry

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
)

// Cause is what many failures have in common, whichever image they are about: a registry gives no answer, refuses a
// login, or has too much to do.
type Cause struct {
	Host string
	Why  string // "connection refused"
}

func (c Cause) String() string { return c.Host + ": " + c.Why }

// CauseOf is false for failures that may be one image's own, such as a tag that isn't there.
func CauseOf(err error) (Cause, bool) {
	var paused *PausedError
	var certificate *CertificateError
	var protocol *ProtocolError
	var refused *Error
	var broken *transportError
	var proxy *ProxyError
	switch {
	case errors.As(err, &paused):
		return Cause{paused.Host, paused.why()}, true
	case errors.As(err, &proxy) && !errors.As(err, new(*permanentError)):
		return Cause{proxy.Host, proxy.tell(Why)}, true
	case errors.As(err, &protocol):
		return Cause{protocol.Host, protocol.Error()}, true
	case errors.As(err, &certificate):
		return Cause{certificate.Host, Why(certificate.Err)}, true
	case errors.As(err, &refused):
		return Cause{refused.Host, refused.why()}, IsDenied(err) || Overloaded(err) || refused.Status >= http.StatusInternalServerError
	case errors.As(err, &broken) && !errors.As(err, new(*permanentError)):
		return Cause{askedHost(err, ""), Why(broken.err)}, true
	}
	return Cause{}, false
}

// Why is the core of an error, without what was asked for and which address was dialed.
func Why(err error) string {
	var paused *PausedError
	var refused *Error
	var broken *transportError
	var dns *net.DNSError
	var errno syscall.Errno
	var proxy *ProxyError
	switch {
	case errors.As(err, &paused):
		return paused.why()
	case errors.As(err, &proxy):
		return proxy.tell(Why)
	case errors.As(err, &refused):
		return refused.why()
	case errors.As(err, &errno):
		return errno.Error()
	case errors.As(err, &dns) && dns.IsNotFound:
		return "no such host"
	case errors.As(err, &broken):
		return broken.err.Error()
	}
	return err.Error()
}

// why is the answer that began the pause, as a refusal by it is told: all that wait have one cause.
func (e *PausedError) why() string {
	if status, _, _ := strings.Cut(e.Reason, " "); status == strconv.Itoa(http.StatusTooManyRequests) {
		return tooMany
	}
	return e.Reason
}

// tooMany is all that is told of a 429: what else such an answer says differs from one to the next.
var tooMany = fmt.Sprintf("%d %s", http.StatusTooManyRequests, http.StatusText(http.StatusTooManyRequests))

// Unreachable tells that a registry gave no answer to read.
func Unreachable(err error) bool {
	return !errors.As(err, new(*Error)) && errors.As(err, new(*transportError)) && !errors.As(err, new(*permanentError))
}

// why is the answer alone: its status, the codes that name no repository, and what is known beyond it.
func (e *Error) why() string {
	if e.Status == http.StatusTooManyRequests {
		if e.elsewhere { // its Detail begins with where
			from, _, _ := strings.Cut(e.Detail, ";")
			return tooMany + " (" + from + ")"
		}
		return tooMany
	}
	why := fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status))
	for _, c := range e.Codes {
		why = joinDetails(why, c.Code)
		if c.Message != "" && (e.Repository == "" || !strings.Contains(c.Message, e.Repository)) {
			why += ": " + c.Message
		}
	}
	if e.Said != "" && (e.Repository == "" || !strings.Contains(e.Said, e.Repository)) {
		why += ": " + e.Said
	}
	if e.Detail != "" && (e.Repository == "" || !strings.Contains(e.Detail, e.Repository)) {
		why += " (" + e.Detail + ")"
	}
	return why
}
