package engine

import (
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"docker-mirror/go-helper/internal/engine/internal/schedule"
	"docker-mirror/go-helper/internal/engine/internal/stream"
	"docker-mirror/go-helper/internal/engine/internal/tree"
)

// lookUp finds out what is to be done for an image.
func (r *run) lookUp(im *image) schedule.LookedUp {
	e := schedule.LookedUp{Image: im.position}
	began := time.Now()
	im.root, im.attached, im.settled, e.Err = r.resolve(im)
	r.log.Debug("looked up", "source", im.copy.Source, "destination", im.copy.Destination,
		"seconds", time.Since(began).Seconds(), "settled", im.settled != nil, "error", e.Err)
	switch {
	case e.Err != nil:
	case im.settled != nil:
		e.Settled, e.Unchanged = true, im.unchanged
	default:
		e.Fresh = im.destination.knownMissing(im.repository())
		e.Source = schedule.Source{Registry: im.copy.Source.Registry, Repository: im.copy.Source.Repository}
		im.eachBlob(func(d v1.Descriptor) {
			e.Blobs = append(e.Blobs, schedule.Blob{Digest: d.Digest, Size: d.Size})
		})
	}
	return e
}

// eachBlob visits what an image's repository shall have, and that of what is attached to it.
func (im *image) eachBlob(visit func(v1.Descriptor)) {
	each := func(n *tree.Node) {
		for _, d := range n.Blobs {
			visit(d)
		}
	}
	im.root.Walk(each)
	for _, a := range im.attached {
		a.node.Walk(each)
	}
}

// start asks to mount a blob, or to start an upload.
func (r *run) start(a schedule.Start) schedule.Started {
	before, _ := a.Session.(*stream.Session)
	session, err := stream.Start(r.working, r.registries[a.Registry].client, a.Repository, a.Blob.Digest, a.From, before)
	e := schedule.Started{Need: a.Need, Mounted: err == nil && session == nil, Err: err}
	if session != nil {
		e.Session = session
	}
	return e
}

// transfer moves one blob.
func (r *run) transfer(a schedule.Transfer) schedule.Transferred {
	t := stream.Transfer{
		Digest: a.Blob.Digest, Size: a.Blob.Size, Chunks: r.chunks, Watcher: &watcher{r, a.Blob},
	}
	for _, s := range a.Sources {
		t.Sources = append(t.Sources, stream.Source{Client: r.opts.Pool.Client(s.Registry), Repository: s.Repository})
	}
	for _, s := range a.Sinks {
		t.Sinks = append(t.Sinks, stream.Sink{Session: s.Session.(*stream.Session), Offset: s.Offset})
	}
	e := schedule.Transferred{Blob: a.Blob}
	for i, o := range t.Run(r.working) {
		if o.End != stream.Sent {
			r.log.Debug("upload did not end well", "repository", a.Sinks[i].Repository, "blob", a.Blob.Digest, "offset", o.Offset, "error", o.Err)
		}
		e.Outcomes = append(e.Outcomes, schedule.Outcome{
			End: ends[o.End], Session: a.Sinks[i].Session, Offset: o.Offset, Err: o.Err, Stalled: o.Stalled,
		})
	}
	return e
}

var ends = map[stream.End]schedule.End{
	stream.Sent: schedule.Sent, stream.Failed: schedule.Failed, stream.Resume: schedule.Resume,
	stream.Restart: schedule.Restart, stream.SourceFailed: schedule.SourceFailed,
}

// watcher tells how a transfer goes.
type watcher struct {
	run  *run
	blob schedule.Blob
}

func (w *watcher) Started(s stream.Source) {
	w.run.observe(BlobStarted{Digest: w.blob.Digest, Size: w.blob.Size, Source: s.String()})
}

func (w *watcher) Read(n int64)    { w.run.observe(BlobRead{Digest: w.blob.Digest, Bytes: n}) }
func (w *watcher) Ended(err error) { w.run.observe(BlobEnded{Digest: w.blob.Digest, Err: err}) }

func (w *watcher) Overloaded(asked time.Time) {
	w.run.events <- schedule.Overloaded{Asked: asked, Now: time.Now()}
}

// readUnchanged reads the manifests of images that are unchanged at a registry, to tell what can be mounted from there.
func (r *run) readUnchanged(a schedule.ReadUnchanged) schedule.UnchangedRead {
	d := r.registries[a.Registry]
	found := make([][]schedule.Origin, len(a.Images))
	group, ctx := errgroup.WithContext(r.working)
	group.SetLimit(resolvers)
	for i, position := range a.Images {
		im := r.order[position]
		group.Go(func() error {
			root, err := r.readDestination(ctx, d.client, im.repository(), im.result.Digest, im.copy.partly())
			if err != nil {
				r.log.Debug("unchanged image is no mount origin", "destination", im.copy.Destination, "error", err)
				return nil
			}
			root.Walk(func(n *tree.Node) {
				for _, b := range n.Blobs {
					r.tellOther(im, b)
					found[i] = append(found[i], schedule.Origin{Repository: im.repository(), Digest: b.Digest})
				}
			})
			return nil
		})
	}
	_ = group.Wait() // no failure stops anything
	e := schedule.UnchangedRead{Registry: a.Registry}
	for _, origins := range found {
		e.Origins = append(e.Origins, origins...)
	}
	return e
}

// recheck asks for every blob of an image again.
func (r *run) recheck(im *image, a schedule.Recheck) schedule.Rechecked {
	there := make([]bool, len(a.Places))
	group, ctx := errgroup.WithContext(r.working)
	group.SetLimit(resolvers)
	for i, p := range a.Places {
		group.Go(func() (err error) {
			client := im.destination.client
			there[i], err = client.HeadBlob(ctx, p.Repository, p.Blob.Digest, p.Blob.Size)
			if err == nil && !there[i] && a.Sent[i] {
				there[i], err = client.AwaitBlob(ctx, p.Repository, p.Blob.Digest, p.Blob.Size)
			}
			return err
		})
	}
	e := schedule.Rechecked{Image: a.Image, Err: group.Wait()}
	for i, p := range a.Places {
		if !there[i] {
			e.Missing = append(e.Missing, p.Need)
		}
	}
	r.log.Debug("manifest refused, blobs asked for again", "destination", im.copy.Destination, "missing", len(e.Missing), "error", e.Err)
	return e
}
