package engine

import (
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/engine/internal/journal"
	"docker-mirror/go-helper/internal/engine/internal/schedule"
)

// Share is where several processes that carry out one set tell each other which repository has which blob, so that what one has
// uploaded the others mount. It is advice: what is false, late or lost there costs bytes and requests, and nothing else. The zero value
// shares nothing.
type Share struct {
	Folder string        // that all of them have
	Name   string        // of this process, there
	Every  time.Duration // how often others are listened to
}

const (
	// leastTold is from which size blobs are told of: smaller ones are most of the blobs, and a small part of the bytes.
	leastTold = 1 << 20
	// hearing is how often others are listened to where nobody says.
	hearing = 200 * time.Millisecond
)

func (s Share) any() bool { return s.Folder != "" }

// share gives the exchange of a run; nil where it has none, or brings nothing.
func (o *Options) share() journal.Exchange {
	if !o.Share.any() || o.DryRun || o.Verify && !o.Force {
		o.Share = Share{}
		return nil
	}
	if o.Share.Every <= 0 {
		o.Share.Every = hearing
	}
	return journal.NewFolder(o.Share.Folder, o.Share.Name, o.Logger)
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
		ticks := time.NewTicker(r.opts.Share.Every)
		defer ticks.Stop()
		for {
			select {
			case <-ticks.C:
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
