package engine

import (
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/engine/internal/tree"
	"docker-mirror/go-helper/internal/registry"
)

// Description is what a manifest says of itself, as the engine understands it.
type Description struct {
	MediaType string
	Index     bool
	// Platforms are those that an index names, with their manifests; attestations have none.
	Platforms []PlatformManifest

	manifest *registry.Manifest
}

// PlatformManifest is an entry of an index.
type PlatformManifest struct {
	Platform v1.Platform
	Digest   v1.Hash
}

// attestationOS is the operating system that BuildKit gives an attestation.
const attestationOS = "unknown"

// Describe reads a manifest with all that [Run] demands of one.
func Describe(m *registry.Manifest) (*Description, error) {
	c, err := tree.Parse(m)
	if err != nil {
		return nil, fmt.Errorf("manifest %s %w", m.Digest, err)
	}
	d := &Description{MediaType: string(c.MediaType), Index: c.IsIndex(), manifest: m}
	for _, entry := range c.Manifests {
		if p := entry.Platform; p != nil && p.OS != attestationOS {
			d.Platforms = append(d.Platforms, PlatformManifest{*p, entry.Digest})
		}
	}
	return d, nil
}

// Limited is the digest of what a copy with these platforms, and without Sparse, brings to its destination.
func (d *Description) Limited(platforms []v1.Platform) (v1.Hash, error) {
	selected, err := tree.Select(d.manifest, tree.Selection{Platforms: platforms})
	if err != nil {
		return v1.Hash{}, err
	}
	return selected.Manifest.Digest, nil
}
