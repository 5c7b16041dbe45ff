package verify

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/evidence"
	"docker-mirror/go-helper/internal/registry"
	"docker-mirror/go-helper/internal/verify/verifytest"
)

// believer says yes to whatever it is shown.
type believer struct{}

func (believer) Ask(_ context.Context, q Question) (Answer, error) {
	return Answer{OK: true, Signer: &Signer{Key: "sha256:00"}, Predicate: q.Predicate}, nil
}

// point is a request of the search for evidence.
type point struct {
	kind devregistry.Kind
	// attach attaches one piece of evidence, and gives what is asked for, by its tag or digest.
	attach func(t *testing.T, c *court) (reference string)
	// What is said where the body is none, and where it is an object that says nothing; empty for what has no body.
	garbage, empty string
}

const attested = `[[rule.attested]]
predicate = "https://p.example"
signed_by = [{ trust = "acme" }]
`

func hashOf(t *testing.T, layer verifytest.Layer) string {
	t.Helper()
	digest, _, err := v1.SHA256(bytes.NewReader(layer.Bytes))
	must(t, err)
	return digest.String()
}

func bundleOf(t *testing.T, c *court) (layer verifytest.Layer, manifest string) {
	t.Helper()
	layer = c.key.Bundle(t, c.digest, verifytest.SignaturePredicate, nil)
	return layer, verifytest.Refer(t, c.repository(), c.digest, layer).String()
}

// points are all requests of the search. Where a registry has no API, a tag lists; a rule of signatures doesn't ask for attestations.
func points() map[string]point {
	const size, other = "has another size than", "content has digest"
	listing := func(t *testing.T, c *court) string { bundleOf(t, c); return c.digest.String() }
	list := func(t *testing.T, c *court) string {
		c.registry.SetDialect(devregistry.Dialect{NoReferrers: true})
		bundleOf(t, c)
		return registry.ReferrersTag(c.digest)
	}
	signatures := func(t *testing.T, c *court) string { c.sign(c.digest); return registry.ReferrersTag(c.digest) + ".sig" }
	attestation := func(t *testing.T, c *court) verifytest.Layer {
		layer := c.key.Attestation(t, c.digest, "https://p.example", nil)
		verifytest.SignTag(t, c.repository(), c.digest, ".att", layer)
		return layer
	}
	attestations := func(t *testing.T, c *court) string {
		attestation(t, c)
		return registry.ReferrersTag(c.digest) + ".att"
	}
	return map[string]point{
		"listing":           {devregistry.KindReferrers, listing, "is no index", "is no index"},
		"list by tag, HEAD": {devregistry.KindManifestHead, list, "", ""},
		"list by tag, GET":  {devregistry.KindManifestGet, list, "is no index", "is no index"},
		"bundle's manifest": {devregistry.KindManifestGet, func(t *testing.T, c *court) string { _, m := bundleOf(t, c); return m }, other, other},
		"bundle":            {devregistry.KindBlobGet, func(t *testing.T, c *court) string { layer, _ := bundleOf(t, c); return hashOf(t, layer) }, size, size},
		"signatures, HEAD":  {devregistry.KindManifestHead, signatures, "", ""},
		"signatures, GET":   {devregistry.KindManifestGet, signatures, "is malformed", "has no layer of type application/vnd.dev.cosign.simplesigning"},
		"signature": {devregistry.KindBlobGet, func(t *testing.T, c *court) string {
			layer := c.key.Signature(t, c.digest.String(), c.repository())
			verifytest.SignTag(t, c.repository(), c.digest, ".sig", layer)
			return hashOf(t, layer)
		}, size, size},
		"attestations, HEAD": {devregistry.KindManifestHead, attestations, "", ""},
		"attestations, GET":  {devregistry.KindManifestGet, attestations, "is malformed", "has no layer of type application/vnd.dsse"},
		"attestation":        {devregistry.KindBlobGet, func(t *testing.T, c *court) string { return hashOf(t, attestation(t, c)) }, size, size},
	}
}

// way is how a request breaks, and what is said then.
type way struct {
	fault devregistry.Fault
	says  string
	soon  bool // whether it would take as long as a client waits
}

