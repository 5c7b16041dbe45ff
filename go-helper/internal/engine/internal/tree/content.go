package tree

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"docker-mirror/go-helper/internal/registry"
)

// Content is what is read of any manifest. Everything else in it is only ever passed on.
type Content struct {
	SchemaVersion int             `json:"schemaVersion"`
	MediaType     types.MediaType `json:"mediaType"`
	Config        *v1.Descriptor  `json:"config"`
	Layers        []v1.Descriptor `json:"layers"`
	Blobs         []v1.Descriptor `json:"blobs"` // ORAS and withdrawn OCI artifact manifests
	Manifests     []v1.Descriptor `json:"manifests"`
	FSLayers      []struct{}      `json:"fsLayers"` // Docker schema 1
}

var (
	errSchema1 = errors.New("is a Docker schema 1 image, which registries no longer accept: " +
		"rebuild it, or pull and push it once with a current Docker")
	errUnknownManifest = errors.New("is neither an image manifest nor an index")
)

// Parse tells what a manifest refers to, with its media type also where the registry sent none or a
// wrong one: the body's own mediaType wins, then the Content-Type, then the body's shape (an OCI manifest
// need not carry a mediaType: image-spec, manifest.md).
func Parse(m *registry.Manifest) (*Content, error) {
	var c Content
	if err := json.Unmarshal(m.Body, &c); err != nil {
		return nil, fmt.Errorf("is not valid JSON: %w", err)
	}
	if c.SchemaVersion == 1 || len(c.FSLayers) > 0 {
		return nil, errSchema1
	}
	switch {
	case c.MediaType != "":
	case strings.HasPrefix(m.MediaType, "application/vnd."):
		c.MediaType = types.MediaType(m.MediaType)
	case c.Manifests != nil:
		c.MediaType = types.OCIImageIndex
	case c.Config != nil:
		c.MediaType = types.OCIManifestSchema1
	default:
		return nil, errUnknownManifest
	}
	if len(c.Manifests) > maxIndexChildren {
		return nil, fmt.Errorf("lists %d manifests, more than the %d that are accepted", len(c.Manifests), maxIndexChildren)
	}
	if n := len(c.Layers) + len(c.Blobs); n > maxManifestBlobs {
		return nil, fmt.Errorf("lists %d blobs, more than the %d that are accepted", n, maxManifestBlobs)
	}
	return &c, nil
}

// IsIndex tells an index from a manifest that has blobs.
func (c *Content) IsIndex() bool {
	return c.Manifests != nil && c.Config == nil && len(c.Layers) == 0
}

// blobs lists what must be in a repository before the manifest: config first (it is small, and an
// early small upload teaches the engine how the registry treats mounts), then the layers.
// Foreign layers are left where they are, as the image-spec asks, unless they are wanted; it tells how many.
func (c *Content) blobs(wantForeign bool) (out []v1.Descriptor, foreign int, err error) {
	var all []v1.Descriptor
	if c.Config != nil {
		all = append(all, *c.Config)
	}
	all = append(append(all, c.Layers...), c.Blobs...)
	seen := make(map[v1.Hash]bool, len(all))
	out = all[:0]
	for _, d := range all {
		if d.Digest.Algorithm == "" || d.Digest.Hex == "" {
			return nil, 0, errors.New("refers to a blob without a digest")
		}
		if d.Size < 0 {
			return nil, 0, fmt.Errorf("refers to blob %s with size %d", d.Digest, d.Size)
		}
		switch {
		case seen[d.Digest]:
		case isForeign(d) && !wantForeign:
			foreign++
		default:
			seen[d.Digest] = true
			out = append(out, d)
		}
	}
	return out, foreign, nil
}

// isForeign tells layers that must not be distributed (image-spec, layer.md).
func isForeign(d v1.Descriptor) bool {
	return len(d.URLs) > 0 && !d.MediaType.IsDistributable()
}
