package main

import (
	"bytes"
	"encoding/json"
	"time"
)

const (
	name = "docker-mirror-verify"
	// protocol is raised with each change of the messages below. docker-mirror has the same in its package verify.
	protocol = 1
)

// hello is the first line of the input.
type hello struct {
	Protocol int                 `json:"protocol"`
	Trust    map[string]material `json:"trust"`
}

// material is what is trusted under one name.
type material struct {
	// Roots are files with trusted roots of Sigstore instances, one or one a line.
	Roots [][]byte `json:"roots,omitempty"`
	// Keys are files with public keys, PEM.
	Keys [][]byte `json:"keys,omitempty"`
}

// welcome answers hello.
type welcome struct {
	Name     string `json:"name"`
	Protocol int    `json:"protocol"`
	Error    string `json:"error,omitempty"`
}

// The kinds of evidence.
const (
	kindBundle      = "bundle"      // a Sigstore bundle, v0.1 to v0.3
	kindSignature   = "signature"   // cosign's tag .sig: a payload, with annotations
	kindAttestation = "attestation" // cosign's tag .att: a DSSE envelope, with annotations
)

// question asks whether one piece of evidence says of the subject what is wanted, by one of the authorities.
type question struct {
	ID          int64             `json:"id"`
	Kind        string            `json:"kind"`
	Subject     string            `json:"subject"` // digest of a manifest
	Bytes       []byte            `json:"bytes"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Authorities []authority       `json:"authorities"`
	// Predicate is the type of the attestation that is wanted; empty: a signature is.
	Predicate string      `json:"predicate,omitempty"`
	Where     []condition `json:"where,omitempty"`
}

// condition is what must stand in an attestation.
type condition struct {
	Pointer string  `json:"pointer"` // RFC 6901, of the statement
	Value   pattern `json:"value"`
}

// pattern is what a value must match as a whole.
type pattern struct {
	Text   string `json:"text"`   // as somebody wrote it
	Regexp string `json:"regexp"` // RE2
}

// authority is who may sign.
type authority struct {
	Trust string `json:"trust"`
	// Log is "required", or "none": no transparency log is asked for.
	Log string `json:"log"`
	// Issuer and Subject are those of a certificate; without them, keys are meant.
	Issuer           string   `json:"issuer,omitempty"`
	Subject          *pattern `json:"subject,omitempty"`
	SourceRepository *pattern `json:"source_repository,omitempty"`
	SourceRef        *pattern `json:"source_ref,omitempty"`
}

// answer is that to the question with the same ID.
type answer struct {
	ID int64 `json:"id"`
	OK bool  `json:"ok"`
	// Other tells that the evidence is of something else than what was asked for, an attestation where a signature is.
	Other     bool        `json:"other,omitempty"`
	Signer    *signer     `json:"signer,omitempty"`
	Times     []timestamp `json:"times,omitempty"` // verified ones
	Predicate string      `json:"predicate,omitempty"`
	Reference string      `json:"reference,omitempty"` // the repository that a signed payload names
	Error     string      `json:"error,omitempty"`
}

// signer is who has signed: a certificate's identity, or a key.
type signer struct {
	Issuer           string `json:"issuer,omitempty"`
	Subject          string `json:"subject,omitempty"`
	SourceRepository string `json:"source_repository,omitempty"`
	SourceRef        string `json:"source_ref,omitempty"`
	Key              string `json:"key,omitempty"` // SHA-256 of its DER
}

type timestamp struct {
	Type string    `json:"type"`
	URI  string    `json:"uri,omitempty"`
	Time time.Time `json:"time"`
}

// decode is strict: what isn't understood might be a condition.
func decode(line []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}
