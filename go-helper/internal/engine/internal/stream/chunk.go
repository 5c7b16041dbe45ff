package stream

import (
	"sync"
	"sync/atomic"
)

// chunkSize is how much is read from a source at once. Large enough that system calls and hand-overs
// don't show, small enough that twenty transfers stay within a few tens of MiB.
const chunkSize = 128 << 10

// chunk is a piece of a blob, shared by the windows of all its sinks and given back when the last lets go.
type chunk struct {
	buf  []byte // cap chunkSize
	refs atomic.Int32
	home *Chunks
}

func (c *chunk) release() {
	if c.refs.Add(-1) == 0 {
		c.home.pool.Put(c)
	}
}

// Chunks recycles the memory of one run's transfers.
type Chunks struct{ pool sync.Pool }

// get gives a chunk with one reference, its buf empty.
func (p *Chunks) get() *chunk {
	c, ok := p.pool.Get().(*chunk)
	if !ok {
		c = &chunk{buf: make([]byte, 0, chunkSize), home: p}
	}
	c.buf = c.buf[:0]
	c.refs.Store(1)
	return c
}
