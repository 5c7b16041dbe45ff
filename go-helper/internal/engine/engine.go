package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/engine/internal/journal"
	"docker-mirror/go-helper/internal/engine/internal/schedule"
	"docker-mirror/go-helper/internal/engine/internal/stream"
	"docker-mirror/go-helper/internal/engine/internal/tree"
	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/registry"
)

// DefaultConcurrency is the number of blobs in transfer where Options leave it open.
const DefaultConcurrency = 10

// resolvers is how many requests an image's own questions make at once; each registry's window decides how many are
// under way.
const resolvers = 64

// Options of a run. Pool is required.
type Options struct {
	Pool        *registry.Pool
	Concurrency int          // blobs in transfer at once; 0 means DefaultConcurrency
	Observe     Observer     // nil: nobody watches
	Logger      *slog.Logger // nil: nothing is logged
	// Admit is asked about each copy that isn't unchanged, once its source is read and before anything of it is written; an error
	// fails the copy. nil: all are admitted.
	Admit func(context.Context, Admission) error
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
	// Share has other processes that carry out the same set told of that, and listened to.
	Share Share
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
	r.sparse.Load()
	r.loop()
	r.origins.Close(ctx)
	r.sparse.Close()
	return r.results
}

// image is one copy on its way. It belongs to the loop, and to the worker that the loop has look it up or write it.
type image struct {
	index       int // in the caller's list
	position    int // in the order of work, by which the scheduler knows it
	copy        Copy
	source      *registry.Client
	destination *destination

	root      *tree.Node // of its manifests, while it is under way
	attached  []attachment
	pushed    int             // attachments that the destination took
	patience  *registry.Tries // with a registry that doesn't see yet what was written; from the first write on
	writes    int             // how often its manifests were written
	settled   *Result         // by being looked up
	unchanged bool            // and others may mount from it
	result    *Result         // what is told of it at the end
}

func (im *image) repository() string { return im.copy.Destination.Repository }

// run is one Run.
type run struct {
	ctx     context.Context // the caller's: where it ends, the run is interrupted
	opts    Options
	log     *slog.Logger
	observe Observer
	origins *journal.Origins
	heard   chan schedule.Told // from other processes; never anything where nothing is shared
	sparse  *journal.SparseIndexes
	sources *sources
	mirrors map[v1.Hash][]reference.Reference // where pinned sources are copied to
	deep    *deepCheck
	chunks  *stream.Chunks
	planned estimate

	images       []*image // as the caller listed them
	results      []Result // at the same index
	order        []*image // in the order of work
	destinations map[string]*destination
	registries   []*destination // by the scheduler's numbers
	tags         map[string]int // images a destination repository

	working context.Context // ends when nothing more is worth doing
	work    sync.WaitGroup
	events  chan schedule.Event
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
	exchange := opts.share()
	r := &run{
		ctx:          ctx,
		opts:         opts,
		log:          opts.Logger,
		observe:      opts.Observe,
		origins:      journal.NewOrigins(opts.CachePath, exchange, opts.Logger),
		heard:        make(chan schedule.Told),
		sparse:       journal.NewSparseIndexes(opts.SparsePath, opts.Logger),
		sources:      newSources(),
		mirrors:      mirrorsOf(copies),
		deep:         newDeepCheck(opts.Concurrency),
		chunks:       &stream.Chunks{},
		destinations: map[string]*destination{},
		tags:         map[string]int{},
		results:      make([]Result, len(copies)),
		events:       make(chan schedule.Event),
	}
	for i, c := range copies {
		r.add(i, c)
	}
	for _, group := range groupBySource(r.images) {
		for _, im := range group {
			im.position = len(r.order)
			r.order = append(r.order, im)
		}
	}
	return r
}

func (r *run) add(index int, c Copy) {
	host := c.Destination.Registry
	d := r.destinations[host]
	if d == nil {
		d = newDestination(r.opts.Pool.Client(host), len(r.registries))
		r.destinations[host] = d
		r.registries = append(r.registries, d)
	}
	if c.sparse() {
		d.sparse = true
	}
	if !r.opts.Verify || r.opts.Force {
		d.client.WillPush(c.Destination.Repository)
	}
	r.tags[c.Destination.Name()]++
	r.images = append(r.images, &image{
		index: index, copy: c, result: &r.results[index], source: r.opts.Pool.Client(c.Source.Registry), destination: d,
	})
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
	return groups
}

// settle notes how an image ended.
func (r *run) settle(im *image, e schedule.Ended) {
	result := Result{Status: StatusFailed, Err: e.Err}
	switch e.Result {
	case schedule.Copied:
		r.tellOthers(im)
		result = Result{Status: StatusCopied, Digest: im.root.Manifest.Digest, Attached: im.pushed}
	case schedule.Settled:
		result = *im.settled
	case schedule.Interrupted:
		result.Err = ErrInterrupted
	case schedule.Unstarted:
		result = Result{Status: StatusSkipped, Err: fmt.Errorf("%w before it was begun", ErrInterrupted)}
	case schedule.Broken:
		if r.ctx.Err() != nil && (errors.Is(e.Err, context.Canceled) || errors.Is(e.Err, context.DeadlineExceeded)) {
			result.Err = ErrInterrupted // in whichever request the end was noticed
		} else {
			result.Err = im.ofManifests(e.Err)
		}
	}
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
	*im.result = result
	im.root, im.attached, im.settled = nil, nil, nil
	r.observe(CopyEnded{Index: im.index, Result: result})
}
