package tree

import (
	"encoding/hex"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"docker-mirror/go-helper/internal/registry"
)

// holds tells whether a descriptor has its content with it (image-spec, descriptor.md, "data"), and that is what its digest
// and size say.
func holds(d v1.Descriptor) bool {
	if len(d.Data) == 0 || int64(len(d.Data)) != d.Size {
		return false
	}
	h, err := v1.Hasher(d.Digest.Algorithm)
	if err != nil {
		return false
	}
	h.Write(d.Data)
	return hex.EncodeToString(h.Sum(nil)) == d.Digest.Hex
}

// inline gives the manifest that an index's entry has with it, nil where there is none.
func inline(d v1.Descriptor) *registry.Manifest {
	if !holds(d) {
		return nil
	}
	return &registry.Manifest{MediaType: string(d.MediaType), Digest: d.Digest, Body: d.Data}
}

// Kind is what an entry of an index stands for.
type Kind int

// The kinds of entries.
const (
	ManifestEntry Kind = iota
	BlobEntry
	UnknownEntry // a manifest, if there is one of that digest, else a blob
)

// cacheConfig is of the entry by which BuildKit knows its cache: an index of layers (moby/buildkit, cache/remotecache/v1).
const cacheConfig types.MediaType = "application/vnd.buildkit.cacheconfig.v0"

// KindOf judges by an entry's media type.
func KindOf(t types.MediaType) Kind {
	switch {
	case t == "" || t.IsIndex() || isImage(t) || t.IsSchema1():
		return ManifestEntry
	case t.IsLayer() || t.IsConfig() || t == types.OCIEmptyJSON || t == cacheConfig:
		return BlobEntry
	}
	return UnknownEntry
}
