package engine_test

import (
	"errors"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/engine"
	"docker-mirror/go-helper/internal/registry"
)

// cosigned writes one of cosign's manifests: a layer a signature, of the same payload, told apart by its annotation.
func (p *pusher) cosigned(repository, tag string, signatures ...string) v1.Descriptor {
	p.t.Helper()
	m := p.manifest(repository, ociManifest)
	for _, signature := range signatures {
		layer := descriptor("application/vnd.dev.cosign.simplesigning.v1+json", p.blob(repository, "", []byte(`{"critical":{}}`)))
		layer["annotations"] = object{"dev.cosignproject.cosign/signature": signature}
		m["layers"] = append(m["layers"].([]object), layer)
	}
	return p.put(repository, tag, ociManifest, m)
}

// Who mirrors an image may sign the copy: what the destination has of its own is not written over.
func TestTheDestinationsOwnSignaturesAreKept(t *testing.T) {
	for name, test := range map[string]struct {
		source, destination []string
		replaced            bool
		missed              []string
		complete            bool // that nothing of the source's is lacking
	}{
		"none there":                 {[]string{"a"}, nil, true, nil, true},
		"an older copy":              {[]string{"a", "b"}, []string{"a"}, true, nil, true},
		"the source's and one more":  {[]string{"a"}, []string{"a", "own"}, false, nil, true},
		"another one":                {[]string{"a"}, []string{"own"}, false, []string{".sig: the destination has one of its own"}, false},
		"an older copy and one more": {[]string{"a", "b"}, []string{"a", "own"}, false, []string{".sig: the destination has one of its own"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			source, destination := pair(t)
			p := newPusher(t, source.Host)
			image := p.image("x", "v", ociManifest, content("layer", 1000))
			tag := registry.ReferrersTag(image.Digest) + ".sig"
			want := p.cosigned("x", tag, test.source...).Digest
			own := newPusher(t, destination.Host)
			if test.destination != nil {
				had := own.cosigned("mirror/x", tag, test.destination...).Digest
				if !test.replaced {
					want = had
				}
			}
			before := destination.Tags("mirror/x")[tag]
			list := referrersOf(t, source, destination, engine.ReferrersAll)
			planned := run(t, list, engine.Options{DryRun: true})
			wantStatus(t, list, planned, engine.StatusPlanned)
			wantMissed(t, planned[0], test.missed...)
			if got := destination.Tags("mirror/x")[tag]; got != before {
				t.Errorf("a dry run wrote %s", got)
			}
			results := run(t, list, engine.Options{})
			wantStatus(t, list, results, engine.StatusCopied)
			wantMissed(t, results[0], test.missed...)
			if got := destination.Tags("mirror/x")[tag]; got != want {
				t.Errorf("the tag names %s, want %s", got, want)
			}
			for _, opts := range []engine.Options{{Verify: true}, {CheckReferrers: true}} {
				results = run(t, list, opts)
				wantStatus(t, list, results, engine.StatusUnchanged)
				wantMissed(t, results[0], test.missed...)
			}
			required := referrersOf(t, source, destination, engine.ReferrersRequire)
			r := run(t, required, engine.Options{})[0]
			if ok := r.Status == engine.StatusUnchanged; ok != test.complete || !ok && !errors.Is(r.Err, engine.ErrAttachmentsRequired) {
				t.Errorf("required: %s, %v", r.Status, r.Err)
			}
			results = run(t, list, engine.Options{Force: true})
			wantStatus(t, list, results, engine.StatusCopied)
			if got := destination.Tags("mirror/x")[tag]; got != want {
				t.Errorf("forced, the tag names %s, want %s", got, want)
			}
		})
	}
}

