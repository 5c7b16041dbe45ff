package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

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
	if root.Subset != nil && len(root.Subset.Missing) > 0 {
		if err := r.missingEverywhere(ctx, im, root.Subset.Missing); err != nil {
			return err
		}
	}
	if root.Subset != nil {
		r.noteSubset(im, root.Subset)
	}
	r.sparse.Note(im.destination.host, im.repository(), digest, root.Subset != nil)
	return nil
}

// missingEverywhere is an error where the source has something of an index that the destination lacks, other than attestations
// of what the source lacks.
func (r *run) missingEverywhere(ctx context.Context, im *image, missing []tree.Missing) error {
	nowhere := map[string]bool{}
	inOrder := slices.Clone(missing) // attestations after what they speak of
	slices.SortStableFunc(inOrder, func(a, b tree.Missing) int { return len(a.Attests) - len(b.Attests) })
	for _, m := range inOrder {
		if nowhere[m.Attests] {
			continue
		}
		_, err := r.sources.head(ctx, im.source, im.copy.Source.Repository, m.Digest.String())
		if err == nil {
			return fmt.Errorf("%w: %s lacks %s, which the source has", ErrDrift, im.copy.Destination.Name(), m)
		}
		if !errors.Is(err, registry.ErrNotFound) {
			return fmt.Errorf("look up source %s: %w", im.copy.Source, err)
		}
		nowhere[m.Digest.String()] = true
	}
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
				err := r.verifyBlob(ctx, client, repository, d)
				if errors.Is(err, registry.ErrNotFound) {
					err = fmt.Errorf("%w: %s lacks blob %s of %s", ErrDrift, im.copy.Destination.Name(), d.Digest, n)
				}
				if errors.As(err, new(*registry.DamagedBlobError)) {
					err = fmt.Errorf("%w: of %s: %w", ErrDrift, n, err)
				}
				return err
			})
		}
	})
	return root, group.Wait()
}

// verifyBlob asks for a blob. Verifying deeply it is read, once a run and registry: content is stored by its digest.
func (r *run) verifyBlob(ctx context.Context, client *registry.Client, repository string, d v1.Descriptor) error {
	if err := client.CheckBlobSize(ctx, repository, d.Digest, d.Size); err != nil || !r.opts.VerifyDeep {
		return err
	}
	return r.deep.check(ctx, client, repository, d)
}

// lookForDamage asks for what a destination has of an image that is to be repaired: what is damaged is sent again instead of
// being mounted.
func (r *run) lookForDamage(ctx context.Context, im *image, root *tree.Node, attached []attachment) error {
	client, repository := im.destination.client, im.repository()
	if im.destination.knownMissing(repository) {
		return nil
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(resolvers)
	look := func(n *tree.Node) {
		for _, d := range n.Blobs {
			group.Go(func() error {
				err := r.verifyBlob(ctx, client, repository, d)
				if missing, _ := registry.Missing(err); missing || errors.As(err, new(*registry.DamagedBlobError)) {
					return nil // the upload will tell, also who may push without reading
				}
				return err
			})
		}
	}
	root.Walk(look)
	for _, a := range attached {
		a.node.Walk(look)
	}
	return group.Wait()
}

// deepCheck reads blobs of destinations, a few at a time.
type deepCheck struct {
	reading chan struct{}

	mu   sync.Mutex
	read map[deepKey]*once[error]
}

type deepKey struct {
	host   string
	digest v1.Hash
	size   int64
}

func newDeepCheck(atOnce int) *deepCheck {
	return &deepCheck{reading: make(chan struct{}, atOnce), read: map[deepKey]*once[error]{}}
}

// check reads a blob that wasn't read before.
func (c *deepCheck) check(ctx context.Context, client *registry.Client, repository string, d v1.Descriptor) error {
	key := deepKey{client.Host(), d.Digest, d.Size}
	c.mu.Lock()
	read := c.read[key]
	if read == nil {
		read = &once[error]{}
		c.read[key] = read
	}
	c.mu.Unlock()
	damaged, err := read.do(ctx, func() (error, error) {
		select {
		case c.reading <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		defer func() { <-c.reading }()
		err := client.CheckBlobContent(ctx, repository, d.Digest, d.Size)
		if errors.As(err, new(*registry.DamagedBlobError)) {
			return err, nil // that is known now
		}
		return nil, err
	})
	return errors.Join(damaged, err)
}

// readDestination reads a manifest that a destination has, and all below it; of a sparse index only what is wanted.
func (r *run) readDestination(ctx context.Context, client *registry.Client, repository string, root v1.Hash, want tree.Selection) (*tree.Node, error) {
	t := tree.Reader{ForeignLayers: r.opts.ForeignLayers, SkipMissing: r.opts.SkipMissing, Manifest: func(ctx context.Context, digest v1.Hash) (*registry.Manifest, error) {
		m, err := client.GetManifest(ctx, repository, digest.String())
		if errors.Is(err, registry.ErrNotFound) && (!r.opts.SkipMissing || digest == root) {
			return nil, fmt.Errorf("%w: %s/%s lacks it", ErrDrift, client.Host(), repository)
		}
		if errors.As(err, new(*registry.DigestMismatchError)) {
			return nil, fmt.Errorf("%w: %w", ErrDrift, err)
		}
		return m, err
	}}
	return t.TreeOf(ctx, root, want)
}
