package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
)

// checker answers questions, several at once.
type checker struct {
	trust    map[string]*trust
	patterns *patterns
	// certificateLogs is how many certificate logs must have promised to list a certificate. Tests, whose authority has no such log, lower it.
	certificateLogs int
}

func newChecker(materials map[string]material) (*checker, error) {
	c := &checker{trust: map[string]*trust{}, patterns: &patterns{}, certificateLogs: 1}
	for name, m := range materials {
		t, err := readTrust(m)
		if err != nil {
			return nil, fmt.Errorf("trust.%s: %w", name, err)
		}
		c.trust[name] = t
	}
	return c, nil
}

// errOther is that evidence is of another kind than what was asked for.
var errOther = errors.New("it says something else than what is asked for")

func (c *checker) answer(q question) answer {
	a, err := c.checkSafely(q)
	a.ID = q.ID
	a.OK = err == nil
	a.Other = errors.Is(err, errOther)
	if err != nil {
		a.Error = err.Error()
	}
	return a
}

// checkSafely has evidence that makes a parser panic refused, and nothing else with it.
func (c *checker) checkSafely(q question) (a answer, err error) {
	defer func() {
		if failed := recover(); failed != nil {
			fmt.Fprintf(os.Stderr, "%v\n%s", failed, debug.Stack())
			a, err = answer{}, fmt.Errorf("it can't be read: %v", failed)
		}
	}()
	return c.check(q)
}

// evidence is what there is to verify.
type evidence struct {
	bundle   *bundle.Bundle
	artifact func() verify.ArtifactPolicyOption // what is signed
	answer   answer                             // what it says, once it is verified
}

func (c *checker) check(q question) (answer, error) {
	e, err := read(q)
	if err != nil {
		return answer{}, err
	}
	var errs []error
	for _, a := range q.Authorities {
		verified, err := c.verify(e, a)
		if err == nil {
			err = c.holds(q, e)
		}
		if err == nil {
			return verified, nil
		}
		errs = append(errs, err)
	}
	if len(errs) == 0 {
		return answer{}, errors.New("nobody is trusted with it")
	}
	return answer{}, errors.New(oneLine(errs))
}

// oneLine tells each of several errors once.
func oneLine(errs []error) string {
	var said []string
	for _, err := range errs {
		text := strings.ReplaceAll(err.Error(), "\n", "; ")
		if !strings.Contains(strings.Join(said, "; "), text) {
			said = append(said, text)
		}
	}
	return strings.Join(said, "; ")
}

// digestSizes are those of digests of manifests (OCI image spec, "Registered algorithms").
var digestSizes = map[string]int{"sha256": 32, "sha512": 64}

// read makes a bundle of the evidence, and looks whether it speaks of the subject at all.
func read(q question) (evidence, error) {
	algorithm, text, _ := strings.Cut(q.Subject, ":")
	digest, err := hex.DecodeString(text)
	if size := digestSizes[algorithm]; err != nil || size == 0 || len(digest) != size {
		return evidence{}, fmt.Errorf("%q is no digest with SHA-256 or SHA-512", clip(q.Subject))
	}
	e := evidence{artifact: func() verify.ArtifactPolicyOption { return verify.WithArtifactDigest(algorithm, digest) }}
	switch q.Kind {
	case kindSignature:
		if q.Predicate != "" {
			return e, errOther
		}
		var signed payload
		if err := json.Unmarshal(q.Bytes, &signed); err != nil {
			return e, fmt.Errorf("its payload is malformed: %w", err)
		}
		if err := signed.speaksOf(q.Subject); err != nil {
			return e, err
		}
		e.answer.Reference = signed.Critical.Identity.Reference
		// Not by its digest: Ed25519 signs what it is itself.
		e.artifact = func() verify.ArtifactPolicyOption { return verify.WithArtifact(bytes.NewReader(q.Bytes)) }
		e.bundle, err = fromSignature(q.Bytes, q.Annotations)
		return e, err
	case kindAttestation:
		e.bundle, err = fromAttestation(q.Bytes, q.Annotations)
	case kindBundle:
		e.bundle = &bundle.Bundle{}
		err = e.bundle.UnmarshalJSON(q.Bytes)
	default:
		return e, fmt.Errorf("evidence of kind %q is not known", q.Kind)
	}
	if err != nil {
		return e, err
	}
	return e, e.readStatement(q)
}

// readStatement looks into what a DSSE envelope says. A bundle without one signs the manifest itself.
func (e *evidence) readStatement(q question) error {
	envelope := e.bundle.GetDsseEnvelope()
	if envelope == nil {
		if q.Predicate != "" {
			return errOther
		}
		return nil
	}
	var s statement
	if err := json.Unmarshal(envelope.GetPayload(), &s); err != nil {
		return fmt.Errorf("its statement is malformed: %w", err)
	}
	if !s.wanted(q.Predicate) {
		return fmt.Errorf("%w: it is %s", errOther, orNone(clip(s.PredicateType)))
	}
	e.answer.Predicate = s.PredicateType
	return s.speaksOf(q.Subject)
}

