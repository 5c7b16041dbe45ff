package main

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
)

func exactly(text string) *pattern { return &pattern{Text: text, Regexp: regexp.QuoteMeta(text)} }

// glob is what the policy makes of a glob.
func glob(text string) *pattern {
	return &pattern{Text: text, Regexp: strings.ReplaceAll(regexp.QuoteMeta(text), `\*`, `[^/]*`)}
}

// wants fails the test unless the answer is yes, where refused is empty, or no, for a reason that has refused in it.
func wants(t *testing.T, a answer, refused string) {
	t.Helper()
	switch {
	case refused == "" && !a.OK:
		t.Errorf("refused: %s", a.Error)
	case refused != "" && a.OK:
		t.Errorf("verified, signed by %+v", a.Signer)
	case refused != "" && !strings.Contains(a.Error, refused):
		t.Errorf("refused with %q, not with %q", a.Error, refused)
	}
}

func TestIdentitiesMustMatchFromEndToEnd(t *testing.T) {
	t.Parallel()
	v := newInstance(t)
	tags := "https://github.com/acme/app/.github/workflows/*@refs/tags/v*"
	for name, c := range map[string]struct {
		subject, issuer string
		want            *pattern
		refused         string
	}{
		"the very one":             {workflow, issuer, exactly(workflow), ""},
		"a glob":                   {workflow, issuer, glob(tags), ""},
		"another subject":          {"https://github.com/evil/app/.github/workflows/release.yml@refs/tags/v1", issuer, exactly(workflow), "signed by https://github.com/evil"},
		"another issuer":           {workflow, "https://accounts.example.com", exactly(workflow), "https://accounts.example.com says, and https://token"},
		"the right one within":     {"https://evil.example/" + workflow, issuer, exactly(workflow), "signed by https://evil.example/"},
		"the right one first":      {workflow + "/evil", issuer, exactly(workflow), "/evil, and https://github.com/acme"},
		"a branch like a tag":      {"https://github.com/acme/app/.github/workflows/release.yml@refs/heads/a@refs/tags/v1", issuer, glob(tags), "refs/heads/a@refs/tags/v1"},
		"an alternative unclosed":  {"https://evil.example", issuer, &pattern{"/a|https:/", "a|https:"}, "signed by https://evil.example"},
		"a subject of two lines":   {workflow, issuer, &pattern{"/x/", "x"}, "and /x/ is wanted"},
		"a pattern that is broken": {workflow, issuer, &pattern{"/(/", "("}, "the pattern \"/(/\" is malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			q := v.sign(c.subject, c.issuer, image)
			q.Authorities[0].Subject = c.want
			a := v.checker().answer(q)
			wants(t, a, c.refused)
			if a.OK && (a.Signer.Subject != c.subject || a.Signer.Issuer != issuer || len(a.Times) == 0 || a.Predicate != predicateSignature) {
				t.Errorf("said %+v", a)
			}
		})
	}
}

// A reusable workflow's subject is that of whoever wrote it, and anybody may call it.
func TestReusableWorkflowsAreToldApartByTheirCaller(t *testing.T) {
	t.Parallel()
	v := newInstance(t)
	q := v.sign(workflow, issuer, image)
	q.Authorities[0].SourceRepository = exactly("https://github.com/acme/app")
	wants(t, v.checker().answer(q), "signed from source repository none, and https://github.com/acme/app is wanted")
}

func TestAnAuthorityWithoutIdentityTrustsNobody(t *testing.T) {
	t.Parallel()
	v := newInstance(t)
	for name, c := range map[string]struct {
		authority authority
		refused   string
	}{
		"no subject": {authority{Trust: "v", Log: "required", Issuer: issuer}, "no issuer and subject are wanted"},
		"no issuer":  {authority{Trust: "v", Log: "required", Subject: exactly(workflow)}, "no issuer and subject are wanted"},
		"neither":    {authority{Trust: "v", Log: "required"}, "trust.v has no keys"},
		"no log":     {authority{Trust: "v", Issuer: issuer, Subject: exactly(workflow)}, `log = "" is neither`},
		"no trust":   {authority{Trust: "w", Log: "required", Issuer: issuer, Subject: exactly(workflow)}, `under the name "w"`},
	} {
		q := v.sign(workflow, issuer, image)
		q.Authorities = []authority{c.authority}
		t.Run(name, func(t *testing.T) { wants(t, v.checker().answer(q), c.refused) })
	}
	q := v.sign(workflow, issuer, image)
	q.Authorities = nil
	wants(t, v.checker().answer(q), "nobody is trusted")
}

func TestEvidenceMustSpeakOfTheImage(t *testing.T) {
	t.Parallel()
	v := newInstance(t)
	other := "sha256:" + strings.Repeat("ab", 32)
	wants(t, v.checker().answer(v.sign(workflow, issuer, other)), "it speaks of abab")
	wants(t, v.checker().answer(v.signTag(workflow, issuer, other, "r")), "it is a signature of "+other)

	q := v.signTag(workflow, issuer, image, "registry.example/app")
	if a := v.checker().answer(q); a.Reference != "registry.example/app" {
		t.Errorf("the payload names %q: %s", a.Reference, a.Error)
	}
	q.Bytes = payloadOf(image, "registry.example/other") // the signature is one of the other payload
	wants(t, v.checker().answer(q), "transparency log")
}