// The list of a referrers tag is completed, and nothing else of it changes.
func TestTheDestinationsOwnReferrersStayListed(t *testing.T) {
	source, destination := pair(t)
	destination.SetDialect(devregistry.Dialect{NoReferrers: true})
	p := newPusher(t, source.Host)
	image := p.image("x", "v", ociManifest, content("layer", 1000))
	signature := p.attach("x", cosignType, image, content("signature", 100))
	own := newPusher(t, destination.Host)
	of := own.image("mirror/x", "theirs", ociManifest, content("layer", 1000))
	ours := own.attach("mirror/x", cosignType, of, content("own signature", 100))
	before := own.put("mirror/x", registry.ReferrersTag(image.Digest), ociIndex, object{
		"schemaVersion": 2, "mediaType": ociIndex, "annotations": object{"kept": "yes"}, "manifests": []object{descriptor(ociManifest, ours)},
	})
	list := referrersOf(t, source, destination, engine.ReferrersAll)
	results := run(t, list, engine.Options{})
	wantStatus(t, list, results, engine.StatusCopied)
	wantMissed(t, results[0])
	listed, err := own.client.Referrers(t.Context(), "mirror/x", image.Digest)
	if err != nil || len(listed) != 2 || listed[0].Digest != ours.Digest || listed[1].Digest != signature.Digest {
		t.Errorf("listed %v, %v", listed, err)
	}
	body, _, _ := destination.Manifest("mirror/x", registry.ReferrersTag(image.Digest))
	if !strings.Contains(string(body), `"kept": "yes"`) || !strings.Contains(string(body), "\n   \"manifests\"") {
		t.Errorf("of %s became %s", before.Digest, body)
	}
	wantStatus(t, list, run(t, list, engine.Options{Force: true}), engine.StatusCopied)
	if again, _, _ := destination.Manifest("mirror/x", registry.ReferrersTag(image.Digest)); string(again) != string(body) {
		t.Errorf("once more it became %s", again)
	}
}

// What stands in the place of a destination's referrers tag and is none stays, and the image gets there.
func TestWhatIsNoReferrersTagAtTheDestination(t *testing.T) {
	for name, plant := range map[string]func(p *pusher, image v1.Descriptor, body []byte){
		"an image": func(p *pusher, image v1.Descriptor, _ []byte) {
			p.image("mirror/x", registry.ReferrersTag(image.Digest), ociManifest, content("other", 10))
		},
	} {
		t.Run(name, func(t *testing.T) {
			source, destination := pair(t)
			destination.SetDialect(devregistry.Dialect{NoReferrers: true})
			p := newPusher(t, source.Host)
			image := p.image("x", "v", ociManifest, content("layer", 1000))
			p.attach("x", cosignType, image, content("signature", 100))
			body, _, _ := source.Manifest("x", "v")
			plant(newPusher(t, destination.Host), image, body)
			tag := registry.ReferrersTag(image.Digest)
			before := destination.Tags("mirror/x")[tag]
			list := referrersOf(t, source, destination, engine.ReferrersAll)
			results := run(t, list, engine.Options{})
			wantStatus(t, list, results, engine.StatusCopied)
			wantMissed(t, results[0], "tag "+tag+", which is to list")
			if got := destination.Tags("mirror/x")[tag]; got != before {
				t.Errorf("the tag was moved to %s", got)
			}
		})
	}
}

// GitLab takes `sha256-<hex>` for the digest itself: its answer is no list to be completed.
func TestGitLabsReferrersTagAsADestination(t *testing.T) {
	source, destination := pair(t)
	destination.SetDialect(devregistry.Dialect{NoReferrers: true})
	p := newPusher(t, source.Host)
	child := p.image("x", "", ociManifest, content("layer", 1000))
	image := p.index("x", "v", ociIndex, entry{platform: "amd64", of: child})
	signature := p.attach("x", cosignType, image, content("signature", 100))
	own := newPusher(t, destination.Host)
	own.image("mirror/x", "", ociManifest, content("layer", 1000))
	body, mediaType, _ := source.Manifest("x", "v")
	if err := destination.PlantManifest("mirror/x", registry.ReferrersTag(image.Digest), mediaType, body); err != nil {
		t.Fatal(err)
	}
	list := referrersOf(t, source, destination, engine.ReferrersAll)
	wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusCopied)
	listed, err := own.client.Referrers(t.Context(), "mirror/x", image.Digest)
	if err != nil || len(listed) != 1 || listed[0].Digest != signature.Digest {
		t.Errorf("listed %v, %v", listed, err)
	}
}

