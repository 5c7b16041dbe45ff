package report

import "time"

// Verification says how an image's signatures were judged.
type Verification struct {
	Rule string `json:"rule"` // its place, file:line
	// Answer is "verified", "unsigned" (there are none), "refused" (there are some, and none will do) or "undecided" (what there is
	// could not be found out). Passed tells whether the rule lets the image pass: an unsigned one may.
	Answer string `json:"answer"`
	Passed bool   `json:"passed"`
	// Signer is who has signed, where that is verified.
	Signer *Signer `json:"signer,omitempty"`
	// SignedAt is the oldest of the verified times.
	SignedAt   *time.Time  `json:"signed_at,omitempty"`
	Timestamps []Timestamp `json:"timestamps,omitempty"`
	// Predicates are the types of verified attestations.
	Predicates []string `json:"predicates,omitempty"`
	// Evidence are the digests of the manifests that have the signatures.
	Evidence []string `json:"evidence,omitempty"`
	Reasons  []string `json:"reasons,omitempty"`
}

// Signer is a certificate's identity, or a key.
type Signer struct {
	Issuer  string `json:"issuer,omitempty"`
	Subject string `json:"subject,omitempty"`
	Key     string `json:"key,omitempty"` // SHA-256 of its DER
}

// Timestamp is a verified time of a signature.
type Timestamp struct {
	Type string    `json:"type"`
	URI  string    `json:"uri,omitempty"`
	Time time.Time `json:"time"`
}
