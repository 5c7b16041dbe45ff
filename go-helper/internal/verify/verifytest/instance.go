package verifytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Instance is a Sigstore instance as the public one is: certificates are issued by an intermediate (P-384), and are in a certificate log; signatures are in
// a transparency log, which promises that (Rekor 1). It can sign in the past.
type Instance struct {
	root, intermediate []byte // DER
	issuer             *x509.Certificate
	issuerKey          *ecdsa.PrivateKey
	log, certificates  Key
}

// NewInstance makes one.
func NewInstance(t testing.TB) *Instance {
	t.Helper()
	i := &Instance{log: NewKey(t), certificates: NewKey(t)}
	ca := func(name string, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) ([]byte, *x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		must(t, err)
		template := &x509.Certificate{
			SerialNumber: serial(t), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
			KeyUsage: x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
		}
		if parent == nil {
			parent, parentKey = template, key
		} else {
			template.ExtKeyUsage, template.MaxPathLenZero = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}, true
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
		must(t, err)
		certificate, err := x509.ParseCertificate(der)
		must(t, err)
		return der, certificate, key
	}
	root, anchor, anchorKey := ca("root", nil, nil)
	i.root = root
	i.intermediate, i.issuer, i.issuerKey = ca("intermediate", anchor, anchorKey)
	return i
}

func serial(t testing.TB) *big.Int {
	t.Helper()
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	must(t, err)
	return n
}

// Root is the instance's trusted root.
func (i *Instance) Root(t testing.TB) []byte {
	t.Helper()
	valid := map[string]any{"start": time.Now().Add(-24 * time.Hour).UTC().Format(time.RFC3339)}
	log := func(key Key, url string) []any {
		return []any{map[string]any{
			"baseUrl": url, "hashAlgorithm": "SHA2_256", "logId": map[string]any{"keyId": key.id(t)},
			"publicKey": map[string]any{"rawBytes": key.der(t), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": valid},
		}}
	}
	data, err := json.Marshal(map[string]any{
		"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
		"tlogs":     log(i.log, "https://rekor.test"), "ctlogs": log(i.certificates, "https://ct.test"),
		"certificateAuthorities": []any{map[string]any{
			"uri": "https://fulcio.test", "validFor": valid,
			"certChain": map[string]any{"certificates": []any{map[string]any{"rawBytes": i.intermediate}, map[string]any{"rawBytes": i.root}}},
		}},
	})
	must(t, err)
	return data
}

// Identity is what a certificate says of who has got it, and when.
type Identity struct {
	Issuer, Subject string
	Repository      string // the source's
	At              time.Time
}

// signer is who signs, and what the log and bundles have of them.
type signer struct {
	key      Key
	pem      []byte         // of a certificate or a key
	material map[string]any // of a bundle
	at       time.Time
}

func (i *Instance) certified(t testing.TB, by Identity) signer {
	t.Helper()
	key := NewKey(t)
	der := i.certificate(t, key, by)
	return signer{
		key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		map[string]any{"x509CertificateChain": map[string]any{"certificates": []any{map[string]any{"rawBytes": der}}}},
		by.At,
	}
}

// Extensions of certificates: Fulcio's (https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md) and RFC 6962 3.3.
var (
	oidIssuer     = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 8}
	oidRepository = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, 12}
	oidPromises   = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}
)

func (i *Instance) certificate(t testing.TB, key Key, by Identity) []byte {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: serial(t), NotBefore: by.At.Add(-time.Minute), NotAfter: by.At.Add(9 * time.Minute),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	}
	if strings.Contains(by.Subject, "://") {
		subject, err := url.Parse(by.Subject)
		must(t, err)
		template.URIs = []*url.URL{subject}
	} else {
		template.EmailAddresses = []string{by.Subject}
	}
	say := func(id asn1.ObjectIdentifier, value string) {
		der, err := asn1.MarshalWithParams(value, "utf8")
		must(t, err)
		template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{Id: id, Value: der})
	}
	say(oidIssuer, by.Issuer)
	if by.Repository != "" {
		say(oidRepository, by.Repository)
	}
	make := func() []byte {
		der, err := x509.CreateCertificate(rand.Reader, template, i.issuer, key.key.Public(), i.issuerKey)
		must(t, err)
		return der
	}
	before, err := x509.ParseCertificate(make())
	must(t, err)
	promises, err := asn1.Marshal(i.promised(t, before.RawTBSCertificate, by.At))
	must(t, err)
	template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{Id: oidPromises, Value: promises})
	return make()
}

// promised is the certificate log's promise to list a certificate, as a list of one (RFC 6962 3.2, 3.3).
func (i *Instance) promised(t testing.TB, tbs []byte, at time.Time) []byte {
	t.Helper()
	milliseconds := uint64(at.UnixMilli())
	issuer := sha256.Sum256(i.issuer.RawSubjectPublicKeyInfo)
	signed := binary.BigEndian.AppendUint64([]byte{0, 0}, milliseconds)            // v1, certificate_timestamp
	signed = append(append(signed, 0, 1), issuer[:]...)                            // precert_entry
	signed = append(signed, byte(len(tbs)>>16), byte(len(tbs)>>8), byte(len(tbs))) // opaque<1..2^24-1>
	signed = append(append(signed, tbs...), 0, 0)                                  // no extensions
	signature := i.certificates.raw(t, signed)
	sct := append([]byte{0}, i.certificates.id(t)...)
	sct = append(binary.BigEndian.AppendUint64(sct, milliseconds), 0, 0, 4, 3) // no extensions; SHA-256, ECDSA
	sct = append(binary.BigEndian.AppendUint16(sct, uint16(len(signature))), signature...)
	one := append(binary.BigEndian.AppendUint16(nil, uint16(len(sct))), sct...)
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(one))), one...)
}

