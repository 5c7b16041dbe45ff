package engine

import (
	"context"
	"time"

	"docker-mirror/go-helper/internal/engine/internal/tree"
	"docker-mirror/go-helper/internal/registry"
)

const (
	// joinPatience is how long the first registry that is ready for a blob waits for the others, so
	// that one download serves them all.
	joinPatience = 400 * time.Millisecond
	// maxSinks bounds the uploads that one download feeds.
	maxSinks = 8
	// largeBlob is from where it is worth reading the manifests of unchanged images to find a
	// repository to mount from, at indexCost bytes a manifest.
	largeBlob = 4 << 20
	indexCost = 64 << 10
)

// runBlob serves a blob's needs until none is left.
func (r *run) runBlob(b *blob) {
	for {
		if err := r.opening.acquire(r.ctx, b.rank, 0); err != nil {
			return // interrupted: finish settles the images
		}
		needs := r.takeWanted(b)
		if len(needs) > 0 {
			r.serve(b, needs)
		}
		r.opening.release(0)
		if len(needs) == 0 {
			return
		}
	}
}

// serve finds out which needs want bytes, and moves the bytes.
func (r *run) serve(b *blob, needs []*need) {
	ready := make(chan *need)
	left := make(chan struct{}) // closed when the transfer goes without the rest
	for _, n := range needs {
		r.spawn(func() {
			if !r.open(n) {
				n = nil
			}
			select {
			case ready <- n:
			case <-left:
				if n != nil { // too late for this transfer: the next one is its own
					r.mu.Lock()
					r.want(n)
					r.mu.Unlock()
				}
			}
		})
	}
	var open []*need
	var patience <-chan time.Time
	for range needs {
		select {
		case n := <-ready:
			if n == nil {
				continue
			}
			open = append(open, n)
			if patience == nil {
				timer := time.NewTimer(joinPatience)
				defer timer.Stop()
				patience = timer.C
			}
			continue
		case <-patience:
		}
		break
	}
	close(left)
	if len(open) == 0 {
		return
	}
	// What is as small as a request needs no slot: on a long line it would keep one for two round trips.
	if b.size > smallBlob {
		if err := r.transfers.acquire(r.ctx, b.rank, b.size); err != nil {
			for _, n := range open {
				r.cancel(n.upload)
			}
			return // interrupted
		}
		defer r.transfers.release(b.size)
	}
	r.transfer(b, open)
}

// open brings a need to the point where it wants bytes: true, with an upload session. Otherwise it
// settled the need: the blob was there, could be mounted, or something failed.
func (r *run) open(n *need) bool {
	if n.upload != nil {
		return true
	}
	h := n.host
	b, d := h.blob, h.destination
	mode := d.mounts()
	if mode == mountsNever || n.distrust {
		return r.openAfterHead(n)
	}
	from := r.mountFrom(n)
	u, err := d.client.StartUpload(r.ctx, n.repository, b.digest, from)
	switch {
	case err != nil && from != "" && from != n.repository && registry.IsDenied(err):
		// Not allowed to read the origin: do without it.
		d.forgetOrigin(b.digest, from)
		u, err = d.client.StartUpload(r.ctx, n.repository, b.digest, n.repository)
		from = n.repository
	}
	if err != nil {
		r.fail(n, err)
		return false
	}
	if u == nil {
		r.learn(d, mountsWork)
		r.mounted(n, from)
		return false
	}
	n.upload = u
	if from != "" && from != n.repository {
		d.forgetOrigin(b.digest, from)
	}
	if origin := r.findOrigin(n); origin != "" {
		instead, err := d.client.StartUpload(r.ctx, n.repository, b.digest, origin)
		switch {
		case err != nil:
			r.log.Debug("could not mount from an unchanged image", "origin", origin, "error", err)
		case instead == nil:
			n.upload = nil
			r.cancel(u)
			r.learn(d, mountsWork)
			r.mounted(n, origin)
			return false
		default:
			r.cancel(instead)
		}
	}
	if b.size <= smallBlob || from == "" || d.mounts() == mountsWork {
		return true
	}
	// The refusal says nothing yet: this registry may not mount at all, and the blob be there.
	if mode = d.awaitVerdict(r.ctx, r.probe); mode == mountsWork && from == n.repository {
		return true
	}
	exists, err := d.client.HeadBlob(r.ctx, n.repository, b.digest, b.size)
	if err != nil && !registry.IsDenied(err) { // who may not read may still write
		r.fail(n, err)
		return false
	}
	if exists {
		n.upload = nil
		r.cancel(u)
		r.mounted(n, "")
		return false
	}
	return true
}

// openAfterHead is open for registries that do not mount.
func (r *run) openAfterHead(n *need) bool {
	h := n.host
	b, d := h.blob, h.destination
	if !d.knownMissing(n.repository) && (b.size > smallBlob || n.distrust) {
		exists, err := d.client.HeadBlob(r.ctx, n.repository, b.digest, b.size)
		if err != nil && !registry.IsDenied(err) { // who may not read may still write
			r.fail(n, err)
			return false
		}
		if exists {
			r.mounted(n, "")
			return false
		}
	}
	u, err := d.client.StartUpload(r.ctx, n.repository, b.digest, "")
	if err != nil {
		r.fail(n, err)
		return false
	}
	n.upload = u
	return true
}