// holds checks the conditions on a statement that is verified.
func (c *checker) holds(q question, e evidence) error {
	if len(q.Where) == 0 {
		return nil
	}
	var statement any
	decoder := json.NewDecoder(bytes.NewReader(e.bundle.GetDsseEnvelope().GetPayload()))
	decoder.UseNumber()
	if err := decoder.Decode(&statement); err != nil {
		return fmt.Errorf("its statement is malformed: %w", err)
	}
	for _, condition := range q.Where {
		if err := condition.holds(c.patterns, statement); err != nil {
			return err
		}
	}
	return nil
}

// verify checks evidence against one authority.
func (c *checker) verify(e evidence, a authority) (answer, error) {
	t := c.trust[a.Trust]
	if t == nil {
		return answer{}, fmt.Errorf("nothing is trusted under the name %q", a.Trust)
	}
	if a.Log != "required" && a.Log != "none" {
		return answer{}, fmt.Errorf("log = %q is neither required nor none", a.Log)
	}
	if a.Issuer == "" && a.Subject == nil {
		return c.verifyKeys(e, a, t)
	}
	var options []verify.VerifierOption
	if a.Log == "required" {
		options = append(options, verify.WithTransparencyLog(1), verify.WithObserverTimestamps(1))
		if c.certificateLogs > 0 {
			options = append(options, verify.WithSignedCertificateTimestamps(c.certificateLogs))
		}
	} else {
		options = append(options, verify.WithSignedTimestamps(1))
	}
	verifier, err := verify.NewVerifier(t.quick, append(options, verify.WithoutStatementPredicate())...)
	if err != nil {
		return answer{}, err
	}
	// The identity is matched below, by patterns that stop at a slash and reach both ends.
	result, err := verifier.Verify(e.bundle, verify.NewPolicy(e.artifact(), verify.WithoutIdentitiesUnsafe()))
	if err != nil {
		return answer{}, e.plainly(err, t)
	}
	if result.Signature == nil || result.Signature.Certificate == nil {
		return answer{}, errors.New("signed with a key, and a certificate is wanted")
	}
	certificate := *result.Signature.Certificate
	if err := a.admits(c.patterns, certificate); err != nil {
		return answer{}, err
	}
	return e.verified(result, signer{
		Issuer: certificate.Issuer, Subject: certificate.SubjectAlternativeName,
		SourceRepository: certificate.SourceRepositoryURI, SourceRef: certificate.SourceRepositoryRef,
	}), nil
}

// verifyKeys tries all keys of an authority: the hint in a bundle is whatever its maker likes.
func (c *checker) verifyKeys(e evidence, a authority, t *trust) (answer, error) {
	options := []verify.VerifierOption{verify.WithNoObserverTimestamps()}
	if a.Log == "required" {
		options = []verify.VerifierOption{verify.WithTransparencyLog(1), verify.WithObserverTimestamps(1)}
	}
	options = append(options, verify.WithoutStatementPredicate())
	if len(t.keys) == 0 {
		return answer{}, fmt.Errorf("trust.%s has no keys", a.Trust)
	}
	var last error
	for _, key := range t.keys {
		for _, k := range key.verifiers {
			verifier, err := verify.NewVerifier(oneKey{t.instances, k}, options...)
			if err != nil {
				return answer{}, err
			}
			result, err := verifier.Verify(e.bundle, verify.NewPolicy(e.artifact(), verify.WithKey()))
			if err == nil {
				return e.verified(result, signer{Key: key.id}), nil
			}
			last = e.plainly(err, t)
		}
	}
	return answer{}, last
}

var _ root.TrustedMaterial = oneKey{}

func (e evidence) verified(result *verify.VerificationResult, by signer) answer {
	a := e.answer
	a.Signer = &by
	for _, t := range result.VerifiedTimestamps {
		a.Times = append(a.Times, timestamp{Type: t.Type, URI: t.URI, Time: t.Timestamp.UTC()})
	}
	return a
}

// plainly says what to do about the errors that users meet. sigstore-go has no types for them.
func (e evidence) plainly(err error, t *trust) error {
	switch text := err.Error(); {
	case strings.Contains(text, "not enough verified log entries"):
		entries := e.bundle.GetVerificationMaterial().GetTlogEntries()
		if len(entries) == 0 {
			return errors.New("it is in no transparency log, and one is required")
		}
		for _, entry := range entries {
			if t.instances.RekorLogs()[hex.EncodeToString(entry.GetLogId().GetKeyId())] != nil {
				return fmt.Errorf("no entry of a transparency log holds: %w", err)
			}
		}
		return errors.New("the trusted root doesn't know the transparency log that it is in: refresh the trusted root, or it is of another Sigstore instance")
	case strings.Contains(text, "SCT entries"):
		return fmt.Errorf("no certificate log that the trusted root knows has its certificate: refresh the trusted root, or it is of another Sigstore instance (%w)", err)
	}
	return err
}
