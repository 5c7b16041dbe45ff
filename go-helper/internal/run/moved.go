package run

import (
	"context"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/registry"
	"docker-mirror/go-helper/internal/report"
)

// movedToNothing is what is reported of a tag that its source doesn't have any longer.
const movedToNothing = "deleted"

// reportMoved asks, once a tag, what the tags of locked images name now. That is for the report alone: where it can't be
// found out, a notice says so, and the copies are made all the same.
func (s *session) reportMoved(ctx context.Context, pool *registry.Pool, entries []*entry) {
	type asked struct {
		ref     reference.Reference
		entries []*entry
		names   string // a digest, or movedToNothing
		err     error
	}
	var all []*asked
	byTag := map[reference.Reference]*asked{}
	for _, e := range entries {
		ref, err := e.Source()
		if err != nil || e.Locked == nil || e.settled() || ref.Tag == "" {
			continue
		}
		a := byTag[ref]
		if a == nil {
			a = &asked{ref: ref}
			byTag[ref] = a
			all = append(all, a)
		}
		a.entries = append(a.entries, e)
	}
	each(len(all), func(i int) {
		a := all[i]
		from := s.readFrom(a.ref)
		there, err := pool.Client(from.Registry).HeadManifest(ctx, from.Repository, from.Tag)
		switch {
		case errors.Is(err, registry.ErrNotFound):
			a.names = movedToNothing
		case err != nil:
			a.err = err
		default:
			a.names = there.Digest.String()
		}
	})
	for _, a := range all {
		tag := a.ref
		tag.Digest = v1.Hash{}
		switch {
		case ctx.Err() != nil:
			return
		case a.err != nil:
			s.console.Notice(fmt.Sprintf("can't tell whether %s has moved: %s", tag, report.Clean(a.err.Error())))
			continue
		case a.names == a.ref.Digest.String():
			continue
		case a.names == movedToNothing:
			s.console.Notice(fmt.Sprintf("%s is deleted; locked is %s", tag, a.ref.Digest))
		default:
			s.console.Notice(fmt.Sprintf("%s has moved to %s; locked is %s", tag, a.names, a.ref.Digest))
		}
		for _, e := range a.entries {
			e.copy.MovedTo = a.names
		}
	}
}
