package engine_test

import (
	"errors"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/engine"
	"docker-mirror/go-helper/internal/registry"
)

const cosignType = "application/vnd.dev.cosign.artifact.sig.v1+json"

// attach pushes a manifest with a subject, and keeps the referrers tag where the registry has no API for it.
func (p *pusher) attach(repository, artifactType string, subject v1.Descriptor, content []byte) v1.Descriptor {
	p.t.Helper()
	d := p.put(repository, "", ociManifest, object{
		"schemaVersion": 2, "mediaType": ociManifest, "artifactType": artifactType,
		"config":  descriptor("application/vnd.oci.empty.v1+json", p.blob(repository, "", []byte("{}"))),
		"layers":  []object{descriptor("application/octet-stream", p.blob(repository, "", content))},
		"subject": descriptor(ociManifest, subject),
	})
	d.ArtifactType = artifactType
	return d
}

// attached is an index with everything that can hang on it.
type attached struct {
	index, child            v1.Descriptor
	signature, sbom, deeper v1.Descriptor
	cosign                  string // tag
}

func pushAttached(t *testing.T, source *devregistry.Server) attached {
	t.Helper()
	p := newPusher(t, source.Host)
	var a attached
	a.child = p.image("x", "", ociManifest, content("layer", 1000))
	a.index = p.index("x", "v", ociIndex, entry{platform: "amd64", of: a.child})
	a.signature = p.attach("x", cosignType, a.index, content("signature", 100))
	a.sbom = p.attach("x", "application/spdx+json", a.child, content("sbom", 300))
	a.deeper = p.attach("x", cosignType, a.sbom, content("signature of the sbom", 100))
	a.cosign = registry.ReferrersTag(a.child.Digest) + ".sig"
	p.image("x", a.cosign, ociManifest, content("old signature", 50))
	return a
}

func TestAttachmentsComeAlong(t *testing.T) {
	for name, dialect := range map[string]devregistry.Dialect{
		"referrers API": {}, "tag schema at the destination": {NoReferrers: true},
	} {
		t.Run(name, func(t *testing.T) {
			source, destination := pair(t)
			a := pushAttached(t, source)
			destination.SetDialect(dialect)
			list := copies(t, source.Host, []string{destination.Host}, "x:v")

			has := func(identifier string) bool {
				_, _, ok := destination.Manifest("mirror/x", identifier)
				return ok
			}
			wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusCopied)
			if has(a.signature.Digest.String()) || has(a.cosign) {
				t.Error("attachments came along unasked")
			}

			list[0].Referrers = engine.ReferrersSignatures
			source.Log().Reset()
			wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusUnchanged)
			if n := source.Log().Total(); n != 2 {
				t.Errorf("an unchanged image cost %d requests, want a ping and a HEAD", n)
			}
			if results := run(t, list, engine.Options{Verify: true}); !errors.Is(results[0].Err, engine.ErrDrift) {
				t.Errorf("verify: %s, %v; want drift", results[0].Status, results[0].Err)
			}
			wantStatus(t, list, run(t, list, engine.Options{CheckReferrers: true}), engine.StatusCopied)
			if !has(a.signature.Digest.String()) || !has(a.cosign) || has(a.sbom.Digest.String()) {
				t.Error("want the signatures, and only them")
			}

			list[0].Referrers = engine.ReferrersAll
			results := run(t, list, engine.Options{CheckReferrers: true})
			wantStatus(t, list, results, engine.StatusCopied)
			if results[0].Attached != 4 {
				t.Errorf("%d attached, want 4", results[0].Attached)
			}
			wantStatus(t, list, run(t, list, engine.Options{CheckReferrers: true}), engine.StatusUnchanged)

			c := newPool(t).Client(destination.Host)
			for subject, want := range map[v1.Hash]v1.Descriptor{
				a.index.Digest: a.signature, a.child.Digest: a.sbom, a.sbom.Digest: a.deeper,
			} {
				got, err := c.Referrers(t.Context(), "mirror/x", subject)
				if err != nil || len(got) != 1 || got[0].Digest != want.Digest || got[0].ArtifactType != want.ArtifactType {
					t.Errorf("referrers of %s: %+v, %v", subject, got, err)
				}
			}
			for _, c := range []engine.Copy{
				{Source: ref(t, source.Host+"/x@"+a.deeper.Digest.String()), Destination: ref(t, destination.Host+"/mirror/x@"+a.deeper.Digest.String())},
				{Source: ref(t, source.Host+"/x:"+a.cosign), Destination: ref(t, destination.Host+"/mirror/x:"+a.cosign)},
			} {
				checkMirrored(t, source, destination, c)
			}
		})
	}
}

// What speaks of a platform comes along exactly where that does. A rewritten index is not what its own attachments speak of.
func TestAttachmentsOfARewrittenIndex(t *testing.T) {
	for name, dialect := range map[string]devregistry.Dialect{"referrers API": {}, "tag schema": {NoReferrers: true}} {
		t.Run(name, func(t *testing.T) {
			source, destination := pair(t)
			destination.SetDialect(dialect)
			p := newPusher(t, source.Host)
			m := pushMulti(t, p, "v")
			want := map[string]bool{
				p.attach("x", cosignType, m.index, content("of the index", 50)).Digest.String():                           false,
				p.attach("x", cosignType, m.children["amd64"], content("of amd64", 50)).Digest.String():                   true,
				p.attach("x", cosignType, m.children["arm64"], content("of arm64", 50)).Digest.String():                   false,
				p.attach("x", "application/spdx+json", m.children["of amd64"], content("of a proof", 50)).Digest.String(): true,
			}
			for _, subject := range []v1.Descriptor{m.index, m.children["amd64"], m.children["arm64"]} {
				tag := registry.ReferrersTag(subject.Digest) + ".sig"
				p.image("x", tag, ociManifest, content(tag, 20))
				want[tag] = subject.Digest == m.children["amd64"].Digest
			}
			list := []engine.Copy{sparseCopy(t, source.Host, destination.Host, "v", "amd64")}
			list[0].Sparse, list[0].Referrers = false, engine.ReferrersAll
			results := run(t, list, engine.Options{})
			wantStatus(t, list, results, engine.StatusCopied)
			if results[0].Attached != 3 {
				t.Errorf("%d attached, want 3", results[0].Attached)
			}
			for identifier, want := range want {
				if _, _, ok := destination.Manifest("m/x", identifier); ok != want {
					t.Errorf("attachment %s is there: %v, want %v", identifier, ok, want)
				}
			}
			wantSubjectsFirst(t, destination, "m/x")
		})
	}
}