func TestFormsOfEvidenceThatVerify(t *testing.T) {
	t.Parallel()
	v := newInstance(t)
	old := v.sign(workflow, issuer, image)
	old.Bytes = v.attest(workflow, issuer, statementOf(image, predicateSignature, map[string]any{}), bundleV01)
	times := v.sign(workflow, issuer, image)
	times.Authorities[0].Log = "none"
	for name, q := range map[string]question{
		"Rekor v2 with a timestamp authority": v.sign(workflow, issuer, image),
		"v0.1 with the promise of a log":      old,
		"cosign's tag":                        v.signTag(workflow, issuer, image, "r"),
		"a timestamp authority alone":         times,
	} {
		t.Run(name, func(t *testing.T) { wants(t, v.checker().answer(q), "") })
	}
}

func TestLogsAreTrustedWhileTheyAreValid(t *testing.T) {
	t.Parallel()
	v := newInstance(t)
	for name, c := range map[string]struct {
		change  func(*root.TransparencyLog)
		refused string
	}{
		"another key": {func(l *root.TransparencyLog) { l.ID = sum([]byte("another log")) }, "refresh the trusted root"},
		"ended before": {func(l *root.TransparencyLog) {
			l.ValidityPeriodStart, l.ValidityPeriodEnd = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
		}, "no entry of a transparency log holds"},
		"ends after": {func(l *root.TransparencyLog) { l.ValidityPeriodEnd = time.Now().Add(30 * time.Minute) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c1 := checkerOf(t, material{Roots: [][]byte{v.root(c.change)}})
			wants(t, c1.answer(v.signTag(workflow, issuer, image, "r")), c.refused)
		})
	}
}

func TestCertificatesMustBeInALog(t *testing.T) {
	t.Parallel()
	v := newInstance(t)
	c, err := newChecker(map[string]material{"v": {Roots: [][]byte{v.root(nil)}}})
	must(t, err)
	wants(t, c.answer(v.sign(workflow, issuer, image)), "no certificate log that the trusted root knows has its certificate")
	q := v.sign(workflow, issuer, image)
	q.Authorities[0].Log = "none"
	wants(t, c.answer(q), "")
}

func TestInstancesDontVouchForEachOther(t *testing.T) {
	t.Parallel()
	v, other := newInstance(t), newInstance(t)
	wants(t, v.checker().answer(other.sign(workflow, issuer, image)), "refresh the trusted root")
	both := checkerOf(t, material{Roots: [][]byte{append(append(v.root(nil), '\n'), other.root(nil)...)}}) // as gh prints them
	wants(t, both.answer(other.sign(workflow, issuer, image)), "")
}

func TestAttestations(t *testing.T) {
	t.Parallel()
	v := newInstance(t)
	const provenance = "https://slsa.dev/provenance/v1"
	statement := statementOf(image, provenance, map[string]any{
		"buildDefinition": map[string]any{"externalParameters": map[string]any{"repository": "https://github.com/acme/app"}},
		"runs":            []any{map[string]any{"number": 12, "a/b": true}},
	})
	summary := statementOf(image, "https://slsa.dev/verification_summary/v1", map[string]any{"verificationResult": "FAILED"})
	from := "/predicate/buildDefinition/externalParameters/repository"
	for name, c := range map[string]struct {
		statement []byte
		predicate string
		where     map[string]*pattern
		by        string
		refused   string
		other     bool
	}{
		"as wanted":            {statement, provenance, map[string]*pattern{from: exactly("https://github.com/acme/app")}, workflow, "", false},
		"a number in an array": {statement, provenance, map[string]*pattern{"/predicate/runs/0/number": exactly("12")}, workflow, "", false},
		"a slash in a key":     {statement, provenance, map[string]*pattern{"/predicate/runs/0/a~1b": exactly("true")}, workflow, "", false},
		"another repository":   {statement, provenance, map[string]*pattern{from: exactly("https://github.com/acme/other")}, workflow, from + " is https://github.com/acme/app, and https://github.com/acme/other is wanted", false},
		"not there":            {statement, provenance, map[string]*pattern{"/predicate/x": exactly("y")}, workflow, "/predicate/x: is not there", false},
		"the wrong signer":     {statement, provenance, nil, "https://github.com/evil/x", "signed by https://github.com/evil/x", false},
		"of another type":      {statement, "https://spdx.dev/Document", nil, workflow, "it is " + provenance, true},
		"a signature wanted":   {statement, "", nil, workflow, "it is " + provenance, true},
		"a failed VSA": {
			summary, "https://slsa.dev/verification_summary/v1",
			map[string]*pattern{"/predicate/verificationResult": exactly("PASSED")},
			workflow,
			"/predicate/verificationResult is FAILED, and PASSED is wanted", false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			q := question{
				ID: 7, Kind: kindBundle, Subject: image, Authorities: []authority{keyless("required")}, Predicate: c.predicate,
				Bytes: v.attest(c.by, issuer, c.statement, bundleV03),
			}
			for pointer, value := range c.where {
				q.Where = append(q.Where, condition{pointer, *value})
			}
			a := v.checker().answer(q)
			wants(t, a, c.refused)
			if a.Other != c.other {
				t.Errorf("other = %v: %s", a.Other, a.Error)
			}
		})
	}
	q := v.sign(workflow, issuer, image)
	q.Predicate = provenance
	if a := v.checker().answer(q); a.OK || !a.Other {
		t.Errorf("a signature passes for an attestation: %+v", a)
	}
}
