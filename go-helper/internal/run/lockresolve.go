package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"docker-mirror/go-helper/internal/engine"
	"docker-mirror/go-helper/internal/lock"
	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/registry"
)

// lockResolvers is how many images are looked up at once; each registry's own window bounds what that means there.
const lockResolvers = 64

// digestKey is a digest in a repository.
type digestKey struct {
	repository string
	digest     v1.Hash
}

// lockResolver finds out what the wants of all lists come to: each tag is asked for once, and each digest that no lock knows
// is read once, however many lists name them.
type lockResolver struct {
	pool *registry.Pool
	from func(reference.Reference) reference.Reference // where a source is read
	now  time.Time
	// judging and signed say whether what enters the locks is signed as it must be.
	judging *judging
	signed  map[signedKey]signedAnswer

	mu    sync.Mutex
	named map[string]named     // by key: what the tag names
	facts map[digestKey]*facts // what is known of digests

	decisions map[*lock.Want]decided
	waited    map[waitKey]time.Time // when a lock has first seen what waits under a name
}

// waitKey is a digest under a name.
type waitKey struct {
	source string
	digest v1.Hash
}

type named struct {
	digest v1.Hash
	seen   time.Time // by the lock that it is taken from; zero: now
	err    error
}

// facts are those of a digest, and what went wrong while they were found out.
type facts struct {
	lock.Facts
	known   bool
	limits  [][]v1.Platform // wanted
	refused map[string]error
	err     error
}

// resolveLocks makes the next lock of each list.
func (s *session) resolveLocks(ctx context.Context, pool *registry.Pool, j *judging, lists []*lockedList, l Locking) {
	r := &lockResolver{
		pool: pool, from: s.config.source, now: l.now(), judging: j, named: map[string]named{}, facts: map[digestKey]*facts{},
		decisions: map[*lock.Want]decided{}, waited: map[waitKey]time.Time{},
	}
	r.remember(lists)
	r.askTags(ctx, lists)
	r.decide(ctx, s, lists, l, func(*lock.Want) bool { return true })
	r.readDigests(ctx, lists)
	if changed := r.heedContent(ctx, s, lists); len(changed) > 0 {
		r.decide(ctx, s, lists, l, func(w *lock.Want) bool { return changed[w.Key] })
		r.readDigests(ctx, lists)
	}
	r.judgeDigests(ctx, lists)
	for _, list := range lists {
		list.assemble(r)
	}
}

// remember takes over what the locks know already: what a digest is holds wherever it is named, and lists that are locked
// together agree about a tag.
func (r *lockResolver) remember(lists []*lockedList) {
	for _, list := range lists {
		for i := range list.old.Images {
			entry := &list.old.Images[i]
			ref, err := reference.Parse(entry.Source)
			if err != nil || entry.Edited {
				continue
			}
			for _, next := range entry.Next {
				key := waitKey{entry.Source, next.Digest}
				if first, twice := r.waited[key]; !twice || next.Seen.Before(first) {
					r.waited[key] = next.Seen
				}
			}
			if entry.Waiting() {
				continue
			}
			known := r.factsOf(digestKey{ref.Name(), entry.Digest})
			known.known, known.MediaType, known.Platforms = true, entry.MediaType, entry.Platforms
			known.Limited = append(known.Limited, entry.Limited...)
		}
		for _, w := range list.wants {
			if _, twice := r.named[w.Key]; !twice && w.Kept() && !w.Old.Waiting() {
				r.named[w.Key] = named{digest: w.Old.Digest, seen: w.Old.Seen}
			}
		}
	}
	for _, list := range lists { // what one list upgrades is upgraded in all that are asked to
		for _, w := range list.wants {
			if w.Upgrade {
				delete(r.named, w.Key)
			}
		}
	}
}

func (r *lockResolver) factsOf(key digestKey) *facts {
	f := r.facts[key]
	if f == nil {
		f = &facts{refused: map[string]error{}}
		r.facts[key] = f
	}
	return f
}

// each calls do for 0 to n-1, several at once.
func each(n int, do func(i int)) {
	var group errgroup.Group
	group.SetLimit(lockResolvers)
	for i := range n {
		group.Go(func() error {
			do(i)
			return nil
		})
	}
	_ = group.Wait() // do keeps its own errors
}

// askTags asks what the tags name whose digests aren't settled otherwise.
func (r *lockResolver) askTags(ctx context.Context, lists []*lockedList) {
	var asked []*lock.Want
	seen := map[string]bool{}
	for _, list := range lists {
		for _, w := range list.wants {
			_, known := r.named[w.Key]
			if known || seen[w.Key] || w.Kept() || w.Known() != (v1.Hash{}) {
				continue
			}
			seen[w.Key] = true
			asked = append(asked, w)
		}
	}
	each(len(asked), func(i int) {
		w := asked[i]
		from := r.from(w.Ref)
		descriptor, err := r.pool.Client(from.Registry).HeadManifest(ctx, from.Repository, from.Tag)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.named[w.Key] = named{digest: descriptor.Digest, err: err}
	})
}

