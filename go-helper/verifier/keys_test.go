package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/sigstore/sigstore/pkg/signature"
)

func publicPEM(t testing.TB, public crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	must(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// keySigned is what cosign's tag has of an image signed with a key, and without a log.
func keySigned(t testing.TB, s signature.Signer, digest string) question {
	t.Helper()
	payload := payloadOf(digest, "registry.example/app")
	signed, err := s.SignMessage(bytes.NewReader(payload))
	must(t, err)
	return question{
		ID: 1, Kind: kindSignature, Subject: image, Bytes: payload, Authorities: []authority{{Trust: "v", Log: "none"}},
		Annotations: map[string]string{annotationSignature: base64.StdEncoding.EncodeToString(signed)},
	}
}

func newSigner(t testing.TB, curve elliptic.Curve, hash crypto.Hash) (signature.Signer, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	must(t, err)
	s, err := signature.LoadECDSASigner(key, hash)
	must(t, err)
	return s, publicPEM(t, key.Public())
}

func TestKeysOfAllKinds(t *testing.T) {
	t.Parallel()
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	ed, err := signature.LoadED25519Signer(edKey)
	must(t, err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	rsaSigner, err := signature.LoadRSAPKCS1v15Signer(rsaKey, crypto.SHA256)
	must(t, err)
	p256, p256PEM := newSigner(t, elliptic.P256(), crypto.SHA256)
	p384, p384PEM := newSigner(t, elliptic.P384(), crypto.SHA384)
	p521, p521PEM := newSigner(t, elliptic.P521(), crypto.SHA256)
	_, another := newSigner(t, elliptic.P256(), crypto.SHA256)
	for name, c := range map[string]struct {
		signer  signature.Signer
		keys    [][]byte
		refused string
	}{
		"P-256":                    {p256, [][]byte{p256PEM}, ""},
		"P-384":                    {p384, [][]byte{p384PEM}, ""},
		"P-521 with SHA-256":       {p521, [][]byte{p521PEM}, ""},
		"Ed25519":                  {ed, [][]byte{publicPEM(t, edKey.Public())}, ""},
		"RSA":                      {rsaSigner, [][]byte{publicPEM(t, rsaKey.Public())}, ""},
		"the second of two files":  {p256, [][]byte{another, p256PEM}, ""},
		"the second of one file":   {p256, [][]byte{append(another, p256PEM...)}, ""},
		"another key":              {p256, [][]byte{another}, "failed to verify signature"},
		"another key's other kind": {p256, [][]byte{publicPEM(t, edKey.Public())}, "failed to verify signature"},
	} {
		t.Run(name, func(t *testing.T) {
			a := checkerOf(t, material{Keys: c.keys}).answer(keySigned(t, c.signer, image))
			wants(t, a, c.refused)
			if a.OK && (a.Signer == nil || !strings.HasPrefix(a.Signer.Key, "sha256:")) {
				t.Errorf("signed by %+v", a.Signer)
			}
		})
	}
}

// A key may sign other things, whose payloads look alike.
func TestAPayloadOfAnotherTypeIsNoSignature(t *testing.T) {
	t.Parallel()
	signer, public := newSigner(t, elliptic.P256(), crypto.SHA256)
	q := keySigned(t, signer, image)
	q.Bytes = bytes.Replace(q.Bytes, []byte(cosignType), []byte("atomic container signature"), 1)
	signed, err := signer.SignMessage(bytes.NewReader(q.Bytes))
	must(t, err)
	q.Annotations[annotationSignature] = base64.StdEncoding.EncodeToString(signed)
	wants(t, checkerOf(t, material{Keys: [][]byte{public}}).answer(q), `its payload is of type "atomic container signature"`)
}

func TestKeysThatAreNotTaken(t *testing.T) {
	t.Parallel()
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	must(t, err)
	small, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	must(t, err)
	for name, c := range map[string]struct {
		file    []byte
		refused string
	}{
		"a short RSA key":   {publicPEM(t, short.Public()), "1024 bits is too short"},
		"a small curve":     {publicPEM(t, small.Public()), "P-224"},
		"a private key":     {pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}}), "is a PRIVATE KEY in PEM"},
		"no PEM":            {[]byte("ssh-ed25519 AAAA"), "there is no public key in PEM"},
		"nothing":           {nil, "there is no public key in PEM"},
		"what isn't parsed": {pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte{1}}), "asn1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newChecker(map[string]material{"acme": {Keys: [][]byte{c.file}}})
			if err == nil || !strings.Contains(err.Error(), c.refused) || !strings.HasPrefix(err.Error(), "trust.acme: key: ") {
				t.Errorf("said %v, not %q", err, c.refused)
			}
		})
	}
	for name, m := range map[string]material{"nothing": {}, "an empty root": {Roots: [][]byte{nil}}, "no root": {Roots: [][]byte{[]byte("{}")}}} {
		if _, err := newChecker(map[string]material{"acme": m}); err == nil {
			t.Errorf("%s is trusted", name)
		}
	}
}

func TestKeysWithALog(t *testing.T) {
	t.Parallel()
	v := newInstance(t)
	signer, public := newSigner(t, elliptic.P256(), crypto.SHA256)
	c := checkerOf(t, material{Roots: [][]byte{v.root(nil)}, Keys: [][]byte{public}})
	q := keySigned(t, signer, image)
	wants(t, c.answer(q), "")
	q.Authorities[0].Log = "required"
	wants(t, c.answer(q), "it is in no transparency log, and one is required")
}

func TestACertificateIsNoKeyAndAKeyNoCertificate(t *testing.T) {
	t.Parallel()
	v := newInstance(t)
	signer, public := newSigner(t, elliptic.P256(), crypto.SHA256)
	c := checkerOf(t, material{Roots: [][]byte{v.root(nil)}, Keys: [][]byte{public}})
	certified := v.signTag(workflow, issuer, image, "r")
	certified.Authorities = []authority{{Trust: "v", Log: "none"}}
	wants(t, c.answer(certified), "expected key signature, not certificate")
	keyed := keySigned(t, signer, image)
	keyed.Authorities = []authority{keyless("none")}
	wants(t, c.answer(keyed), "timestamps")
}

func TestOneOfSeveralAuthoritiesSuffices(t *testing.T) {
	t.Parallel()
	v := newInstance(t)
	q := v.sign(workflow, issuer, image)
	q.Authorities = []authority{{Trust: "v", Log: "none"}, keyless("required")}
	wants(t, v.checker().answer(q), "")
	q.Authorities[1].Subject = exactly("somebody else")
	wants(t, v.checker().answer(q), "trust.v has no keys; signed by https://github.com/acme")
}

var elliptic256 = elliptic.P256()

const sha = crypto.SHA256

func encode(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
