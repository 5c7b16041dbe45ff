package engine

import (
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/engine/internal/tree"
	"docker-mirror/go-helper/internal/reference"
)

// Admission is a copy that asks to be admitted.
type Admission struct {
	Index  int                 // in the list of copies
	Source reference.Reference // where it is read, which is another place than the copy's where that has lost it
	Digest v1.Hash             // of the source's manifest or index
	// Platforms are the manifests that the copy takes of an index for its platforms.
	Platforms []v1.Hash
}

// admit asks whether an image may be copied, before anything of it is sent.
func (r *run) admit(im *image, root *tree.Node, sourceDigest v1.Hash) error {
	if r.opts.Admit == nil {
		return nil
	}
	described, err := Describe(root.Manifest)
	if err != nil {
		return fmt.Errorf("read source %s: %w", im.copy.Source, err)
	}
	a := Admission{Index: im.index, Source: im.copy.Source, Digest: sourceDigest}
	for _, p := range described.Platforms {
		if slices.ContainsFunc(root.Children, func(n *tree.Node) bool { return n.Manifest.Is(p.Digest) }) {
			a.Platforms = append(a.Platforms, p.Digest)
		}
	}
	if err := r.opts.Admit(r.ctx, a); err != nil {
		return fmt.Errorf("%s: %w", im.copy.Source, err)
	}
	return nil
}
