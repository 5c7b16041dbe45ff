package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net/url"
	"testing"
	"time"

	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	"github.com/sigstore/sigstore-go/pkg/root"
	"google.golang.org/protobuf/encoding/protojson"
)

// path is what a chain is made of.
type path struct {
	root, intermediate, leaf *x509.Certificate // templates
	stranger                 bool              // another root, of the same name, is trusted
	at                       time.Time
	authority                root.FulcioCertificateAuthority // its period
}

func newPath() *path {
	now := time.Now()
	template := func(name string, around time.Duration) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-around), NotAfter: now.Add(around),
			KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		}
	}
	p := &path{root: template("root", 3*time.Hour), intermediate: template("intermediate", 2*time.Hour), leaf: template("", time.Hour), at: now}
	for _, ca := range []*x509.Certificate{p.root, p.intermediate} {
		ca.IsCA, ca.BasicConstraintsValid = true, true
	}
	p.intermediate.MaxPathLenZero = true
	p.intermediate.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}
	p.leaf.ExtKeyUsage = p.intermediate.ExtKeyUsage
	p.leaf.URIs = []*url.URL{{Scheme: "https", Host: "github.com", Path: "/acme/app"}}
	return p
}

func (p *path) issue(t *testing.T) (*root.FulcioCertificateAuthority, *x509.Certificate) {
	t.Helper()
	issue := func(template, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(t, err)
		if by == nil {
			parent, by = template, key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
		must(t, err)
		certificate, err := x509.ParseCertificate(der)
		must(t, err)
		return certificate, key
	}
	anchor, anchorKey := issue(p.root, nil, nil)
	intermediate, key := issue(p.intermediate, anchor, anchorKey)
	leaf, _ := issue(p.leaf, intermediate, key)
	if p.stranger {
		anchor, _ = issue(p.root, nil, nil)
	}
	ca := p.authority
	ca.Root, ca.Intermediates = anchor, []*x509.Certificate{intermediate}
	return &ca, leaf
}

// What is found out once must be all that doesn't depend on the leaf and the time.
func TestAChainHoldsWhereSigstoreSaysSo(t *testing.T) {
	t.Parallel()
	elsewhere := func(c *x509.Certificate) {
		c.PermittedDNSDomainsCritical, c.PermittedURIDomains = true, []string{"example.com"}
	}
	for name, c := range map[string]struct {
		change func(*path)
		quick  bool // the intermediate is known to be the root's
		holds  bool
	}{
		"as Fulcio's":                   {func(*path) {}, true, true},
		"before the leaf":               {func(p *path) { p.at = p.leaf.NotBefore.Add(-time.Minute) }, true, false},
		"after the leaf":                {func(p *path) { p.at = p.leaf.NotAfter.Add(time.Minute) }, true, false},
		"after the intermediate":        {func(p *path) { p.intermediate.NotAfter = p.at.Add(-time.Minute) }, true, false},
		"before the intermediate":       {func(p *path) { p.intermediate.NotBefore = p.at.Add(time.Minute) }, true, false},
		"after the root":                {func(p *path) { p.root.NotAfter = p.at.Add(-time.Minute) }, true, false},
		"before the root":               {func(p *path) { p.root.NotBefore = p.at.Add(time.Minute) }, true, false},
		"never both":                    {func(p *path) { p.root.NotAfter = p.intermediate.NotBefore.Add(-time.Minute) }, false, false},
		"after the authority":           {func(p *path) { p.authority.ValidityPeriodEnd = p.at.Add(-time.Minute) }, true, false},
		"before the authority":          {func(p *path) { p.authority.ValidityPeriodStart = p.at.Add(time.Minute) }, true, false},
		"another root of the name":      {func(p *path) { p.stranger = true }, false, false},
		"a root for no more":            {func(p *path) { p.root.MaxPathLenZero = true }, false, false},
		"a root for one more":           {func(p *path) { p.root.MaxPathLen = 1 }, true, true},
		"a root for names elsewhere":    {func(p *path) { elsewhere(p.root) }, false, false},
		"an intermediate for others":    {func(p *path) { elsewhere(p.intermediate) }, false, false},
		"an intermediate that is no CA": {func(p *path) { p.intermediate.IsCA, p.intermediate.MaxPathLenZero = false, false }, false, false},
		"an intermediate for servers":   {func(p *path) { p.intermediate.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, false, false},
		"a root for servers":            {func(p *path) { p.root.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, false, false},
		"a leaf for servers":            {func(p *path) { p.leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, true, false},
		"a leaf with a demand": {func(p *path) {
			p.leaf.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
		}, true, false},
		"an intermediate with policies": {func(p *path) {
			p.intermediate.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 36}, Value: []byte{0x30, 3, 0x80, 1, 0}}}
		}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPath()
			c.change(p)
			plain, leaf := p.issue(t)
			chains, err := plain.Verify(leaf, p.at)
			if (err == nil) != c.holds {
				t.Fatalf("sigstore-go says %v", err)
			}
			quick := newCertifier(plain)
			if known := len(quick.issued) == 1; known != c.quick {
				t.Errorf("the intermediate is known to be the root's: %v", known)
			}
			found, err := quick.Verify(leaf, p.at)
			if (err == nil) != c.holds {
				t.Errorf("says %v, and sigstore-go %d chains", err, len(chains))
			}
			if c.holds && (len(found) != 1 || len(found[0]) != 3 || !found[0][1].Equal(chains[0][1]) || !found[0][2].Equal(chains[0][2])) {
				t.Errorf("found %v", found)
			}
		})
	}
}

