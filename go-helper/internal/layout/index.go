package layout

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// The annotations of an entry. containerd looks for its own.
const (
	refName        = "org.opencontainers.image.ref.name"
	containerdName = "io.containerd.image.name"
	// platformsName says which platforms of an index are there, where not all are.
	platformsName = "dev.docker-mirror.platforms"
)

// maxIndex is about 400,000 names.
const maxIndex = 256 << 20

// index is index.json. What others wrote is kept as it is.
type index struct {
	named map[string]map[string]v1.Descriptor // by repository, then tag or digest
	other map[string]v1.Descriptor            // without a name of ours, by what they are
}

func newIndex() *index {
	return &index{named: map[string]map[string]v1.Descriptor{}, other: map[string]v1.Descriptor{}}
}

func parseIndex(data []byte) (*index, error) {
	var document v1.IndexManifest
	if err := json.Unmarshal(data, &document); err != nil {
		return nil, err
	}
	x := newIndex()
	for i, d := range document.Manifests {
		if d.Digest == (v1.Hash{}) {
			return nil, fmt.Errorf("entry %d has no digest", i+1)
		}
		repository, identifier, ok := splitName(d.Annotations[refName])
		if !ok {
			x.other[otherKey(d)] = d
			continue
		}
		if earlier, twice := x.named[repository][identifier]; twice && earlier.Digest != d.Digest {
			return nil, fmt.Errorf("the name %s stands for two images, %s and %s", d.Annotations[refName], earlier.Digest, d.Digest)
		}
		x.set(repository, identifier, d)
	}
	return x, nil
}

// splitName takes a full name apart; false for a bare tag, which several repositories may have.
func splitName(name string) (repository, identifier string, ok bool) {
	repository, identifier, pinned := strings.Cut(name, "@")
	if !pinned {
		colon := strings.LastIndexByte(name, ':')
		if colon < 0 {
			return "", "", false
		}
		repository, identifier = name[:colon], name[colon+1:]
	}
	return repository, identifier, strings.Contains(repository, "/") && identifier != "" && !strings.Contains(identifier, "/")
}

// fullName is the name under which an image stands in the index.
func fullName(repository, identifier string) string {
	if strings.Contains(identifier, ":") {
		return repository + "@" + identifier
	}
	return repository + ":" + identifier
}

func otherKey(d v1.Descriptor) string {
	return d.Digest.String() + " " + d.Annotations[refName]
}

func (x *index) set(repository, identifier string, d v1.Descriptor) {
	names := x.named[repository]
	if names == nil {
		names = map[string]v1.Descriptor{}
		x.named[repository] = names
	}
	names[identifier] = d
}

// all gives every entry, the named ones first, in one order whatever the order in which they came.
func (x *index) all() []v1.Descriptor {
	all := []v1.Descriptor{}
	for _, repository := range slices.Sorted(maps.Keys(x.named)) {
		names := x.named[repository]
		for _, identifier := range slices.Sorted(maps.Keys(names)) {
			all = append(all, names[identifier])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(x.other)) {
		all = append(all, x.other[key])
	}
	return all
}

func (x *index) bytes() []byte {
	data, err := json.MarshalIndent(v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: x.all()}, "", " ")
	if err != nil {
		panic(err) // of strings and numbers
	}
	return append(data, '\n')
}

// describe makes the entry of a manifest.
func (l *Layout) describe(repository, identifier string, d v1.Descriptor) v1.Descriptor {
	name := fullName(repository, identifier)
	d.Annotations = map[string]string{refName: name, containerdName: name}
	if platforms := l.wanted[name].platforms; len(platforms) > 0 {
		d.Annotations[platformsName] = strings.Join(platforms, ",")
	}
	return d
}

// Name is an image of a layout.
type Name struct {
	Name      string   `json:"name"`
	Digest    v1.Hash  `json:"digest"`
	Platforms []string `json:"platforms,omitempty"` // that are there; none: all
}

// Names lists the images: what has a full name and is no attachment by a tag.
func (l *Layout) Names() []Name {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.index.images()
}

func (x *index) images() []Name {
	names := []Name{}
	for _, d := range x.all() {
		_, identifier, ok := splitName(d.Annotations[refName])
		if !ok || attachedBy(identifier) {
			continue
		}
		n := Name{Name: d.Annotations[refName], Digest: d.Digest}
		if platforms := d.Annotations[platformsName]; platforms != "" {
			n.Platforms = strings.Split(platforms, ",")
		}
		names = append(names, n)
	}
	return names
}

// Bare lists the names that others gave and that aren't in full: nobody can tell which repository's they are.
func (l *Layout) Bare() (names []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range l.index.all() {
		if name := d.Annotations[refName]; name != "" {
			if _, _, ok := splitName(name); !ok {
				names = append(names, name)
			}
		}
	}
	return names
}

// attachedBy tells whether a tag is cosign's, or a referrers tag: `sha256-<hex>` with or without an ending.
func attachedBy(tag string) bool {
	algorithm, rest, ok := strings.Cut(tag, "-")
	if !ok {
		return false
	}
	hex, _, _ := strings.Cut(rest, ".")
	_, err := v1.NewHash(algorithm + ":" + hex)
	return err == nil
}

// manifest is what we look at in one.
type manifest struct {
	MediaType    types.MediaType   `json:"mediaType"`
	ArtifactType string            `json:"artifactType"`
	Config       *v1.Descriptor    `json:"config"`
	Layers       []v1.Descriptor   `json:"layers"`
	Blobs        []v1.Descriptor   `json:"blobs"` // of OCI's artifact manifests
	Manifests    []v1.Descriptor   `json:"manifests"`
	Subject      *v1.Descriptor    `json:"subject"`
	Annotations  map[string]string `json:"annotations"`

	SchemaVersion int               `json:"schemaVersion"`
	FSLayers      []json.RawMessage `json:"fsLayers"`
}

func parseManifest(body []byte) (manifest, error) {
	var m manifest
	if err := json.Unmarshal(body, &m); err != nil {
		return m, err
	}
	if m.MediaType == "" {
		switch {
		case m.Manifests != nil:
			m.MediaType = types.OCIImageIndex
		case m.SchemaVersion == 1 && m.FSLayers != nil:
			m.MediaType = types.DockerManifestSchema1Signed
		case m.Config != nil || m.Layers != nil:
			m.MediaType = types.OCIManifestSchema1
		default:
			return m, errors.New("it is no manifest")
		}
	}
	return m, nil
}
