package verify

import "time"

const (
	// Name is that of the program.
	Name = "docker-mirror-verify"
	// protocol is raised with each change of the messages below; the program's own are in go-helper/verifier/protocol.go.
	protocol = 1
)

// Material is what is trusted under one name of a policy.
type Material struct {
	Roots [][]byte `json:"roots,omitempty"` // files with trusted roots of Sigstore instances
	Keys  [][]byte `json:"keys,omitempty"`  // files with public keys, PEM
}

type hello struct {
	Protocol int                 `json:"protocol"`
	Trust    map[string]Material `json:"trust"`
}

type welcome struct {
	Name     string `json:"name"`
	Protocol int    `json:"protocol"`
	Error    string `json:"error"`
}

// Question asks whether one piece of evidence says of the subject what is wanted, by one of the authorities.
type Question struct {
	ID          int64             `json:"id"`
	Kind        string            `json:"kind"`
	Subject     string            `json:"subject"`
	Bytes       []byte            `json:"bytes"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Authorities []Authority       `json:"authorities"`
	Predicate   string            `json:"predicate,omitempty"` // of an attestation; empty: a signature is wanted
	Where       []Condition       `json:"where,omitempty"`
}

// Condition is what must stand in an attestation.
type Condition struct {
	Pointer string  `json:"pointer"`
	Value   Pattern `json:"value"`
}

// Pattern is what a value must match.
type Pattern struct {
	Text   string `json:"text"` // as somebody wrote it
	Regexp string `json:"regexp"`
}

// Authority is who may sign.
type Authority struct {
	Trust            string   `json:"trust"`
	Log              string   `json:"log"`
	Issuer           string   `json:"issuer,omitempty"`
	Subject          *Pattern `json:"subject,omitempty"`
	SourceRepository *Pattern `json:"source_repository,omitempty"`
	SourceRef        *Pattern `json:"source_ref,omitempty"`
}

// Answer is that to the question of the same ID.
type Answer struct {
	ID int64 `json:"id"`
	OK bool  `json:"ok"`
	// Other tells that the evidence is of something else than what was asked for.
	Other     bool        `json:"other"`
	Signer    *Signer     `json:"signer"`
	Times     []Timestamp `json:"times"`
	Predicate string      `json:"predicate"`
	Reference string      `json:"reference"` // the repository that a signed payload names
	Error     string      `json:"error"`
}

// Signer is who has signed: a certificate's identity, or a key.
type Signer struct {
	Issuer           string `json:"issuer,omitempty"`
	Subject          string `json:"subject,omitempty"`
	SourceRepository string `json:"source_repository,omitempty"`
	SourceRef        string `json:"source_ref,omitempty"`
	Key              string `json:"key,omitempty"` // SHA-256 of its DER
}

func (s Signer) String() string {
	if s.Key != "" {
		return "key " + s.Key
	}
	return s.Subject + " (" + s.Issuer + ")"
}

// Timestamp is a verified time of a signature.
type Timestamp struct {
	Type string    `json:"type"`
	URI  string    `json:"uri,omitempty"`
	Time time.Time `json:"time"`
}
