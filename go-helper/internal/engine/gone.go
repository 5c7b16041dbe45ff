package engine

import (
	"context"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/registry"
)

// GoneError tells that a source doesn't have the digest that a copy names any longer, or denies it, and that no destination
// of the run has it either.
type GoneError struct {
	Source reference.Reference
	Err    error // what the source said
}

func (e *GoneError) Error() string {
	return fmt.Sprintf("%s is gone from its source, and no destination of this run has it: %v", e.Source, e.Err)
}

func (e *GoneError) Unwrap() error { return e.Err }

// mirrorsOf gives, by digest, where the copies of pinned sources go, in the plan's order.
func mirrorsOf(copies []Copy) map[v1.Hash][]reference.Reference {
	mirrors := map[v1.Hash][]reference.Reference{}
	for _, c := range copies {
		if c.Source.HasDigest() {
			mirrors[c.Source.Digest] = append(mirrors[c.Source.Digest], c.Destination)
		}
	}
	return mirrors
}

// sourceManifest reads the manifest of an image's source. Where that is pinned and gone, the image is read from then on from
// the first other destination of the run that has it: a digest is the same everywhere.
func (r *run) sourceManifest(ctx context.Context, im *image) (*registry.Manifest, error) {
	from := im.copy.Source
	m, err := r.sources.manifest(ctx, im.source, from.Repository, from.Identifier())
	if !from.HasDigest() || !saysGone(err) {
		return m, err
	}
	for _, mirror := range r.mirrors[from.Digest] {
		if mirror.Name() == im.copy.Destination.Name() {
			continue
		}
		client := r.opts.Pool.Client(mirror.Registry)
		m, mirrorErr := r.sources.manifest(ctx, client, mirror.Repository, from.Digest.String())
		if mirrorErr != nil {
			r.log.Debug("looked for what its source lacks", "source", from, "at", mirror.Name(), "error", mirrorErr)
			continue
		}
		im.source, im.copy.Source.Registry, im.copy.Source.Repository = client, mirror.Registry, mirror.Repository
		im.result.ReadFrom, im.result.Gone = im.copy.Source, err
		return m, nil
	}
	return nil, &GoneError{from, err}
}

// saysGone tells whether a source says that something is not there. Docker Hub and GHCR deny what was deleted. Throttling,
// failures and silence never mean that something is gone.
func saysGone(err error) bool { return errors.Is(err, registry.ErrNotFound) || registry.IsDenied(err) }
