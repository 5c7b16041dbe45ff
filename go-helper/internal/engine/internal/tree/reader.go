package tree

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"docker-mirror/go-helper/internal/registry"
)

// Limits on what a hostile source may make us do; real images stay far below them.
const (
	maxIndexDepth    = 6
	maxIndexChildren = 2000
	maxTreeManifests = 4000 // of one image: a few indexes that name each other over and over would be any number
	maxManifestBlobs = 2000
	// maxAtOnce is how many entries of an index are read side by side: of all that are read when a bound is reached, this many an
	// index are in excess of it. What registries are asked at once is less.
	maxAtOnce = 16
	// DefaultMaxBytes is what a tree's manifests may have together where its Reader says nothing else: read, they take
	// a few times as much.
	DefaultMaxBytes = 16 << 20
)

// Reader reads the manifests below one, within the bounds of what is accepted of an image.
type Reader struct {
	// Manifest reads one by its digest. It is called from several goroutines at once.
	Manifest      func(ctx context.Context, digest v1.Hash) (*registry.Manifest, error)
	ForeignLayers bool  // foreign layers count as blobs
	MaxBytes      int64 // of all manifests of a tree; 0: DefaultMaxBytes
	// SkipMissing leaves out of the index what it names and isn't there; else that is a *[MissingError]. An index within an index
	// is left out whole.
	SkipMissing bool
}

// Selection says what is wanted of an index.
type Selection struct {
	Platforms []v1.Platform // none: all of it
	// Sparse keeps the index as it is, although not all that it names is wanted; else it is cut down to that.
	Sparse bool
}

// Tree reads all below a manifest.
func (r Reader) Tree(ctx context.Context, m *registry.Manifest, want Selection) (*Node, error) {
	t := r.reading()
	if err := t.took(m); err != nil {
		return nil, err
	}
	selected, err := Select(m, want)
	if err != nil {
		return nil, err
	}
	return t.node(ctx, selected, 0)
}

// TreeOf reads a manifest by its digest, and all below it.
func (r Reader) TreeOf(ctx context.Context, digest v1.Hash, want Selection) (*Node, error) {
	return r.reading().tree(ctx, digest, want, 0)
}

func (r Reader) reading() *reading {
	if r.MaxBytes <= 0 {
		r.MaxBytes = DefaultMaxBytes
	}
	return &reading{Reader: r}
}

// reading is the state of one tree's.
type reading struct {
	Reader
	manifests, bytes atomic.Int64 // that it has come across
	refused          atomic.Pointer[error]
}

// refuse says why all of the tree is refused: the first reason, whichever of its branches is heard first.
func (t *reading) refuse(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	t.refused.CompareAndSwap(nil, &err)
	return *t.refused.Load()
}

// took counts a manifest's bytes.
func (t *reading) took(m *registry.Manifest) error {
	if t.bytes.Add(int64(len(m.Body))) > t.MaxBytes {
		return t.refuse("has manifests of more than the %d bytes that are accepted of one image", t.MaxBytes)
	}
	return nil
}

// expect refuses what an index says to be too much before it is read.
func (t *reading) expect(entries []v1.Descriptor) error {
	if t.manifests.Add(int64(len(entries))) > maxTreeManifests {
		return t.refuse("has more than the %d manifests that are accepted of one image", maxTreeManifests)
	}
	left := t.MaxBytes - t.bytes.Load()
	for _, entry := range entries {
		if left -= max(entry.Size, 0); left < 0 {
			return t.refuse("has manifests of more than the %d bytes that are accepted of one image", t.MaxBytes)
		}
	}
	return nil
}

func (t *reading) node(ctx context.Context, s Selected, depth int) (*Node, error) {
	c := s.Content
	n := &Node{Manifest: s.Manifest, MediaType: string(c.MediaType), Subset: s.Subset}
	if !c.IsIndex() {
		var err error
		n.Blobs, n.Foreign, err = c.blobs(t.ForeignLayers)
		return n, err
	}
	if depth >= maxIndexDepth {
		return nil, fmt.Errorf("index %s is nested more than %d deep", n.Manifest.Digest, maxIndexDepth)
	}
	if err := t.expect(c.Manifests); err != nil {
		return nil, err
	}
	children, lost, err := t.entries(ctx, c, depth+1)
	if err != nil {
		return nil, err
	}
	if len(lost) > 0 {
		if !t.SkipMissing || depth > 0 {
			return nil, &MissingError{Index: s.Manifest.Digest, Missing: missingOf(c, lost)}
		}
		var keep []bool
		if s, keep, err = s.Without(lost); err != nil {
			return nil, err
		}
		var kept []*Node
		for i, child := range children {
			if keep[i] {
				kept = append(kept, child)
			}
		}
		children, c = kept, s.Content
		n.Manifest, n.Subset = s.Manifest, s.Subset
	}
	var blobs []v1.Descriptor
	for i, child := range children {
		if child == nil {
			blobs = append(blobs, c.Manifests[i])
		}
	}
	n.Children = slices.DeleteFunc(children, func(child *Node) bool { return child == nil })
	n.Blobs, n.Foreign, err = distinct(blobs, t.ForeignLayers)
	return n, err
}

// entries reads what an index names, side by side: a node each, nil for a blob; and those that aren't there.
func (t *reading) entries(ctx context.Context, c *Content, depth int) (children []*Node, lost map[int]error, err error) {
	list, names := c.Manifests, namesOf(c)
	children, lost = make([]*Node, len(list)), map[int]error{}
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(maxAtOnce)
	for i, entry := range list {
		if KindOf(entry.MediaType) == BlobEntry {
			continue
		}
		group.Go(func() error {
			if err := ctx.Err(); err != nil { // another child failed
				return err
			}
			if refused := t.refused.Load(); refused != nil { // in another branch
				return *refused
			}
			child, err := t.entry(ctx, entry, depth)
			switch {
			case isMissing(err):
				mu.Lock()
				defer mu.Unlock()
				lost[i] = err
				return nil
			case err != nil && names[i] != "" && t.refused.Load() == nil:
				return fmt.Errorf("%s: %w", names[i], err)
			case child != nil:
				child.Name = names[i]
			}
			children[i] = child
			return err
		})
	}
	return children, lost, group.Wait()
}

// entry reads what an index names; nil is a blob.
func (t *reading) entry(ctx context.Context, d v1.Descriptor, depth int) (*Node, error) {
	if m := inline(d); m != nil && KindOf(d.MediaType) == ManifestEntry {
		return t.below(ctx, m, Selection{}, depth)
	}
	n, err := t.tree(ctx, d.Digest, Selection{}, depth)
	if errors.Is(err, registry.ErrNotFound) && KindOf(d.MediaType) == UnknownEntry {
		return nil, nil
	}
	return n, err
}

func (t *reading) tree(ctx context.Context, digest v1.Hash, want Selection, depth int) (*Node, error) {
	m, err := t.Manifest(ctx, digest)
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", digest, err)
	}
	return t.below(ctx, m, want, depth)
}

func (t *reading) below(ctx context.Context, m *registry.Manifest, want Selection, depth int) (*Node, error) {
	if err := t.took(m); err != nil {
		return nil, err
	}
	selected, err := Select(m, want)
	if err != nil {
		return nil, fmt.Errorf("manifest %s %w", m.Digest, err)
	}
	return t.node(ctx, selected, depth)
}
