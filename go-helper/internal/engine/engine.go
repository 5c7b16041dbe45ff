package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/engine/internal/tree"
	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/registry"
)

// DefaultConcurrency is the number of blobs in transfer where Options leave it open.
const DefaultConcurrency = 10

const (
	// resolvers is how many images are looked up at once; each registry's own window decides how many
	// requests that makes.
	resolvers = 64
	// lookahead bounds the images between being looked up and being done, and so the memory of large sets.
	lookahead = 512
	// resolvePatience: an image that takes longer to look up than this no longer holds up the order of those after it.
	resolvePatience = 2 * time.Second
	// alwaysBeside and maxBeside bound what an interrupted run loses: beyond the largest blob in
	// transfer only maxBeside bytes are under way, except that alwaysBeside blobs always are, as one
	// connection alone seldom fills a long line.
	alwaysBeside = 3
	maxBeside    = 16 << 20
)

// Options of a run. Pool is required.
type Options struct {
	Pool        *registry.Pool
	Concurrency int          // blobs in transfer at once; 0 means DefaultConcurrency
	Observe     Observer     // nil: nobody watches
	Logger      *slog.Logger // nil: nothing is logged
	// DryRun only looks: what would be copied is StatusPlanned, with the bytes that it would take.
	DryRun bool
	// Verify compares and writes nothing: every blob of every destination is asked for, and what is missing or
	// different fails its copy with an error that wraps ErrDrift. Together with Force it repairs that.
	Verify bool
	// VerifyDeep also reads every blob and compares it with its digest; it implies Verify.
	VerifyDeep bool
	// Force does not trust a destination that has the digest: its blobs are asked for and its manifests written again.
	Force bool
	// CheckReferrers also asks for the attachments of images that are unchanged, and copies what is missing.
	CheckReferrers bool
	// ForeignLayers copies layers that name a place of their own (URLs), too, from the source registry; else they are left there.
	ForeignLayers bool
	// SkipMissing leaves out of an index what it names and its source doesn't have; else that fails its copy with a
	// *[MissingManifestsError].
	SkipMissing bool
	// CheckPlatforms also asks for what the index of an unchanged image names: an earlier run, or another tool, may have
	// left some of it out.
	CheckPlatforms bool
	// CachePath is a file that remembers which repository has which blob, to mount from in later
	// runs; it is advice, never taken for truth. Empty: none.
	CachePath string
	// SparsePath is a file that remembers which indexes were written although not all that they name is there, so that
	// later runs which want more of one look below its digest. Empty: none.
	SparsePath string
}

// ErrDrift is wrapped by the failures that Verify finds.
var ErrDrift = errors.New("destination differs")

// ErrInterrupted is wrapped by the failures of copies that a cancelled run left unfinished.
var ErrInterrupted = errors.New("interrupted")

// Run copies all, and gives one result a copy at the same index. A failure of one copy stops no other.
// Where ctx ends, it returns soon: no manifest is written any more, and what is unfinished is
// StatusFailed or, where nothing was done for it yet, StatusSkipped. Copies of one destination must
// be equal (plan.Check sees to it).
func Run(ctx context.Context, copies []Copy, opts Options) []Result {
	r := newRun(ctx, copies, opts)
	r.observe(RunStarted{Copies: len(copies)})
	r.cache.load(r.destinations)
	r.sparse.load()
	r.work.Add(1)
	go r.resolveAll()
	r.work.Wait()
	r.finish()
	r.cache.close()
	r.sparse.close()
	results := make([]Result, len(r.images))
	for i, im := range r.images {
		results[i] = im.result
	}
	return results
}

// image is one copy on its way.
type image struct {
	index       int // in the caller's list
	position    int // in the order of work
	copy        Copy
	source      *registry.Client
	destination *destination

	// Guarded by run.mu from here on.
	started   bool
	resolved  bool
	admitted  bool
	ended     bool
	rechecked bool
	order     int  // in which it was admitted, from 1
	writing   bool // its manifests are being written
	resending bool // a blob of it was found missing since that began
	root      *tree.Node
	attached  []attachment
	needs     []*need
	pending   int // needs that are not done
	result    Result
}

func (im *image) repository() string { return im.copy.Destination.Repository }

// run is the state of one Run.
type run struct {
	ctx     context.Context
	opts    Options
	log     *slog.Logger
	observe Observer
	cache   *originCache
	sparse  *sparseIndexes
	sources *sources
	mirrors map[v1.Hash][]reference.Reference // where pinned sources are copied to
	deep    *deepCheck
	chunks  *chunkPool

	images       []*image   // as the caller listed them
	groups       [][]*image // in the order of work: the copies of one source to several places side by side
	destinations map[string]*destination
	tags         map[string]int // images a destination repository

	opening   *slots // upload sessions open at once
	transfers *slots // blobs in transfer
	inFlight  *slots // images being looked up or worked on
	work      sync.WaitGroup

	mu       sync.Mutex
	blobs    map[blobKey]*blob
	next     int           // first group that is not admitted
	admitted int           // images that were
	looking  int           // images that are being looked up, and one for those that will be without anything having to end
	looked   chan struct{} // closed when looking is 0
	patience time.Time     // until when is waited for that
}

