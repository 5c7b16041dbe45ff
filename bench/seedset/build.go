package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
)

// created is the time that all images say they were made at.
const created = "2023-11-14T22:13:20Z"

type mediaTypes struct{ manifest, index, config, layer string }

var (
	ociTypes = mediaTypes{
		manifest: "application/vnd.oci.image.manifest.v1+json",
		index:    "application/vnd.oci.image.index.v1+json",
		config:   "application/vnd.oci.image.config.v1+json",
		layer:    "application/vnd.oci.image.layer.v1.tar+gzip",
	}
	dockerTypes = mediaTypes{
		manifest: "application/vnd.docker.distribution.manifest.v2+json",
		index:    "application/vnd.docker.distribution.manifest.list.v2+json",
		config:   "application/vnd.docker.container.image.v1+json",
		layer:    "application/vnd.docker.image.rootfs.diff.tar.gzip",
	}
)

type descriptor struct {
	MediaType string    `json:"mediaType"`
	Digest    string    `json:"digest"`
	Size      int64     `json:"size"`
	Platform  *platform `json:"platform,omitempty"`
}

// builder makes images and pushes them where target isn't nil.
type builder struct {
	target *pusher
	prefix string

	mu          sync.Mutex
	description Description
}

// build makes all images, a few at a time.
func build(images []image, target *pusher, prefix string) (Description, error) {
	b := &builder{target: target, prefix: prefix, description: Description{
		Images:    make([]DescribedImage, len(images)),
		Manifests: map[string]Manifest{},
		Blobs:     map[string]int64{},
	}}
	var group sync.WaitGroup
	slots := make(chan struct{}, 4)
	errs := make([]error, len(images))
	for i, im := range images {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			digest, err := b.image(im)
			errs[i] = err
			b.description.Images[i] = DescribedImage{Repository: im.repository, Tag: im.tag, Digest: digest}
		})
	}
	group.Wait()
	return b.description, errors.Join(errs...)
}

func (b *builder) image(im image) (string, error) {
	types := ociTypes
	if im.docker {
		types = dockerTypes
	}
	var children []descriptor
	for _, p := range im.platforms {
		reference := im.tag
		if len(im.platforms) > 1 {
			reference = "" // by digest
		}
		child, err := b.manifest(im, p, types, reference)
		if err != nil {
			return "", err
		}
		children = append(children, child)
	}
	if len(children) == 1 {
		return children[0].Digest, nil
	}
	body, err := json.MarshalIndent(map[string]any{
		"schemaVersion": 2, "mediaType": types.index, "manifests": children,
	}, "", "   ")
	if err != nil {
		return "", err
	}
	index := Manifest{MediaType: types.index}
	for _, child := range children {
		index.Children = append(index.Children, child.Digest)
	}
	return b.put(im.repository, im.tag, body, index)
}

// manifest makes one platform's manifest, its config and its layers.
func (b *builder) manifest(im image, p platformLayers, types mediaTypes, reference string) (descriptor, error) {
	var (
		layers  []descriptor
		diffIDs []string
		history []map[string]any
		blobs   []string
	)
	for i, l := range p.layers {
		if err := l.resolve(); err != nil {
			return descriptor{}, err
		}
		layers = append(layers, descriptor{MediaType: types.layer, Digest: l.digest, Size: l.length})
		diffIDs = append(diffIDs, l.diffID)
		history = append(history, map[string]any{"created": created, "created_by": fmt.Sprintf("COPY step %d # %s", i, l.seed)})
		blobs = append(blobs, l.digest)
		write := func(w io.Writer) error { return l.write(w, nil) }
		if err := b.blob(im.repository, l.digest, l.length, write); err != nil {
			return descriptor{}, err
		}
	}
	config := map[string]any{
		"created": created, "os": p.platform.OS, "architecture": p.platform.Architecture,
		"config": map[string]any{
			"Env":    []string{"PATH=/usr/bin:/bin", "NAME=" + im.repository, "TAG=" + im.tag},
			"Cmd":    []string{"/bin/app"},
			"Labels": map[string]string{"filler": strings.Repeat("x", 800)},
		},
		"rootfs":  map[string]any{"type": "layers", "diff_ids": diffIDs},
		"history": history,
	}
	if p.platform.Variant != "" {
		config["variant"] = p.platform.Variant
	}
	configBody, err := json.Marshal(config)
	if err != nil {
		return descriptor{}, err
	}
	configDescriptor := descriptor{MediaType: types.config, Digest: digestOf(configBody), Size: int64(len(configBody))}
	writeConfig := func(w io.Writer) error { _, err := w.Write(configBody); return err }
	if err := b.blob(im.repository, configDescriptor.Digest, configDescriptor.Size, writeConfig); err != nil {
		return descriptor{}, err
	}
	body, err := json.MarshalIndent(map[string]any{
		"schemaVersion": 2, "mediaType": types.manifest, "config": configDescriptor, "layers": layers,
	}, "", "   ")
	if err != nil {
		return descriptor{}, err
	}
	digest, err := b.put(im.repository, reference, body,
		Manifest{MediaType: types.manifest, Blobs: append(blobs, configDescriptor.Digest)})
	return descriptor{MediaType: types.manifest, Digest: digest, Size: int64(len(body)), Platform: &p.platform}, err
}

func (b *builder) blob(repository, digest string, size int64, write func(io.Writer) error) error {
	b.mu.Lock()
	b.description.Blobs[digest] = size
	b.mu.Unlock()
	if b.target == nil {
		return nil
	}
	return b.target.blob(b.prefix+repository, digest, size, write)
}

// put notes and pushes a manifest, by its digest where there is no reference.
func (b *builder) put(repository, reference string, body []byte, m Manifest) (string, error) {
	digest := digestOf(body)
	if reference == "" {
		reference = digest
	}
	m.Size = int64(len(body))
	b.mu.Lock()
	b.description.Manifests[digest] = m
	b.mu.Unlock()
	if b.target == nil {
		return digest, nil
	}
	return digest, b.target.manifest(b.prefix+repository, reference, m.MediaType, body)
}
