package verify

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/evidence"
	"docker-mirror/go-helper/internal/verify/verifytest"
)

func TestEvidenceOfEachKindVerifies(t *testing.T) {
	t.Parallel()
	for name, attach := range map[string]func(c *court){
		"cosign's tag": func(c *court) { c.sign(c.digest) },
		"a bundle": func(c *court) {
			verifytest.Refer(t, c.repository(), c.digest, c.key.Bundle(t, c.digest, verifytest.SignaturePredicate, nil))
		},
		"both": func(c *court) {
			c.sign(c.digest)
			verifytest.Refer(t, c.repository(), c.digest, c.key.Bundle(t, c.digest, verifytest.SignaturePredicate, nil))
		},
		"the right one after others": func(c *court) {
			other := verifytest.NewKey(t)
			for range 3 {
				verifytest.Refer(t, c.repository(), c.digest, other.Bundle(t, c.digest, verifytest.SignaturePredicate, nil))
			}
			verifytest.SignTag(t, c.repository(), c.digest, ".sig",
				other.Signature(t, c.digest.String(), c.repository()), c.key.Signature(t, c.digest.String(), c.repository()))
		},
		"the tag schema, of a registry without the API": func(c *court) {
			c.registry.SetFaults(devregistry.Faults{Intercept: devregistry.Always(is(devregistry.KindReferrers), devregistry.Fault{Status: http.StatusNotFound, Body: "404 page not found"})})
			verifytest.Refer(t, c.repository(), c.digest, c.key.Bundle(t, c.digest, verifytest.SignaturePredicate, nil))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCourt(t)
			attach(c)
			wants(t, c.judge(signedByAcme), Verified, "")
		})
	}
}

func TestUnsignedIsToleratedWhereTheRuleSaysSo(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	wants(t, c.judge(signedByAcme), Unsigned, "")
	wants(t, c.judge(signedByAcme+accepts), Unsigned, "")
	wants(t, c.judge(`cooldown = "1d"`), Exempt, "")
	// It was signed when it was locked: an attacker may have removed that.
	image := c.image()
	image.WasSigned = true
	verdict, err := c.judgeBy(signedByAcme+accepts).Judge(t.Context(), image)
	must(t, err)
	wants(t, verdict, Unsigned, "")
	if err := verdict.Err(); err == nil || !strings.Contains(err.Error(), "it was signed when it was locked") {
		t.Errorf("said %v", err)
	}
}

func TestWhatMustCarryTheSignature(t *testing.T) {
	t.Parallel()
	index := newCourt(t)
	index.sign(index.digest)
	wants(t, index.judge(signedByAcme+`on = "index"`), Verified, "")
	wants(t, index.judge(signedByAcme+`on = "both"`), Refused, index.platforms[0].String()+": it is not signed")
	wants(t, index.judge(signedByAcme+accepts+`on = "both"`), Refused, index.platforms[1].String()+": it is not signed")
	wants(t, index.judge(signedByAcme+`on = "platforms"`), Unsigned, "")

	children := newCourt(t)
	for _, digest := range children.platforms {
		children.sign(digest)
	}
	wants(t, children.judge(signedByAcme+`on = "index"`), Unsigned, "")
	wants(t, children.judge(signedByAcme+`on = "platforms"`), Verified, "")
	children.sign(children.digest)
	wants(t, children.judge(signedByAcme+`on = "both"`), Verified, "")
}

// A listing that breaks doesn't matter where another one has what is wanted.
func TestAVerifiedSignatureSettlesIt(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	c.sign(c.digest)
	c.registry.SetFaults(devregistry.Faults{Intercept: devregistry.Always(is(devregistry.KindReferrers), devregistry.Fault{Status: 403, Code: devregistry.CodeDenied})})
	wants(t, c.judge(signedByAcme), Verified, "")
}

func TestSignaturesThatWillNotDo(t *testing.T) {
	t.Parallel()
	other := verifytest.NewKey(t)
	for name, tt := range map[string]struct {
		attach func(c *court)
		rule   string
		reason string
	}{
		"of somebody else": {func(c *court) {
			verifytest.Refer(t, c.repository(), c.digest, other.Bundle(t, c.digest, verifytest.SignaturePredicate, nil))
		}, "", "failed to verify signature"},
		"of another digest": {func(c *court) {
			verifytest.SignTag(t, c.repository(), c.digest, ".sig", c.key.Signature(t, c.platforms[0].String(), c.repository()))
		}, "", "it is a signature of sha256:"},
		"of another repository": {func(c *court) {
			verifytest.SignTag(t, c.repository(), c.digest, ".sig", c.key.Signature(t, c.digest.String(), "registry.example/else"))
		}, "reference = true\n", "its signature is one of registry.example/else, and not of"},
		"more than are read": {func(c *court) {
			var layers []verifytest.Layer
			for range evidence.MaxItems {
				layers = append(layers, other.Signature(t, c.digest.String(), c.repository()))
			}
			verifytest.SignTag(t, c.repository(), c.digest, ".sig", append(layers, c.key.Signature(t, c.digest.String(), c.repository()))...)
		}, "", "more is attached to it than the 50 signatures"},
		"more bundles than are read": {func(c *court) {
			for i := range evidence.MaxItems + 1 {
				verifytest.Refer(t, c.repository(), c.digest, other.Bundle(t, c.digest, verifytest.SignaturePredicate, i))
			}
		}, "", "more is attached to it than the 50 signatures"},
		"larger than is read": {func(c *court) {
			verifytest.Refer(t, c.repository(), c.digest, c.key.Bundle(t, c.digest, verifytest.SignaturePredicate, strings.Repeat("x", 2<<20)))
		}, "", "and at most 1048576 are read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCourt(t)
			tt.attach(c)
			wants(t, c.judge(signedByAcme+tt.rule), Refused, tt.reason)
			wants(t, c.judge(signedByAcme+accepts+tt.rule), Refused, tt.reason)
		})
	}
}