func newRun(ctx context.Context, copies []Copy, opts Options) *run {
	if opts.Concurrency <= 0 {
		opts.Concurrency = DefaultConcurrency
	}
	opts.Verify = opts.Verify || opts.VerifyDeep
	if opts.Observe == nil {
		opts.Observe = func(Event) {}
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	r := &run{
		ctx:          ctx,
		opts:         opts,
		log:          opts.Logger,
		observe:      opts.Observe,
		cache:        newOriginCache(opts.CachePath, opts.Logger),
		sparse:       newSparseIndexes(opts.SparsePath, opts.Logger),
		sources:      newSources(),
		deep:         newDeepCheck(opts.Concurrency),
		chunks:       &chunkPool{},
		destinations: map[string]*destination{},
		tags:         map[string]int{},
		opening:      newSlots(2 * opts.Concurrency),
		transfers:    newSlots(opts.Concurrency),
		inFlight:     newSlots(lookahead),
		looked:       make(chan struct{}),
		blobs:        map[blobKey]*blob{},
	}
	r.transfers.alwaysBeside, r.transfers.maxBeside = alwaysBeside, maxBeside
	for i, c := range copies {
		host := c.Destination.Registry
		if r.destinations[host] == nil {
			r.destinations[host] = newDestination(opts.Pool.Client(host))
		}
		if c.sparse() {
			r.destinations[host].sparse = true
		}
		if !opts.Verify || opts.Force {
			r.destinations[host].client.WillPush(c.Destination.Repository)
		}
		r.tags[c.Destination.Name()]++
		r.images = append(r.images, &image{
			index:       i,
			copy:        c,
			source:      opts.Pool.Client(c.Source.Registry),
			destination: r.destinations[host],
		})
	}
	r.groups = groupBySource(r.images)
	r.mirrors = mirrorsOf(copies)
	return r
}

// groupBySource orders the work: plan order, but with the copies of one source together, so that one download can
// feed all of them. It is a function of the plan alone.
func groupBySource(images []*image) [][]*image {
	var groups [][]*image
	at := map[reference.Reference]int{}
	for _, im := range images {
		i, ok := at[im.copy.Source]
		if !ok {
			i = len(groups)
			at[im.copy.Source] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], im)
	}
	position := 0
	for _, group := range groups {
		for _, im := range group {
			im.position = position
			position++
		}
	}
	return groups
}

// spawn runs f as part of the run, which ends no sooner than f.
func (r *run) spawn(f func()) {
	r.work.Add(1)
	go func() {
		defer r.work.Done()
		f()
	}()
}

// resolveAll looks the images up in plan order, many at a time.
func (r *run) resolveAll() {
	defer r.work.Done()
	var group sync.WaitGroup
	workers := newSlots(resolvers)
	stop := make(chan struct{})
	r.spawn(func() { r.admitLate(stop) })
	looking, looked := context.WithCancel(r.ctx)
	r.pingSources(looking)
	r.lookingUp(1)
	held := true
	for i, im := range slices.Concat(r.groups...) {
		if i == lookahead { // from here on, images wait for others to end
			r.lookingUp(-1)
			held = false
		}
		at := rank{image: im.position}
		if r.inFlight.acquire(r.ctx, at, 0) != nil || workers.acquire(r.ctx, at, 0) != nil {
			break
		}
		group.Add(1)
		r.lookingUp(1)
		r.spawn(func() {
			defer group.Done()
			defer r.lookingUp(-1)
			defer workers.release(0)
			r.resolveOne(im)
		})
	}
	if held {
		r.lookingUp(-1)
	}
	group.Wait()
	looked()
	close(stop)
	r.admit(false)
}

// lookingUp counts the images that are being looked up.
func (r *run) lookingUp(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.looking == 0 {
		r.looked = make(chan struct{})
	}
	if r.looking += n; r.looking == 0 {
		close(r.looked)
	}
}

