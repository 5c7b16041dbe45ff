package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"docker-mirror/go-helper/internal/engine/internal/schedule"
	"docker-mirror/go-helper/internal/engine/internal/tree"
	"docker-mirror/go-helper/internal/registry"
)

// put writes one manifest. Some registries take a moment until they see what was written before: an index that is refused for what
// this run has just written is written again, with the image's patience.
func (r *run) put(ctx context.Context, im *image, n *tree.Node, identifier string) error {
	m := *n.Manifest
	m.MediaType = n.MediaType
	for tried := 1; ; tried++ {
		err := r.putOnce(ctx, im, identifier, &m)
		if !childrenUnseen(n, err) {
			return err
		}
		if err := im.patience.Await(ctx, "put index in "+im.destination.host+"/"+im.repository(), err); err != nil {
			if ctx.Err() != nil {
				return err
			}
			return &unseenError{err, tried}
		}
	}
}

func (r *run) putOnce(ctx context.Context, im *image, identifier string, m *registry.Manifest) error {
	ctx, stop := untilAnswered(ctx)
	defer stop()
	client := im.destination.client
	err := client.PutManifest(ctx, im.repository(), identifier, m)
	if err == nil && r.opts.Force {
		err = client.CheckResentManifest(ctx, im.repository(), m.Digest)
	}
	return err
}

// childrenUnseen tells whether an index was refused because a manifest isn't there that was written before it. Where the refusal
// doesn't name what is missing, it may be what was left out of a sparse index, or that an index of blobs isn't taken at all.
func childrenUnseen(n *tree.Node, err error) bool {
	if !certainlyMissing(err) || len(n.Children) == 0 || !types.MediaType(n.MediaType).IsIndex() {
		return false
	}
	lacked := registry.Lacked(err)
	if len(lacked) == 0 {
		return len(n.Blobs) == 0 && (n.Subset == nil || !n.Subset.Sparse)
	}
	return !slices.ContainsFunc(lacked, func(h v1.Hash) bool {
		return !slices.ContainsFunc(n.Children, func(child *tree.Node) bool { return child.Manifest.Is(h) })
	})
}

// unseenError tells that a registry refused a manifest for what it lacks although that was written before, again and again.
type unseenError struct {
	err   error
	times int
}

func (e *unseenError) Error() string {
	return fmt.Sprintf("%v (tried %d times: this run has written what it names, and the registry doesn't see it)", e.err, e.times)
}

func (e *unseenError) Unwrap() error { return e.err }

// contentMissing tells whether a manifest was refused because something isn't there that this run wants to be there.
func contentMissing(err error) bool {
	return registry.ContentMissing(err) && !errors.As(err, new(*SparseRefusedError)) && !errors.As(err, new(*unseenError))
}

// certainlyMissing tells that such a refusal says so, and was no failure that its request has been repeated for.
func certainlyMissing(err error) bool {
	return contentMissing(err) && registry.BlobUnknown(err) && !registry.Temporary(err)
}

// writeAll carries out a [schedule.Write].
func (r *run) writeAll(im *image) schedule.Written {
	if im.writes++; im.writes == 1 {
		im.patience = im.destination.client.Tries()
	}
	err := r.write(im)
	return schedule.Written{
		Image: im.position, Err: err, Missing: contentMissing(err), Certain: certainlyMissing(err), Lacks: registry.Lacked(err),
	}
}

// await waits until an image's manifests are worth another try.
func (r *run) await(im *image, refused error) schedule.Awaited {
	err := im.patience.Await(r.working, "put manifests of "+im.copy.Destination.String(), refused)
	if err != nil && r.working.Err() == nil {
		err = &unseenError{err, im.writes}
	}
	return schedule.Awaited{Image: im.position, Err: err}
}
