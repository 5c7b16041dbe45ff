package engine

import (
	"context"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/engine/internal/tree"
	"docker-mirror/go-helper/internal/registry"
)

// tree reads the source's manifests, limited to the wanted platforms; or settles the image where its first manifest tells
// that the destination has them.
func (r *run) tree(ctx context.Context, q *question) (*tree.Node, *Result, error) {
	im := q.image
	from := im.copy.Source
	failed := func(err error) (*tree.Node, *Result, error) {
		return nil, nil, fmt.Errorf("read source %s: %w", from, err)
	}
	m, err := r.sourceManifest(ctx, im)
	if err != nil {
		return failed(err)
	}
	q.sourceDigest = m.Digest
	im.result.SourceDigest = m.Digest
	selected, err := tree.Select(m, im.copy.selection())
	if err != nil {
		return failed(err)
	}
	if want := im.copy.Expect; im.copy.expected() && !selected.Manifest.Is(want) {
		return nil, nil, fmt.Errorf("limited to its platforms, %s has %s, and %s is locked for it", from, selected.Manifest.Digest, want)
	}
	if q.same(selected.Manifest) && !q.distrusted && !r.checksAttached(im.copy) {
		r.noteSubset(im, selected.Subset)
		if settled, err := r.trust(ctx, q); settled != nil || err != nil {
			return nil, settled, err
		}
	}
	root, err := r.sourceTree(im, r.opts.SkipMissing).Tree(ctx, m, im.copy.selection())
	if err != nil {
		return failed(err)
	}
	im.result.Subset = root.Subset
	root.Walk(func(n *tree.Node) { im.result.Foreign += n.Foreign })
	knowInline(im, root)
	if root.Subset == nil || len(root.Subset.Missing) == 0 {
		return root, nil, nil
	}
	// Cut down to what the source has: no lock can have known, and a digest that is asked for is another one.
	if to := im.copy.Destination; !root.Subset.Sparse && (im.copy.expected() || to.HasDigest()) {
		return failed(&tree.MissingError{Index: m.Digest, Missing: root.Subset.Missing, Kept: "without it the index has another digest than the one that is asked for or locked"})
	}
	if q.same(root.Manifest) && !q.distrusted && !r.checksAttached(im.copy) {
		settled, err := r.trust(ctx, q)
		return root, settled, err
	}
	return root, nil, nil
}

// knowInline takes the content of blobs that manifests have with them.
func knowInline(im *image, root *tree.Node) {
	root.Walk(func(n *tree.Node) {
		for _, d := range n.Blobs {
			if d.Data != nil {
				im.source.KnowBlob(d.Digest, d.Data)
			}
		}
	})
}

// selection says what the copy takes of an index.
func (c Copy) selection() tree.Selection {
	return tree.Selection{Platforms: c.Platforms, Sparse: c.Sparse}
}

// sourceTree reads what is below a manifest at an image's source.
func (r *run) sourceTree(im *image, skipMissing bool) tree.Reader {
	return tree.Reader{ForeignLayers: r.opts.ForeignLayers, SkipMissing: skipMissing, Manifest: func(ctx context.Context, digest v1.Hash) (*registry.Manifest, error) {
		return r.sources.manifest(ctx, im.source, im.copy.Source.Repository, digest.String())
	}}
}
