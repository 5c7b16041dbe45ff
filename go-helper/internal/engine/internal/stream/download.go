package stream

import (
	"context"
	"fmt"
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
	sources []*origin            // that may have it; the first is read from
	untried int                  // of them
	body    *registry.BlobReader // nil where it is to be opened
	offset  int64
	digest  *blobHash
}

// origin is a source with the patience for it.
type origin struct {
	Source
	tries *registry.Tries
}

// download reads the blob from offset start on and pushes it into the sinks' windows, going on where it breaks. The last piece is
// handed over only when the digest is right. Its error is the source's.
func (t *Transfer) download(ctx context.Context, start int64, sinks []*sink) error {
	d := &download{Transfer: t, untried: len(t.Sources) - 1, offset: start, digest: newBlobHash(t.Digest, start)}
	for _, s := range t.Sources {
		d.sources = append(d.sources, &origin{s, s.Client.Tries()})
	}
	t.Watcher.Started(d.sources[0].Source)
	err := d.run(ctx, sinks)
	d.close()
	t.Watcher.Ended(err)
	return err
}

func (d *download) close() {
	if d.body != nil {
		d.body.Close()
		d.body = nil
	}
}

func (d *download) run(ctx context.Context, sinks []*sink) error {
	if d.Size == d.offset {
		return d.digest.check(d.sources[0].Source)
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
			if err := d.again(ctx, d.short(err)); err != nil {
				return err
			}
		}
	}
	return nil
}

// took takes in a piece. Where it is the last, the digest is checked.
func (d *download) took(c *chunk) error {
	d.sources[0].tries.Progress()
	d.offset += int64(len(c.buf))
	d.digest.write(c.buf)
	d.Watcher.Read(int64(len(c.buf)))
	if d.offset < d.Size {
		return nil
	}
	return d.digest.check(d.sources[0].Source)
}

// open asks a source for the rest. It is to be called until there is a body.
func (d *download) open(ctx context.Context) error {
	asked, source := time.Now(), d.sources[0]
	body, err := source.Client.OpenBlob(source.tries.With(ctx), source.Repository, d.Digest, d.offset)
	if err == nil {
		d.body = body
		if body.Refused {
			d.Watcher.Overloaded(asked)
		}
		err = d.short(discard(body, d.offset-body.Offset))
	}
	if err == nil {
		return nil
	}
	if d.untried > 0 && ctx.Err() == nil {
		d.leave(registry.Temporary(err))
		return nil
	}
	return d.again(ctx, err)
}

// again waits to read the rest once more, or turns to another source where there is no patience left with this one.
func (d *download) again(ctx context.Context, err error) error {
	d.close()
	err = d.sources[0].tries.Again(ctx, err)
	if err == nil || ctx.Err() != nil || len(d.sources) == 1 {
		return err
	}
	d.leave(false)
	return nil
}

// short says what a bare end of the answer means: it had fewer bytes than the blob. That is the only error which names nothing.
func (d *download) short(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("get blob %s@%s: the answer ended after %d of %d bytes: %w", d.sources[0].Source, d.Digest, d.offset, d.Size, err)
	}
	return err
}

// leave turns to the next source. It may come back to this one, or not.
func (d *download) leave(back bool) {
	d.close()
	d.untried = max(d.untried-1, 0)
	left := d.sources[0]
	d.sources = d.sources[1:]
	if back {
		d.sources = append(d.sources, left)
	}
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
