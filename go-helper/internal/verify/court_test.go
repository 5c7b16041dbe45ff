package verify

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
	"docker-mirror/go-helper/internal/evidence"
	"docker-mirror/go-helper/internal/policy"
	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/registry"
	"docker-mirror/go-helper/internal/verify/verifytest"
)

var programs string // where the verifier is built

func TestMain(m *testing.M) {
	pretend() // ends here where the test binary was started as a verifier
	dir, err := os.MkdirTemp("", "verify")
	if err != nil {
		panic(err)
	}
	programs = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// court is a registry with an index of two platforms, and what judges it.
type court struct {
	t         *testing.T
	registry  *devregistry.Server
	key       verifytest.Key
	digest    v1.Hash
	platforms []v1.Hash
	asker     Asker
}

func newCourt(t *testing.T) *court {
	t.Helper()
	c := newCourtOf(t, nil)
	c.asker = started(t, map[string]Material{"acme": {Keys: [][]byte{c.key.PEM(t)}}})
	return c
}

func newCourtOf(t *testing.T, asker Asker) *court {
	t.Helper()
	c := &court{t: t, registry: devregistrytest.Start(t, devregistry.Options{}), key: verifytest.NewKey(t), asker: asker}
	index, err := random.Index(256, 1, 2)
	must(t, err)
	ref, err := name.ParseReference(c.repository() + ":1")
	must(t, err)
	must(t, remote.WriteIndex(ref, index))
	c.digest, err = index.Digest()
	must(t, err)
	content, err := index.IndexManifest()
	must(t, err)
	for _, m := range content.Manifests {
		c.platforms = append(c.platforms, m.Digest)
	}
	return c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (c *court) repository() string { return c.registry.Host + "/acme/app" }

// sign attaches a signature by cosign's tag.
func (c *court) sign(digest v1.Hash) {
	c.t.Helper()
	verifytest.SignTag(c.t, c.repository(), digest, ".sig", c.key.Signature(c.t, digest.String(), c.repository()))
}

// judge judges by a rule, given its further lines.
func (c *court) judge(rule string) *Verdict {
	c.t.Helper()
	verdict, err := c.judgeBy(rule).Judge(c.t.Context(), c.image())
	must(c.t, err)
	return verdict
}

func (c *court) image() Image {
	ref, err := reference.Parse(c.repository() + ":1")
	must(c.t, err)
	return Image{Name: ref, Read: ref, Digest: c.digest, Platforms: c.platforms}
}

func (c *court) judgeBy(rule string) *Judge {
	c.t.Helper()
	text := "version = 1\n[trust.acme]\nkeys = [\"acme.pub\"]\nlog = \"none\"\n[[rule]]\nimages = [\"**\"]\n" + rule
	p, err := policy.Parse("mirror-policy.toml", []byte(text))
	must(c.t, err)
	// As many tries as ever, but no waiting: how long tries are apart is the registry package's to test.
	pool, err := registry.NewPool(registry.Options{PlainHTTP: func(string) bool { return true }, Retry: registry.RetryPolicy{Backoff: time.Millisecond, MaxBackoff: time.Millisecond}})
	must(c.t, err)
	c.t.Cleanup(pool.Close)
	return &Judge{Policy: p, Asker: c.asker, Client: func(host string) evidence.Registry { return pool.Client(host) }}
}

const signedByAcme = `signed_by = [{ trust = "acme" }]
`

// wants fails the test unless a verdict is the outcome, for a reason that says so, and passes as it should.
func wants(t *testing.T, v *Verdict, outcome Outcome, reason string) {
	t.Helper()
	if v.Outcome != outcome || !strings.Contains(strings.Join(v.Reasons, "\n"), reason) {
		t.Errorf("%s: %q; not %s: %q", v.Outcome, v.Reasons, outcome, reason)
	}
	passes := outcome == Verified || outcome == Exempt || outcome == Unsigned && v.Rule.Unsigned != policy.Refuse && !v.wasSigned
	if err := v.Err(); (err == nil) != passes {
		t.Errorf("%s: passes with %v", outcome, err)
	}
	if outcome == Verified && (v.Signer == nil || len(v.Evidence) == 0) {
		t.Errorf("verified, signed by %v, evidence %v", v.Signer, v.Evidence)
	}
}

const accepts = `unsigned = "accept"
`

func is(kind devregistry.Kind) func(devregistry.Request) bool {
	return func(r devregistry.Request) bool { return r.Kind == kind }
}
