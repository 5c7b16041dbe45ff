package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// TrustedRoot is what the files of a trust hold, as far as it has an end: Sigstore's TrustedRoot message
// (sigstore/protobuf-specs, sigstore_trustroot.proto), one or several of it.
type TrustedRoot struct {
	CertificateAuthorities []Period
	CertificateLogs        []Period
	// Clocks are transparency logs and timestamp authorities: either shows when something was signed.
	Clocks []Period
}

// Period is the time in which a key or a certificate may sign; a zero end is none.
type Period struct {
	Start, End time.Time
}

// Holds tells whether a time lies in the period.
func (p Period) Holds(at time.Time) bool {
	return !at.Before(p.Start) && (p.End.IsZero() || !at.After(p.End))
}

// ParseTrustedRoot reads JSON or JSON lines. What it doesn't know it leaves to the verifier, which reads all of it.
func ParseTrustedRoot(data []byte) (*TrustedRoot, error) {
	type valid struct {
		ValidFor Period `json:"validFor"`
	}
	type keyed struct {
		PublicKey valid `json:"publicKey"`
	}
	var root TrustedRoot
	decoder := json.NewDecoder(bytes.NewReader(data))
	for {
		var message struct {
			CertificateAuthorities []valid `json:"certificateAuthorities"`
			TimestampAuthorities   []valid `json:"timestampAuthorities"`
			Logs                   []keyed `json:"tlogs"`
			CertificateLogs        []keyed `json:"ctlogs"`
		}
		err := decoder.Decode(&message)
		if errors.Is(err, io.EOF) {
			return &root, nil
		}
		if err != nil {
			return nil, fmt.Errorf("is not a trusted root of Sigstore: %w", err)
		}
		for _, authority := range message.CertificateAuthorities {
			root.CertificateAuthorities = append(root.CertificateAuthorities, authority.ValidFor)
		}
		for _, log := range message.CertificateLogs {
			root.CertificateLogs = append(root.CertificateLogs, log.PublicKey.ValidFor)
		}
		for _, authority := range message.TimestampAuthorities {
			root.Clocks = append(root.Clocks, authority.ValidFor)
		}
		for _, log := range message.Logs {
			root.Clocks = append(root.Clocks, log.PublicKey.ValidFor)
		}
	}
}
