// Package sample is a small set of images, the same bytes on every machine: what `docker-mirror seed` pushes, the
// quickstart mirrors and tests copy. It has one of each shape that tools have been seen to get wrong.
package sample

import (
	"bytes"
	"encoding/json"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Image is one tag of the set.
type Image struct {
	Repository string
	// Tag is empty where the image is pushed by its digest alone.
	Tag string
	// About says what is special about it.
	About string
	Manifest
}

// Manifest is an image manifest or an index, with all that it refers to.
type Manifest struct {
	MediaType types.MediaType
	Digest    v1.Hash
	Body      []byte
	Blobs     []Blob     // config and layers
	Children  []Manifest // of an index

	subject      v1.Hash // of a referrer
	artifactType string
}

// Blob is a config or a layer.
type Blob struct {
	Digest  v1.Hash
	Content []byte
}

const (
	kib = 1 << 10

	helmConfig     types.MediaType = "application/vnd.cncf.helm.config.v1+json"
	helmChart      types.MediaType = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
	inTotoDocument types.MediaType = "application/vnd.in-toto+json"
)

// Repositories of the set.
const (
	RepositoryWeb       = "web"
	RepositoryAPI       = "api"
	RepositoryWorker    = "worker"
	RepositoryTools     = "tools"
	RepositoryUntyped   = "untyped"
	RepositorySingle    = "single"
	RepositoryNoArch    = "noarch"
	RepositoryAttested  = "attested"
	RepositoryHelmChart = "charts/hello"
)

// Set makes the images, in the order in which they are pushed. The first ones share layers: pushed one after another,
// the later ones can be mounted from the earlier.
func Set() ([]Image, error) {
	b := &builder{layers: map[string]builtLayer{}}
	amd64, arm64, arm := platform("amd64", ""), platform("arm64", "v8"), platform("arm", "v7")

	web := b.index(types.OCIImageIndex, []entry{
		{b.image(types.OCIManifestSchema1, amd64, "base-amd64", "web-amd64"), &amd64},
		{b.image(types.OCIManifestSchema1, arm64, "base-arm64", "web-arm64"), &arm64},
		{b.image(types.OCIManifestSchema1, arm, "base-arm", "web-arm"), &arm},
	})
	api := b.image(types.OCIManifestSchema1, amd64, "base-amd64", "runtime", "api")
	worker := b.image(types.DockerManifestSchema2, amd64, "base-amd64", "runtime", "worker")
	tools := b.index(types.DockerManifestList, []entry{
		{b.image(types.DockerManifestSchema2, amd64, "base-amd64", "tools-amd64"), &amd64},
		{b.image(types.DockerManifestSchema2, arm64, "base-arm64", "tools-arm64"), &arm64},
	})
	untyped := b.untyped(amd64, "base-amd64", "untyped")
	single := b.index(types.OCIImageIndex, []entry{{b.image(types.OCIManifestSchema1, amd64, "base-amd64", "single"), &amd64}})
	noarch := b.index(types.OCIImageIndex, []entry{
		{b.image(types.OCIManifestSchema1, amd64, "noarch"), nil},
		{b.image(types.OCIManifestSchema1, amd64, "base-amd64", "noarch-amd64"), &amd64},
	})
	attested := b.image(types.OCIManifestSchema1, amd64, "base-amd64", "attested")
	withAttestation := b.attestedIndex(attested, amd64)
	chart := b.chart()
	if b.err != nil {
		return nil, fmt.Errorf("making the sample images: %w", b.err)
	}
	return []Image{
		{RepositoryWeb, "1.0", "OCI index of three platforms", web},
		{RepositoryAPI, "2.3", "OCI image", api},
		{RepositoryAPI, "latest", "the same under another tag", api},
		{RepositoryWorker, "2.3", "Docker image that shares layers with api", worker},
		{RepositoryTools, "5.1", "Docker manifest list", tools},
		{RepositoryUntyped, "1.0", "OCI image whose manifest has no mediaType", untyped},
		{RepositorySingle, "1.0", "OCI index of one entry", single},
		{RepositoryNoArch, "1.0", "OCI index with an entry without a platform", noarch},
		{RepositoryAttested, "1.0", "OCI index with an attestation, unknown/unknown", withAttestation},
		{RepositoryHelmChart, "0.1.0", "Helm chart, an OCI artifact", chart},
	}, nil
}

func platform(arch, variant string) v1.Platform {
	return v1.Platform{OS: "linux", Architecture: arch, Variant: variant}
}

// builder keeps the first error, so that Set reads as what it makes.
type builder struct {
	err    error
	layers map[string]builtLayer
}

type builtLayer struct {
	blob   Blob
	diffID v1.Hash
}

func (b *builder) keep(err error) {
	if b.err == nil {
		b.err = err
	}
}

func (b *builder) hash(content []byte) v1.Hash {
	h, _, err := v1.SHA256(bytes.NewReader(content))
	b.keep(err)
	return h
}

func (b *builder) marshal(value any) []byte {
	body, err := json.Marshal(value)
	b.keep(err)
	return body
}

// layerSize gives shared layers more bytes than an image's own.
func layerSize(name string) int {
	switch name {
	case "base-amd64", "base-arm64", "base-arm":
		return 768 * kib
	case "runtime":
		return 512 * kib
	}
	return 96 * kib
}

func (b *builder) layer(name string) builtLayer {
	if l, ok := b.layers[name]; ok {
		return l
	}
	compressed, plain, err := layer(name, layerSize(name))
	b.keep(err)
	l := builtLayer{blob: Blob{b.hash(compressed), compressed}, diffID: b.hash(plain)}
	b.layers[name] = l
	return l
}

func descriptorOf(mediaType types.MediaType, digest v1.Hash, size int) v1.Descriptor {
	return v1.Descriptor{MediaType: mediaType, Digest: digest, Size: int64(size)}
}

func (b *builder) image(mediaType types.MediaType, p v1.Platform, layers ...string) Manifest {
	return b.imageWith(mediaType, mediaType, p, layers)
}

// untyped is an OCI image whose manifest leaves mediaType out, as the specification allows.
func (b *builder) untyped(p v1.Platform, layers ...string) Manifest {
	return b.imageWith(types.OCIManifestSchema1, "", p, layers)
}

func (b *builder) imageWith(mediaType, written types.MediaType, p v1.Platform, layers []string) Manifest {
	configType, layerType := types.OCIConfigJSON, types.OCILayer
	if mediaType == types.DockerManifestSchema2 {
		configType, layerType = types.DockerConfigJSON, types.DockerLayer
	}
	config := v1.ConfigFile{
		Architecture: p.Architecture, OS: p.OS, Variant: p.Variant, Created: v1.Time{Time: created},
		Config: v1.Config{Cmd: []string{"/opt/" + layers[len(layers)-1] + "/data"}}, RootFS: v1.RootFS{Type: "layers"},
	}
	document := v1.Manifest{SchemaVersion: 2, MediaType: written}
	var blobs []Blob
	for _, name := range layers {
		l := b.layer(name)
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, l.diffID)
		config.History = append(config.History, v1.History{Created: v1.Time{Time: created}, CreatedBy: "COPY " + name})
		document.Layers = append(document.Layers, descriptorOf(layerType, l.blob.Digest, len(l.blob.Content)))
		blobs = append(blobs, l.blob)
	}
	content := b.marshal(config)
	configBlob := Blob{b.hash(content), content}
	document.Config = descriptorOf(configType, configBlob.Digest, len(content))
	body := b.marshal(document)
	return Manifest{MediaType: mediaType, Digest: b.hash(body), Body: body, Blobs: append(blobs, configBlob)}
}

