package engine

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/engine/internal/tree"
	"docker-mirror/go-helper/internal/registry"
)

// smallBlob is up to where asking first costs more than sending: an upload that small goes out at once.
const smallBlob = 64 << 10

// blobKey names a blob. The size is part of it, so that a manifest that lies about a size fails alone.
type blobKey struct {
	digest v1.Hash
	size   int64
}

// blob is the work on one blob: at most one download at a time, for all who need it.
type blob struct {
	blobKey
	rank rank

	// Guarded by run.mu.
	sources []blobSource
	hosts   map[*destination]*hostBlob
	wanted  []*need // that need bytes, or to find out whether they do
	running bool
}

// blobSource is where a blob can be read.
type blobSource struct {
	client     *registry.Client
	repository string
}

func (s blobSource) String() string { return s.client.Host() + "/" + s.repository }

// hostBlob is a blob at one destination registry. The first repository in plan order leads: it gets
// the upload, and the others mount from it. All of it is guarded by run.mu.
type hostBlob struct {
	blob        *blob
	destination *destination
	needs       []*need // in plan order
	leader      *need   // under way
	holder      *need   // done: others mount from its repository
}

type needState int

const (
	needNew     needState = iota // waits for a leader, or for its turn
	needWanted                   // queued with its blob
	needActive                   // being worked on
	needDone                     // the repository has the blob
	needDropped                  // nobody wants it any more, or it failed
)

// need is one repository that shall have a blob.
type need struct {
	host       *hostBlob
	repository string

	// Guarded by run.mu.
	state     needState
	images    []*image // that wait for it
	committed bool     // a manifest of the repository that refers to the blob was pushed by this run

	// Owned by whoever works on the need.
	upload   *registry.Upload // open session, if any
	offset   int64            // what the session has
	tries    *registry.Tries  // the patience with all of it
	resumes  int              // uploads that went on after a break, since the last fresh one
	failures int              // uploads begun anew
	distrust bool             // a mount was claimed before, but the registry does not have the blob
	counted  bool             // among destination.small; guarded by run.mu
}

func (b *blob) host(d *destination) *hostBlob {
	h := b.hosts[d]
	if h == nil {
		h = &hostBlob{blob: b, destination: d}
		b.hosts[d] = h
	}
	return h
}

func (h *hostBlob) need(repository string) *need {
	for _, n := range h.needs {
		if n.repository == repository {
			return n
		}
	}
	n := &need{host: h, repository: repository}
	h.needs = append(h.needs, n)
	return n
}

// blobFor gives the blob's work, made on first use. r.mu must be held.
func (r *run) blobFor(im *image, d v1.Descriptor, position int) *blob {
	key := blobKey{d.Digest, d.Size}
	b := r.blobs[key]
	if b == nil {
		b = &blob{blobKey: key, rank: rank{im.position, position}, hosts: map[*destination]*hostBlob{}}
		r.blobs[key] = b
	}
	source := blobSource{im.source, im.copy.Source.Repository}
	if !slices.Contains(b.sources, source) && len(b.sources) < 8 {
		b.sources = append(b.sources, source)
	}
	return b
}

// source gives the i-th place to read a blob from, in the order of work.
func (r *run) source(b *blob, i int) (blobSource, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i >= len(b.sources) {
		return blobSource{}, false
	}
	return b.sources[i], true
}

// start sets an image to work: it registers what its repository needs. It gives what there is to be told of that. r.mu must be held.
func (r *run) start(im *image) (queued []Event) {
	r.admitted++
	im.order = r.admitted
	var all []v1.Descriptor
	collect := func(n *tree.Node) { all = append(all, n.Blobs...) }
	im.root.Walk(collect)
	for _, a := range im.attached {
		a.node.Walk(collect)
	}
	// Small ones first: they cost nothing, and teach how the registry treats mounts. Then the blobs that
	// most images wait for, as far as is known, then the largest, so that none of them comes last.
	slices.SortStableFunc(all, func(a, b v1.Descriptor) int {
		if sa, sb := a.Size <= smallBlob, b.Size <= smallBlob; sa != sb {
			if sa {
				return -1
			}
			return 1
		}
		return int(min(max(b.Size-a.Size, -1), 1))
	})
	seen := map[blobKey]bool{}
	for i, d := range all {
		key := blobKey{d.Digest, d.Size}
		if seen[key] {
			continue
		}
		seen[key] = true
		b := r.blobFor(im, d, i)
		h := b.host(im.destination)
		if len(h.needs) == 0 {
			queued = append(queued, BlobQueued{Registry: im.destination.host, Digest: d.Digest, Size: d.Size})
		}
		n := h.need(im.repository())
		if n.state == needDropped {
			n.state = needNew
		}
		n.images = append(n.images, im)
		im.needs = append(im.needs, n)
		if n.state != needDone {
			im.pending++
		}
		r.advance(h)
	}
	r.commitIfReady(im)
	return queued
}

// advance gives every need that waits its next step, as far as it can have one. r.mu must be held.
func (r *run) advance(h *hostBlob) {
	mode := h.destination.mounts()
	for _, n := range h.needs {
		if n.state != needNew {
			continue
		}
		if !n.alive() {
			n.state = needDropped
			continue
		}
		holder, wait := h.holderFor(n, mode)
		switch {
		case wait:
		case holder != nil:
			n.state = needActive
			r.spawn(func() { r.mount(n, holder) })
		case mode == mountsNever || n.distrust || h.leader == nil:
			if h.leader == nil {
				h.leader = n
			}
			r.want(n)
		}
	}
}

