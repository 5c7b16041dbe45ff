package run

import (
	"context"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/lock"
)

// missing says why a digest may not be there that a tag was said to name a moment ago: registries are known to answer HEAD and GET
// for a tag differently. Only what HEAD has can be asked for without a pull, so that is no digest to lock.
func (r *lockResolver) missing(ctx context.Context, w *lock.Want, digest v1.Hash, err error) error {
	r.mu.Lock()
	told := r.named[w.Key]
	r.mu.Unlock()
	from := r.from(w.Ref)
	if told.digest != digest || !told.seen.IsZero() || from.Tag == "" { // it is of a lock, or of the list
		return err
	}
	m, getErr := r.pool.Client(from.Registry).GetManifest(ctx, from.Repository, from.Tag)
	if getErr != nil || m.Is(digest) {
		return err
	}
	return fmt.Errorf("the source answers HEAD for the tag with %s, which it doesn't have, and GET with %s: lock that by naming it in the list (%s@%s): %w", digest, m.Digest, w.Key, m.Digest, err)
}