// awaitLookups waits for the images that are being looked up, as one of them may be what somebody needs to know of. It is no wait
// for those that are looked up only once others have ended, and no long one.
func (r *run) awaitLookups(ctx context.Context) {
	r.mu.Lock()
	looked := r.looked
	if r.patience.IsZero() {
		r.patience = time.Now().Add(resolvePatience)
	}
	timer := time.NewTimer(time.Until(r.patience))
	r.mu.Unlock()
	defer timer.Stop()
	select {
	case <-looked:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// pingSources pings ahead, while the destinations are being asked, those sources that will be asked whatever the
// destinations answer: a tag can have moved, a digest can't.
func (r *run) pingSources(ctx context.Context) {
	pinged := map[*registry.Client]bool{}
	for _, im := range r.images {
		if im.copy.Source.HasDigest() || pinged[im.source] {
			continue
		}
		pinged[im.source] = true
		r.spawn(func() {
			if err := im.source.Ping(ctx); err != nil {
				r.log.Debug("pinged ahead", "registry", im.source.Host(), "error", err) // told by the copies that need it
			}
		})
	}
}

func (r *run) resolveOne(im *image) {
	r.mu.Lock()
	im.started = true
	r.mu.Unlock()
	began := time.Now()
	root, attached, settled, err := r.resolve(im)
	r.log.Debug("looked up", "source", im.copy.Source, "destination", im.copy.Destination,
		"seconds", time.Since(began).Seconds(), "settled", settled != nil, "error", err)
	switch {
	case err != nil:
		r.end(im, Result{Status: StatusFailed, Err: err})
	case settled != nil:
		r.end(im, *settled)
	}
	r.mu.Lock()
	im.root, im.attached, im.resolved = root, attached, true
	r.mu.Unlock()
	r.admit(false)
}

// admit hands looked-up images to the transfer, in the order of work and a group at a time, so that which repository
// leads a blob does not depend on who answered first. Where late is set, images that are still being looked up
// are passed over.
func (r *run) admit(late bool) {
	var queued []Event
	r.mu.Lock()
	for i := r.next; i < len(r.groups); i++ {
		ready := !slices.ContainsFunc(r.groups[i], func(im *image) bool { return !im.resolved })
		if !ready && !late {
			break
		}
		for _, im := range r.groups[i] {
			if im.resolved && !im.admitted {
				im.admitted = true
				if !im.ended {
					queued = append(queued, r.start(im)...)
				}
			}
		}
		if ready && i == r.next {
			r.next++
		}
	}
	r.mu.Unlock()
	for _, e := range queued {
		r.observe(e)
	}
}

// admitLate keeps one slow source from holding up all images after it.
func (r *run) admitLate(stop <-chan struct{}) {
	ticker := time.NewTicker(resolvePatience / 2)
	defer ticker.Stop()
	last, stuck := 0, 0
	for {
		select {
		case <-stop:
			return
		case <-r.ctx.Done():
			return
		case <-ticker.C:
		}
		r.mu.Lock()
		next := r.next
		r.mu.Unlock()
		if next != last {
			last, stuck = next, 0
			continue
		}
		if stuck++; stuck >= 2 {
			r.admit(true)
		}
	}
}

// end settles an image; the first call counts.
func (r *run) end(im *image, result Result) {
	if r.ctx.Err() != nil && (errors.Is(result.Err, context.Canceled) || errors.Is(result.Err, context.DeadlineExceeded)) {
		result.Err = ErrInterrupted // in whichever request the end was noticed
	}
	r.mu.Lock()
	ended := r.endLocked(im, result)
	if ended && result.Status == StatusFailed {
		r.releaseFollowers(im)
	}
	r.mu.Unlock()
	if ended {
		r.observe(CopyEnded{Index: im.index, Result: im.result})
	}
}

func (r *run) endLocked(im *image, result Result) bool {
	if im.ended {
		return false
	}
	im.ended = true
	if result.Bytes == (Bytes{}) {
		result.Bytes = im.result.Bytes
	}
	if result.SourceDigest == (v1.Hash{}) {
		result.SourceDigest = im.result.SourceDigest
	}
	result.Foreign, result.Missed, result.Replaced = im.result.Foreign, im.result.Missed, im.result.Replaced
	result.ReadFrom, result.Gone = im.result.ReadFrom, im.result.Gone
	if result.Subset == nil {
		result.Subset = im.result.Subset
	}
	im.result = result
	im.root, im.attached = nil, nil
	if im.started {
		r.inFlight.release(0)
	}
	return true
}

// finish settles what a cancelled run left. Nothing is at work any more.
func (r *run) finish() {
	interrupted := context.Cause(r.ctx) != nil
	for _, im := range r.images {
		result := Result{Status: StatusFailed}
		switch {
		case im.ended:
			continue
		case !interrupted:
			// Nothing can wake this image: a defect of ours, never to be taken for success.
			result.Err = errors.New("the engine lost track of it; please report this")
		case !im.started:
			result = Result{Status: StatusSkipped, Err: fmt.Errorf("%w before it was begun", ErrInterrupted)}
		default:
			result.Err = ErrInterrupted
		}
		r.endLocked(im, result)
		r.observe(CopyEnded{Index: im.index, Result: im.result})
	}
}
