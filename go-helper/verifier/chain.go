package main

import (
	"crypto/x509"
	"encoding/asn1"
	"slices"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
)

// certifier verifies as [root.FulcioCertificateAuthority] does, and half as dear: that an intermediate certificate is issued by the root has been found out
// when the trusted root was read, so that only what the leaf adds is left. What it finds no chain for that way, it leaves to the other.
type certifier struct {
	*root.FulcioCertificateAuthority
	issued []*x509.Certificate // the intermediates that this holds for
}

// quickly gives the same instances, with authorities that are quicker.
func quickly(instances root.TrustedMaterialCollection) root.TrustedMaterial {
	q := quick{TrustedMaterialCollection: instances}
	for _, ca := range instances.FulcioCertificateAuthorities() {
		if fulcio, ok := ca.(*root.FulcioCertificateAuthority); ok {
			ca = newCertifier(fulcio)
		}
		q.authorities = append(q.authorities, ca)
	}
	return q
}

type quick struct {
	root.TrustedMaterialCollection
	authorities []root.CertificateAuthority
}

func (q quick) FulcioCertificateAuthorities() []root.CertificateAuthority { return q.authorities }

func newCertifier(ca *root.FulcioCertificateAuthority) *certifier {
	c := &certifier{FulcioCertificateAuthority: ca}
	for _, intermediate := range ca.Intermediates {
		if separable(intermediate, ca.Root) {
			c.issued = append(c.issued, intermediate)
		}
	}
	return c
}

// plain are the extensions that say nothing about certificates further down than the next one, but for the length of a chain (RFC 5280 4.2.1).
var plain = []string{
	"2.5.29.14", // subject key identifier
	"2.5.29.15", // key usage
	"2.5.29.19", // basic constraints
	"2.5.29.35", // authority key identifier
	"2.5.29.37", // extended key usage: each certificate is held against the one that is wanted
}

// separable tells whether a chain leaf, intermediate, anchor holds where leaf, intermediate does, at times at which the anchor is valid.
func separable(intermediate, anchor *x509.Certificate) bool {
	if anchor == nil || !intermediate.BasicConstraintsValid || !intermediate.IsCA || !anchor.BasicConstraintsValid || anchor.MaxPathLen == 0 {
		return false
	}
	for _, extension := range slices.Concat(intermediate.Extensions, anchor.Extensions) {
		if !slices.Contains(plain, asn1.ObjectIdentifier(extension.Id).String()) {
			return false // constraints on names, policies
		}
	}
	at := anchor.NotBefore
	if intermediate.NotBefore.After(at) {
		at = intermediate.NotBefore
	}
	_, err := intermediate.Verify(pathTo(anchor, at))
	return err == nil
}

// pathTo is what [root.FulcioCertificateAuthority] asks of a path.
func pathTo(anchor *x509.Certificate, at time.Time) x509.VerifyOptions {
	anchors := x509.NewCertPool()
	anchors.AddCert(anchor)
	return x509.VerifyOptions{CurrentTime: at, Roots: anchors, Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}}
}

// Verify gives the chains of a certificate at a time.
func (c *certifier) Verify(leaf *x509.Certificate, at time.Time) ([][]*x509.Certificate, error) {
	if within(at, c.ValidityPeriodStart, c.ValidityPeriodEnd) && within(at, c.Root.NotBefore, c.Root.NotAfter) {
		for _, intermediate := range c.issued {
			if _, err := leaf.Verify(pathTo(intermediate, at)); err == nil {
				return [][]*x509.Certificate{{leaf, intermediate, c.Root}}, nil
			}
		}
	}
	return c.FulcioCertificateAuthority.Verify(leaf, at)
}

// within tells whether a time is in a period, whose ends may be open.
func within(at, start, end time.Time) bool {
	return (start.IsZero() || !at.Before(start)) && (end.IsZero() || !at.After(end))
}
