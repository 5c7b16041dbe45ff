package engine_test

import (
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/engine"
	"docker-mirror/go-helper/internal/registry"
)

// BuildKit's cache (`--cache-to type=registry`, without image-manifest) is an index whose entries are layers.
func TestABuildKitCacheIsCopied(t *testing.T) {
	source, destination := pair(t)
	p := newPusher(t, source.Host)
	layers := [][]byte{content("one", 200_000), content("two", 3000), []byte(`{"layers":[]}`)}
	entries := []entry{}
	for i, layer := range layers {
		mediaType := ociLayer
		if i == len(layers)-1 {
			mediaType = "application/vnd.buildkit.cacheconfig.v0"
		}
		entries = append(entries, entry{of: p.blob("cache", "", layer), extra: object{"mediaType": mediaType}})
	}
	p.index("cache", "v", ociIndex, entries...)
	list := copies(t, source.Host, []string{destination.Host}, "cache:v")
	wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusCopied)
	for _, layer := range layers {
		if got, err := destination.ReadBlob("mirror/cache", hashOf(t, layer)); err != nil || !bytes.Equal(got, layer) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	}
	if got, want := destination.Tags("mirror/cache")["v"], source.Tags("cache")["v"]; got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
	wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusUnchanged)
	wantStatus(t, list, run(t, list, engine.Options{Verify: true}), engine.StatusUnchanged)
	wantStatus(t, list, run(t, list, engine.Options{CheckPlatforms: true}), engine.StatusUnchanged)
	if err := destination.RemoveBlob("mirror/cache", hashOf(t, layers[1])); err != nil {
		t.Fatal(err)
	}
	for _, opts := range []engine.Options{{Verify: true}} {
		if results := run(t, list, opts); results[0].Status != engine.StatusFailed {
			t.Errorf("without a layer: %s, %v", results[0].Status, results[0].Err)
		}
	}
	wantStatus(t, list, run(t, list, engine.Options{CheckPlatforms: true}), engine.StatusCopied)
	wantStatus(t, list, run(t, list, engine.Options{Verify: true}), engine.StatusUnchanged)
}

func TestARegistryThatRefusesAnIndexOfBlobs(t *testing.T) {
	source, destination := pair(t)
	destination.SetDialect(devregistry.Dialect{ManifestsOnlyInIndexes: true})
	p := newPusher(t, source.Host)
	p.index("cache", "v", ociIndex, entry{of: p.blob("cache", "", content("layer", 1000)), extra: object{"mediaType": ociLayer}})
	list := copies(t, source.Host, []string{destination.Host}, "cache:v")
	r := run(t, list, engine.Options{})[0]
	if r.Status != engine.StatusFailed || !errors.As(r.Err, new(*engine.BlobsInIndexRefusedError)) {
		t.Errorf("%s, %v", r.Status, r.Err)
	}
}

func sha512Of(body []byte) v1.Hash {
	sum := sha512.Sum512(body)
	return v1.Hash{Algorithm: "sha512", Hex: hex.EncodeToString(sum[:])}
}

// putSHA512 pushes a manifest under its SHA-512 digest.
func (p *pusher) putSHA512(repository, mediaType string, manifest any) v1.Descriptor {
	p.t.Helper()
	body, err := json.Marshal(manifest)
	if err != nil {
		p.t.Fatal(err)
	}
	m := &registry.Manifest{MediaType: mediaType, Digest: sha512Of(body), Body: body}
	if err := p.client.PutManifest(p.t.Context(), repository, m.Digest.String(), m); err != nil {
		p.t.Fatal(err)
	}
	return v1.Descriptor{Digest: m.Digest, Size: int64(len(body))}
}

