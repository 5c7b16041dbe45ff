package engine

import (
	"context"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"docker-mirror/go-helper/internal/registry"
)

// verify looks whether everything under a manifest that the destination has is there too.
func (r *run) verify(ctx context.Context, im *image, digest v1.Hash) error {
	root, err := r.readDestination(ctx, im.destination, im.repository(), digest)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(resolvers)
	root.walk(func(n *node) {
		for _, d := range n.blobs {
			group.Go(func() error {
				exists, err := im.destination.client.HeadBlob(ctx, im.repository(), d.Digest)
				if err == nil && !exists {
					err = fmt.Errorf("%w: %s lacks blob %s of manifest %s", ErrDrift, im.copy.Destination.Name(), d.Digest, n.manifest.Digest)
				}
				return err
			})
		}
	})
	return group.Wait()
}

// readDestination reads the manifests under one that a destination has.
func (r *run) readDestination(ctx context.Context, d *destination, repository string, digest v1.Hash) (*node, error) {
	m, err := d.client.GetManifest(ctx, repository, digest.String())
	if err != nil {
		if errors.Is(err, registry.ErrNotFound) {
			return nil, fmt.Errorf("%w: %s/%s lacks manifest %s", ErrDrift, d.host, repository, digest)
		}
		return nil, fmt.Errorf("read %s/%s@%s: %w", d.host, repository, digest, err)
	}
	parsed, err := parseManifest(m)
	if err != nil {
		return nil, fmt.Errorf("%s/%s@%s %w", d.host, repository, digest, err)
	}
	n := &node{manifest: m, mediaType: string(parsed.MediaType)}
	if !parsed.isIndex() {
		n.blobs, err = parsed.blobs()
		return n, err
	}
	n.children = make([]*node, len(parsed.Manifests))
	group, ctx := errgroup.WithContext(ctx)
	for i, entry := range parsed.Manifests {
		group.Go(func() error {
			child, err := r.readDestination(ctx, d, repository, entry.Digest)
			n.children[i] = child
			return err
		})
	}
	return n, group.Wait()
}