// advanceAll is advance for all blobs of a registry whose ways have become known.
func (r *run) advanceAll(d *destination) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.blobs {
		if h := b.hosts[d]; h != nil {
			r.advance(h)
		}
	}
}

// holderFor names the need to mount from, if there is one, or says that n waits for one's commit: of an image that is under way and
// was admitted before all of n's, so that waiting never goes in circles. run.mu must be held.
func (h *hostBlob) holderFor(n *need, mode mountMode) (holder *need, wait bool) {
	switch {
	case mode == mountsNever || n.distrust || h.holder == nil:
		return nil, false
	case mode != mountsAfterCommit || h.holder.committed:
		return h.holder, false
	}
	for _, m := range h.needs {
		switch {
		case m.state != needDone:
		case m.committed:
			return m, false
		default:
			wait = wait || m.alive() && m.first() < n.first()
		}
	}
	return nil, wait
}

// otherHolder names another repository that has the blob. run.mu must be held.
func (h *hostBlob) otherHolder(lost *need) *need {
	for _, m := range h.needs {
		if m != lost && m.state == needDone {
			return m
		}
	}
	return nil
}

// alive tells whether any image still waits. run.mu must be held.
func (n *need) alive() bool { return n.first() < math.MaxInt }

// first is the order of the first image that still waits. run.mu must be held.
func (n *need) first() int {
	for _, im := range n.images { // in the order in which they were admitted
		if !im.ended {
			return im.order
		}
	}
	return math.MaxInt
}

// want queues a need for bytes. r.mu must be held.
func (r *run) want(n *need) {
	b := n.host.blob
	n.state = needWanted
	if b.size <= smallBlob && !n.counted {
		n.counted = true
		n.host.destination.smallUpload(1)
	}
	b.wanted = append(b.wanted, n)
	if !b.running {
		b.running = true
		r.spawn(func() { r.runBlob(b) })
	}
}

// takeWanted gives the needs to be served by one download, none where nothing is left to do. A
// need whose upload goes on in the middle of the blob is served alone.
func (r *run) takeWanted(b *blob) []*need {
	r.mu.Lock()
	defer r.mu.Unlock()
	var take, leave []*need
	for len(b.wanted) > 0 { // one that is dropped may have another one wanted
		n := b.wanted[0]
		b.wanted = b.wanted[1:]
		switch {
		case !n.alive():
			r.drop(n)
		case len(take) >= maxSinks, len(take) > 0 && (n.offset > 0 || take[0].offset > 0):
			leave = append(leave, n)
		default:
			n.state = needActive
			take = append(take, n)
		}
	}
	b.wanted = leave
	b.running = len(take) > 0
	return take
}

// settle ends a need's work. r.mu must be held.
func (n *need) settle(state needState) {
	n.state = state
	if n.counted {
		n.counted = false
		n.host.destination.smallUpload(-1)
	}
	if n.host.leader == n {
		n.host.leader = nil
	}
}

// drop gives a need up whose images have all ended. r.mu must be held.
func (r *run) drop(n *need) {
	n.settle(needDropped)
	if u := n.upload; u != nil {
		n.upload, n.offset = nil, 0
		r.spawn(func() { r.cancel(u) })
	}
	r.advance(n.host)
}

// done settles a need: its repository has the blob.
func (r *run) done(n *need) {
	h := n.host
	r.cache.add(h.destination.host, n.repository, h.blob.digest)
	r.mu.Lock()
	defer r.mu.Unlock()
	n.settle(needDone)
	n.upload, n.offset = nil, 0
	if h.holder == nil {
		h.holder = n
	}
	for _, im := range n.images {
		if !im.ended {
			im.pending--
			r.commitIfReady(im)
		}
	}
	r.advance(h)
}

// fail gives a need up, and with it all images that wait for it; the next repository takes the lead.
func (r *run) fail(n *need, err error) {
	r.mu.Lock()
	n.settle(needDropped)
	upload := n.upload
	n.upload, n.offset = nil, 0
	images := slices.Clone(n.images)
	r.mu.Unlock()
	r.cancel(upload)
	for _, im := range images {
		r.end(im, Result{Status: StatusFailed, Err: err})
	}
	r.mu.Lock()
	r.advance(n.host)
	r.mu.Unlock()
}

// releaseFollowers lets go of what a failed image held up: repositories that waited for its commit wait for another's, or get
// their blobs by themselves. r.mu must be held.
func (r *run) releaseFollowers(im *image) {
	if im.destination.mounts() != mountsAfterCommit {
		return
	}
	for _, n := range im.needs {
		if n.state == needDone && !n.committed {
			r.advance(n.host)
		}
	}
}

// cancelPatience bounds the courtesy of cancelling an upload that has moved.
const cancelPatience = 5 * time.Second

// cancel ends an upload session that nobody will use. A broken PUT may have moved the session on, so where the
// registry does not know the Location any more, the newest is asked for.
func (r *run) cancel(u *registry.Upload) {
	if u == nil {
		return
	}
	err := u.Cancel(r.ctx) // also works, more briefly, where the run is being interrupted
	if err == nil || r.ctx.Err() != nil {
		return
	}
	ctx, stop := context.WithTimeout(r.ctx, cancelPatience)
	defer stop()
	if _, statusErr := u.Status(ctx); statusErr == nil {
		err = u.Cancel(ctx)
	}
	if err != nil && !errors.Is(err, registry.ErrNotFound) {
		r.log.Debug("could not cancel an upload", "error", err)
	}
}
