package tree

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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

	index bool
}

var (
	errSchema1 = errors.New("is a Docker schema 1 image, which registries no longer accept: " +
		"rebuild it, or pull and push it once with a current Docker")
	errPage            = errors.New("is a web page, not a manifest: a proxy or a login page may answer in the registry's place")
	errUnknownManifest = errors.New("is neither an image manifest nor an index")
	errBoth            = errors.New("has the manifests of an index and the config or layers of an image, so that one client takes it for " +
		"the one and another for the other (CVE-2021-41190): refused")
)

// Parse tells what a manifest refers to, with its media type also where the registry sent none or a
// wrong one: the body's own mediaType wins, then the Content-Type, then the body's shape (an OCI manifest
// need not carry a mediaType: image-spec, manifest.md). What can be read in two ways is refused.
func Parse(m *registry.Manifest) (*Content, error) {
	var c Content
	if err := json.Unmarshal(m.Body, &c); err != nil {
		if strings.HasPrefix(m.MediaType, "text/html") {
			return nil, errPage
		}
		return nil, fmt.Errorf("is not valid JSON: %w", err)
	}
	if err := checkKeys(m.Body); err != nil {
		return nil, err
	}
	if c.SchemaVersion == 1 || len(c.FSLayers) > 0 {
		return nil, errSchema1
	}
	hasBlobs := c.Config != nil || c.Layers != nil || c.Blobs != nil
	if c.Manifests != nil && hasBlobs {
		return nil, errBoth
	}
	if err := c.checkTypes(m.MediaType, hasBlobs); err != nil {
		return nil, err
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
	c.index = c.Manifests != nil || c.MediaType.IsIndex()
	if len(c.Manifests) > maxIndexChildren {
		return nil, fmt.Errorf("lists %d manifests, more than the %d that are accepted", len(c.Manifests), maxIndexChildren)
	}
	if n := len(c.Layers) + len(c.Blobs); n > maxManifestBlobs {
		return nil, fmt.Errorf("lists %d blobs, more than the %d that are accepted", n, maxManifestBlobs)
	}
	return &c, nil
}

// checkTypes refuses what calls itself, or is called by its registry, something else than it is.
func (c *Content) checkTypes(contentType string, hasBlobs bool) error {
	sent := types.MediaType(contentType)
	for _, said := range []struct {
		by   string
		what types.MediaType
	}{{"its mediaType", c.MediaType}, {"its registry's Content-Type", sent}} {
		switch {
		case said.what.IsIndex() && hasBlobs:
			return fmt.Errorf("is an index by %s, %s, but has the config or layers of an image: refused", said.by, said.what)
		case isImage(said.what) && c.Manifests != nil:
			return fmt.Errorf("is an image by %s, %s, but has the manifests of an index: refused", said.by, said.what)
		}
	}
	if c.MediaType.IsIndex() && isImage(sent) || isImage(c.MediaType) && sent.IsIndex() {
		return fmt.Errorf("is %s by its mediaType, but %s by its registry's Content-Type: refused", c.MediaType, sent)
	}
	return nil
}

// artifactTypes are of manifests that have blobs, but no config.
var artifactTypes = []types.MediaType{"application/vnd.oci.artifact.manifest.v1+json", "application/vnd.cncf.oras.artifact.manifest.v1+json"}

// isImage tells the media types of manifests that have blobs.
func isImage(t types.MediaType) bool { return t.IsImage() || slices.Contains(artifactTypes, t) }

// IsIndex tells an index from a manifest that has blobs.
func (c *Content) IsIndex() bool { return c.index }

// blobs lists what must be in a repository before the manifest: config first (it is small, and an
// early small upload teaches the engine how the registry treats mounts), then the layers.
// Foreign layers are left where they are, as the image-spec asks, unless they are wanted; it tells how many.
func (c *Content) blobs(wantForeign bool) (out []v1.Descriptor, foreign int, err error) {
	var all []v1.Descriptor
	if c.Config != nil {
		all = append(all, *c.Config)
	}
	all = append(append(all, c.Layers...), c.Blobs...)
	return distinct(all, wantForeign)
}

// distinct lists each blob once.
func distinct(all []v1.Descriptor, wantForeign bool) (out []v1.Descriptor, foreign int, err error) {
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
			if !holds(d) {
				d.Data = nil
			}
			out = append(out, d)
		}
	}
	return out, foreign, nil
}

// isForeign tells layers that must not be distributed (image-spec, layer.md).
func isForeign(d v1.Descriptor) bool {
	return len(d.URLs) > 0 && !d.MediaType.IsDistributable()
}
