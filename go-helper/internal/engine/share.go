package engine

import (
	"cmp"
	"strconv"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/engine/internal/journal"
	"docker-mirror/go-helper/internal/engine/internal/schedule"
	"docker-mirror/go-helper/internal/reference"
)

// Share is where several processes that carry out one set tell each other which repository has which blob, so that what one has
// uploaded the others mount. It is advice: what is false, late or lost there costs bytes and requests, and nothing else. The zero value
// shares nothing.
type Share struct {
	Folder     string              // that all of them have
	Repository reference.Reference // or one that all of them can write to
	// Index is this process among Count.
	Index, Count int
	// Every is how often others are listened to; First is after what time at first, from which on it doubles. Zero: what suits.
	First, Every time.Duration
}

const (
	// leastTold is from which size blobs are told of: smaller ones are most of the blobs, and a small part of the bytes.
	leastTold = 1 << 20
	// hearing is how often others are listened to in a folder, and hearingEach how much seldomer the more there are: on a file system
	// of the network each of them asks for the files of all others. Of a repository it is in requests.
	hearing, hearingEach         = 200 * time.Millisecond, 15 * time.Millisecond
	hearingThere, hearingOfThere = 15 * time.Second, time.Second
	hearingFirst                 = time.Second
)

func (s Share) any() bool { return s.Folder != "" || s.Repository.Repository != "" }

// intervals gives how often others are listened to.
func (s Share) intervals() (first, every time.Duration) {
	every = max(hearing, time.Duration(s.Count)*hearingEach)
	first = every
	if s.Folder == "" {
		first, every = hearingFirst, max(hearingThere, time.Duration(s.Count)*hearingOfThere)
	}
	return cmp.Or(s.First, first), cmp.Or(s.Every, every)
}

// share gives the exchange of a run; nil where it has none, or brings nothing.
func (o *Options) share() journal.Exchange {
	s := o.Share
	switch {
	case !s.any() || o.DryRun || o.Verify && !o.Force:
		o.Share = Share{}
		return nil
	case s.Folder != "":
		return journal.NewFolder(s.Folder, strconv.Itoa(s.Index), o.Logger)
	}
	return journal.NewRepository(o.Pool.Client(s.Repository.Registry), s.Repository.Repository, s.Index, s.Count, o.Logger)
}

// tellOthers tells what of an image others can mount now: its manifests refer to it, which some registries (ECR) want.
func (r *run) tellOthers(im *image) {
	if r.opts.Share.any() {
		im.eachBlob(func(d v1.Descriptor) { r.tellOther(im, d) })
	}
}

func (r *run) tellOther(im *image, d v1.Descriptor) {
	if d.Size >= leastTold {
		r.origins.Tell(journal.Origin{Host: im.destination.host, Repository: im.repository(), Digest: d.Digest})
	}
}

// hearOthers listens to other processes until the run ends.
func (r *run) hearOthers() {
	if !r.opts.Share.any() {
		return
	}
	r.work.Go(func() {
		for wait, most := r.opts.Share.intervals(); ; wait = min(2*wait, most) {
			select {
			case <-time.After(wait):
			case <-r.working.Done():
				return
			}
			for _, told := range r.byRegistry(r.origins.Hear(r.working)) {
				select {
				case r.heard <- told:
				case <-r.working.Done():
					return
				}
			}
		}
	})
}

// byRegistry makes events of what others told.
func (r *run) byRegistry(origins []journal.Origin) (events []schedule.Told) {
	at := map[string]int{}
	for _, o := range origins {
		i, ok := at[o.Host]
		if !ok {
			i = len(events)
			at[o.Host] = i
			events = append(events, schedule.Told{Registry: r.destinations[o.Host].number})
		}
		events[i].Origins = append(events[i].Origins, schedule.Origin{Repository: o.Repository, Digest: o.Digest})
	}
	return events
}
