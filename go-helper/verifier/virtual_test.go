package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"testing"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/testing/ca"
	"github.com/sigstore/sigstore-go/pkg/tlog"
	"google.golang.org/protobuf/encoding/protojson"
)

const (
	issuer   = "https://token.actions.githubusercontent.com"
	workflow = "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1"
)

var image = "sha256:" + hex.EncodeToString(sum([]byte("an image")))

func sum(data []byte) []byte {
	s := sha256.Sum256(data)
	return s[:]
}

// instance is a Sigstore instance that exists in memory alone. It has no certificate log.
type instance struct {
	*ca.VirtualSigstore
	t testing.TB
}

func newInstance(t testing.TB) *instance {
	t.Helper()
	v, err := ca.NewVirtualSigstore()
	must(t, err)
	return &instance{v, t}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// root is the instance's trusted root, after what change makes of its log.
func (v *instance) root(change func(*root.TransparencyLog)) []byte {
	v.t.Helper()
	logs := v.RekorLogs()
	for id, log := range logs {
		raw, err := hex.DecodeString(id) // VirtualSigstore has the text of it
		must(v.t, err)
		log.ID = raw
		if change != nil {
			change(log)
		}
	}
	r, err := root.NewTrustedRoot(root.TrustedRootMediaType01, v.FulcioCertificateAuthorities(), nil, v.TimestampingAuthorities(), logs)
	must(v.t, err)
	data, err := r.MarshalJSON()
	must(v.t, err)
	return data
}

// checker trusts the instance under the name "v".
func (v *instance) checker() *checker {
	v.t.Helper()
	return checkerOf(v.t, material{Roots: [][]byte{v.root(nil)}})
}

func checkerOf(t testing.TB, m material) *checker {
	t.Helper()
	c, err := newChecker(map[string]material{"v": m})
	must(t, err)
	c.certificateLogs = 0
	return c
}

// statementOf is an in-toto statement about a manifest.
func statementOf(digest, predicateType string, predicate any) []byte {
	_, hex, _ := split(digest)
	data, err := json.Marshal(map[string]any{
		"_type": "https://in-toto.io/Statement/v1", "predicateType": predicateType, "predicate": predicate,
		"subject": []any{map[string]any{"name": "image", "digest": map[string]string{"sha256": hex}}},
	})
	if err != nil {
		panic(err)
	}
	return data
}

func split(digest string) (algorithm, hex string, ok bool) { return digest[:6], digest[7:], true }

// material of a bundle that the entity has.
func (v *instance) bundle(e *ca.TestEntity, mediaType string) *protobundle.Bundle {
	v.t.Helper()
	content, err := e.VerificationContent()
	must(v.t, err)
	certificate := &protocommon.X509Certificate{RawBytes: content.Certificate().Raw}
	b := &protobundle.Bundle{MediaType: mediaType, VerificationMaterial: &protobundle.VerificationMaterial{
		Content: &protobundle.VerificationMaterial_Certificate{Certificate: certificate},
	}}
	if mediaType == bundleV01 {
		b.VerificationMaterial.Content = &protobundle.VerificationMaterial_X509CertificateChain{
			X509CertificateChain: &protocommon.X509CertificateChain{Certificates: []*protocommon.X509Certificate{certificate}},
		}
	}
	times, err := e.Timestamps()
	must(v.t, err)
	b.VerificationMaterial.TimestampVerificationData = &protobundle.TimestampVerificationData{}
	for _, signed := range times {
		b.VerificationMaterial.TimestampVerificationData.Rfc3161Timestamps = append(
			b.VerificationMaterial.TimestampVerificationData.Rfc3161Timestamps, &protocommon.RFC3161SignedTimestamp{SignedTimestamp: signed})
	}
	entries, err := e.TlogEntries()
	must(v.t, err)
	for _, entry := range entries {
		b.VerificationMaterial.TlogEntries = append(b.VerificationMaterial.TlogEntries, v.logged(entry, mediaType == bundleV01))
	}
	signed, err := e.SignatureContent()
	must(v.t, err)
	if envelope := signed.EnvelopeContent(); envelope != nil {
		raw := envelope.RawEnvelope()
		payload, err := base64.StdEncoding.DecodeString(raw.Payload)
		must(v.t, err)
		b.Content = &protobundle.Bundle_DsseEnvelope{DsseEnvelope: &protodsse.Envelope{
			Payload: payload, PayloadType: raw.PayloadType, Signatures: []*protodsse.Signature{{Sig: signed.Signature()}},
		}}
		return b
	}
	b.Content = &protobundle.Bundle_MessageSignature{MessageSignature: &protocommon.MessageSignature{
		MessageDigest: &protocommon.HashOutput{
			Algorithm: protocommon.HashAlgorithm_SHA2_256, Digest: signed.MessageSignatureContent().Digest(),
		},
		Signature: signed.Signature(),
	}}
	return b
}

// logged is an entry with the log's promise in the place of a proof, where old says so.
func (v *instance) logged(entry *tlog.Entry, old bool) *protorekor.TransparencyLogEntry {
	v.t.Helper()
	e := entry.TransparencyLogEntry()
	var body struct{ Kind, APIVersion string }
	must(v.t, json.Unmarshal(e.CanonicalizedBody, &body))
	e.KindVersion = &protorekor.KindVersion{Kind: body.Kind, Version: body.APIVersion}
	if old {
		e.InclusionPromise = &protorekor.InclusionPromise{SignedEntryTimestamp: v.promise(e)}
	}
	return e
}

func (v *instance) promise(e *protorekor.TransparencyLogEntry) []byte {
	v.t.Helper()
	signed, err := v.RekorSignPayload(tlog.RekorPayload{
		Body: base64.StdEncoding.EncodeToString(e.CanonicalizedBody), IntegratedTime: e.IntegratedTime,
		LogIndex: e.LogIndex, LogID: hex.EncodeToString(e.LogId.KeyId),
	})
	must(v.t, err)
	return signed
}

// attest gives a bundle of a statement: v0.3 with a timestamp and an entry of Rekor v2, or v0.1 with the log's promise.
func (v *instance) attest(subject, by string, statement []byte, mediaType string) []byte {
	v.t.Helper()
	attest := v.AttestHashedRekordV2
	if mediaType == bundleV01 {
		attest = v.Attest
	}
	e, err := attest(subject, by, statement)
	must(v.t, err)
	data, err := protojson.Marshal(v.bundle(e, mediaType))
	must(v.t, err)
	return data
}

const bundleV03 = "application/vnd.dev.sigstore.bundle.v0.3+json"

// sign gives the question whether a bundle with a signature of the image is one.
func (v *instance) sign(subject, by, digest string) question {
	v.t.Helper()
	return question{
		ID: 1, Kind: kindBundle, Subject: image, Authorities: []authority{keyless("required")},
		Bytes: v.attest(subject, by, statementOf(digest, predicateSignature, map[string]any{}), bundleV03),
	}
}

// signTag gives the question with what cosign's tag .sig would have.
func (v *instance) signTag(subject, by, digest, repository string) question {
	v.t.Helper()
	payload := payloadOf(digest, repository)
	e, err := v.Sign(subject, by, payload)
	must(v.t, err)
	b := v.bundle(e, bundleV01)
	entry := b.VerificationMaterial.TlogEntries[0]
	log, err := json.Marshal(map[string]any{
		"SignedEntryTimestamp": entry.InclusionPromise.SignedEntryTimestamp,
		"Payload": map[string]any{
			"body": entry.CanonicalizedBody, "integratedTime": entry.IntegratedTime, "logIndex": entry.LogIndex,
			"logID": hex.EncodeToString(entry.LogId.KeyId),
		},
	})
	must(v.t, err)
	content, err := e.VerificationContent()
	must(v.t, err)
	return question{
		ID: 1, Kind: kindSignature, Subject: image, Authorities: []authority{keyless("required")}, Bytes: payload,
		Annotations: map[string]string{
			annotationSignature:   base64.StdEncoding.EncodeToString(b.GetMessageSignature().Signature),
			annotationCertificate: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: content.Certificate().Raw})),
			annotationLog:         string(log),
		},
	}
}

func payloadOf(digest, repository string) []byte {
	return fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":%q},"image":{"docker-manifest-digest":%q},"type":%q},"optional":null}`,
		repository, digest, cosignType)
}

func keyless(log string) authority {
	return authority{Trust: "v", Log: log, Issuer: issuer, Subject: exactly(workflow)}
}
