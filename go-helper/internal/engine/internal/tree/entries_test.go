package tree

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"docker-mirror/go-helper/internal/registry"
)

func (s *store) indexOf(entries ...v1.Descriptor) *registry.Manifest {
	s.t.Helper()
	body, err := json.Marshal(v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: entries})
	if err != nil {
		s.t.Fatal(err)
	}
	return s.add(string(body))
}

func blobOf(mediaType types.MediaType, content string) v1.Descriptor {
	h, n, err := v1.SHA256(bytes.NewReader([]byte(content)))
	if err != nil {
		panic(err)
	}
	return v1.Descriptor{MediaType: mediaType, Digest: h, Size: n}
}

// What an index names is a manifest, or a blob, as BuildKit's caches have it; what nobody knows is what the source has.
func TestEntriesOfAnIndex(t *testing.T) {
	const unknown types.MediaType = "application/vnd.example.thing"
	s := newStore(t)
	image, thing := s.image("image", 10), s.image("thing", 10)
	layer, config := blobOf(types.OCILayer, "layer"), blobOf(cacheConfig, "cache config")
	data := blobOf(unknown, "data")
	data.Data = []byte("data")
	index := s.indexOf(
		layer, v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: image.Digest}, config,
		v1.Descriptor{MediaType: unknown, Digest: thing.Digest}, data, layer,
	)
	root, err := Reader{Manifest: s.read}.Tree(context.Background(), index, Selection{})
	if err != nil {
		t.Fatal(err)
	}
	if len(root.Children) != 2 || root.Children[0].Manifest != image || root.Children[1].Manifest != thing {
		t.Errorf("children %v", root.Children)
	}
	var blobs []v1.Hash
	for _, b := range root.Blobs {
		blobs = append(blobs, b.Digest)
	}
	if want := fmt.Sprint([]v1.Hash{layer.Digest, config.Digest, data.Digest}); fmt.Sprint(blobs) != want {
		t.Errorf("blobs %v, want %s", blobs, want)
	}
	if n := s.reads.Load(); n != 3 {
		t.Errorf("%d manifests were asked for, want 3: a layer is none", n)
	}
	// What is a manifest by its media type is never taken for a blob.
	lacking := s.indexOf(v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: data.Digest})
	if _, err := (Reader{Manifest: s.read}).Tree(context.Background(), lacking, Selection{}); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("a missing manifest: %v", err)
	}
}

// Content that a descriptor has with it saves a request, and counts only where it is what the digest says.
func TestInlineData(t *testing.T) {
	config := blobOf(types.OCIEmptyJSON, "{}")
	right, cut, other := config, config, config
	right.Data, cut.Data, other.Data = []byte("{}"), []byte("{"), []byte("[]")
	for name, test := range map[string]struct {
		config v1.Descriptor
		kept   bool
	}{"right": {right, true}, "cut": {cut, false}, "other content": {other, false}, "none": {config, false}} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			body, err := json.Marshal(v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: test.config, Layers: []v1.Descriptor{}})
			if err != nil {
				t.Fatal(err)
			}
			child := s.add(string(body))
			entry := v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: child.Digest, Size: int64(len(body)), Data: body}
			delete(s.manifests, child.Digest)
			root, err := Reader{Manifest: s.read}.Tree(context.Background(), s.indexOf(entry), Selection{})
			if err != nil || s.reads.Load() != 0 {
				t.Fatalf("%v, %d reads", err, s.reads.Load())
			}
			got := root.Children[0]
			if !bytes.Equal(got.Manifest.Body, body) || got.Manifest.Digest != child.Digest || got.MediaType != string(types.OCIManifestSchema1) {
				t.Errorf("child %+v", got)
			}
			if has := got.Blobs[0].Data != nil; has != test.kept {
				t.Errorf("data of the config is kept: %v, want %v", has, test.kept)
			}
			entry.Data = append([]byte(" "), body[1:]...)
			if _, err := (Reader{Manifest: s.read}).Tree(context.Background(), s.indexOf(entry), Selection{}); !errors.Is(err, registry.ErrNotFound) {
				t.Errorf("wrong data was taken for the child: %v", err)
			}
		})
	}
}
