package tree

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/devregistry/sample"
	"docker-mirror/go-helper/internal/registry"
)

// Whatever a source sends as a manifest: an error or what it refers to, and where platforms are limited, the same
// document but for the entries that were dropped.
func FuzzManifest(f *testing.F) {
	images, err := sample.Set()
	if err != nil {
		f.Fatal(err)
	}
	attached, err := sample.Attached()
	if err != nil {
		f.Fatal(err)
	}
	for _, image := range append(images, attached...) {
		f.Add(string(image.MediaType), image.Body)
		for _, child := range image.Children {
			f.Add("", child.Body)
		}
	}
	for _, body := range []string{
		`{"schemaVersion":1,"fsLayers":[{"blobSum":"x"}]}`,
		`{"manifests":[{"platform":{"os":"linux","architecture":"amd64"}},{"platform":null}],"Manifests":[],"manifests":[]}`,
		"{\n  \"manifests\" : [ {\"size\":1e0,\"platform\":{\"architecture\":\"amd64\",\"os\":\"linux\"},\"x\":[1,{\"manifests\":[]}]} , {\"size\":2} ] , \"a\":{\"manifests\":[{}]}\n}\n",
		`{"config":{},"layers":null,"manifests":[]}`, `null`, `[]`, `{"layers":[{"urls":["x"],"mediaType":"y"}]}`,
	} {
		f.Add("application/vnd.oci.image.index.v1+json", []byte(body))
	}
	wanted := Selection{Platforms: []v1.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm", Variant: "v7"}}}
	f.Fuzz(func(t *testing.T, mediaType string, body []byte) {
		start := time.Now()
		before := bytes.Clone(body)
		m := &registry.Manifest{MediaType: mediaType, Body: body}
		c, err := Parse(m)
		if err != nil {
			return
		}
		if c.MediaType == "" {
			t.Error("no media type to push it as")
		}
		if !c.IsIndex() {
			blobs, _, err := c.blobs(false)
			for _, d := range blobs {
				if err == nil && (d.Digest.Hex == "" || d.Size < 0) {
					t.Errorf("blob %+v", d)
				}
			}
		} else if limited, err := Select(m, wanted); err == nil {
			wantLimited(t, m, limited.Manifest, limited.Content)
			again, err := Select(limited.Manifest, wanted)
			if err != nil || again.Manifest != limited.Manifest {
				t.Errorf("limiting %s once more: %v", limited.Manifest.Body, err)
			}
		}
		if !bytes.Equal(body, before) {
			t.Error("the source's bytes were changed")
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

// wantLimited judges by a decoder that knows nothing of manifests.
func wantLimited(t *testing.T, m, limited *registry.Manifest, parsed *Content) {
	t.Helper()
	if limited == m {
		return
	}
	var whole, part map[string]any
	if err := json.Unmarshal(m.Body, &whole); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(limited.Body, &part); err != nil {
		t.Fatalf("%s became %s: %v", m.Body, limited.Body, err)
	}
	all, _ := whole["manifests"].([]any)
	kept, _ := part["manifests"].([]any)
	if len(kept) == 0 || len(kept) >= len(all) || len(kept) != len(parsed.Manifests) {
		t.Fatalf("%s became %s", m.Body, limited.Body)
	}
	i := 0
	for _, entry := range all { // what is kept is in its order
		if i < len(kept) && reflect.DeepEqual(entry, kept[i]) {
			i++
		}
	}
	delete(whole, "manifests")
	delete(part, "manifests")
	if i != len(kept) || !reflect.DeepEqual(whole, part) {
		t.Errorf("%s became %s", m.Body, limited.Body)
	}
	if digest, _, err := v1.SHA256(bytes.NewReader(limited.Body)); err != nil || digest != limited.Digest {
		t.Errorf("digest %s of %s", limited.Digest, limited.Body)
	}
}
