package run

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/lock"
	"docker-mirror/go-helper/internal/policy"
	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/registry"
	"docker-mirror/go-helper/internal/report"
	"docker-mirror/go-helper/internal/spec"
)

// AllowObservations is what Locking.Allow can be.
const AllowObservations = "observations"

// Validate tells what of it means nothing beside the rest.
func (l Locking) Validate() error {
	upgrades := l.UpgradeAll || len(l.Upgrade) > 0
	switch {
	case l.Online && !l.Check:
		return errors.New("--online goes with --check")
	case l.Check && upgrades:
		return errors.New("--check writes nothing; leave out --upgrade")
	case l.Check && (l.Observe || len(l.Now) > 0):
		return errors.New("--check writes nothing; leave out --observe and --now")
	case l.Observe && (upgrades || len(l.Now) > 0):
		return errors.New("--observe locks nothing; leave out --upgrade and --now")
	case (len(l.Now) > 0) != (l.Because != ""):
		return errors.New("--now and --because go together")
	case strings.TrimSpace(l.Because) != l.Because || strings.ContainsFunc(l.Because, unicode.IsControl):
		return errors.New("--because must be one line that says something")
	case l.Because == lock.Adopted:
		return errors.New("--because: that is the text which docker-mirror itself writes into first locks")
	case l.Base != "" && !l.Check:
		return errors.New("--base goes with --check")
	case l.Allow != "" && l.Base == "":
		return errors.New("--allow goes with --base")
	case l.Allow != "" && l.Allow != AllowObservations:
		return fmt.Errorf("--allow %s: want %s", l.Allow, AllowObservations)
	}
	return nil
}

// decided is what becomes of a want's entry, or why that couldn't be decided.
type decided struct {
	lock.Decision
	found v1.Hash // what the source names
	err   error
}

// decide says for each want that isn't kept what becomes of its entry.
func (r *lockResolver) decide(ctx context.Context, s *session, lists []*lockedList, l Locking, about func(*lock.Want) bool) {
	var wants []*lock.Want
	var terms []lock.Terms
	for _, list := range lists {
		for _, w := range list.wants {
			switch {
			case !about(w):
			case w.Kept() && r.lacksSignature(w): // a signature is all that it is asked for
				r.decisions[w] = decided{Decision: lock.Decision{Digest: w.Old.Digest, Seen: w.Old.Seen, Because: w.Old.Because, Next: w.Old.Next}}
			case !w.Kept():
				wants, terms = append(wants, w), append(terms, l.terms(w.Image, list, r.now))
			}
		}
	}
	all := make([]decided, len(wants))
	each(len(wants), func(i int) {
		w := wants[i]
		digest, seen, err := r.found(w)
		if err != nil {
			all[i] = decided{err: err}
			return
		}
		all[i].found = digest
		t := terms[i]
		if t.Rule, err = ruleOf(s.policy, w); err != nil {
			all[i] = decided{err: err}
			return
		}
		t.Has = func(digest v1.Hash) (bool, error) {
			from := r.from(w.Ref)
			_, err := r.pool.Client(from.Registry).HeadManifest(ctx, from.Repository, digest.String())
			if errors.Is(err, registry.ErrNotFound) {
				return false, nil
			}
			return err == nil, err
		}
		all[i].Decision, all[i].err = w.Decide(digest, seen, t)
	})
	for i, w := range wants {
		r.decisions[w] = all[i]
		if notice := all[i].Notice; notice != "" {
			s.console.Notice(report.Clean(notice))
		}
	}
}

// ruleOf is the rule that holds for a want, nil where there is no policy.
func ruleOf(p *policy.Policy, w *lock.Want) (*policy.Rule, error) {
	if p == nil {
		return nil, nil
	}
	return p.For(w.Ref)
}

// terms are those of an image, but for its rule.
func (l Locking) terms(image spec.Image, list *lockedList, now time.Time) lock.Terms {
	t := lock.Terms{Now: now, Observe: l.Observe, Adopt: list.bytes == nil, Named: isNamed(image, l.Upgrade)}
	if isNamed(image, l.Now) {
		t.Because = l.Because
	}
	return t
}

// now is when the locks are made.
func (l Locking) now() time.Time { return Judged{At: l.At}.at() }

// maxSkew is how far clocks may be apart.
const maxSkew = 10 * time.Minute

// checkClock refuses a clock that is behind what a lock has seen: ages would be wrong.
func (l Locking) checkClock(lists []*lockedList) error {
	for _, list := range lists {
		if err := clockBehind(list.old, l.now()); err != nil {
			return err
		}
	}
	return nil
}

func clockBehind(f *lock.File, now time.Time) error {
	for i := range f.Images {
		image := &f.Images[i]
		newest := image.Seen
		for _, next := range image.Next {
			if next.Seen.After(newest) {
				newest = next.Seen
			}
		}
		if newest.After(now.Add(maxSkew)) {
			return &spec.Error{File: f.Name, Line: image.Line, Msg: fmt.Sprintf("%s was seen at %s, and it is %s by this machine's clock: set the clock, or take the lock as it was",
				image.Source, newest.Format(time.RFC3339), now.Format(time.RFC3339))}
		}
	}
	return nil
}

// checkExceptions finds images of --now whose rule allows no exception.
func (s *session) checkExceptions(lists []*lockedList, l Locking) error {
	var errs []error
	for _, list := range lists {
		for _, w := range list.wants {
			if l.terms(w.Image, list, time.Time{}).Because == "" {
				continue
			}
			rule, err := ruleOf(s.policy, w)
			if err == nil && rule != nil && !rule.Exceptions {
				errs = append(errs, &spec.Error{File: rule.File, Line: rule.Line, Msg: fmt.Sprintf("--now=%s: the image's rule allows no exceptions", w.Key)})
			}
		}
	}
	return errors.Join(errs...)
}

// oldEnough refuses a locked digest that came past the checks of locks: it is younger than its rule wants, and nobody said why.
func oldEnough(p *policy.Policy, ref reference.Reference, locked *spec.Locked, now time.Time) error {
	if locked == nil || locked.Because != "" || locked.Seen.IsZero() {
		return nil
	}
	rule, err := p.For(ref)
	if err != nil {
		return err
	}
	if ready := rule.Ripe(locked.Seen); now.Before(ready) {
		return fmt.Errorf("it was first seen at %s (%s), and may be mirrored from %s on (cooldown = %q, %s)",
			locked.Seen.UTC().Format(time.RFC3339), locked.File, ready.UTC().Format(time.RFC3339), policy.FormatDuration(rule.Cooldown), rule.Place())
	}
	return nil
}
