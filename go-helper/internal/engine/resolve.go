package engine

import (
	"context"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/engine/internal/tree"
	"docker-mirror/go-helper/internal/registry"
)

// tagsWorthAList is from how many tags of one repository on a single request is spent on whether the
// repository exists at all.
const tagsWorthAList = 3

// resolve finds out what is to be done for an image, the destination first: a settled result, or
// the tree of manifests that the destination shall have, with what is attached to it.
func (r *run) resolve(im *image) (*tree.Node, []attachment, *Result, error) {
	ctx, c := r.ctx, im.copy
	there, err := r.lookAtDestination(ctx, im)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("look up destination %s: %w", c.Destination, err)
	}
	checkAttached := c.attaches() && (r.opts.CheckReferrers || r.opts.Verify)
	distrusted := false
	if there != nil && (!c.rewrites() || c.expected()) && !checkAttached {
		digest, err := r.wantedDigest(ctx, im)
		if err != nil {
			return nil, nil, nil, fmt.Errorf("look up source %s: %w", c.Source, err)
		}
		if digest == there.Digest {
			settled, err := r.trust(ctx, im, *there, c.sourceOf(digest))
			if settled != nil || err != nil {
				return nil, nil, settled, err
			}
			distrusted = true
		}
	}
	root, sourceDigest, err := r.tree(ctx, im)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("read source %s: %w", c.Source, err)
	}
	r.mu.Lock()
	im.result.SourceDigest = sourceDigest
	r.mu.Unlock()
	if c.expected() && !root.Manifest.Is(c.Expect) {
		return nil, nil, nil, fmt.Errorf("limited to its platforms, %s has %s, and %s is locked for it", c.Source, root.Manifest.Digest, c.Expect)
	}
	same := there != nil && root.Manifest.Is(there.Digest)
	if same && !checkAttached && !distrusted {
		settled, err := r.trust(ctx, im, *there, sourceDigest)
		if settled != nil || err != nil {
			return nil, nil, settled, err
		}
	}
	attached, err := r.attachments(ctx, im, root, sourceDigest)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("read source %s: %w", c.Source, err)
	}
	if same && checkAttached {
		complete, err := r.attachmentsThere(ctx, im, attached)
		if err != nil {
			return nil, nil, nil, fmt.Errorf("look up destination %s: %w", c.Destination, err)
		}
		if complete {
			settled, err := r.trust(ctx, im, *there, sourceDigest)
			if settled != nil || err != nil {
				return nil, nil, settled, err
			}
		}
	}
	switch {
	case r.opts.Verify && !r.opts.Force:
		switch {
		case there == nil:
			err = fmt.Errorf("%w: %s is not there", ErrDrift, c.Destination)
		case same:
			err = fmt.Errorf("%w: %s lacks something that is attached to it", ErrDrift, c.Destination)
		default:
			err = fmt.Errorf("%w: %s has %s, the source has %s", ErrDrift, c.Destination, there.Digest, root.Manifest.Digest)
		}
		return nil, nil, nil, err
	case r.opts.DryRun:
		return nil, nil, &Result{
			Status: StatusPlanned, Digest: root.Manifest.Digest, SourceDigest: sourceDigest,
			Bytes: r.estimate(im, root, attached), Attached: len(attached),
		}, nil
	}
	return root, attached, nil, nil
}

func (c Copy) attaches() bool { return c.Referrers != "" && c.Referrers != ReferrersNone }

func (c Copy) limited() bool { return len(c.Platforms) > 0 }

