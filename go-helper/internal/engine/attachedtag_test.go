package engine_test

import (
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/engine"
	"docker-mirror/go-helper/internal/registry"
)

// referrersTag makes the tag that lists what refers to subject.
func (p *pusher) referrersTag(repository string, subject v1.Hash, listed ...v1.Descriptor) {
	p.t.Helper()
	entries := []object{}
	for _, d := range listed {
		entries = append(entries, descriptor(ociManifest, d))
	}
	p.put(repository, registry.ReferrersTag(subject), ociIndex, object{"schemaVersion": 2, "mediaType": ociIndex, "manifests": entries})
}

// Most images have no referrers tag, and a GET of one would count as a pull.
func TestReferrersTagIsAskedForByHead(t *testing.T) {
	source, destination := pair(t)
	p := newPusher(t, source.Host)
	var entries []entry
	for _, a := range architectures {
		entries = append(entries, entry{platform: a, of: p.image("x", "", ociManifest, content(a, 100))})
	}
	p.index("x", "v", ociIndex, entries...)
	source.SetDialect(devregistry.Dialect{NoReferrers: true})
	list := referrersOf(t, source, destination, engine.ReferrersAll)
	source.Log().Reset()
	wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusCopied)
	if n := source.Log().Counts()[devregistry.KindManifestGet]; n != 4 {
		t.Errorf("%d manifests were read, want the index and its 3", n)
	}
}

// What a referrers tag names must speak of the image.
func TestReferrersTagsThatAreNone(t *testing.T) {
	for name, test := range map[string]struct {
		plant func(p *pusher, image v1.Descriptor)
		want  []string
	}{
		"GitLab's: the image itself": {func(p *pusher, _ v1.Descriptor) {
			body, mediaType, _ := p.manifestOf("x", "v")
			p.putBody("x", registry.ReferrersTag(hashOf(p.t, body)), mediaType, body)
		}, nil},
		"another image": {func(p *pusher, image v1.Descriptor) {
			p.image("x", registry.ReferrersTag(image.Digest), ociManifest, content("other", 100))
		}, []string{"is no index"}},
		"an index of other images": {func(p *pusher, image v1.Descriptor) {
			p.referrersTag("x", image.Digest, p.image("x", "", ociManifest, content("other", 100)))
		}, []string{"does not refer to"}},
		"what refers to another image": {func(p *pusher, image v1.Descriptor) {
			other := p.image("x", "", ociManifest, content("other", 100))
			p.referrersTag("x", image.Digest, p.attach("x", cosignType, other, content("signature", 10)))
		}, []string{"does not refer to"}},
		"an index that names the image": {func(p *pusher, image v1.Descriptor) {
			p.referrersTag("x", image.Digest, p.index("x", "", ociIndex, entry{platform: "amd64", of: image}))
		}, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			source, destination := pair(t)
			p := newPusher(t, source.Host)
			image := p.image("x", "v", ociManifest, content("layer", 1000))
			test.plant(p, image)
			source.SetDialect(devregistry.Dialect{NoReferrers: true})
			list := referrersOf(t, source, destination, engine.ReferrersAll)
			results := run(t, list, engine.Options{})
			wantStatus(t, list, results, engine.StatusCopied)
			wantMissed(t, results[0], test.want...)
			if wantAttached := test.want != nil && len(test.want) == 0; results[0].Attached > 0 != wantAttached {
				t.Errorf("%d attached", results[0].Attached)
			}
			if _, _, ok := destination.Manifest("mirror/x", registry.ReferrersTag(image.Digest)); ok && results[0].Attached == 0 {
				t.Error("a false referrers tag was written")
			}
		})
	}
}

func (p *pusher) manifestOf(repository, identifier string) ([]byte, string, bool) {
	p.t.Helper()
	m, err := p.client.GetManifest(p.t.Context(), repository, identifier)
	if err != nil {
		p.t.Fatal(err)
	}
	return m.Body, m.MediaType, true
}

func (p *pusher) putBody(repository, identifier, mediaType string, body []byte) {
	p.t.Helper()
	m := &registry.Manifest{MediaType: mediaType, Digest: hashOf(p.t, body), Body: body}
	if err := p.client.PutManifest(p.t.Context(), repository, identifier, m); err != nil {
		p.t.Fatal(err)
	}
}