// An algorithm is no damage: SHA-512 for the pin, the children and the blobs.
func TestDigestsBySHA512(t *testing.T) {
	source, destination := pair(t)
	p := newPusher(t, source.Host)
	layer := content("layer", 100_000)
	u, err := p.client.StartUpload(t.Context(), "x", sha512Of(layer), "")
	if err == nil {
		err = u.Put(t.Context(), sha512Of(layer), int64(len(layer)), bytes.NewReader(layer), 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	manifest := p.manifest("x", ociManifest, content("usual", 1000))
	manifest["layers"] = append(manifest["layers"].([]object), descriptor(ociLayer, v1.Descriptor{Digest: sha512Of(layer), Size: int64(len(layer))}))
	child := p.putSHA512("x", ociManifest, manifest)
	index := object{"schemaVersion": 2, "mediaType": ociIndex, "manifests": []object{descriptor(ociManifest, child)}}
	p.put("x", "v", ociIndex, index)
	root := p.putSHA512("x", ociIndex, index)

	list := copies(t, source.Host, []string{destination.Host}, "x:v")
	pinned := list[0]
	pinned.Source = ref(t, source.Host+"/x@"+root.Digest.String())
	pinned.Destination.Tag = "pinned"
	byDigest := pinned
	byDigest.Destination = ref(t, destination.Host+"/mirror/y@"+root.Digest.String())
	list = append(list, pinned, byDigest)
	wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusCopied)
	wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusUnchanged)
	wantStatus(t, list, run(t, list, engine.Options{Verify: true}), engine.StatusUnchanged)
	for _, repository := range []string{"mirror/x", "mirror/y"} {
		if got, err := destination.ReadBlob(repository, sha512Of(layer)); err != nil || !bytes.Equal(got, layer) {
			t.Errorf("%s: %d bytes, %v", repository, len(got), err)
		}
		if _, _, ok := destination.Manifest(repository, child.Digest.String()); !ok {
			t.Errorf("%s lacks the child", repository)
		}
	}
	// What isn't right is still found out.
	if err := source.PlantManifest("x", root.Digest.String(), ociIndex, []byte(`{"schemaVersion":2,"manifests":[]}`)); err != nil {
		t.Fatal(err)
	}
	other := pinned
	other.Destination.Tag = "other"
	results := run(t, []engine.Copy{other}, engine.Options{})
	if results[0].Status != engine.StatusFailed || !strings.Contains(fmt.Sprint(results[0].Err), "content has digest sha512:") {
		t.Errorf("other content: %s, %v", results[0].Status, results[0].Err)
	}
}