// mountFrom names the repository to mount from: one that had the blob before this run, else the need's own,
// which makes the request ask whether the blob is there; "" where the repository is known to be new.
func (r *run) mountFrom(n *need) string {
	d, digest := n.host.destination, n.host.blob.digest
	if d.hadBlob(digest, n.repository) {
		return n.repository
	}
	if origin := d.origin(digest, n.repository); origin != "" {
		return origin
	}
	if d.knownMissing(n.repository) {
		return ""
	}
	return n.repository
}

// mount lets a need have the blob from a repository that has it by this run.
func (r *run) mount(n, holder *need) {
	h := n.host
	b, d := h.blob, h.destination
	r.mu.Lock()
	committed := holder.committed
	r.mu.Unlock()
	u, err := d.client.StartUpload(r.ctx, n.repository, b.digest, holder.repository)
	if err != nil {
		r.fail(n, err)
		return
	}
	if u == nil {
		r.learn(d, mountsWork)
		r.mounted(n, holder.repository)
		return
	}
	switch mode := d.mounts(); {
	case !committed && mode != mountsWork && mode != mountsNever:
		// Some registries (ECR) mount only what a committed manifest refers to: ask again then.
		r.learn(d, mountsAfterCommit)
		r.cancel(u)
		r.mu.Lock()
		n.state = needNew
		r.advance(h)
		r.mu.Unlock()
		return
	case mode == mountsUnknown, mode == mountsAfterCommit && committed:
		r.learn(d, mountsNever)
	}
	r.mu.Lock()
	n.upload = u
	r.want(n)
	r.mu.Unlock()
}

// learn notes how the registry treats mounts, and wakes what waited to know.
func (r *run) learn(d *destination, mode mountMode) {
	if d.learn(mode) {
		r.log.Debug("learned how a registry mounts", "registry", d.host, "mode", mode)
		r.advanceAll(d)
	}
}

// probe settles by one request whether mounts work: the repository has got this blob, so a mount from itself must
// be answered 201.
func (r *run) probe(n *need) {
	h := n.host
	r.spawn(func() {
		u, err := h.destination.client.StartUpload(r.ctx, n.repository, h.blob.digest, n.repository)
		switch {
		case err != nil:
			r.log.Debug("mount probe failed", "error", err)
			r.learn(h.destination, mountsAfterCommit)
		case u == nil:
			r.learn(h.destination, mountsWork)
		default:
			r.learn(h.destination, mountsAfterCommit)
			r.cancel(u)
		}
	})
}

// mounted settles a need that cost no bytes; from is empty, or the repository itself, where the blob was there.
func (r *run) mounted(n *need, from string) {
	b := n.host.blob
	if from == n.repository {
		from = ""
	}
	r.observe(BlobMounted{
		Registry: n.host.destination.host, Repository: n.repository, From: from,
		Digest: b.digest, Size: b.size,
	})
	r.mu.Lock()
	if from != "" && len(n.images) > 0 {
		n.images[0].result.Bytes.Mounted += b.size
	}
	r.mu.Unlock()
	r.done(n)
}

// findOrigin looks for a repository to mount a blob from that is large, about to be sent, and of unknown
// whereabouts: once each it reads the manifests of the images that are unchanged there. "" where
// there is none, or where the blob is not worth the requests.
func (r *run) findOrigin(n *need) string {
	b, d := n.host.blob, n.host.destination
	d.mu.Lock()
	unchanged := len(d.unread)
	mode := d.mode
	d.mu.Unlock()
	if unchanged == 0 {
		return d.origin(b.digest, n.repository) // may have been found meanwhile
	}
	if b.size < largeBlob || b.size < int64(unchanged)*indexCost || mode == mountsNever {
		return ""
	}
	r.awaitLookups(r.ctx)
	if err := r.indexUnchanged(r.ctx, d); err != nil {
		r.log.Debug("could not read the manifests of unchanged images", "registry", d.host, "error", err)
	}
	return d.origin(b.digest, n.repository)
}

func (r *run) indexUnchanged(ctx context.Context, d *destination) error {
	select {
	case d.reading <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-d.reading }()
	d.mu.Lock()
	images := d.unread
	d.unread = nil
	d.mu.Unlock()
	limit := newSlots(resolvers)
	done := make(chan struct{})
	for _, im := range images {
		r.spawn(func() {
			defer func() { done <- struct{}{} }()
			if limit.acquire(ctx, rank{}, 0) != nil {
				return
			}
			defer limit.release(0)
			root, err := r.readDestination(ctx, d.client, im.repository, im.digest, im.kept)
			if err != nil {
				r.log.Debug("unchanged image is no mount origin", "error", err)
				return
			}
			root.Walk(func(n *tree.Node) {
				for _, descriptor := range n.Blobs {
					d.addOrigin(descriptor.Digest, im.repository)
				}
			})
		})
	}
	for range images {
		<-done
	}
	return ctx.Err()
}