// Attachments are verified as deeply as the image.
func TestVerifyComparesAttachments(t *testing.T) {
	for name, test := range map[string]struct {
		dialect devregistry.Dialect
		harm    func(d *devregistry.Server, a attached) error
		want    string
	}{
		"a manifest is gone": {devregistry.Dialect{}, func(d *devregistry.Server, a attached) error {
			return d.RemoveManifest("mirror/x", a.sbom.Digest)
		}, "lacks manifest sha256:"},
		"a blob is gone": {devregistry.Dialect{}, func(d *devregistry.Server, _ attached) error {
			return d.RemoveBlob("mirror/x", hashOf(t, content("sbom", 300)))
		}, "lacks blob"},
		"one of cosign's tags is gone": {devregistry.Dialect{}, func(d *devregistry.Server, a attached) error {
			return d.RemoveManifest("mirror/x", d.Tags("mirror/x")[a.cosign])
		}, "lacks tag sha256-"},
		"a signature's blob is gone": {devregistry.Dialect{}, func(d *devregistry.Server, _ attached) error {
			return d.RemoveBlob("mirror/x", hashOf(t, content("old signature", 50)))
		}, "lacks blob"},
		"it is listed no more": {devregistry.Dialect{NoReferrers: true}, func(d *devregistry.Server, a attached) error {
			return d.RemoveManifest("mirror/x", d.Tags("mirror/x")[registry.ReferrersTag(a.child.Digest)])
		}, "among what is attached to"},
	} {
		t.Run(name, func(t *testing.T) {
			source, destination := pair(t)
			a := pushAttached(t, source)
			destination.SetDialect(test.dialect)
			list := referrersOf(t, source, destination, engine.ReferrersAll)
			wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusCopied)
			wantStatus(t, list, run(t, list, engine.Options{Verify: true}), engine.StatusUnchanged)
			if err := test.harm(destination, a); err != nil {
				t.Fatal(err)
			}
			r := run(t, list, engine.Options{Verify: true})[0]
			if !errors.Is(r.Err, engine.ErrDrift) || !strings.Contains(r.Err.Error(), test.want) {
				t.Errorf("%s, %v; want %s", r.Status, r.Err, test.want)
			}
			wantStatus(t, list, run(t, list, engine.Options{Verify: true, Force: true}), engine.StatusCopied)
			wantStatus(t, list, run(t, list, engine.Options{Verify: true}), engine.StatusUnchanged)
		})
	}
}

// Artifactory denies tags that aren't there, at destinations as well: attachments are written all the same.
func TestDestinationsThatDenyWhatIsNotThere(t *testing.T) {
	source, destination := pair(t)
	a := pushAttached(t, source)
	destination.SetFaults(devregistry.Faults{Intercept: func(r devregistry.Request) *devregistry.Fault {
		if r.Kind != devregistry.KindManifestHead && r.Kind != devregistry.KindManifestGet {
			return nil
		}
		if _, _, ok := destination.Manifest("mirror/x", r.Reference); ok {
			return nil
		}
		return &devregistry.Fault{Status: 403, Code: devregistry.CodeDenied}
	}})
	list := referrersOf(t, source, destination, engine.ReferrersAll)
	results := run(t, list, engine.Options{})
	wantStatus(t, list, results, engine.StatusCopied)
	wantMissed(t, results[0])
	if _, _, ok := destination.Manifest("mirror/x", a.cosign); !ok || results[0].Attached != 4 {
		t.Errorf("%d attached", results[0].Attached)
	}
	wantStatus(t, list, run(t, list, engine.Options{CheckReferrers: true}), engine.StatusUnchanged)
}