// An intermediate that comes with the signature, and that the trusted root doesn't have, is not taken.
func TestAnIntermediateOfTheSignersIsNotTaken(t *testing.T) {
	t.Parallel()
	v := newInstance(t)
	ca := *v.FulcioCertificateAuthorities()[0].(*root.FulcioCertificateAuthority)
	intermediate := ca.Intermediates[0]
	ca.Intermediates = nil
	short, err := root.NewTrustedRoot(root.TrustedRootMediaType01, []root.CertificateAuthority{&ca}, nil, v.TimestampingAuthorities(), nil)
	must(t, err)
	data, err := short.MarshalJSON()
	must(t, err)
	c := checkerOf(t, material{Roots: [][]byte{data}})
	wants(t, v.checker().answer(v.sign(workflow, issuer, image)), "")
	e, err := v.Attest(workflow, issuer, statementOf(image, predicateSignature, map[string]any{}))
	must(t, err)
	b := v.bundle(e, bundleV01)
	chain := b.VerificationMaterial.GetX509CertificateChain()
	q := question{ID: 1, Kind: kindBundle, Subject: image, Authorities: []authority{keyless("none")}}
	for range 2 {
		q.Bytes, err = protojson.Marshal(b)
		must(t, err)
		wants(t, c.answer(q), "failed to verify leaf certificate")
		chain.Certificates = append(chain.Certificates, &protocommon.X509Certificate{RawBytes: intermediate.Raw})
	}
}

// What saves time in tests is to save it with the public instance.
func TestTheRecordedBundleTakesTheQuickWay(t *testing.T) {
	t.Parallel()
	h, q := release(t)
	trust, err := readTrust(h.Trust["sigstore"])
	must(t, err)
	e, err := read(q)
	must(t, err)
	content, err := e.bundle.VerificationContent()
	must(t, err)
	at := content.Certificate().NotBefore.Add(time.Minute)
	for _, ca := range trust.quick.FulcioCertificateAuthorities() {
		c, ok := ca.(*certifier)
		if !ok || len(c.issued) == 0 && len(c.Intermediates) > 0 {
			t.Errorf("%T of the public instance has no intermediate that is known to be its root's", ca)
			continue
		}
		c.FulcioCertificateAuthority = &root.FulcioCertificateAuthority{Root: c.Root, ValidityPeriodStart: c.ValidityPeriodStart, ValidityPeriodEnd: c.ValidityPeriodEnd}
		if chains, err := c.Verify(content.Certificate(), at); err == nil && len(chains[0]) == 3 {
			return
		}
	}
	t.Error("it took the long way")
}
