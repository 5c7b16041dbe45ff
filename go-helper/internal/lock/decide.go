package lock

import (
	"fmt"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/policy"
)

// Adopted is the reason that the first lock of a list gives for digests that nobody could have seen before. A check against
// an older revision takes it for lists alone that were there without a lock.
const Adopted = "adopted: the list had no lock before"

// Terms are what holds for an entry's new digest.
type Terms struct {
	Rule    *policy.Rule // nil: there is no policy
	Now     time.Time
	Observe bool   // digests are only noted
	Adopt   bool   // the list has no lock so far
	Named   bool   // the image was asked for by its name, which is the way past moved = "refuse"
	Because string // why its rule is set aside; empty: it isn't
	// Has asks whether the source still has a digest.
	Has func(v1.Hash) (bool, error)
}

// Decision is what becomes of an entry.
type Decision struct {
	Digest  v1.Hash // zero: that which it has, or none yet
	Seen    time.Time
	Because string
	Next    []Next
	Notice  string // what somebody should look at
}

// RefusedError says why a digest is not taken.
type RefusedError struct {
	Rule *policy.Rule
	Msg  string
}

func (e *RefusedError) Error() string { return e.Msg }

// Decide says what becomes of the entry now that its source names found, first seen at seen (zero: now). A digest is locked
// once it was seen for the rule's cooldown under the name; until then it waits, and what was locked stays. A tag that leaves a
// digest while that waits withdraws it: who has replaced a bad push within a day shouldn't see it locked a week later.
func (w *Want) Decide(found v1.Hash, seen time.Time, t Terms) (Decision, error) {
	old := w.old()
	seen, known := w.firstSeen(old, found, seen, t.Now)
	switch {
	case old.Digest == found && t.Because == "":
		return Decision{Digest: found, Seen: seen, Because: old.Because, Next: w.stillWaiting(old)}, nil
	case t.Because != "":
		return Decision{Digest: found, Seen: seen, Because: t.Because}, nil
	}
	if err := w.mayMove(old, found, known, t); err != nil {
		return Decision{}, err
	}
	d := Decision{Notice: w.movedNotice(old, found, known, t)}
	switch {
	case t.matured(seen):
		d.Digest, d.Seen = found, seen
		return d, nil
	case t.Adopt && !t.Observe && t.Rule.Exceptions:
		d.Digest, d.Seen, d.Because = found, seen, Adopted
		return d, nil
	}
	if t.Rule != nil && t.Rule.Rolling {
		return w.roll(old, found, seen, t, d)
	}
	if len(old.Next) > 0 && !known && !w.Ref.HasDigest() {
		d.Notice = fmt.Sprintf("%s has left %s before that was old enough: the cooldown starts anew. Where a tag is rebuilt more often than that, "+
			"name a version, or say rolling = true in the policy's rule", w.Key, short(old.Next[len(old.Next)-1].Digest))
	}
	d.Next = []Next{{found, seen}}
	return d, nil
}

// old is the entry that there is, if it can be believed.
func (w *Want) old() Image {
	if w.Old == nil || w.Old.Edited {
		return Image{}
	}
	return *w.Old
}

// firstSeen gives when a digest was first seen under the name, and whether it was so before now.
func (w *Want) firstSeen(old Image, found v1.Hash, seen, now time.Time) (time.Time, bool) {
	known := !seen.IsZero()
	if !known {
		seen = now
	}
	if old.Digest == found {
		return old.Seen, true
	}
	for _, next := range old.Next {
		if next.Digest == found {
			known = true
			if next.Seen.Before(seen) {
				seen = next.Seen
			}
		}
	}
	return seen.UTC().Truncate(time.Second), known
}

// stillWaiting is what waits where the tag names what is locked: nothing, once the tag was asked for.
func (w *Want) stillWaiting(old Image) []Next {
	if w.Upgrade {
		return nil
	}
	return old.Next
}

// matured tells whether a digest may be locked that was first seen then.
func (t Terms) matured(seen time.Time) bool {
	switch {
	case t.Observe:
		return false
	case t.Rule == nil:
		return true
	}
	return !t.Now.Before(t.Rule.Ripe(seen))
}

// mayMove refuses a digest that takes the place of another where the rule expects that of no tag. One that waits already was
// let in before.
func (w *Want) mayMove(old Image, found v1.Hash, known bool, t Terms) error {
	if t.Rule == nil || old.Waiting() || known || t.Named || w.Ref.HasDigest() || t.Rule.MovedTag(w.Ref.Tag) != policy.Refuse {
		return nil
	}
	why := `moved = "refuse"`
	if t.Rule.Moved == "" {
		why = "a tag that is a full version is not expected to move"
	}
	return &RefusedError{t.Rule, fmt.Sprintf("it is locked to %s, and its tag names %s now: %s (%s); find out why it moved, and if that is right: --upgrade=%s",
		old.Digest, found, why, t.Rule.Place(), w.Key)}
}

func (w *Want) movedNotice(old Image, found v1.Hash, known bool, t Terms) string {
	if t.Rule == nil || old.Waiting() || known || w.Ref.HasDigest() || t.Rule.MovedTag(w.Ref.Tag) != policy.Warn {
		return ""
	}
	return fmt.Sprintf("%s was locked to %s, and names %s now (%s warns of it)", w.Key, old.Digest, found, t.Rule.Place())
}

// roll promotes the newest digest that is old enough and still there, whether the tag has left it or not.
func (w *Want) roll(old Image, found v1.Hash, seen time.Time, t Terms, d Decision) (Decision, error) {
	waiting := slices.Clone(old.Next)
	if !slices.ContainsFunc(waiting, func(n Next) bool { return n.Digest == found }) && len(waiting) < maxNext {
		waiting = append(waiting, Next{found, seen}) // one more has to wait for a place where there is none
	}
	slices.SortStableFunc(waiting, func(a, b Next) int { return a.Seen.Compare(b.Seen) })
	for i := len(waiting) - 1; i >= 0; i-- {
		n := waiting[i]
		if !t.matured(n.Seen) {
			continue
		}
		has, err := t.Has(n.Digest)
		if err != nil {
			return Decision{}, err
		}
		if has {
			d.Digest, d.Seen, d.Next = n.Digest, n.Seen, waiting[i+1:]
			return d, nil
		}
		waiting = slices.Delete(waiting, i, i+1)
	}
	d.Next = waiting
	return d, nil
}
