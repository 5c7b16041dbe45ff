package verify

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/policy"
)

// Outcome is what is known of an image's signatures.
type Outcome string

// The outcomes. Only Unsigned can be tolerated, where the rule says so: it is known then that there is nothing.
const (
	Verified  Outcome = "verified"
	Unsigned  Outcome = "unsigned"
	Refused   Outcome = "refused"   // there are signatures, and none will do
	Undecided Outcome = "undecided" // something could not be read, or not be verified
	Exempt    Outcome = "exempt"    // the rule asks for none
)

// Verdict is how an image is judged.
type Verdict struct {
	Outcome Outcome
	Rule    *policy.Rule
	// Signer, Times and Predicates are of what was verified.
	Signer     *Signer
	Times      []Timestamp
	Predicates []string
	Evidence   []v1.Hash // the manifests that have it
	// Reasons say why the image isn't verified.
	Reasons []string
	// Causes are behind an undecided one.
	Causes []error

	wasSigned bool
}

// Tolerated tells whether the rule lets an image pass that is not signed. One that was signed when it was locked has lost its signature.
func (v *Verdict) Tolerated() bool {
	return v.Outcome == Unsigned && !v.wasSigned && v.Rule.Unsigned != policy.Refuse
}

// Err is why an image may not pass; nil where it may.
func (v *Verdict) Err() error {
	if v.Outcome == Verified || v.Outcome == Exempt || v.Tolerated() {
		return nil
	}
	return &RefusedError{v}
}

// RefusedError tells that a policy lets an image not pass.
type RefusedError struct{ Verdict *Verdict }

func (e *RefusedError) Error() string {
	v, rule := e.Verdict, e.Verdict.Rule.Place()
	switch {
	case v.Outcome == Undecided:
		return fmt.Sprintf("whether it is signed as %s wants could not be found out: %s", rule, v.reasons())
	case v.Outcome == Unsigned && v.wasSigned:
		return "it was signed when it was locked, and is not signed any longer"
	case v.Outcome == Unsigned && len(v.Reasons) > 0:
		return fmt.Sprintf("it is not signed, and %s wants it to be: %s", rule, v.reasons())
	case v.Outcome == Unsigned:
		return fmt.Sprintf("it is not signed, and %s wants it to be", rule)
	}
	return fmt.Sprintf("it is not signed as %s wants: %s", rule, v.reasons())
}

// Unwrap gives what went wrong where nothing is decided.
func (e *RefusedError) Unwrap() []error { return e.Verdict.Causes }

// maxReasons is how many reasons are told of one image.
const maxReasons = 3

func (v *Verdict) reasons() string {
	all := v.Reasons
	more := ""
	if len(all) > maxReasons {
		more = fmt.Sprintf("; and %d more", len(all)-maxReasons)
		all = all[:maxReasons]
	}
	return strings.Join(all, "; ") + more
}

// settle brings the reasons into order, the most telling first: a signature that holds and is somebody else's.
func (v *Verdict) settle() {
	for _, cause := range v.Causes {
		v.Reasons = append(v.Reasons, cause.Error())
	}
	telling := func(reason string) int {
		if strings.Contains(reason, "signed by ") || strings.Contains(reason, "signed from ") {
			return 0
		}
		return 1
	}
	if v.Outcome == Undecided { // the causes first
		telling = func(reason string) int {
			if slices.ContainsFunc(v.Causes, func(err error) bool { return err.Error() == reason }) {
				return 0
			}
			return 1
		}
	}
	slices.SortStableFunc(v.Reasons, func(a, b string) int { return telling(a) - telling(b) })
	var told []string
	for _, reason := range v.Reasons {
		if !slices.Contains(told, reason) {
			told = append(told, reason)
		}
	}
	v.Reasons = told
}

// SignedAt is the oldest verified time; zero where there is none.
func (v *Verdict) SignedAt() (oldest time.Time) {
	for _, t := range v.Times {
		if oldest.IsZero() || t.Time.Before(oldest) {
			oldest = t.Time
		}
	}
	return oldest
}

const signedFormat = "2006-01-02T15:04:05Z"

// Signed is what a lock says of a verified image: when it was signed, where that is known, and by whom.
func (v *Verdict) Signed() string {
	if v.Outcome != Verified || v.Signer == nil {
		return ""
	}
	who := "key " + v.Signer.Key
	if v.Signer.Key == "" {
		who = v.Signer.Issuer + " " + v.Signer.Subject
	}
	if at := v.SignedAt(); !at.IsZero() {
		return at.UTC().Format(signedFormat) + " " + who
	}
	return who
}

// SignedTime reads the time of what a lock says.
func SignedTime(signed string) (time.Time, bool) {
	first, _, _ := strings.Cut(signed, " ")
	at, err := time.Parse(signedFormat, first)
	return at, err == nil
}

// errNothing is that nothing of what is wanted is there.
var errNothing = errors.New("there is none")