// entry is one of the transparency log.
type entry struct {
	kind     string
	body     []byte
	at       int64
	promised []byte
}

func (i *Instance) enter(t testing.TB, at time.Time, kind string, spec any) entry {
	t.Helper()
	e := entry{kind: kind, at: at.Unix()}
	var err error
	e.body, err = json.Marshal(map[string]any{"apiVersion": "0.0.1", "kind": kind, "spec": spec}) // canonical: keys are sorted
	must(t, err)
	promise, err := json.Marshal(map[string]any{"body": e.body, "integratedTime": e.at, "logID": hex.EncodeToString(i.log.id(t)), "logIndex": 1})
	must(t, err)
	e.promised = i.log.raw(t, promise)
	return e
}

func hashOf(data []byte) map[string]any {
	sum := sha256.Sum256(data)
	return map[string]any{"algorithm": "sha256", "value": hex.EncodeToString(sum[:])}
}

// bundle is a Sigstore bundle of version 0.1, which has promises of the log.
func (i *Instance) bundle(t testing.TB, by signer, digest v1.Hash, predicateType string, predicate any) Layer {
	t.Helper()
	envelope := by.key.envelope(t, digest, predicateType, predicate)
	var said struct {
		Payload    []byte
		Signatures []struct{ Sig string }
	}
	must(t, json.Unmarshal(envelope, &said))
	e := i.enter(t, by.at, "dsse", map[string]any{
		"envelopeHash": hashOf(envelope), "payloadHash": hashOf(said.Payload),
		"signatures": []any{map[string]any{"signature": said.Signatures[0].Sig, "verifier": by.pem}},
	})
	material := map[string]any{"tlogEntries": []any{map[string]any{
		"logIndex": "1", "logId": map[string]any{"keyId": i.log.id(t)}, "kindVersion": map[string]any{"kind": e.kind, "version": "0.0.1"},
		"integratedTime": fmt.Sprint(e.at), "inclusionPromise": map[string]any{"signedEntryTimestamp": e.promised}, "canonicalizedBody": e.body,
	}}}
	for key, value := range by.material {
		material[key] = value
	}
	const version = "application/vnd.dev.sigstore.bundle+json;version=0.1"
	bundle, err := json.Marshal(map[string]any{"mediaType": version, "verificationMaterial": material, "dsseEnvelope": envelope})
	must(t, err)
	return Layer{bundle, version, nil}
}

// Bundle signs a statement for somebody and makes a bundle of it.
func (i *Instance) Bundle(t testing.TB, by Identity, digest v1.Hash, predicateType string, predicate any) Layer {
	t.Helper()
	return i.bundle(t, i.certified(t, by), digest, predicateType, predicate)
}

// KeyBundle signs a statement with a key, and has the log list that.
func (i *Instance) KeyBundle(t testing.TB, key Key, digest v1.Hash, predicateType string, predicate any) Layer {
	t.Helper()
	return i.bundle(t, i.keyed(t, key), digest, predicateType, predicate)
}

func (i *Instance) keyed(t testing.TB, key Key) signer {
	t.Helper()
	return signer{key, key.PEM(t), map[string]any{"publicKey": map[string]any{"hint": "anything"}}, time.Now()}
}

// Signature signs a digest for somebody, for cosign's tag .sig; repository is what its payload names.
func (i *Instance) Signature(t testing.TB, by Identity, digest v1.Hash, repository string) Layer {
	t.Helper()
	s := i.certified(t, by)
	layer := i.listed(t, s, digest, repository)
	layer.Annotations["dev.sigstore.cosign/certificate"] = string(s.pem)
	return layer
}

// KeySignature signs a digest with a key, for cosign's tag .sig, and has the log list that.
func (i *Instance) KeySignature(t testing.TB, key Key, digest v1.Hash, repository string) Layer {
	t.Helper()
	return i.listed(t, i.keyed(t, key), digest, repository)
}

func (i *Instance) listed(t testing.TB, by signer, digest v1.Hash, repository string) Layer {
	t.Helper()
	layer := by.key.Signature(t, digest.String(), repository)
	e := i.enter(t, by.at, "hashedrekord", map[string]any{
		"data":      map[string]any{"hash": hashOf(layer.Bytes)},
		"signature": map[string]any{"content": layer.Annotations["dev.cosignproject.cosign/signature"], "publicKey": map[string]any{"content": by.pem}},
	})
	log, err := json.Marshal(map[string]any{"SignedEntryTimestamp": e.promised, "Payload": map[string]any{
		"body": e.body, "integratedTime": e.at, "logIndex": 1, "logID": hex.EncodeToString(i.log.id(t)),
	}})
	must(t, err)
	layer.Annotations["dev.sigstore.cosign/bundle"] = string(log)
	return layer
}