// readDigests reads the manifests of which no lock says enough.
func (r *lockResolver) readDigests(ctx context.Context, lists []*lockedList) {
	refs := map[digestKey]reference.Reference{}
	for _, list := range lists {
		for _, w := range list.wants {
			for _, digest := range r.reads(w) {
				key := digestKey{w.Ref.Name(), digest}
				f := r.factsOf(key)
				missing := !f.known
				for _, platforms := range w.Limits {
					if !f.limitedTo(platforms) {
						f.limits = append(f.limits, platforms)
						missing = missing || isIndex(f.Facts)
					}
				}
				if missing {
					refs[key] = w.Ref
				}
			}
		}
	}
	keys := slices.Collect(maps.Keys(refs))
	each(len(keys), func(i int) {
		f := r.facts[keys[i]]
		f.err = f.read(ctx, r.pool, r.from(refs[keys[i]]), keys[i].digest)
	})
}

func isIndex(f lock.Facts) bool { return (&lock.Image{MediaType: f.MediaType}).IsIndex() }

func (f *facts) limitedTo(platforms []v1.Platform) bool {
	_, known := (&lock.Image{Limited: f.Limited}).LimitedTo(platforms)
	return known
}

func (f *facts) read(ctx context.Context, pool *registry.Pool, from reference.Reference, digest v1.Hash) error {
	m, err := pool.Client(from.Registry).GetManifest(ctx, from.Repository, digest.String())
	if err != nil {
		return err
	}
	described, err := engine.Describe(m)
	if err != nil {
		return err
	}
	f.known, f.MediaType, f.Platforms = true, described.MediaType, nil
	for _, p := range described.Platforms {
		f.Platforms = append(f.Platforms, lock.Manifest{Platform: p.Platform.String(), Digest: p.Digest})
	}
	for _, platforms := range f.limits {
		if f.limitedTo(platforms) || !described.Index {
			continue
		}
		limited, err := described.Limited(platforms)
		if err != nil {
			f.refused[lock.Subset(platforms)] = err
			continue
		}
		f.Limited = append(f.Limited, lock.Manifest{Platform: lock.Subset(platforms), Digest: limited})
	}
	return nil
}

// found gives what a want comes to, and when a lock has seen it, if one has.
func (r *lockResolver) found(w *lock.Want) (v1.Hash, time.Time, error) {
	digest, seen := w.Known(), time.Time{}
	if digest == (v1.Hash{}) {
		n, ok := r.named[w.Key]
		if !ok {
			return v1.Hash{}, time.Time{}, errors.New("was not asked for") // kept, or interrupted
		}
		if n.err != nil {
			return v1.Hash{}, time.Time{}, n.err
		}
		digest, seen = n.digest, n.seen
	}
	if first, waited := r.waited[waitKey{w.Key, digest}]; waited && (seen.IsZero() || first.Before(seen)) {
		seen = first
	}
	return digest, seen, nil
}

// locked is the digest that a want's new entry will have; zero where it has none, or keeps the old entry.
func (r *lockResolver) locked(w *lock.Want) v1.Hash {
	d, asked := r.decisions[w]
	switch {
	case !asked || d.err != nil:
		return v1.Hash{}
	case d.Digest == v1.Hash{} && w.Old != nil && !w.Old.Edited:
		return w.Old.Digest
	}
	return d.Digest
}

// entry gives a want's new entry.
func (r *lockResolver) entry(w *lock.Want) (lock.Image, error) {
	d, asked := r.decisions[w]
	if !asked {
		return lock.Image{}, errors.New("was not asked for")
	}
	if d.err != nil {
		return lock.Image{}, d.err
	}
	digest := r.locked(w)
	if digest == (v1.Hash{}) { // nothing to be known of it yet
		return w.Entry(d.Decision, lock.Facts{}), r.refused(w)
	}
	f := r.factsOf(digestKey{w.Ref.Name(), digest})
	if f.err != nil {
		return lock.Image{}, f.err
	}
	for _, platforms := range w.Limits {
		if err := f.refused[lock.Subset(platforms)]; err != nil {
			return lock.Image{}, fmt.Errorf("%s %w", digest, err)
		}
	}
	entry := w.Entry(d.Decision, f.Facts)
	if answer, asked := r.signed[signedKey{w.Key, digest}]; asked {
		entry.Signed = answer.signed
	}
	return entry, r.refused(w)
}