// ways are those that a request can break in.
func (p point) ways() map[string]way {
	json := http.Header{"Content-Type": {"application/json"}}
	ways := map[string]way{
		"throttled":                 {devregistry.Fault{Status: 429, Code: "TOOMANYREQUESTS", Header: http.Header{"Retry-After": {"3600"}}}, "429", false},
		"throttled, without a time": {devregistry.Fault{Status: 429}, "429", false},
		"fails":                     {devregistry.Fault{Status: 500}, "500", false},
		"behind a gateway":          {devregistry.Fault{Status: 502, Body: "<html>", Header: http.Header{"Content-Type": {"text/html"}}}, "502", false},
		"is not to be had":          {devregistry.Fault{Status: 503, Header: http.Header{"Retry-After": {"3600"}}}, "503", false},
		"times out there":           {devregistry.Fault{Status: 504}, "504", false},
		"wants a login":             {devregistry.Fault{Status: 401, Code: "UNAUTHORIZED"}, "401", false},
		"denies":                    {devregistry.Fault{Status: 403, Code: devregistry.CodeDenied}, "403", false},
		"hangs up":                  {devregistry.Fault{Reset: true}, "connection reset", false},
		"answers nothing":           {devregistry.Fault{Delay: time.Minute}, "timeout", true},
	}
	if p.garbage != "" {
		ways["cut off"] = way{devregistry.Fault{CutDownload: devregistry.Halfway()}, "EOF", false}
		if p.kind == devregistry.KindBlobGet {
			ways["other bytes"] = way{devregistry.Fault{Corrupt: true}, "has the digest sha256:", false}
		}
		ways["stalls"] = way{devregistry.Fault{StallDownload: devregistry.Halfway()}, " came for 200ms", true}
		ways["garbage"] = way{devregistry.Fault{Status: 200, Body: "{\"", Header: json}, p.garbage, false}
		ways["an object"] = way{devregistry.Fault{Status: 200, Body: "{}", Header: json}, p.empty, false}
	}
	if p.kind == devregistry.KindReferrers { // it isn't taken for a registry that has no such list
		page := http.Header{"Content-Type": {"text/html; charset=utf-8"}}
		ways["a login page"] = way{devregistry.Fault{Status: 200, Body: "<html>Log in</html>", Header: page}, "no index but text/html", false}
	}
	if p.garbage != "" && p.kind != devregistry.KindReferrers { // something has said that it is there
		ways["lost"] = way{devregistry.Fault{Status: 404, Code: "MANIFEST_UNKNOWN"}, "404", false}
	}
	return ways
}

// Each request of the search for evidence, broken in each way: the image fails, by a reason that names it, though the rule tolerates
// what isn't signed, and nothing says that it is not signed.
func TestEachRequestForEvidenceThatBreaksFailsTheImage(t *testing.T) {
	t.Parallel()
	for where, p := range points() {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			c := newCourtOf(t, believer{})
			asked := p.attach(t, c)
			rule := signedByAcme + accepts
			if strings.HasPrefix(where, "attestation") {
				rule = accepts + attested
			}
			wants(t, c.judgeWithin(t, time.Minute, rule), Verified, "")
			for how, w := range p.ways() {
				c.registry.SetFaults(devregistry.Faults{Intercept: devregistry.Always(func(r devregistry.Request) bool {
					// Where HEAD is denied, a GET says why, or is not.
					kind := r.Kind == p.kind || p.kind == devregistry.KindManifestHead && r.Kind == devregistry.KindManifestGet
					return kind && (r.Reference == asked || r.Digest.String() == asked)
				}, w.fault)})
				limit := time.Minute
				if w.soon {
					limit = 200 * time.Millisecond
				}
				v := c.judgeWithin(t, limit, rule)
				reasons := strings.Join(v.Reasons, "\n")
				refused := v.Outcome == Refused && strings.Contains(where, "s, GET") && (how == "garbage" || how == "an object")
				if v.Outcome != Undecided && !refused || !strings.Contains(reasons, w.says) {
					t.Errorf("%s: %s: %q, not undecided: %q", how, v.Outcome, v.Reasons, w.says)
				}
				if err := v.Err(); err == nil || strings.Contains(err.Error(), "it is not signed, ") || !refused && !strings.Contains(err.Error(), "could not be found out") {
					t.Errorf("%s: said %v", how, err)
				}
			}
		})
	}
}

// judgeWithin judges without waits between tries, and with a limit to those for an answer.
func (c *court) judgeWithin(t *testing.T, limit time.Duration, rule string) *Verdict {
	t.Helper()
	pool, err := registry.NewPool(registry.Options{Retry: registry.RetryPolicy{
		Attempts: 2, Backoff: time.Millisecond, ThrottleBackoff: time.Millisecond, MaxBackoff: time.Millisecond,
		Budget: 500 * time.Millisecond, StallTimeout: limit, ResponseTimeout: limit,
	}})
	must(t, err)
	defer pool.Close()
	judge := c.judgeBy(rule)
	judge.Client = func(host string) evidence.Registry { return pool.Client(host) }
	v, err := judge.Judge(t.Context(), c.image())
	must(t, err)
	return v
}
