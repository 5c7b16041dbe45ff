package layout

import (
	"errors"
	"fmt"
	"io/fs"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// maxDepth bounds indexes in indexes.
const maxDepth = 8

// walker looks at what images are made of.
type walker struct {
	files files
	// blob is told of each config and layer; foreign layers, which stay elsewhere, only where they are here.
	blob func(repository string, d v1.Descriptor)
	// absent is told of each manifest that isn't here; nil: that is in order.
	absent func(d v1.Descriptor)
	// seen is told of each manifest that is.
	seen func(repository string, d v1.Descriptor)
}

func (w *walker) walk(repository string, d v1.Descriptor) error { return w.down(repository, d, 0) }

func (w *walker) down(repository string, d v1.Descriptor, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%s: its indexes name each other more than %d deep", d.Digest, maxDepth)
	}
	body, err := readAll(w.files, blobName(d.Digest), maxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		if w.absent != nil {
			w.absent(d)
		}
		return nil
	}
	if err != nil {
		return err
	}
	m, err := parseManifest(body)
	if err != nil {
		return nil // whoever reads the image is told
	}
	if w.seen != nil {
		w.seen(repository, d)
	}
	if m.Config != nil {
		w.blob(repository, *m.Config)
	}
	for _, layer := range append(m.Layers, m.Blobs...) {
		if len(layer.URLs) == 0 || w.files.where(blobName(layer.Digest)) != "" {
			w.blob(repository, layer)
		}
	}
	for _, child := range m.Manifests {
		if err := w.down(repository, child, depth+1); err != nil {
			return err
		}
	}
	return nil
}