// entry is a child of an index; the platform may be missing.
type entry struct {
	manifest Manifest
	platform *v1.Platform
}

func (b *builder) index(mediaType types.MediaType, entries []entry) Manifest {
	document := v1.IndexManifest{SchemaVersion: 2, MediaType: mediaType}
	var children []Manifest
	for _, e := range entries {
		d := descriptorOf(e.manifest.MediaType, e.manifest.Digest, len(e.manifest.Body))
		d.Platform = e.platform
		document.Manifests = append(document.Manifests, d)
		children = append(children, e.manifest)
	}
	return b.indexOf(document, children)
}

func (b *builder) indexOf(document v1.IndexManifest, children []Manifest) Manifest {
	body := b.marshal(document)
	return Manifest{MediaType: document.MediaType, Digest: b.hash(body), Body: body, Children: children}
}

// attestedIndex is what BuildKit makes: https://docs.docker.com/build/metadata/attestations/attestation-storage/.
func (b *builder) attestedIndex(image Manifest, p v1.Platform) Manifest {
	statement := b.marshal(map[string]any{
		"_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://slsa.dev/provenance/v0.2",
		"subject": []map[string]any{{"name": "pkg:docker/attested@1.0", "digest": map[string]string{"sha256": image.Digest.Hex}}},
	})
	layer := Blob{b.hash(statement), statement}
	content := b.marshal(v1.ConfigFile{
		Architecture: "unknown", OS: "unknown", RootFS: v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{layer.Digest}},
	})
	config := Blob{b.hash(content), content}
	layerDescriptor := descriptorOf(inTotoDocument, layer.Digest, len(statement))
	layerDescriptor.Annotations = map[string]string{"in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2"}
	body := b.marshal(v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1,
		Config: descriptorOf(types.OCIConfigJSON, config.Digest, len(content)), Layers: []v1.Descriptor{layerDescriptor},
	})
	attestation := Manifest{MediaType: types.OCIManifestSchema1, Digest: b.hash(body), Body: body, Blobs: []Blob{layer, config}}

	imageEntry := descriptorOf(image.MediaType, image.Digest, len(image.Body))
	imageEntry.Platform = &p
	attestationEntry := descriptorOf(attestation.MediaType, attestation.Digest, len(attestation.Body))
	attestationEntry.Platform = &v1.Platform{OS: "unknown", Architecture: "unknown"}
	attestationEntry.Annotations = map[string]string{
		"vnd.docker.reference.digest": image.Digest.String(), "vnd.docker.reference.type": "attestation-manifest",
	}
	return b.indexOf(v1.IndexManifest{
		SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{imageEntry, attestationEntry},
	}, []Manifest{image, attestation})
}

// chart is what `helm push` makes: https://helm.sh/docs/topics/registries/.
func (b *builder) chart() Manifest {
	content := b.marshal(map[string]string{"name": "hello", "version": "0.1.0", "apiVersion": "v2", "type": "application"})
	config, archive := Blob{b.hash(content), content}, b.layer("hello-chart").blob
	body := b.marshal(v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1,
		Config:      descriptorOf(helmConfig, config.Digest, len(content)),
		Layers:      []v1.Descriptor{descriptorOf(helmChart, archive.Digest, len(archive.Content))},
		Annotations: map[string]string{"org.opencontainers.image.title": "hello", "org.opencontainers.image.version": "0.1.0"},
	})
	return Manifest{MediaType: types.OCIManifestSchema1, Digest: b.hash(body), Body: body, Blobs: []Blob{archive, config}}
}
