package run

import (
	"context"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/registry"
	"docker-mirror/go-helper/internal/report"
)

// heedContent goes by what a tag's GET has where its HEAD has named a digest that isn't there: registries are known to answer the
// two differently, and the content counts. It tells of each, and gives the keys of the images that now come to another digest.
func (r *lockResolver) heedContent(ctx context.Context, s *session, lists []*lockedList) map[string]bool {
	changed, looked := map[string]bool{}, map[string]bool{}
	for _, list := range lists {
		for _, w := range list.wants {
			told, asked := r.named[w.Key]
			from := r.from(w.Ref)
			if looked[w.Key] || !asked || told.err != nil || !told.seen.IsZero() || w.Known() != (v1.Hash{}) || from.Tag == "" {
				continue // it is of a lock, or of the list
			}
			looked[w.Key] = true
			f := r.facts[digestKey{w.Ref.Name(), told.digest}]
			if f == nil || !errors.Is(f.err, registry.ErrNotFound) {
				continue
			}
			m, err := r.pool.Client(from.Registry).GetManifest(ctx, from.Repository, from.Tag)
			if err != nil || m.Is(told.digest) {
				continue
			}
			r.named[w.Key] = named{digest: m.Digest}
			changed[w.Key] = true
			s.console.Notice(report.Clean(fmt.Sprintf("%s: its source answers HEAD for the tag with %s, which it doesn't have, and GET with %s: the content counts",
				w.Key, told.digest, m.Digest)))
		}
	}
	return changed
}
