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
	q := question{image: im, there: there, distrusted: false}
	if settled, err := r.settledByDigest(ctx, &q); settled != nil || err != nil {
		return nil, nil, settled, err
	}
	root, settled, err := r.tree(ctx, &q)
	if settled != nil || err != nil {
		return nil, nil, settled, err
	}
	attached, err := r.attachments(ctx, im, root, q.sourceDigest)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("read source %s: %w", c.Source, err)
	}
	same := q.same(root.Manifest)
	if there != nil && !same {
		im.result.Replaced = there.Digest
	}
	lacks := ""
	if same && r.checksAttached(c) {
		if lacks, err = r.lacksAttachments(ctx, im, attached); err != nil {
			return nil, nil, nil, fmt.Errorf("look up destination %s: %w", c.Destination, err)
		}
		if lacks == "" && !q.distrusted {
			if settled, err := r.trust(ctx, &q); settled != nil || err != nil {
				return nil, nil, settled, err
			}
		}
	}
	if r.opts.Verify && !r.opts.Force {
		return nil, nil, nil, q.drift(root.Manifest, lacks)
	}
	if err := errors.Join(r.admit(im, root, q.sourceDigest), refusedTypes(im, root)); err != nil {
		return nil, nil, nil, err
	}
	if attached, err = r.keepOwn(ctx, im, attached); err != nil {
		return nil, nil, nil, fmt.Errorf("look up destination %s: %w", c.Destination, err)
	}
	if r.opts.Force && !r.opts.DryRun {
		if err := r.lookForDamage(ctx, im, root, attached); err != nil {
			return nil, nil, nil, fmt.Errorf("look at destination %s: %w", c.Destination, err)
		}
	}
	if r.opts.DryRun {
		im.root, im.attached = root, attached
		return nil, nil, &Result{
			Status: StatusPlanned, Digest: root.Manifest.Digest, SourceDigest: q.sourceDigest,
			Bytes: r.planned.add(im), Attached: len(attached),
		}, nil
	}
	return root, attached, nil, nil
}

// question is what resolving finds out about one image, step by step.
type question struct {
	image        *image
	there        *v1.Descriptor // what the destination has
	sourceDigest v1.Hash        // zero while it isn't known
	distrusted   bool           // the destination has the digest, but not all that belongs to it
}

func (q *question) same(m *registry.Manifest) bool { return q.there != nil && m.Is(q.there.Digest) }

// drift says how the destination differs from what it shall have; lacks is what it lacks beside the manifest.
func (q *question) drift(want *registry.Manifest, lacks string) error {
	to := q.image.copy.Destination
	switch {
	case q.there == nil:
		return fmt.Errorf("%w: %s is not there", ErrDrift, to)
	case q.same(want):
		return fmt.Errorf("%w: %s %s", ErrDrift, to, lacks)
	}
	return fmt.Errorf("%w: %s has %s, the source has %s", ErrDrift, to, q.there.Digest, want.Digest)
}

// checksAttached tells whether the attachments of an unchanged image are asked for.
func (r *run) checksAttached(c Copy) bool {
	return c.attaches() && (r.opts.CheckReferrers || r.opts.Verify || c.Referrers == ReferrersRequire)
}

// settledByDigest settles an image without reading its source, where digests can tell. An index that is to be cut down has
// another one than its source, which may be known; an image of one platform hasn't.
func (r *run) settledByDigest(ctx context.Context, q *question) (*Result, error) {
	c := q.image.copy
	if q.there == nil || r.checksAttached(c) || c.rewrites() && !c.expected() && !q.there.MediaType.IsImage() {
		return nil, nil
	}
	digest, err := r.wantedDigest(ctx, q.image)
	if err != nil {
		return nil, fmt.Errorf("look up source %s: %w", c.Source, err)
	}
	if digest != q.there.Digest {
		return nil, nil
	}
	q.sourceDigest = c.sourceOf(digest)
	return r.trust(ctx, q)
}

// writes tells whether what is missing at a destination is sent there.
func (r *run) writes() bool { return !r.opts.DryRun && (!r.opts.Verify || r.opts.Force) }

// refusedTypes fails an image whose kind of manifest the destination has refused before: its blobs needn't be sent.
func refusedTypes(im *image, root *tree.Node) (err error) {
	root.Walk(func(n *tree.Node) {
		if err == nil {
			err = im.destination.client.Refuses(im.repository(), n.MediaType)
		}
	})
	return err
}

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
		missing, known := registry.Missing(err)
		if missing && !known && r.writes() && im.destination.client.MayPush(ctx, to.Repository) {
			// Some may push what they may not read; others are told so of whatever isn't there.
			r.log.Debug("not known whether the destination is there", "destination", to, "error", err)
			return nil, nil
		}
		if known {
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
func (r *run) trust(ctx context.Context, q *question) (*Result, error) {
	im, there := q.image, *q.there
	unchanged := &Result{Status: StatusUnchanged, Digest: there.Digest, SourceDigest: q.sourceDigest}
	switch {
	case r.opts.Verify:
		err := r.verify(ctx, im, there.Digest)
		if err == nil {
			return unchanged, nil
		}
		if errors.Is(err, ErrDrift) && r.opts.Force {
			q.distrusted = true
			return nil, nil
		}
		return nil, err
	case r.opts.Force:
		q.distrusted = true
		return nil, nil
	case r.doubted(im, there, q.sourceDigest):
		lacks, err := r.lacksWanted(ctx, im, there.Digest)
		if err != nil {
			return nil, fmt.Errorf("look up what %s has of its platforms: %w", im.copy.Destination, err)
		}
		if lacks {
			q.distrusted = true
			return nil, nil
		}
	}
	im.unchanged = true
	return unchanged, nil
}
