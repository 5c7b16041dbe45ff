package engine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"docker-mirror/go-helper/internal/engine/internal/tree"
	"docker-mirror/go-helper/internal/registry"
)

// A sparse index keeps the source's digest, although what it names of other platforms isn't there. So an equal digest
// doesn't tell that a destination has all of it: where there is reason to think that it hasn't, what the index names is
// asked for.

// sparse tells whether the copy may leave out what its index names.
func (c Copy) sparse() bool { return c.Sparse && c.limited() }

// rewrites tells whether the copy may change its index.
func (c Copy) rewrites() bool { return !c.Sparse && c.limited() }

// partly tells what is to be at the destination of an index that it has: of a sparse one less than it names.
func (c Copy) partly() tree.Selection {
	if c.sparse() {
		return c.selection()
	}
	return tree.Selection{}
}

// doubted tells whether a destination that has the wanted digest may lack something that the index names.
func (r *run) doubted(im *image, there v1.Descriptor, sourceDigest v1.Hash) bool {
	if there.MediaType == types.OCIManifestSchema1 || there.MediaType == types.DockerManifestSchema2 {
		return false
	}
	d := im.destination
	original := there.Digest == sourceDigest // one that was cut down names no more than is there
	return r.opts.CheckPlatforms || d.sparse && original || r.sparse.Knows(d.host, im.repository(), there.Digest)
}

// lacksWanted asks the destination for what its index names and the copy wants.
func (r *run) lacksWanted(ctx context.Context, im *image, digest v1.Hash) (bool, error) {
	client, repository := im.destination.client, im.repository()
	m, err := client.GetManifest(ctx, repository, digest.String())
	if errors.Is(err, registry.ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	wanted := im.copy.partly()
	named, err := tree.Select(m, wanted)
	if err != nil || !named.Content.IsIndex() {
		return false, err
	}
	if wanted.Platforms != nil {
		r.noteSubset(im, named.Subset)
	}
	lost, err := r.lackedEntries(ctx, client, repository, named.Content.Manifests)
	if err != nil {
		return false, err
	}
	switch {
	case len(lost) > 0 && r.opts.SkipMissing:
		return r.sourceHasMore(ctx, im, named, lost)
	case len(lost) > 0:
		return true, nil
	case wanted.Platforms == nil:
		r.sparse.Note(im.destination.host, repository, digest, false)
	}
	return false, nil
}

// lackedEntries asks for what an index names, and gives what isn't there by its place.
func (r *run) lackedEntries(ctx context.Context, client *registry.Client, repository string, entries []v1.Descriptor) (map[int]error, error) {
	lost := map[int]error{}
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(resolvers)
	for i, entry := range entries {
		group.Go(func() error {
			has, err := hasEntry(ctx, client, repository, entry)
			if err == nil && !has {
				mu.Lock()
				defer mu.Unlock()
				lost[i] = registry.ErrNotFound
			}
			return err
		})
	}
	return lost, group.Wait()
}

// sourceHasMore tells whether anything can be had that the destination lacks of an index: what its source lacks, too, is left
// out, with what attests it.
func (r *run) sourceHasMore(ctx context.Context, im *image, named tree.Selected, lost map[int]error) (bool, error) {
	var asked []v1.Descriptor
	var places []int
	for i := range lost {
		asked, places = append(asked, named.Content.Manifests[i]), append(places, i)
	}
	nowhere, err := r.lackedEntries(ctx, im.source, im.copy.Source.Repository, asked)
	if err != nil {
		return false, err
	}
	lostAtSource := map[int]error{}
	for i, err := range nowhere {
		lostAtSource[places[i]] = err
	}
	left, keep, err := named.Without(lostAtSource)
	if err != nil {
		return true, nil // nothing is left: reading the source tells
	}
	for i := range lost {
		if keep[i] {
			return true, nil
		}
	}
	r.noteSubset(im, left.Subset)
	return false, nil
}

// hasEntry tells whether a repository has what an index names.
func hasEntry(ctx context.Context, client *registry.Client, repository string, entry v1.Descriptor) (bool, error) {
	kind := tree.KindOf(entry.MediaType)
	if kind != tree.BlobEntry {
		_, err := client.HeadManifest(ctx, repository, entry.Digest.String())
		if err == nil || !errors.Is(err, registry.ErrNotFound) || kind == tree.ManifestEntry {
			return err == nil, notFoundIsNone(err)
		}
	}
	return client.HeadBlob(ctx, repository, entry.Digest, entry.Size)
}

func notFoundIsNone(err error) error {
	if errors.Is(err, registry.ErrNotFound) {
		return nil
	}
	return err
}

func (r *run) noteSubset(im *image, s *Subset) {
	im.result.Subset = s
}

// SparseRefusedError tells that a registry doesn't take an index of which not all is there.
type SparseRefusedError struct {
	Err                error
	Manifests, LeftOut int // that the index names; that are not there
}

func (e *SparseRefusedError) Error() string {
	return fmt.Sprintf("the registry refuses an index of which not all is there (left out: %d of %d manifests): %v", e.LeftOut, e.Manifests, e.Err)
}

func (e *SparseRefusedError) Unwrap() error { return e.Err }

// BlobsInIndexRefusedError tells that a registry doesn't take an index that names blobs, as BuildKit's caches do.
type BlobsInIndexRefusedError struct{ Err error }

func (e *BlobsInIndexRefusedError) Error() string {
	return fmt.Sprintf("the registry refuses an index that names blobs, as BuildKit's caches do: %v", e.Err)
}

func (e *BlobsInIndexRefusedError) Unwrap() error { return e.Err }

// whyRefused says so where what an index names is why it was refused. Its children and blobs were accepted a moment before, so it
// is not that the repository is missing or may not be written; the specification has MANIFEST_BLOB_UNKNOWN for this, with 404 or
// 400, and some registries have MANIFEST_INVALID.
func whyRefused(n *tree.Node, err error) error {
	var refused *registry.Error
	sparse := n.Subset != nil && n.Subset.Sparse
	ofBlobs := types.MediaType(n.MediaType).IsIndex() && len(n.Blobs) > 0
	if !sparse && !ofBlobs || !errors.As(err, &refused) || errors.As(err, new(*registry.ImmutableTagError)) {
		return err
	}
	statuses := []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity}
	switch {
	case !slices.Contains(statuses, refused.Status):
		return err
	case sparse:
		return &SparseRefusedError{Err: err, Manifests: n.Subset.Manifests, LeftOut: n.Subset.Manifests - n.Subset.Kept}
	}
	return &BlobsInIndexRefusedError{Err: err}
}
