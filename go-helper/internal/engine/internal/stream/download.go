package stream

import (
	"context"
	"io"
	"slices"
	"time"

	"docker-mirror/go-helper/internal/registry"
)

// detachPatience is how long an upload may hold up others of the same download.
const detachPatience = 3 * time.Second

// download is the reading side of a transfer.
type download struct {
	*Transfer
	source Source
	next   int // of Sources, after source
	tries  *registry.Tries
	body   *registry.BlobReader // nil where it is to be opened
	offset int64
	digest *blobHash
}

// download reads the blob from offset start on and pushes it into the sinks' windows, going on where it breaks. The last piece is
// handed over only when the digest is right. Its error is the source's.
func (t *Transfer) download(ctx context.Context, start int64, sinks []*sink) error {
	d := &download{Transfer: t, offset: start, digest: newBlobHash(t.Digest, start)}
	d.turnTo(0)
	t.Watcher.Started(d.source)
	err := d.run(ctx, sinks)
	d.close()
	t.Watcher.Ended(err)
	return err
}

func (d *download) turnTo(i int) {
	d.source, d.next = d.Sources[i], i+1
	d.tries = d.source.Client.Tries()
}

func (d *download) close() {
	if d.body != nil {
		d.body.Close()
		d.body = nil
	}
}

func (d *download) run(ctx context.Context, sinks []*sink) error {
	if d.Size == d.offset {
		return d.digest.check(d.source)
	}
	for d.offset < d.Size && len(sinks) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		if d.body == nil {
			if err := d.open(ctx); err != nil {
				return err
			}
			continue
		}
		c := d.Chunks.get()
		n, err := fill(c, d.body, d.Size-d.offset)
		if n > 0 {
			if checkErr := d.took(c); checkErr != nil {
				c.release()
				return checkErr
			}
			sinks = hand(c, sinks)
		}
		c.release()
		if err != nil && d.offset < d.Size && len(sinks) > 0 {
			d.close()
			if err := d.tries.Again(ctx, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// took takes in a piece. Where it is the last, the digest is checked.
func (d *download) took(c *chunk) error {
	d.tries.Progress()
	d.offset += int64(len(c.buf))
	d.digest.write(c.buf)
	d.Watcher.Read(int64(len(c.buf)))
	if d.offset < d.Size {
		return nil
	}
	return d.digest.check(d.source)
}

// open asks the source for the rest; where it has failed, the next source is turned to, or the same one again after a wait. It is
// to be called until there is a body.
func (d *download) open(ctx context.Context) error {
	asked := time.Now()
	body, err := d.source.Client.OpenBlob(d.tries.With(ctx), d.source.Repository, d.Digest, d.offset)
	if err == nil {
		d.body = body
		if body.Refused {
			d.Watcher.Overloaded(asked)
		}
		err = discard(body, d.offset-body.Offset)
	}
	if err == nil {
		return nil
	}
	d.close()
	if d.next < len(d.Sources) && ctx.Err() == nil {
		d.turnTo(d.next)
		return nil
	}
	return d.tries.Again(ctx, err)
}

// hand pushes a piece to every window and gives those that take more. Where several uploads share the
// download, those that stand still are detached after a while, all at once.
func hand(c *chunk, sinks []*sink) []*sink {
	var patience time.Duration
	if len(sinks) > 1 {
		patience = detachPatience
	}
	began := time.Now()
	return slices.DeleteFunc(sinks, func(s *sink) bool { return !s.window.push(c, began, patience) })
}

// fill reads a whole chunk where it can. At the blob's end it is full with less.
func fill(c *chunk, body io.Reader, left int64) (int, error) {
	want := int(min(int64(chunkSize), left))
	n, err := io.ReadFull(body, c.buf[:want])
	c.buf = c.buf[:n]
	if err == nil || n == want {
		return n, nil
	}
	return n, err
}

// discard reads over what a registry without ranges sends again.
func discard(body io.Reader, n int64) error {
	if n <= 0 {
		return nil
	}
	_, err := io.CopyN(io.Discard, body, n)
	return err
}