// A manifest that two clients read as two different images is refused, wherever it stands (CVE-2021-41190).
func TestAmbiguousManifestsAreRefused(t *testing.T) {
	source, destination := pair(t)
	p := newPusher(t, source.Host)
	image := p.image("x", "good", ociManifest, content("good", 100))
	good, _, _ := source.Manifest("x", "good")
	childOf := fmt.Sprintf(`"manifests":[{"mediaType":%q,"digest":%q,"size":%d}]`, ociManifest, image.Digest, image.Size)
	both := strings.Replace(string(good), "{", "{"+childOf+",", 1)
	index := `{"schemaVersion":2,` + childOf + `}`
	for name, test := range map[string]struct{ mediaType, body, want string }{
		"manifests and layers":             {ociManifest, both, "CVE-2021-41190"},
		"an index that is called an image": {ociManifest, index, "is an image by its registry's Content-Type"},
		"an image that is called an index": {ociIndex, string(good), "is an index by its registry's Content-Type"},
		"the manifests twice":              {ociIndex, `{"schemaVersion":2,"manifests":[],` + childOf + `}`, `"manifests" twice`},
	} {
		t.Run(name, func(t *testing.T) {
			if err := source.PlantManifest("x", "bad", test.mediaType, []byte(test.body)); err != nil {
				t.Fatal(err)
			}
			if err := source.PlantManifest("x", hashOf(t, []byte(test.body)).String(), test.mediaType, []byte(test.body)); err != nil {
				t.Fatal(err)
			}
			inside := fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"mediaType":%q,"digest":%q,"size":%d}]}`, test.mediaType, hashOf(t, []byte(test.body)), len(test.body))
			if err := source.PlantManifest("x", "inside", ociIndex, []byte(inside)); err != nil {
				t.Fatal(err)
			}
			list := copies(t, source.Host, []string{destination.Host}, "x:bad", "x:inside")
			for i, r := range run(t, list, engine.Options{}) {
				if r.Status != engine.StatusFailed || !strings.Contains(fmt.Sprint(r.Err), test.want) {
					t.Errorf("%s: %s, %v; want %q", list[i].Source, r.Status, r.Err, test.want)
				}
			}
		})
	}
	if tags := destination.Tags("mirror/x"); len(tags) > 0 {
		t.Errorf("written: %v", tags)
	}
	// A destination is read as warily.
	list := copies(t, source.Host, []string{destination.Host}, "x:bad")
	if err := source.PlantManifest("x", "bad", ociManifest, []byte(both)); err != nil {
		t.Fatal(err)
	}
	if err := destination.PlantManifest("mirror/x", "bad", ociManifest, []byte(both)); err != nil {
		t.Fatal(err)
	}
	if r := run(t, list, engine.Options{Verify: true})[0]; r.Status != engine.StatusFailed || !strings.Contains(fmt.Sprint(r.Err), "CVE-2021-41190") {
		t.Errorf("verified: %s, %v", r.Status, r.Err)
	}
}

// Content that a manifest has with it takes a lost blob's place.
func TestInlineDataOfALostBlob(t *testing.T) {
	source, destination := pair(t)
	p := newPusher(t, source.Host)
	config := []byte("{}")
	of := func(data []byte) object {
		d := descriptor("application/vnd.oci.empty.v1+json", p.blob("x", "", config))
		d["data"] = data
		return object{
			"schemaVersion": 2, "mediaType": ociManifest, "artifactType": "application/x", "config": d,
			"layers": []object{descriptor(ociLayer, p.blob("x", "", content("layer", 1000)))},
		}
	}
	p.put("x", "right", ociManifest, of(config))
	p.put("x", "wrong", ociManifest, of([]byte("[]")))
	if err := source.RemoveBlob("x", hashOf(t, config)); err != nil {
		t.Fatal(err)
	}
	for tag, want := range map[string]engine.Status{"wrong": engine.StatusFailed, "right": engine.StatusCopied} {
		list := copies(t, source.Host, []string{destination.Host}, "x:"+tag)
		list[0].Destination.Repository = "mirror/" + tag
		wantStatus(t, list, runRetrying(t.Context(), t, list, engine.Options{}, hasty), want)
	}
	if got, err := destination.ReadBlob("mirror/right", hashOf(t, config)); err != nil || !bytes.Equal(got, config) {
		t.Errorf("%q, %v", got, err)
	}
}

// A registry that takes no manifests of a kind says so once all blobs are there: that is heard once.
func TestARefusedMediaTypeIsNotSentAgain(t *testing.T) {
	source, destination := pair(t)
	destination.SetDialect(devregistry.Dialect{RefuseMediaTypes: []string{dockerImage, dockerList}})
	p := newPusher(t, source.Host)
	p.image("x", "v", dockerImage, content("one", 100_000))
	p.image("y", "v", dockerImage, content("two", 100_000))
	p.image("z", "v", ociManifest, content("three", 1000))
	pool := newPool(t)
	list := copies(t, source.Host, []string{destination.Host}, "x:v", "y:v", "z:v")
	for i, want := range []engine.Status{engine.StatusFailed, engine.StatusFailed, engine.StatusCopied} {
		destination.Log().Reset()
		results := engine.Run(t.Context(), list[i:i+1], engine.Options{Pool: pool})
		wantStatus(t, list[i:i+1], results, want)
		if uploads := destination.Log().Counts()[devregistry.KindUploadPut]; (uploads > 0) != (i != 1) {
			t.Errorf("%s: %d uploads", list[i].Source, uploads)
		}
		var refused *registry.Error
		if want == engine.StatusFailed && (!errors.As(results[0].Err, &refused) || refused.MediaType != dockerImage) {
			t.Errorf("%v", results[0].Err)
		}
	}
}
