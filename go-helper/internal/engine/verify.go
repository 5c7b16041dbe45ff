package engine

import (
	"context"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"docker-mirror/go-helper/internal/engine/internal/tree"
	"docker-mirror/go-helper/internal/registry"
)

// verify looks whether everything under a manifest that the destination has is there too.
func (r *run) verify(ctx context.Context, im *image, digest v1.Hash) error {
	root, err := r.verifyTree(ctx, im, digest, im.copy.partly())
	if err != nil {
		return err
	}
	if root.Subset != nil {
		r.noteSubset(im, root.Subset)
	}
	r.sparse.note(im.destination.host, im.repository(), digest, root.Subset != nil)
	return nil
}

// verifyTree reads what a destination has under a manifest, and asks for every blob.
func (r *run) verifyTree(ctx context.Context, im *image, digest v1.Hash, want tree.Selection) (*tree.Node, error) {
	client, repository := im.destination.client, im.repository()
	root, err := r.readDestination(ctx, client, repository, digest, want)
	if err != nil {
		return nil, fmt.Errorf("read destination %s: %w", im.copy.Destination.Name(), err)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(resolvers)
	root.Walk(func(n *tree.Node) {
		for _, d := range n.Blobs {
			group.Go(func() error {
				exists, err := client.HeadBlob(ctx, repository, d.Digest)
				if err == nil && !exists {
					err = fmt.Errorf("%w: %s lacks blob %s of manifest %s", ErrDrift, im.copy.Destination.Name(), d.Digest, n.Manifest.Digest)
				}
				return err
			})
		}
	})
	return root, group.Wait()
}

// readDestination reads a manifest that a destination has, and all below it; of a sparse index only what is wanted.
func (r *run) readDestination(ctx context.Context, client *registry.Client, repository string, digest v1.Hash, want tree.Selection) (*tree.Node, error) {
	t := tree.Reader{ForeignLayers: r.opts.ForeignLayers, Manifest: func(ctx context.Context, digest v1.Hash) (*registry.Manifest, error) {
		m, err := client.GetManifest(ctx, repository, digest.String())
		if errors.Is(err, registry.ErrNotFound) {
			return nil, fmt.Errorf("%w: %s/%s lacks it", ErrDrift, client.Host(), repository)
		}
		return m, err
	}}
	return t.TreeOf(ctx, digest, want)
}
