package registry

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/auth"
)

// StatBlob tells how large the registry says that a blob is, -1 where it doesn't say. [ErrNotFound] where it isn't there.
func (c *Client) StatBlob(ctx context.Context, repository string, digest v1.Hash) (int64, error) {
	answer, err := c.do(ctx, c.blobRequest("blob HEAD", "look for blob", http.MethodHead, repository, digest))
	if err != nil {
		return 0, err
	}
	return contentLength(answer.header), nil
}

func (c *Client) blobRequest(kind, op, method, repository string, digest v1.Hash) *request {
	return &request{
		kind: kind, op: op, method: method,
		url:        c.endpoint(repository, "blobs/"+digest.String(), nil),
		repository: repository, reference: digest.String(),
		scopes: []auth.Scope{c.reading(repository)},
		accept: []int{http.StatusOK},
	}
}

// OpenBlob reads a blob from offset on, where the registry can; [BlobReader.Offset] says where it begins.
// It retries until the answer's header is in, a few times also where the blob isn't there: a manifest named it, and caches
// fetch what they lack only when they are asked. What breaks later comes out of Read.
func (c *Client) OpenBlob(ctx context.Context, repository string, digest v1.Hash, offset int64) (*BlobReader, error) {
	if err := c.Ping(ctx); err != nil {
		return nil, err
	}
	r := c.blobRequest("blob GET", "get blob", http.MethodGet, repository, digest)
	if offset > 0 {
		r.header = http.Header{"Range": {"bytes=" + strconv.FormatInt(offset, 10) + "-"}}
		r.accept = []int{http.StatusOK, http.StatusPartialContent}
	}
	refused, missing := false, missingAttempts
	b, err := retrying(ctx, c, r, func(ctx context.Context, _ bool) (*BlobReader, error) {
		b, err := c.openBlob(ctx, r, offset)
		if offset > 0 && rangeRefused(err, offset) {
			offset, r.header = 0, nil // from the start then
			b, err = c.openBlob(ctx, r, offset)
		}
		refused = refused || Overloaded(err)
		return b, mayAppear(err, &missing)
	})
	if err == nil {
		b.Refused = refused
		return b, nil
	}
	if inline := c.openInline(ctx, r, digest, offset); inline != nil {
		return inline, nil
	}
	return nil, err
}

func (c *Client) openBlob(ctx context.Context, r *request, offset int64) (*BlobReader, error) {
	resp, err := c.send(ctx, c.down, r)
	if err != nil {
		var refused *Error
		if errors.As(err, &refused) && refused.length > 0 && refused.length <= offset {
			refused.Detail = "the blob ends before what is said to be its size"
		}
		return nil, err
	}
	b := &BlobReader{
		broke: func(err error) error { return c.wrapSent(ctx, r, resp.Request.URL, err) },
		body:  resp.Body, left: resp.ContentLength, down: &c.stats.down,
	}
	if resp.StatusCode == http.StatusPartialContent {
		start, ok := rangeStart(resp.Header.Get("Content-Range"))
		if !ok || start != offset {
			b.Close()
			return nil, wrapTransport(ctx, r.op, r.where(c),
				permanentf("asked for bytes from %d on, got Content-Range %q", offset, clip(resp.Header.Get("Content-Range"), 64)))
		}
		b.Offset = start
	}
	return b, nil
}

// rangeRefused tells whether a 416 was about ranges as such, as caches answer for what they don't have whole, and not about a
// blob that ends before what is said to be its size.
func rangeRefused(err error, offset int64) bool {
	var refused *Error
	return errors.As(err, &refused) && refused.Status == http.StatusRequestedRangeNotSatisfiable &&
		(refused.length <= 0 || refused.length > offset)
}

// missingAttempts is how often content is asked for that something else has named.
const missingAttempts = 3

// mayAppear makes a 404 temporary, so many times: a pull-through cache answers that way while it fetches. Not that there
// is no such repository.
func mayAppear(err error, left *int) error {
	var refused *Error
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound && !refused.HasCode("NAME_UNKNOWN") {
		*left--
		refused.again = *left > 0
	}
	return err
}

// rangeStart reads the first position of "bytes 10-99/100".
func rangeStart(contentRange string) (int64, bool) {
	span, ok := strings.CutPrefix(contentRange, "bytes ")
	if !ok {
		return 0, false
	}
	first, _, ok := strings.Cut(span, "-")
	if !ok {
		return 0, false
	}
	start, err := strconv.ParseInt(strings.TrimSpace(first), 10, 64)
	return start, err == nil && start >= 0
}

// BlobReader is a blob's content as it comes. Read's errors are [Temporary] where the rest can be had by another
// [Client.OpenBlob]: the connection broke, ended early, or stalled while inside Read.
type BlobReader struct {
	// Offset is where the first byte stands in the blob: what was asked for, or 0 where the registry knows no
	// ranges.
	Offset int64
	// Refused tells that the registry had too much to do at first (see [Overloaded]).
	Refused bool

	broke func(error) error // names what was read
	body  io.ReadCloser
	left  int64 // -1 unknown
	down  *atomic.Int64
}

// Read reads; it fails as soon as nothing has come for the policy's StallTimeout.
func (b *BlobReader) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	b.down.Add(int64(n))
	if b.left >= 0 {
		b.left -= int64(n)
	}
	switch {
	case err == nil || (err == io.EOF && b.left <= 0):
		return n, err
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return n, b.broke(err)
}

// Close ends the transfer, wherever it is.
func (b *BlobReader) Close() error {
	return b.body.Close()
}

var _ io.ReadCloser = (*BlobReader)(nil)
