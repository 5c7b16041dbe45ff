package registry

import (
	"bytes"
	"context"
	"io"
	"sync"
	"sync/atomic"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Inline content is kept up to these bounds; it is meant for what is smaller than a request.
const (
	maxInlineBlob = 64 << 10
	maxInlineAll  = 8 << 20
)

// inlineBlobs are blobs whose content came within a descriptor ("data").
type inlineBlobs struct {
	mu    sync.Mutex
	known map[v1.Hash][]byte
	size  int
}

// KnowBlob tells the content of a blob, which must be what its digest says: [Client.OpenBlob] gives it where the registry
// doesn't.
func (c *Client) KnowBlob(digest v1.Hash, content []byte) {
	b := &c.inline
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, known := b.known[digest]; known || len(content) > maxInlineBlob || b.size+len(content) > maxInlineAll {
		return
	}
	if b.known == nil {
		b.known = map[v1.Hash][]byte{}
	}
	b.known[digest] = bytes.Clone(content) // it may be part of a larger manifest
	b.size += len(content)
}

// openInline is OpenBlob of what is known.
func (c *Client) openInline(ctx context.Context, r *request, digest v1.Hash, offset int64) *BlobReader {
	c.inline.mu.Lock()
	content, known := c.inline.known[digest]
	c.inline.mu.Unlock()
	if !known || offset > int64(len(content)) || ctx.Err() != nil {
		return nil
	}
	rest := content[offset:]
	return &BlobReader{
		Offset: offset, broke: func(err error) error { return wrapTransport(ctx, r.op, r.where(c), err) }, body: io.NopCloser(bytes.NewReader(rest)),
		left: int64(len(rest)), down: &atomic.Int64{},
	}
}