func TestAttestationsThatAreWanted(t *testing.T) {
	t.Parallel()
	const provenance = "https://slsa.dev/provenance/v1"
	attested := "[[rule.attested]]\npredicate = \"" + provenance + "\"\nwhere = { \"/predicate/by\" = \"acme\" }\n"
	c := newCourt(t)
	c.sign(c.digest)
	wants(t, c.judge(signedByAcme+accepts+attested), Refused, "it has no attestation of type "+provenance)
	verifytest.SignTag(t, c.repository(), c.digest, ".att", c.key.Attestation(t, c.digest, provenance, map[string]string{"by": "evil"}))
	wants(t, c.judge(signedByAcme+attested), Refused, "/predicate/by is evil, and acme is wanted")
	verifytest.Refer(t, c.repository(), c.digest, verifytest.NewKey(t).Bundle(t, c.digest, provenance, map[string]string{"by": "acme"}))
	wants(t, c.judge(signedByAcme+attested), Refused, "failed to verify signature")
	verifytest.Refer(t, c.repository(), c.digest, c.key.Bundle(t, c.digest, provenance, map[string]string{"by": "acme"}))
	v := c.judge(signedByAcme + attested)
	wants(t, v, Verified, "")
	if !slices.Equal(v.Predicates, []string{provenance}) {
		t.Errorf("predicates %q", v.Predicates)
	}

	// An attestation is no signature.
	only := newCourt(t)
	verifytest.Refer(t, only.repository(), only.digest, only.key.Bundle(t, only.digest, provenance, map[string]string{"by": "acme"}))
	wants(t, only.judge(signedByAcme), Unsigned, "what is attached to it is of another kind")
}

func TestSignaturesOfOtherKindsAreNamed(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	verifytest.Refer(t, c.repository(), c.digest, verifytest.Layer{Bytes: []byte("x"), MediaType: "application/vnd.cncf.notary.signature"})
	wants(t, c.judge(signedByAcme), Unsigned, "it has signatures of Notation, which are not verified")
}

func TestEvidenceElsewhere(t *testing.T) {
	t.Parallel()
	c, there := newCourt(t), newCourt(t)
	c.key = there.key
	verifytest.SignTag(t, there.repository(), c.digest, ".sig", c.key.Signature(t, c.digest.String(), c.repository()))
	c.asker = there.asker
	wants(t, c.judge(signedByAcme), Unsigned, "")
	wants(t, c.judge(signedByAcme+`from = "`+there.repository()+`"`), Verified, "")

	// Past a cache that doesn't pass referrers on.
	image := there.image()
	image.Digest, image.Read = c.digest, c.image().Read
	for rule, outcome := range map[string]Outcome{signedByAcme: Unsigned, signedByAcme + `from = "origin"`: Verified} {
		v, err := there.judgeBy(rule).Judge(t.Context(), image)
		must(t, err)
		wants(t, v, outcome, "")
	}
}

func TestNoImageIsAskedTwice(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	c.sign(c.digest)
	j := c.judgeBy(signedByAcme)
	c.registry.Log().Reset()
	for range 3 {
		v, err := j.Judge(t.Context(), c.image())
		must(t, err)
		wants(t, v, Verified, "")
	}
	counts := map[devregistry.Kind]int{}
	for _, e := range c.registry.Log().Entries() {
		counts[e.Kind]++
	}
	for kind, want := range map[devregistry.Kind]int{devregistry.KindReferrers: 1, devregistry.KindManifestGet: 1, devregistry.KindBlobGet: 1} {
		if counts[kind] != want {
			t.Errorf("%d × %s", counts[kind], kind)
		}
	}
}

func TestAnInterruptedJudgementIsNone(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if v, err := c.judgeBy(signedByAcme+accepts).Judge(ctx, c.image()); !errors.Is(err, context.Canceled) {
		t.Errorf("judged %+v, %v", v, err)
	}
}
