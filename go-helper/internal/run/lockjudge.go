package run

import (
	"context"
	"fmt"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/lint"
	"docker-mirror/go-helper/internal/lock"
	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/registry"
	"docker-mirror/go-helper/internal/report"
	"docker-mirror/go-helper/internal/verify"
)

// signedKey is a digest under the name by which a rule is found.
type signedKey struct {
	source string
	digest v1.Hash
}

type signedAnswer struct {
	signed string // what the lock is to say
	err    error
}

// judgeDigests has those digests judged that enter a lock, and those that a lock has had from before the policy wanted signatures.
func (r *lockResolver) judgeDigests(ctx context.Context, lists []*lockedList) {
	if r.judging == nil {
		return
	}
	r.signed = map[signedKey]signedAnswer{}
	var asked []*lock.Want
	var digests []v1.Hash
	for _, list := range lists {
		for _, w := range list.wants {
			for _, digest := range r.judged(w) {
				key := signedKey{w.Key, digest}
				if _, twice := r.signed[key]; twice {
					continue
				}
				r.signed[key] = signedAnswer{}
				asked, digests = append(asked, w), append(digests, digest)
			}
		}
	}
	each(len(asked), func(i int) {
		answer := r.judgeDigest(ctx, asked[i], digests[i])
		r.mu.Lock()
		defer r.mu.Unlock()
		r.signed[signedKey{asked[i].Key, digests[i]}] = answer
	})
}

// judged are the digests of a want that are to be judged: what is to be locked and what the tag names, as what isn't signed as it
// must be doesn't begin to wait either.
func (r *lockResolver) judged(w *lock.Want) []v1.Hash {
	return slices.DeleteFunc(r.decidedOn(w), func(digest v1.Hash) bool {
		return w.Old != nil && w.Old.Digest == digest && w.Old.Signed != ""
	})
}

// decidedOn are the digest that a want's entry will have, and the one that was found.
func (r *lockResolver) decidedOn(w *lock.Want) []v1.Hash {
	d, asked := r.decisions[w]
	if !asked || d.err != nil {
		return nil
	}
	var digests []v1.Hash
	for _, digest := range []v1.Hash{r.locked(w), d.found} {
		if digest != (v1.Hash{}) && !slices.Contains(digests, digest) {
			digests = append(digests, digest)
		}
	}
	return digests
}

// reads are the digests whose manifests have to be known. That of one that begins to wait is for its platforms' signatures.
func (r *lockResolver) reads(w *lock.Want) []v1.Hash {
	if r.judging != nil && r.judging.program != nil {
		return r.decidedOn(w)
	}
	if digest := r.locked(w); digest != (v1.Hash{}) {
		return []v1.Hash{digest}
	}
	return nil
}

// refused says why a want's digests aren't taken, if they aren't.
func (r *lockResolver) refused(w *lock.Want) error {
	for _, digest := range r.judged(w) {
		if answer := r.signed[signedKey{w.Key, digest}]; answer.err != nil {
			return answer.err
		}
	}
	return nil
}

// lacksSignature tells whether an entry that stays doesn't say who has signed it, and a rule wants it to.
func (r *lockResolver) lacksSignature(w *lock.Want) bool {
	if r.judging == nil || w.Old == nil {
		return false
	}
	rule, err := r.judging.judge.Policy.For(w.Ref)
	return err == nil && w.Old.LacksSigner(rule) != ""
}

func (r *lockResolver) judgeDigest(ctx context.Context, w *lock.Want, digest v1.Hash) signedAnswer {
	image := verify.Image{Name: w.Ref, Read: r.from(w.Ref), Digest: digest}
	if f := r.facts[digestKey{w.Ref.Name(), digest}]; f != nil {
		if f.err != nil {
			return signedAnswer{err: f.err}
		}
		image.Platforms = digestsOf(f.Platforms)
	}
	verdict, err := r.judging.judge.Judge(ctx, image)
	if err == nil {
		err = verdict.Err()
	}
	if err != nil {
		return signedAnswer{err: fmt.Errorf("%s: %w", digest, err)}
	}
	if err := rolledBack(w, digest, verdict); err != nil && r.decisions[w].Because == "" {
		return signedAnswer{err: err}
	}
	return signedAnswer{signed: report.Clean(verdict.Signed())} // a certificate's subject may have anything in it
}

func digestsOf(platforms []lock.Manifest) []v1.Hash {
	digests := make([]v1.Hash, len(platforms))
	for i, p := range platforms {
		digests[i] = p.Digest
	}
	return digests
}

// RollbackError tells that a tag names a digest that was signed before the one that is locked: somebody may have put an old image back.
type RollbackError struct {
	Digest, Locked v1.Hash
	Signed, Before string // times
}

func (e *RollbackError) Error() string {
	return fmt.Sprintf("%s was signed at %s, before the locked %s (%s): it is an older image under the same tag", e.Digest, e.Signed, e.Locked, e.Before)
}

func rolledBack(w *lock.Want, digest v1.Hash, verdict *verify.Verdict) error {
	if w.Old == nil || w.Old.Waiting() || w.Old.Digest == digest {
		return nil
	}
	before, known := verify.SignedTime(w.Old.Signed)
	after := verdict.SignedAt().Truncate(time.Second) // as the lock has it
	if !known || after.IsZero() || !after.Before(before) {
		return nil
	}
	return &RollbackError{Digest: digest, Locked: w.Old.Digest, Signed: after.UTC().Format(time.RFC3339), Before: before.UTC().Format(time.RFC3339)}
}

// sourceSigned is the rule that what is locked is signed, still and by today's policy.
const sourceSigned lint.Rule = "signed"

// checkSignatures judges what is locked.
func (s *session) checkSignatures(ctx context.Context, pool *registry.Pool, locked []*lockedSource) Code {
	judging, err := s.judgeBy(ctx, pool)
	if err != nil {
		return say(s.console, err)
	}
	defer judging.close()
	if judging == nil {
		return CodeDone
	}
	var findings []lint.Finding
	var images []verify.Image
	for _, l := range locked {
		ref, err := reference.Parse(l.image.Source)
		if err != nil {
			continue
		}
		images = append(images, verify.Image{
			Name: ref, Read: s.config.source(ref), Digest: l.image.Digest, Platforms: digestsOf(l.image.Platforms), WasSigned: l.image.Signed != "",
		})
		findings = append(findings, lint.Finding{Place: l.place, Level: lint.Error, Rule: sourceSigned})
	}
	errs := make([]error, len(images))
	each(len(images), func(i int) {
		verdict, err := judging.judge.Judge(ctx, images[i])
		if err == nil {
			err = verdict.Err()
		}
		errs[i] = err
	})
	if ctx.Err() != nil {
		return CodeInterrupted
	}
	code := CodeDone
	for i, err := range errs {
		if err != nil {
			findings[i].Msg = fmt.Sprintf("%s: %s", images[i].Name, err)
			code = s.tellFinding(findings[i], code)
		}
	}
	return code
}
