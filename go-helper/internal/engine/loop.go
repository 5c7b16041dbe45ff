package engine

import (
	"container/heap"
	"context"
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/engine/internal/journal"
	"docker-mirror/go-helper/internal/engine/internal/schedule"
	"docker-mirror/go-helper/internal/engine/internal/stream"
	"docker-mirror/go-helper/internal/registry"
)

// loop runs the scheduler: it alone steps it, has workers do what it says, and hands it what they report. It returns when every image
// has ended, and every worker.
func (r *run) loop() {
	var stop context.CancelFunc
	r.working, stop = context.WithCancel(r.ctx)
	defer r.work.Wait()
	defer stop()
	r.pingSources()
	s := r.scheduler()
	r.hearOthers()
	var alarms alarms
	interrupted := r.ctx.Done()
	for actions := s.Step(schedule.Begin{}); ; {
		for _, a := range actions {
			if t, ok := a.(schedule.Timer); ok {
				alarms.add(t)
				continue
			}
			r.do(a)
		}
		if s.Done() {
			return
		}
		if s.Over() {
			stop()
		}
		select {
		case e := <-r.events:
			actions = s.Step(e)
		case told := <-r.heard:
			actions = s.Step(told)
		case <-alarms.next():
			actions = s.Step(alarms.fired())
		case <-interrupted:
			interrupted = nil
			actions = s.Step(schedule.Interrupt{})
		}
	}
}

func (r *run) scheduler() *schedule.Scheduler {
	config := schedule.Config{
		Registries: len(r.registries), Concurrency: r.opts.Concurrency, Limits: schedule.DefaultLimits,
	}
	group := 0
	for i, im := range r.order {
		if i > 0 && im.copy.Source != r.order[i-1].copy.Source {
			group++
		}
		config.Images = append(config.Images, schedule.Image{
			Registry: im.destination.number, Repository: im.repository(), Group: group,
		})
	}
	s := schedule.New(config)
	for _, o := range r.origins.Load(r.working, func(host string) bool { return r.destinations[host] != nil }) {
		s.Remember(r.destinations[o.Host].number, schedule.Origin{Repository: o.Repository, Digest: o.Digest})
	}
	return s
}

// begin has a worker do something that ends with an event.
func (r *run) begin(f func() schedule.Event) {
	r.work.Go(func() { r.events <- f() })
}

// do begins what the scheduler says.
func (r *run) do(a schedule.Action) {
	switch a := a.(type) {
	case schedule.LookUp:
		r.begin(func() schedule.Event { return r.lookUp(r.order[a.Image]) })
	case schedule.Start:
		r.begin(func() schedule.Event { return r.start(a) })
	case schedule.Probe:
		r.begin(func() schedule.Event {
			e := r.start(schedule.Start{Place: a.Place, From: a.Repository})
			e.Probe = true
			return e
		})
	case schedule.Head:
		r.begin(func() schedule.Event {
			exists, err := r.registries[a.Registry].client.HeadBlob(r.working, a.Repository, a.Blob.Digest, a.Blob.Size)
			if registry.IsDenied(err) { // who may not read may still write
				exists, err = false, nil
			}
			return schedule.Headed{Need: a.Need, Exists: exists, Err: err}
		})
	case schedule.ReadUnchanged:
		r.begin(func() schedule.Event { return r.readUnchanged(a) })
	case schedule.Transfer:
		r.begin(func() schedule.Event { return r.transfer(a) })
	case schedule.Write:
		im := r.order[a.Image]
		r.begin(func() schedule.Event { return r.writeAll(im) })
	case schedule.Await:
		r.begin(func() schedule.Event { return r.await(r.order[a.Image], a.Refused) })
	case schedule.Recheck:
		im := r.order[a.Image]
		r.begin(func() schedule.Event { return r.recheck(im, a) })
	case schedule.Cancel:
		r.work.Go(func() { r.cancel(a.Session) })
	default:
		r.tell(a)
	}
}

// tell passes on what the scheduler has to say.
func (r *run) tell(a schedule.Action) {
	switch a := a.(type) {
	case schedule.Queued:
		r.observe(BlobQueued{Registry: r.registries[a.Registry].host, Digest: a.Blob.Digest, Size: a.Blob.Size})
	case schedule.Got:
		r.got(a)
	case schedule.Learned:
		r.log.Debug("learned how a registry mounts", "registry", r.registries[a.Registry].host, "mode", a.Mode)
	case schedule.Ended:
		r.settle(r.order[a.Image], a)
	default:
		panic(fmt.Sprintf("unknown action %T", a))
	}
}

// got notes that a repository has a blob now.
func (r *run) got(a schedule.Got) {
	host, bytes := r.registries[a.Registry].host, &r.order[a.Image].result.Bytes
	r.origins.Add(journal.Origin{Host: host, Repository: a.Repository, Digest: a.Blob.Digest})
	if a.Early {
		r.tellOther(r.order[a.Image], v1.Descriptor{Digest: a.Blob.Digest, Size: a.Blob.Size})
	}
	if a.Uploaded {
		bytes.Up += a.Blob.Size
		if a.Down {
			bytes.Down += a.Blob.Size
		}
		r.observe(BlobUploaded{Registry: host, Repository: a.Repository, Digest: a.Blob.Digest, Size: a.Blob.Size})
		return
	}
	if a.From != "" {
		bytes.Mounted += a.Blob.Size
	}
	r.observe(BlobMounted{Registry: host, Repository: a.Repository, From: a.From, Digest: a.Blob.Digest, Size: a.Blob.Size})
}

// cancel ends an upload session that nobody will use.
func (r *run) cancel(session schedule.Session) {
	if err := session.(*stream.Session).Cancel(r.ctx); err != nil && r.ctx.Err() == nil {
		r.log.Debug("could not cancel an upload", "error", err)
	}
}

// pingSources pings ahead, while the destinations are being asked, those sources that will be asked whatever the
// destinations answer: a tag can have moved, a digest can't.
func (r *run) pingSources() {
	pinged := map[*registry.Client]bool{}
	for _, im := range r.images {
		if im.copy.Source.HasDigest() || pinged[im.source] {
			continue
		}
		source := im.source // an image's can change while it is looked up
		pinged[source] = true
		r.work.Go(func() {
			if err := source.Ping(r.working); err != nil {
				r.log.Debug("pinged ahead", "registry", source.Host(), "error", err) // told by the copies that need it
			}
		})
	}
}

// alarms are the scheduler's timers, the next one first.
type alarms struct {
	pending alarmHeap
	clock   *time.Timer
	set     time.Time // what the clock is set to
}

type alarm struct {
	at     time.Time
	number int
}

func (a *alarms) add(t schedule.Timer) {
	heap.Push(&a.pending, alarm{time.Now().Add(t.After), t.Timer})
}

// next gives the channel of the next alarm, nil where there is none.
func (a *alarms) next() <-chan time.Time {
	if len(a.pending) == 0 {
		return nil
	}
	at := a.pending[0].at
	switch {
	case a.clock == nil:
		a.clock = time.NewTimer(time.Until(at))
	case !a.set.Equal(at):
		a.clock.Reset(time.Until(at))
	}
	a.set = at
	return a.clock.C
}

func (a *alarms) fired() schedule.Fired {
	a.set = time.Time{}
	return schedule.Fired{Timer: heap.Pop(&a.pending).(alarm).number}
}

type alarmHeap []alarm

func (h alarmHeap) Len() int           { return len(h) }
func (h alarmHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h alarmHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *alarmHeap) Push(x any)        { *h = append(*h, x.(alarm)) }
func (h *alarmHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
