package engine

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"docker-mirror/go-helper/internal/engine/internal/tree"
	"docker-mirror/go-helper/internal/registry"
)

// write writes an image's manifests: children before their index, then what is attached to them, and the tag last.
func (r *run) write(im *image) error {
	root, to := im.root, im.copy.Destination
	digest := root.Manifest.Digest.String()
	identifier := to.Tag
	if identifier == "" {
		identifier = digest
	}
	if root.Subset != nil && root.Subset.Sparse { // before it is true, so that a killed run has said so
		r.sparse.Note(im.destination.host, im.repository(), root.Manifest.Digest, true)
	}
	if len(im.attached) > 0 {
		if err := r.pushTree(r.ctx, im, root, digest); err != nil {
			return err
		}
		pushed, err := r.pushAttachments(r.ctx, im, im.attached)
		if err != nil {
			return err
		}
		im.pushed = pushed
	}
	err := r.pushTree(r.ctx, im, root, identifier)
	if err != nil && (!registry.Temporary(err) || !r.written(im, identifier)) {
		return err
	}
	if root.Subset == nil {
		r.sparse.Note(im.destination.host, im.repository(), root.Manifest.Digest, false)
	}
	return nil
}

// written tells whether the destination has what was written although its answers were errors to the end.
func (r *run) written(im *image, identifier string) bool {
	there, err := im.destination.client.HeadManifest(r.ctx, im.repository(), identifier)
	return err == nil && im.root.Manifest.Is(there.Digest)
}

func (r *run) pushTree(ctx context.Context, im *image, n *tree.Node, identifier string) error {
	group, groupCtx := errgroup.WithContext(ctx)
	for _, child := range n.Children {
		group.Go(func() error {
			return r.pushTree(groupCtx, im, child, child.Manifest.Digest.String())
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// Images of one repository share children: each is written once a run.
	d := im.destination
	key := manifestKey{im.repository(), identifier, n.Manifest.Digest.String()}
	d.mu.Lock()
	pushed := d.manifests[key]
	if pushed == nil {
		pushed = &once[struct{}]{}
		d.manifests[key] = pushed
	}
	d.mu.Unlock()
	_, err := pushed.do(ctx, func() (struct{}, error) { return struct{}{}, r.put(ctx, im, n, identifier) })
	if err = whyRefused(n, err); err != nil && n.Name != "" {
		err = fmt.Errorf("%s: %w", n.Name, err)
	}
	return err
}

// answerPatience is how long an interrupt leaves a manifest that is on its way.
const answerPatience = 600 * time.Millisecond

// untilAnswered gives a context that outlives ctx by answerPatience: what was sent when the interrupt came may be
// written, and the report shall say so.
func untilAnswered(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(answerPatience)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-longer.Done():
		}
	})
	return longer, func() {
		stop()
		cancel()
	}
}
