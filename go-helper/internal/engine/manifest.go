package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"docker-mirror/go-helper/internal/registry"
)

// Limits on what a hostile source may make us do; real images stay far below them.
const (
	maxIndexDepth    = 6
	maxIndexChildren = 2000
	maxTreeManifests = 4000 // of one image: a few indexes that name each other over and over would be any number
	maxManifestBlobs = 2000
)

// node is one manifest of an image's tree.
type node struct {
	manifest  *registry.Manifest // shared with other images of the run
	mediaType string             // what to push it as
	children  []*node            // of an index, in its order
	subset    *Subset            // of an index that children is not all of
	blobs     []v1.Descriptor    // of an image manifest or artifact: config first, then layers, each digest once
	foreign   int                // layers that are left where their URLs say
}

// walk visits the tree, children before their index.
func (n *node) walk(visit func(*node)) {
	for _, child := range n.children {
		child.walk(visit)
	}
	visit(n)
}

// content is what the engine reads of any manifest. Everything else in it is only ever passed on.
type content struct {
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

// parseManifest tells what a manifest refers to, with its media type also where the registry sent none or a
// wrong one: the body's own mediaType wins, then the Content-Type, then the body's shape (an OCI manifest
// need not carry a mediaType: image-spec, manifest.md).
func parseManifest(m *registry.Manifest) (*content, error) {
	var c content
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

func (c *content) isIndex() bool {
	return c.Manifests != nil && c.Config == nil && len(c.Layers) == 0
}

// blobs lists what must be in a repository before the manifest: config first (it is small, and an
// early small upload teaches the engine how the registry treats mounts), then the layers.
// Foreign layers are left where they are, as the image-spec asks, unless they are wanted; it tells how many.
func (c *content) blobs(wantForeign bool) (out []v1.Descriptor, foreign int, err error) {
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

// replaceManifests gives body with only those entries of its "manifests" for which keep says so, and
// every other byte as it was. It reports the number of entries left.
func replaceManifests(body []byte, keep func(i int) bool) ([]byte, int, error) {
	start, end, entries, err := locateManifests(body)
	if err != nil {
		return nil, 0, err
	}
	var kept [][]byte
	for i, entry := range entries {
		if keep(i) {
			kept = append(kept, entry)
		}
	}
	out := make([]byte, 0, len(body))
	out = append(out, body[:start]...)
	out = append(out, '[')
	out = append(out, bytes.Join(kept, []byte(","))...)
	out = append(out, ']')
	return append(out, body[end:]...), len(kept), nil
}

// locateManifests finds the bytes of the top-level "manifests" array and of its entries.
func locateManifests(body []byte) (start, end int64, entries [][]byte, err error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return 0, 0, nil, errUnknownManifest
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return 0, 0, nil, err
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return 0, 0, nil, err
		}
		if key != "manifests" {
			continue
		}
		end = dec.InputOffset()
		start = end - int64(len(value))
		var raw []json.RawMessage
		if err := json.Unmarshal(value, &raw); err != nil {
			return 0, 0, nil, err
		}
		for _, r := range raw {
			entries = append(entries, r)
		}
		return start, end, entries, nil
	}
	return 0, 0, nil, errUnknownManifest
}
