package verify

import (
	"context"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/evidence"
	"docker-mirror/go-helper/internal/policy"
	"docker-mirror/go-helper/internal/reference"
)

// demand is one thing that must be there: a signature, or an attestation of a type.
type demand struct {
	predicate   string // empty: a signature
	where       []Condition
	authorities []Authority
}

func (s *subject) demands() (all []demand) {
	if len(s.rule.SignedBy) > 0 {
		all = append(all, demand{authorities: s.authorities(s.rule.SignedBy)})
	}
	for _, a := range s.rule.Attested {
		d := demand{predicate: a.Predicate, authorities: s.authorities(a.SignedBy)}
		for _, c := range a.Where {
			d.where = append(d.where, Condition{c.Pointer, *pattern(c.Value)})
		}
		all = append(all, d)
	}
	return all
}

func (s *subject) authorities(all []policy.Authority) (out []Authority) {
	for _, a := range all {
		one := Authority{Trust: a.Trust, Issuer: a.Issuer, Log: string(policy.LogRequired)}
		if trust := s.judge.Policy.TrustOf(a.Trust); trust != nil && trust.Log != "" {
			one.Log = string(trust.Log)
		}
		one.Subject, one.SourceRepository, one.SourceRef = pattern(a.Subject), pattern(a.SourceRepository), pattern(a.SourceRef)
		out = append(out, one)
	}
	return out
}

func pattern(p policy.Pattern) *Pattern {
	if p.IsZero() {
		return nil
	}
	return &Pattern{p.String(), p.Expression()}
}

// notMetError says of evidence that answers a demand why it won't do.
type notMetError struct{ reasons []string }

func (e *notMetError) Error() string { return fmt.Sprint(e.reasons) }

// answers tells whether evidence of a kind can meet a demand at all.
func (d demand) answers(kind evidence.Kind) bool {
	switch kind {
	case evidence.Signature:
		return d.predicate == ""
	case evidence.Attestation:
		return d.predicate != ""
	}
	return true
}

// meets looks for evidence that meets a demand. The error is errNothing where there is none that answers it, a *notMetError
// where none of it will do, and a *BrokenError where that couldn't be found out.
func (s *subject) meets(ctx context.Context, d demand) (*Verdict, error) {
	var reasons []string
	for _, item := range s.found.Items {
		if !d.answers(item.Kind) {
			continue
		}
		if item.Refused != "" {
			reasons = append(reasons, fmt.Sprintf("%s %s", item.Manifest, item.Refused))
			continue
		}
		answer, err := s.judge.Asker.Ask(ctx, Question{
			Kind: string(item.Kind), Subject: s.digest.String(), Bytes: item.Bytes, Annotations: item.Annotations,
			Authorities: d.authorities, Predicate: d.predicate, Where: d.where,
		})
		switch {
		case err != nil:
			return nil, err
		case answer.Other:
			continue
		case !answer.OK:
			reasons = append(reasons, answer.Error)
			continue
		}
		if s.rule.OwnReference && d.predicate == "" {
			if reason := s.ownReference(answer.Reference); reason != "" {
				reasons = append(reasons, reason)
				continue
			}
		}
		return verified(item, answer), nil
	}
	if s.found.Beyond {
		reasons = append(reasons, fmt.Sprintf("more is attached to it than the %d signatures, and %d MiB, that are read", evidence.MaxItems, evidence.MaxTotal>>20))
	}
	if len(reasons) == 0 {
		return nil, errNothing
	}
	return nil, &notMetError{slices.Compact(reasons)}
}

func verified(item evidence.Item, a Answer) *Verdict {
	v := &Verdict{Outcome: Verified, Signer: a.Signer, Times: a.Times, Evidence: []v1.Hash{item.Manifest}}
	if a.Predicate != "" {
		v.Predicates = []string{a.Predicate}
	}
	return v
}

// ownReference tells how the repository that a signature names is not the image's.
func (s *subject) ownReference(named string) string {
	if named == "" {
		return "its signature names no repository, and reference = true wants it to"
	}
	ref, err := reference.Parse(named)
	if err != nil || ref.Name() != s.name.Name() {
		return fmt.Sprintf("its signature is one of %s, and not of %s", named, s.name.Name())
	}
	return ""
}
