package sample

import (
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Types of what is attached to images.
const (
	SignatureType types.MediaType = "application/vnd.dev.cosign.artifact.sig.v1+json"
	SBOMType      types.MediaType = "application/spdx+json"

	simpleSigning types.MediaType = "application/vnd.dev.cosign.simplesigning.v1+json"
	emptyJSON     types.MediaType = "application/vnd.oci.empty.v1+json"
)

// Attached makes what belongs to images of the set, to be pushed after them: signatures and SBOMs as OCI 1.1 referrers
// (an empty Tag: pushed by digest), of an image, of an index, of an index's child and of another referrer, and as
// cosign's tags. Fallback has the tags that a registry without the referrers API needs besides.
func Attached() ([]Image, error) {
	b, attached := newAttached()
	if b.err != nil {
		return nil, fmt.Errorf("making the sample images: %w", b.err)
	}
	return attached, nil
}

// Fallback makes the referrers tags, `sha256-<hex>`, for a registry without the referrers API ("Referrers Tag Schema").
func Fallback() ([]Image, error) {
	b, attached := newAttached()
	var subjects []v1.Hash
	referrers := map[v1.Hash][]v1.Descriptor{}
	for _, image := range attached {
		if image.Tag != "" {
			continue
		}
		if _, ok := referrers[image.subject]; !ok {
			subjects = append(subjects, image.subject)
		}
		d := descriptorOf(image.MediaType, image.Digest, len(image.Body))
		d.ArtifactType = image.artifactType
		referrers[image.subject] = append(referrers[image.subject], d)
	}
	var fallback []Image
	for _, subject := range subjects {
		index := b.indexOf(v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: referrers[subject]}, nil)
		repository := RepositoryAPI
		if b.webs[subject] {
			repository = RepositoryWeb
		}
		fallback = append(fallback, Image{repository, strings.Replace(subject.String(), ":", "-", 1), "referrers of " + subject.String(), index})
	}
	if b.err != nil {
		return nil, fmt.Errorf("making the sample images: %w", b.err)
	}
	return fallback, nil
}

// attachedBuilder knows which digests belong to web; all others belong to api.
type attachedBuilder struct {
	*builder
	webs map[v1.Hash]bool
}

func newAttached() (*attachedBuilder, []Image) {
	b := &attachedBuilder{&builder{layers: map[string]builtLayer{}}, map[v1.Hash]bool{}}
	images, err := Set()
	b.keep(err)
	if err != nil {
		return b, nil
	}
	web, api := images[0].Manifest, images[1].Manifest
	child := web.Children[0]
	signature := b.referrer(api, SignatureType, "signature of api")
	sbom := b.referrer(api, SBOMType, "SBOM of api")
	sbomSignature := b.referrer(sbom, SignatureType, "signature of api's SBOM")
	webSignature := b.referrer(web, SignatureType, "signature of web")
	childSBOM := b.referrer(child, SBOMType, "SBOM of web on linux/amd64")
	b.webs[web.Digest], b.webs[child.Digest] = true, true
	return b, []Image{
		{RepositoryAPI, "", "signature, a referrer of an image", signature},
		{RepositoryAPI, "", "SBOM, a referrer of an image", sbom},
		{RepositoryAPI, "", "signature, a referrer of a referrer", sbomSignature},
		{RepositoryWeb, "", "signature, a referrer of an index", webSignature},
		{RepositoryWeb, "", "SBOM, a referrer of an index's child", childSBOM},
		{RepositoryAPI, cosignTag(api.Digest, "sig"), "cosign's signature of an image, by tag", b.cosign(simpleSigning, "api")},
		{RepositoryAPI, cosignTag(api.Digest, "att"), "cosign's attestation of an image, by tag", b.cosign(inTotoDocument, "api")},
		{RepositoryWeb, cosignTag(web.Digest, "sig"), "cosign's signature of an index, by tag", b.cosign(simpleSigning, "web")},
		{RepositoryWeb, cosignTag(child.Digest, "sbom"), "cosign's SBOM of an index's child, by tag", b.cosign(SBOMType, "web")},
	}
}

// cosignTag is cosign's: `sha256-<hex>.sig`, `.att`, `.sbom`.
func cosignTag(h v1.Hash, ending string) string { return h.Algorithm + "-" + h.Hex + "." + ending }

// referrer is a manifest with a subject.
func (b *builder) referrer(subject Manifest, artifactType types.MediaType, text string) Manifest {
	config, layer := Blob{b.hash([]byte("{}")), []byte("{}")}, Blob{b.hash([]byte(text)), []byte(text)}
	to := descriptorOf(subject.MediaType, subject.Digest, len(subject.Body))
	body := b.marshal(v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: string(artifactType),
		Config:  descriptorOf(emptyJSON, config.Digest, len(config.Content)),
		Layers:  []v1.Descriptor{descriptorOf(artifactType, layer.Digest, len(layer.Content))},
		Subject: &to,
	})
	return Manifest{
		MediaType: types.OCIManifestSchema1, Digest: b.hash(body), Body: body, Blobs: []Blob{config, layer},
		subject: subject.Digest, artifactType: string(artifactType),
	}
}

func (b *builder) cosign(layerType types.MediaType, text string) Manifest {
	content := b.marshal(v1.ConfigFile{RootFS: v1.RootFS{Type: "layers"}})
	document := []byte(fmt.Sprintf("%s of %s", layerType, text))
	config, layer := Blob{b.hash(content), content}, Blob{b.hash(document), document}
	body := b.marshal(v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1,
		Config: descriptorOf(types.OCIConfigJSON, config.Digest, len(content)),
		Layers: []v1.Descriptor{descriptorOf(layerType, layer.Digest, len(document))},
	})
	return Manifest{MediaType: types.OCIManifestSchema1, Digest: b.hash(body), Body: body, Blobs: []Blob{config, layer}}
}
