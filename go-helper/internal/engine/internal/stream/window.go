package stream

import (
	"errors"
	"io"
	"sync"
	"time"
)

const (
	// windowAhead is how far the download may run ahead of one upload.
	windowAhead = 512 << 10
	// windowBehind is how much of what was sent stays in memory, so that an upload that a registry
	// refused or cut goes on without asking the source again: a bit more than the socket buffers on the way
	// can swallow.
	windowBehind = 1 << 20
)

var (
	errDetached    = errors.New("upload fell behind the others and was detached")
	errStaleReader = errors.New("reader of an earlier attempt")
)

// window hands the bytes of one download to one upload: a bounded piece of the blob, of which the part
// ahead is not sent yet and the part behind can be sent again. One goroutine pushes, one reads.
type window struct {
	mu      sync.Mutex
	changed *sync.Cond
	chunks  []*chunk
	base    int64 // blob offset of chunks[0]
	pos     int64 // next byte for the reader
	end     int64 // next byte to be pushed
	size    int64
	err     error // set once: nothing more will come, or be taken
	reader  int   // generation of the reader that may read
	moved   time.Time
}

func newWindow(offset, size int64) *window {
	w := &window{base: offset, pos: offset, end: offset, size: size, moved: time.Now()}
	w.changed = sync.NewCond(&w.mu)
	return w
}

// push hands over the next piece, waiting for room. It takes a reference of its own to c. It tells whether the
// window still wants more. Where patience is positive, a reader that did not move for so long since the piece began to be handed out
// is detached.
func (w *window) push(c *chunk, began time.Time, patience time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.err == nil && w.end-w.pos >= windowAhead {
		if patience <= 0 {
			w.changed.Wait()
			continue
		}
		still := min(time.Since(began), time.Since(w.moved))
		if still >= patience {
			w.fail(errDetached)
			break
		}
		timer := time.AfterFunc(patience-still, w.changed.Broadcast)
		w.changed.Wait()
		timer.Stop()
	}
	if w.err != nil {
		return false
	}
	c.refs.Add(1)
	w.chunks = append(w.chunks, c)
	w.end += int64(len(c.buf))
	w.changed.Broadcast()
	return true
}

// close ends the window: readers get err, pushes are refused. The first call counts.
func (w *window) close(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fail(err)
}

func (w *window) fail(err error) {
	if w.err != nil {
		return
	}
	w.err = err
	for _, c := range w.chunks {
		c.release()
	}
	w.chunks = nil
	w.changed.Broadcast()
}

// closedBy is the reason of close, nil while open.
func (w *window) closedBy() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// rewind makes the next reader start at offset. It fails where those bytes are gone or not there yet.
func (w *window) rewind(offset int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil || offset < w.base || offset > w.end {
		return false
	}
	w.pos = offset
	return true
}

// newReader gives the one reader that may read from now on; earlier ones fail. (net/http may still
// hold a request's body for a moment after the request has failed.)
func (w *window) newReader() io.Reader {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reader++
	w.moved = time.Now()
	w.changed.Broadcast()
	return &windowReader{w: w, generation: w.reader}
}

type windowReader struct {
	w          *window
	generation int
}

func (r *windowReader) Read(p []byte) (int, error) {
	w := r.w
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		switch {
		case r.generation != w.reader:
			return 0, errStaleReader
		case w.pos == w.size:
			return 0, io.EOF
		case w.err != nil:
			return 0, w.err
		case w.pos < w.end:
			n := w.copyTo(p)
			w.changed.Broadcast()
			return n, nil
		}
		w.changed.Wait()
	}
}

// copyTo fills p from pos on and lets go of chunks that lie too far behind.
func (w *window) copyTo(p []byte) int {
	n, offset := 0, w.base
	for _, c := range w.chunks {
		if n == len(p) {
			break
		}
		if at := w.pos - offset; at < int64(len(c.buf)) {
			m := copy(p[n:], c.buf[at:])
			n += m
			w.pos += int64(m)
		}
		offset += int64(len(c.buf))
	}
	w.moved = time.Now()
	for len(w.chunks) > 0 && w.base+int64(len(w.chunks[0].buf)) <= w.pos-windowBehind {
		w.base += int64(len(w.chunks[0].buf))
		w.chunks[0].release()
		w.chunks[0] = nil
		w.chunks = w.chunks[1:]
	}
	return n
}