// lookAtDestination gives what the destination has, nil where it is not there.
func (r *run) lookAtDestination(ctx context.Context, im *image) (*v1.Descriptor, error) {
	to := im.copy.Destination
	identifier := to.Tag
	if identifier == "" {
		identifier = to.Digest.String()
	}
	look := func() (*v1.Descriptor, error) {
		descriptor, err := im.destination.client.HeadManifest(ctx, to.Repository, identifier)
		if errors.Is(err, registry.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return &descriptor, nil
	}
	if r.tags[to.Name()] < tagsWorthAList {
		return look()
	}
	// Mostly the tags are there, and the first one tells as much of the repository as a list does.
	var there *v1.Descriptor
	var err error
	looked := false
	missing := im.destination.repositoryMissing(ctx, to.Repository, func() bool {
		there, err = look()
		looked = true
		return there != nil
	})
	switch {
	case looked:
		return there, err
	case missing:
		return nil, nil
	}
	return look()
}

// expected tells whether it is known what a rewritten index comes to.
func (c Copy) expected() bool { return c.rewrites() && c.Expect != v1.Hash{} }

// sourceOf is the source's digest where the destination has digest.
func (c Copy) sourceOf(digest v1.Hash) v1.Hash {
	if c.expected() {
		return c.Source.Digest
	}
	return digest
}

// wantedDigest is what the destination has where the copy is done, as far as that can be told without reading the source.
func (r *run) wantedDigest(ctx context.Context, im *image) (v1.Hash, error) {
	if im.copy.expected() {
		return im.copy.Expect, nil
	}
	return r.sourceDigest(ctx, im)
}

// sourceDigest costs no request where the source is pinned, else a HEAD.
func (r *run) sourceDigest(ctx context.Context, im *image) (v1.Hash, error) {
	from := im.copy.Source
	if from.HasDigest() {
		return from.Digest, nil
	}
	descriptor, err := r.sources.head(ctx, im.source, from.Repository, from.Identifier())
	return descriptor.Digest, err
}

// trust settles an image whose destination has the wanted digest, unless it is to be looked into and
// repaired: then both results are nil.
func (r *run) trust(ctx context.Context, im *image, there v1.Descriptor, sourceDigest v1.Hash) (*Result, error) {
	unchanged := &Result{Status: StatusUnchanged, Digest: there.Digest, SourceDigest: sourceDigest}
	switch {
	case r.opts.Verify:
		err := r.verify(ctx, im, there.Digest)
		if err == nil {
			return unchanged, nil
		}
		if errors.Is(err, ErrDrift) && r.opts.Force {
			return nil, nil
		}
		return nil, err
	case r.opts.Force:
		return nil, nil
	case r.doubted(im, there, sourceDigest):
		lacks, err := r.lacksWanted(ctx, im, there.Digest)
		if err != nil {
			return nil, fmt.Errorf("look up what %s has of its platforms: %w", im.copy.Destination, err)
		}
		if lacks {
			return nil, nil
		}
	}
	d := im.destination
	d.mu.Lock()
	d.unread = append(d.unread, unchangedImage{im.repository(), there.Digest, im.copy.partly()})
	d.mu.Unlock()
	return unchanged, nil
}

// tree reads the source's manifests, limited to the wanted platforms.
func (r *run) tree(ctx context.Context, im *image) (root *tree.Node, sourceDigest v1.Hash, err error) {
	from := im.copy.Source
	m, err := r.sources.manifest(ctx, im.source, from.Repository, from.Identifier())
	if err != nil {
		return nil, v1.Hash{}, err
	}
	sourceDigest = m.Digest
	root, err = r.sourceTree(im).Tree(ctx, m, im.copy.selection())
	if err != nil {
		return nil, sourceDigest, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	im.result.Subset = root.Subset
	root.Walk(func(n *tree.Node) { im.result.Foreign += n.Foreign })
	return root, sourceDigest, nil
}

// selection says what the copy takes of an index.
func (c Copy) selection() tree.Selection {
	return tree.Selection{Platforms: c.Platforms, Sparse: c.Sparse}
}

// sourceTree reads what is below a manifest at an image's source.
func (r *run) sourceTree(im *image) tree.Reader {
	return tree.Reader{ForeignLayers: r.opts.ForeignLayers, Manifest: func(ctx context.Context, digest v1.Hash) (*registry.Manifest, error) {
		return r.sources.manifest(ctx, im.source, im.copy.Source.Repository, digest.String())
	}}
}

// estimate tells a dry run's bytes: a blob goes up once a registry and is mounted elsewhere. What a
// repository has already is not asked for.
func (r *run) estimate(im *image, root *tree.Node, attached []attachment) Bytes {
	r.mu.Lock()
	defer r.mu.Unlock()
	var bytes Bytes
	add := func(n *tree.Node) {
		for _, d := range n.Blobs {
			b := r.blobFor(im, d, 0)
			first := len(b.hosts) == 0
			host := b.host(im.destination)
			switch need := host.need(im.repository()); {
			case need.state == needDone:
			case len(host.needs) > 1:
				bytes.Mounted += d.Size
				need.state = needDone
			default:
				bytes.Up += d.Size
				if first {
					bytes.Down += d.Size
				}
				need.state = needDone
			}
		}
	}
	root.Walk(add)
	for _, a := range attached {
		a.node.Walk(add)
	}
	return bytes
}
