package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
)

// The annotations of cosign's tags (cosign specs/SIGNATURE_SPEC.md).
const (
	annotationSignature   = "dev.cosignproject.cosign/signature"
	annotationCertificate = "dev.sigstore.cosign/certificate"
	annotationLog         = "dev.sigstore.cosign/bundle"
	annotationTimestamp   = "dev.sigstore.cosign/rfc3161timestamp"
)

// bundleV01 is the media type of the oldest bundle, the one whose log entries may be promises, as in cosign's annotations.
const bundleV01 = "application/vnd.dev.sigstore.bundle+json;version=0.1"

// fromSignature makes a bundle of a layer of cosign's tag .sig.
func fromSignature(payload []byte, annotations map[string]string) (*bundle.Bundle, error) {
	encoded := annotations[annotationSignature]
	if encoded == "" {
		return nil, fmt.Errorf("it has no annotation %s", annotationSignature)
	}
	signature, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, fmt.Errorf("its signature is malformed: %w", err)
	}
	sum := sha256.Sum256(payload)
	return fromTag(annotations, &protobundle.Bundle{Content: &protobundle.Bundle_MessageSignature{
		MessageSignature: &protocommon.MessageSignature{
			MessageDigest: &protocommon.HashOutput{Algorithm: protocommon.HashAlgorithm_SHA2_256, Digest: sum[:]},
			Signature:     signature,
		},
	}})
}

// fromAttestation makes a bundle of a layer of cosign's tag .att.
func fromAttestation(envelope []byte, annotations map[string]string) (*bundle.Bundle, error) {
	var e struct {
		PayloadType string `json:"payloadType"`
		Payload     []byte `json:"payload"`
		Signatures  []struct {
			KeyID string `json:"keyid"`
			Sig   []byte `json:"sig"`
		} `json:"signatures"`
	}
	if err := json.Unmarshal(envelope, &e); err != nil {
		return nil, fmt.Errorf("it is no DSSE envelope: %w", err)
	}
	out := &protodsse.Envelope{PayloadType: e.PayloadType, Payload: e.Payload}
	for _, s := range e.Signatures {
		out.Signatures = append(out.Signatures, &protodsse.Signature{Sig: s.Sig, Keyid: s.KeyID})
	}
	return fromTag(annotations, &protobundle.Bundle{Content: &protobundle.Bundle_DsseEnvelope{DsseEnvelope: out}})
}

// fromTag adds to a bundle what the annotations say of its signer, its log entry and its time.
func fromTag(annotations map[string]string, b *protobundle.Bundle) (*bundle.Bundle, error) {
	b.MediaType = bundleV01
	b.VerificationMaterial = &protobundle.VerificationMaterial{
		Content: &protobundle.VerificationMaterial_PublicKey{PublicKey: &protocommon.PublicKeyIdentifier{}},
	}
	if text := annotations[annotationCertificate]; text != "" {
		block, _ := pem.Decode([]byte(text))
		if block == nil || block.Type != "CERTIFICATE" {
			return nil, errors.New("its certificate is not in PEM")
		}
		b.VerificationMaterial.Content = &protobundle.VerificationMaterial_X509CertificateChain{
			X509CertificateChain: &protocommon.X509CertificateChain{Certificates: []*protocommon.X509Certificate{{RawBytes: block.Bytes}}},
		}
	}
	if text := annotations[annotationLog]; text != "" {
		entry, err := logEntry(text)
		if err != nil {
			return nil, fmt.Errorf("its log entry is malformed: %w", err)
		}
		b.VerificationMaterial.TlogEntries = []*protorekor.TransparencyLogEntry{entry}
	}
	if text := annotations[annotationTimestamp]; text != "" {
		var signed struct{ SignedRFC3161Timestamp []byte }
		if err := json.Unmarshal([]byte(text), &signed); err != nil {
			return nil, fmt.Errorf("its timestamp is malformed: %w", err)
		}
		b.VerificationMaterial.TimestampVerificationData = &protobundle.TimestampVerificationData{
			Rfc3161Timestamps: []*protocommon.RFC3161SignedTimestamp{{SignedTimestamp: signed.SignedRFC3161Timestamp}},
		}
	}
	return bundle.NewBundle(b)
}

// logEntry reads what Rekor promised (its SignedEntryTimestamp) of an entry.
func logEntry(text string) (*protorekor.TransparencyLogEntry, error) {
	var promised struct {
		SignedEntryTimestamp []byte
		Payload              struct {
			Body           []byte `json:"body"`
			IntegratedTime int64  `json:"integratedTime"`
			LogIndex       int64  `json:"logIndex"`
			LogID          string `json:"logID"`
		}
	}
	if err := json.Unmarshal([]byte(text), &promised); err != nil {
		return nil, err
	}
	var body struct {
		Kind       string `json:"kind"`
		APIVersion string `json:"apiVersion"`
	}
	if err := json.NewDecoder(bytes.NewReader(promised.Payload.Body)).Decode(&body); err != nil {
		return nil, err
	}
	log, err := hex.DecodeString(promised.Payload.LogID)
	if err != nil {
		return nil, err
	}
	return &protorekor.TransparencyLogEntry{
		LogIndex:          promised.Payload.LogIndex,
		LogId:             &protocommon.LogId{KeyId: log},
		KindVersion:       &protorekor.KindVersion{Kind: body.Kind, Version: body.APIVersion},
		IntegratedTime:    promised.Payload.IntegratedTime,
		InclusionPromise:  &protorekor.InclusionPromise{SignedEntryTimestamp: promised.SignedEntryTimestamp},
		CanonicalizedBody: promised.Payload.Body,
	}, nil
}

// cosignType is what cosign calls its payloads.
const cosignType = "cosign container image signature"

// payload is what cosign signs ("simple signing").
type payload struct {
	Critical struct {
		Identity struct {
			Reference string `json:"docker-reference"`
		} `json:"identity"`
		Image struct {
			Digest string `json:"docker-manifest-digest"`
		} `json:"image"`
		Type string `json:"type"`
	} `json:"critical"`
}

// speaksOf tells what of a signed payload is not what it must be.
func (p payload) speaksOf(subject string) error {
	switch {
	case p.Critical.Type != cosignType && p.Critical.Type != predicateSignature:
		return fmt.Errorf("its payload is of type %q, and no signature of an image", p.Critical.Type)
	case p.Critical.Image.Digest != subject:
		return fmt.Errorf("it is a signature of %s", orNone(p.Critical.Image.Digest))
	}
	return nil
}
