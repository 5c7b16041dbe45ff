package engine

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"docker-mirror/go-helper/internal/engine/internal/tree"
	"docker-mirror/go-helper/internal/registry"
)

// commitIfReady commits an image whose repository has all blobs. r.mu must be held.
func (r *run) commitIfReady(im *image) {
	if im.pending > 0 || im.ended || im.root == nil || im.writing {
		return
	}
	im.writing, im.resending = true, false
	root, attached := im.root, im.attached
	r.spawn(func() { r.commit(im, root, attached) })
}

// commit writes an image's manifests: children before their index, then what is attached to them, and the tag last.
func (r *run) commit(im *image, root *tree.Node, attached []attachment) {
	to := im.copy.Destination
	digest := root.Manifest.Digest.String()
	identifier := to.Tag
	if identifier == "" {
		identifier = digest
	}
	if root.Subset != nil && root.Subset.Sparse { // before it is true, so that a killed run has said so
		r.sparse.note(im.destination.host, im.repository(), root.Manifest.Digest, true)
	}
	pushed := 0
	var err error
	if len(attached) > 0 {
		err = r.pushTree(r.ctx, im, root, digest)
		if err == nil {
			pushed, err = r.pushAttachments(r.ctx, im, attached)
		}
	}
	if err == nil {
		err = r.pushTree(r.ctx, im, root, identifier)
	}
	if err != nil && registry.Temporary(err) && r.written(im, root, identifier) {
		err = nil
	}
	if err != nil && registry.ContentMissing(err) && !errors.As(err, new(*SparseRefusedError)) && r.recheck(im, root) {
		return // comes back when what was missing is there
	}
	if err != nil {
		r.end(im, Result{Status: StatusFailed, Err: err})
		return
	}
	if root.Subset == nil {
		r.sparse.note(im.destination.host, im.repository(), root.Manifest.Digest, false)
	}
	r.committed(im)
	r.end(im, Result{Status: StatusCopied, Digest: root.Manifest.Digest, Attached: pushed})
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
	_, err := pushed.do(ctx, func() (struct{}, error) {
		m := *n.Manifest
		m.MediaType = n.MediaType
		ctx, stop := untilAnswered(ctx)
		defer stop()
		return struct{}{}, d.client.PutManifest(ctx, im.repository(), identifier, &m)
	})
	return whyRefused(n, err)
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

// committed tells followers that may only mount from committed repositories that they can go on.
func (r *run) committed(im *image) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range im.needs {
		if !n.committed {
			n.committed = true
			r.advance(n.host)
		}
	}
}

// written tells whether the destination has what was written although its answers were errors to the end.
func (r *run) written(im *image, root *tree.Node, identifier string) bool {
	there, err := im.destination.client.HeadManifest(r.ctx, im.repository(), identifier)
	return err == nil && there.Digest == root.Manifest.Digest
}

// recheck asks for every blob of an image whose manifest was refused because one is missing, and has those sent
// that are. It does so once an image, unless another one of its repository has blobs sent again meanwhile. It tells
// whether the image is written again.
func (r *run) recheck(im *image, root *tree.Node) bool {
	r.mu.Lock()
	if im.resending {
		defer r.mu.Unlock()
		im.writing = false
		r.commitIfReady(im)
		return true
	}
	needs := im.needs
	again := im.rechecked
	im.rechecked = true
	r.mu.Unlock()
	if again {
		return false
	}
	var missing []*need
	for _, n := range needs {
		exists, err := im.destination.client.HeadBlob(r.ctx, n.repository, n.host.blob.digest, n.host.blob.size)
		if err != nil {
			return false
		}
		if !exists {
			missing = append(missing, n)
		}
	}
	r.log.Debug("manifest refused, blobs asked for again", "destination", im.copy.Destination, "manifest", root.Manifest.Digest, "missing", len(missing))
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range missing {
		if n.state != needDone {
			continue // another image has found it missing too
		}
		n.state, n.distrust = needNew, true
		if n.host.holder == n {
			n.host.holder = n.host.otherHolder(n)
		}
		for _, waiting := range n.images {
			if !waiting.ended {
				waiting.pending++
				waiting.resending = true
			}
		}
	}
	if im.ended || !im.resending && len(missing) > 0 {
		return false
	}
	im.writing = false // where all is there the registry has noticed it late, and once more will do
	for _, n := range missing {
		r.advance(n.host)
	}
	r.commitIfReady(im)
	return true
}
