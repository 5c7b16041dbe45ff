package engine

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"docker-mirror/go-helper/internal/registry"
)

// tagsWorthAList is from how many tags of one repository on a single request is spent on whether the
// repository exists at all.
const tagsWorthAList = 3

// resolve finds out what is to be done for an image, the destination first: a settled result, or
// the tree of manifests that the destination shall have, with what is attached to it.
func (r *run) resolve(im *image) (*node, []attachment, *Result, error) {
	ctx, c := r.ctx, im.copy
	there, err := r.lookAtDestination(ctx, im)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("look up destination %s: %w", c.Destination, err)
	}
	checkAttached := c.attaches() && (r.opts.CheckReferrers || r.opts.Verify)
	distrusted := false
	if there != nil && !c.rewrites() && !checkAttached {
		digest, err := r.sourceDigest(ctx, im)
		if err != nil {
			return nil, nil, nil, fmt.Errorf("look up source %s: %w", c.Source, err)
		}
		if digest == there.Digest {
			settled, err := r.trust(ctx, im, *there, digest)
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
	same := there != nil && there.Digest == root.manifest.Digest
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
			err = fmt.Errorf("%w: %s has %s, the source has %s", ErrDrift, c.Destination, there.Digest, root.manifest.Digest)
		}
		return nil, nil, nil, err
	case r.opts.DryRun:
		return nil, nil, &Result{
			Status: StatusPlanned, Digest: root.manifest.Digest, SourceDigest: sourceDigest,
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
	if r.tags[to.Name()] >= tagsWorthAList && im.destination.repositoryMissing(ctx, to.Repository) {
		return nil, nil
	}
	descriptor, err := im.destination.client.HeadManifest(ctx, to.Repository, identifier)
	if errors.Is(err, registry.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &descriptor, nil
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
	d.unchanged = append(d.unchanged, unchangedImage{im.repository(), there.Digest, im.copy.partly()})
	d.mu.Unlock()
	return unchanged, nil
}

// tree reads the source's manifests, limited to the wanted platforms.
func (r *run) tree(ctx context.Context, im *image) (root *node, sourceDigest v1.Hash, err error) {
	from := im.copy.Source
	m, err := r.sources.manifest(ctx, im.source, from.Repository, from.Identifier())
	if err != nil {
		return nil, v1.Hash{}, err
	}
	sourceDigest = m.Digest
	parsed, err := parseManifest(m)
	if err != nil {
		return nil, sourceDigest, err
	}
	var subset *Subset
	if im.copy.limited() && parsed.isIndex() {
		m, parsed, subset, err = limitIndex(m, parsed, im.copy.Platforms, im.copy.sparse())
		r.noteSubset(im, subset)
		if err != nil {
			return nil, sourceDigest, err
		}
	}
	if root, err = r.subtree(ctx, im.source, from.Repository, m, parsed); err != nil {
		return nil, sourceDigest, err
	}
	root.subset = subset
	r.mu.Lock()
	defer r.mu.Unlock()
	root.walk(func(n *node) { im.result.Foreign += n.foreign })
	return root, sourceDigest, nil
}

// subtree reads what is below a source's manifest.
func (r *run) subtree(ctx context.Context, client *registry.Client, repository string, m *registry.Manifest, c *content) (*node, error) {
	t := treeReader{foreign: r.opts.ForeignLayers, read: func(ctx context.Context, digest v1.Hash) (*registry.Manifest, error) {
		return r.sources.manifest(ctx, client, repository, digest.String())
	}}
	return t.node(ctx, m, c, 0)
}

// treeReader reads the manifests below one, within the bounds of what is accepted of an image.
type treeReader struct {
	read      func(ctx context.Context, digest v1.Hash) (*registry.Manifest, error)
	foreign   bool         // foreign layers count as blobs
	manifests atomic.Int64 // that it has come across
}

func (t *treeReader) node(ctx context.Context, m *registry.Manifest, c *content, depth int) (*node, error) {
	n := &node{manifest: m, mediaType: string(c.MediaType)}
	if !c.isIndex() {
		var err error
		n.blobs, n.foreign, err = c.blobs(t.foreign)
		return n, err
	}
	if depth >= maxIndexDepth {
		return nil, fmt.Errorf("index %s is nested more than %d deep", m.Digest, maxIndexDepth)
	}
	if t.manifests.Add(int64(len(c.Manifests))) > maxTreeManifests {
		return nil, fmt.Errorf("has more than the %d manifests that are accepted of one image", maxTreeManifests)
	}
	n.children = make([]*node, len(c.Manifests))
	group, ctx := errgroup.WithContext(ctx)
	for i, entry := range c.Manifests {
		group.Go(func() error {
			if err := ctx.Err(); err != nil { // another child failed
				return err
			}
			child, err := t.tree(ctx, entry.Digest, depth+1)
			n.children[i] = child
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return n, nil
}

// tree reads a manifest and all below it; of an index only the given platforms, where there are any.
func (t *treeReader) tree(ctx context.Context, digest v1.Hash, depth int, platforms ...v1.Platform) (*node, error) {
	m, err := t.read(ctx, digest)
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", digest, err)
	}
	parsed, err := parseManifest(m)
	if err != nil {
		return nil, fmt.Errorf("manifest %s %w", digest, err)
	}
	var subset *Subset
	if len(platforms) > 0 && parsed.isIndex() {
		if m, parsed, subset, err = limitIndex(m, parsed, platforms, true); err != nil {
			return nil, err
		}
	}
	n, err := t.node(ctx, m, parsed, depth)
	if err != nil {
		return nil, err
	}
	n.subset = subset
	return n, nil
}

// estimate tells a dry run's bytes: a blob goes up once a registry and is mounted elsewhere. What a
// repository has already is not asked for.
func (r *run) estimate(im *image, root *node, attached []attachment) Bytes {
	r.mu.Lock()
	defer r.mu.Unlock()
	var bytes Bytes
	add := func(n *node) {
		for _, d := range n.blobs {
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
	root.walk(add)
	for _, a := range attached {
		a.node.walk(add)
	}
	return bytes
}
