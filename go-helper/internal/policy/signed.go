package policy

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/strictjson"
	"docker-mirror/go-helper/internal/suggest"
)

func (r *reader) authorities(v strictjson.Value) []Authority {
	var all []Authority
	if r.Array(v, `"signed_by"`, func(item strictjson.Value) { all = append(all, r.authority(item)) }); v.Kind == strictjson.Array && len(all) == 0 {
		r.Errorf(v.Line, `"signed_by" is empty: leave it out where nobody has to sign`)
	}
	return all
}

func (r *reader) authority(v strictjson.Value) Authority {
	a := Authority{Line: v.Line}
	before := len(r.Problems)
	r.Object(v, `an entry of "signed_by"`,
		strictjson.Member{Key: "trust", Required: true, Decode: func(v strictjson.Value) { a.Trust, _ = r.NonEmpty(v, `"trust"`) }},
		r.text("issuer", &a.Issuer),
		r.pattern("subject", &a.Subject),
		r.pattern("source_repository", &a.SourceRepository),
		r.pattern("source_ref", &a.SourceRef),
	)
	if len(r.Problems) > before {
		return a
	}
	trust := r.policy.TrustOf(a.Trust)
	keyless := a.Issuer != "" || !a.Subject.IsZero() || !a.SourceRepository.IsZero() || !a.SourceRef.IsZero()
	switch {
	case trust == nil:
		r.Errorf(v.Line, `there is no [trust.%s]%s`, a.Trust, r.otherTrust(a.Trust))
	case trust.Keyed() && keyless:
		r.Errorf(v.Line, `[trust.%s] has keys, whose signatures have neither issuer nor subject`, a.Trust)
	case !trust.Keyed() && (a.Issuer == "" || a.Subject.IsZero()):
		r.Errorf(v.Line, `needs "issuer" and "subject": [trust.%s] has no keys, and anybody can get a certificate for some identity`, a.Trust)
	}
	return a
}

func (r *reader) otherTrust(name string) string {
	known := make([]string, len(r.policy.Trust))
	for i, t := range r.policy.Trust {
		known[i] = t.Name
	}
	switch closest := suggest.Closest(name, known); {
	case closest != "":
		return fmt.Sprintf(": did you mean %q?", closest)
	case len(known) > 0:
		return ": there are " + strings.Join(known, ", ")
	}
	return ": the policy has none"
}

func (r *reader) attestation(v strictjson.Value, signedBy []Authority) Attestation {
	a := Attestation{Line: v.Line}
	before := len(r.Problems)
	r.Object(v, "[[rule.attested]]",
		strictjson.Member{Key: "predicate", Required: true, Decode: func(v strictjson.Value) { a.Predicate, _ = r.NonEmpty(v, `"predicate"`) }},
		strictjson.Member{Key: "where", Decode: func(v strictjson.Value) {
			r.Map(v, `"where"`, func(key string, v strictjson.Value) { r.condition(&a, key, v) })
		}},
		strictjson.Member{Key: "signed_by", Decode: func(v strictjson.Value) { a.SignedBy = r.authorities(v) }},
	)
	if len(a.SignedBy) > 0 || len(r.Problems) > before {
		return a
	}
	if a.SignedBy = signedBy; len(signedBy) == 0 {
		r.Errorf(v.Line, `neither [[rule.attested]] nor its rule has "signed_by": who must have attested it?`)
	}
	return a
}

func (r *reader) condition(a *Attestation, pointer string, v strictjson.Value) {
	if !strings.HasPrefix(pointer, "/") || badEscape.MatchString(pointer) {
		r.Errorf(v.Line, `"where": %q is no JSON pointer, as in /predicate/buildDefinition/buildType`, pointer)
		return
	}
	c := Condition{Pointer: pointer}
	r.pattern(pointer, &c.Value).Decode(v)
	a.Where = append(a.Where, c)
}

// badEscape is what RFC 6901 doesn't know: ~ stands before 0 or 1 alone.
var badEscape = regexp.MustCompile(`~(?:[^01]|$)`)

func (r *reader) pattern(key string, into *Pattern) strictjson.Member {
	return strictjson.Member{Key: key, Decode: func(v strictjson.Value) {
		s, ok := r.NonEmpty(v, quoted(key))
		if !ok {
			return
		}
		var err error
		if *into, err = NewPattern(s); err != nil {
			r.Errorf(v.Line, "%q %s", key, err)
		}
	}}
}

func (r *reader) from(into *string) strictjson.Member {
	return strictjson.Member{Key: "from", Decode: func(v strictjson.Value) {
		s, ok := r.NonEmpty(v, `"from"`)
		if !ok {
			return
		}
		if *into = s; s == FromOrigin {
			return
		}
		if ref, err := reference.Parse(s); err != nil {
			r.Errorf(v.Line, `"from" is no repository: %s`, err)
		} else if ref.Name() != s {
			r.Errorf(v.Line, `"from" must be a repository in full, %s, or %q`, ref.Name(), FromOrigin)
		}
	}}
}

var durationText = regexp.MustCompile(`^(?:(\d{1,4})w)?(?:(\d{1,4})d)?(?:(\d{1,5})h)?(?:(\d{1,6})m)?$`)

// parseDuration reads weeks, days, hours and minutes, in this order: 7d, 1w, 36h, 1d12h.
func parseDuration(s string) (time.Duration, error) {
	if s == "0" {
		return 0, nil
	}
	parts := durationText.FindStringSubmatch(s)
	if parts == nil {
		return 0, fmt.Errorf("must be weeks, days, hours and minutes, as in 7d, 36h or 1d12h, not %q", s)
	}
	const day = 24 * time.Hour
	var sum time.Duration
	for i, unit := range []time.Duration{7 * day, day, time.Hour, time.Minute} {
		if parts[i+1] != "" {
			n, err := strconv.Atoi(parts[i+1])
			if err != nil {
				return 0, err
			}
			sum += time.Duration(n) * unit
		}
	}
	if sum > 3650*day {
		return 0, fmt.Errorf("is longer than ten years")
	}
	return sum, nil
}

// FormatDuration writes a duration as policies have it.
func FormatDuration(d time.Duration) string {
	if d < time.Minute {
		return "0"
	}
	s := ""
	for _, unit := range []struct {
		name string
		size time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}} {
		if n := d / unit.size; n > 0 {
			s += fmt.Sprintf("%d%s", n, unit.name)
			d -= n * unit.size
		}
	}
	return s
}
