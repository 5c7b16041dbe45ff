package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	user    = "65532" // nonroot, as in distroless
	refName = "org.opencontainers.image.ref.name"
	// containerdName is where containerd looks for the name.
	containerdName = "io.containerd.image.name"
	sbomType       = "application/vnd.cyclonedx+json"
)

// programs are those of a release; the second finds its place beside the first.
var programs = []string{"docker-mirror", "docker-mirror-verify"}

// file is where a release has a program.
func (r release) file(program string, platform v1.Platform) string {
	return filepath.Join(r.dist, fmt.Sprintf("%s-%s-%s-%s", program, r.version, platform.OS, platform.Architecture))
}

// writeLayout puts an index of an image a platform into an OCI image layout, and to each image what it is made of.
func writeLayout(r release, folder string) (v1.Hash, error) {
	base, err := baseLayer()
	if err != nil {
		return v1.Hash{}, err
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	images := make([]v1.Image, len(r.platforms))
	for i, platform := range r.platforms {
		if images[i], err = r.image(base, platform); err != nil {
			return v1.Hash{}, err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: images[i], Descriptor: v1.Descriptor{Platform: &platform}})
	}
	index = mutate.Annotations(index, r.labels()).(v1.ImageIndex)
	path, err := layout.Write(folder, mutate.IndexMediaType(empty.Index, types.OCIImageIndex))
	if err != nil {
		return v1.Hash{}, err
	}
	if err := path.AppendIndex(index, layout.WithAnnotations(map[string]string{refName: r.name(), containerdName: r.name()})); err != nil {
		return v1.Hash{}, err
	}
	for i, platform := range r.platforms {
		subject, err := partial.Descriptor(images[i])
		if err != nil {
			return v1.Hash{}, err
		}
		for _, program := range programs {
			if err := attachSBOM(path, *subject, r.file(program, platform)+".cdx.json"); err != nil {
				return v1.Hash{}, err
			}
		}
	}
	return index.Digest()
}

// name is one that is of no registry.
func (r release) name() string { return "localhost/docker-mirror:" + r.version }

func (r release) labels() map[string]string {
	labels := map[string]string{
		"org.opencontainers.image.title":       "docker-mirror",
		"org.opencontainers.image.description": "Mirrors sets of container images between registries",
		"org.opencontainers.image.licenses":    "Apache-2.0",
		"org.opencontainers.image.version":     r.version,
	}
	if r.revision != "" {
		labels["org.opencontainers.image.revision"] = r.revision
	}
	return labels
}

func (r release) image(base v1.Layer, platform v1.Platform) (v1.Image, error) {
	var entries []entry
	for _, program := range programs {
		data, err := os.ReadFile(r.file(program, platform))
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry{name: "usr/local/bin/" + program, mode: 0o755, data: data})
	}
	own, err := newLayer(entries)
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	created := v1.Time{Time: r.created}
	image, err = mutate.Append(image,
		mutate.Addendum{Layer: base, MediaType: types.OCILayer, History: v1.History{Created: created, CreatedBy: "certificates, a user, folders to write to"}},
		mutate.Addendum{Layer: own, MediaType: types.OCILayer, History: v1.History{Created: created, CreatedBy: "docker-mirror " + r.version}})
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Variant, config.Created = platform.OS, platform.Architecture, platform.Variant, created
	config.Config = v1.Config{
		User:       user + ":" + user,
		Entrypoint: []string{"/usr/local/bin/docker-mirror"},
		Env:        []string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/home/nonroot"},
		WorkingDir: "/home/nonroot",
		Labels:     r.labels(),
	}
	return mutate.ConfigFile(image, config)
}

// attachSBOM adds an artifact that refers to an image (image-spec, manifest.md, "subject").
func attachSBOM(path layout.Path, subject v1.Descriptor, file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	manifest := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: sbomType}
	manifest.Subject = &v1.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size}
	if manifest.Config, err = addBlob(path, "application/vnd.oci.empty.v1+json", []byte("{}")); err != nil {
		return err
	}
	sbom, err := addBlob(path, sbomType, data)
	if err != nil {
		return err
	}
	sbom.Annotations = map[string]string{"org.opencontainers.image.title": filepath.Base(file)}
	manifest.Layers = []v1.Descriptor{sbom}
	text, err := json.Marshal(manifest)
	if err != nil {
		return err
	}
	descriptor, err := addBlob(path, types.OCIManifestSchema1, text)
	if err != nil {
		return err
	}
	descriptor.ArtifactType = sbomType
	return path.AppendDescriptor(descriptor)
}

func addBlob(path layout.Path, mediaType types.MediaType, data []byte) (v1.Descriptor, error) {
	digest, size, err := v1.SHA256(bytes.NewReader(data))
	if err != nil {
		return v1.Descriptor{}, err
	}
	return v1.Descriptor{MediaType: mediaType, Digest: digest, Size: size}, path.WriteBlob(digest, io.NopCloser(bytes.NewReader(data)))
}
