package registry

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
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
	// Lacks are the digests of other content that the refusal of a manifest names, as far as it names any.
	Lacks []v1.Hash
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

// DigestMismatchError tells that content isn't what its digest says.
type DigestMismatchError struct {
	Reference string // where it came from or went to, in full
	Want, Got v1.Hash
}

func (e *DigestMismatchError) Error() string {
	return fmt.Sprintf("%s: content has digest %s, want %s", e.Reference, e.Got, e.Want)
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
