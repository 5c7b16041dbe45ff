package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Put sends the blob, of which body is the part from offset on, and commits it under its digest: in one PUT with
// Content-Length, or in PATCHes and a PUT where this registry limits bodies. It reads the body once: after an error the
// caller asks [Temporary], then [Upload.Status], [Upload.Cancel] or another [Client.StartUpload].
//
// Once Put has returned no Read of body begins; one that is under way after an error may still end. Where ctx ends
// or the connection breaks Put returns when a Read under way has: body must not block beyond ctx.
func (u *Upload) Put(ctx context.Context, digest v1.Hash, size int64, body io.Reader, offset int64) error {
	chunk := u.c.chunk.Load()
	u.chunk = chunk
	if chunk > 0 {
		chunk = max(chunk, u.leastChunk)
		for offset < size {
			n := min(chunk, size-offset)
			if err := u.patch(ctx, body, offset, n, size); err != nil {
				return err
			}
			offset += n
		}
	}
	r := u.request("upload PUT", "upload", http.MethodPut)
	resp, err := u.send(ctx, func() *request {
		r := u.request(r.kind, r.op, r.method)
		query := r.url.Query()
		query.Set("digest", digest.String())
		r.url.RawQuery = query.Encode()
		return r
	}, body, offset, size-offset, size)
	if err != nil {
		return err
	}
	got, err := v1.NewHash(resp.Header.Get("Docker-Content-Digest"))
	if err == nil && got.Algorithm == digest.Algorithm && got != digest {
		return &DigestMismatchError{Reference: r.where(u.c), Want: digest, Got: got}
	}
	if resp.StatusCode == http.StatusCreated {
		return u.c.checkResent(ctx, u.repository, digest, size)
	}
	if err := u.c.awaitBlob(ctx, r, digest, size, resp.StatusCode); err != nil {
		return err
	}
	return u.c.checkResent(ctx, u.repository, digest, size)
}

// patch sends one chunk.
func (u *Upload) patch(ctx context.Context, body io.Reader, offset, n, size int64) error {
	r := u.request("upload PATCH", "upload", http.MethodPatch)
	resp, err := u.send(ctx, func() *request { return u.request(r.kind, r.op, r.method) }, body, offset, n, size)
	if err != nil {
		return err
	}
	if got := received(resp.Header.Get("Range")); got != 0 && got != offset+n {
		return &Error{
			Op: r.op, Host: u.c.host, Repository: u.repository, Reference: r.reference, Status: resp.StatusCode,
			Detail: fmt.Sprintf("the registry has %d bytes after a chunk up to %d", got, offset+n), again: true,
		}
	}
	return nil
}

// send sends n bytes of the body that stand at offset. It tries again only as long as nothing of the body was
// taken: where the registry was asked first and said no, or the connection was dead.
func (u *Upload) send(ctx context.Context, next func() *request, body io.Reader, offset, n, size int64) (*http.Response, error) {
	c := u.c
	tries := triesOf(ctx, c)
	ctx = tries.With(ctx)
	for {
		r := next()
		sent := newSentBody(body, n, &c.stats.up, c.opts.Retry.StallTimeout)
		resp, err := u.sendOnce(ctx, r, sent, offset, n, size)
		touched := sent.end()
		var refused *Error
		errors.As(err, &refused)
		if err == nil || touched || n == 0 && refused == nil || refused != nil && refused.needsOther() {
			return resp, err
		}
		if err := tries.again(ctx, r.op+" "+r.where(c), err); err != nil {
			return nil, err
		}
	}
}

// needsOther tells whether the same request can't be taken the next time either: another session, offset or size can.
func (e *Error) needsOther() bool {
	return e.Status == http.StatusRequestEntityTooLarge || e.Status == http.StatusRequestedRangeNotSatisfiable || errors.Is(e, ErrUploadLost)
}

func (u *Upload) sendOnce(ctx context.Context, r *request, sent *sentBody, offset, n, size int64) (*http.Response, error) {
	c := u.c
	header, err := c.authorize(ctx, r, r.url)
	if err != nil {
		return nil, err
	}
	sendCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	req := (&http.Request{
		Method: r.method, URL: r.url, Host: r.url.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {"application/octet-stream"}},
		ContentLength: n,
	}).WithContext(sendCtx)
	if header != "" {
		req.Header.Set("Authorization", header)
	}
	if n > 0 {
		// Without GetBody net/http can't send it a second time, which would need what is no longer there.
		req.Body = sent.of(cancel)
		if c.expects() {
			req.Header.Set("Expect", "100-continue")
		}
		if offset > 0 || n < size {
			req.Header.Set("Content-Range", fmt.Sprintf("%d-%d", offset, offset+n-1))
		}
	}
	began := time.Now()
	resp, err := c.roundTrip(c.up, req, r.kind)
	if err != nil {
		if cause := context.Cause(sendCtx); cause != nil && ctx.Err() == nil {
			err = cause
			c.up.renew(began)
		}
		return nil, c.wrapSent(ctx, r, r.url, err)
	}
	err = u.adopt(resp.Header, resp.Request.URL)
	switch resp.StatusCode {
	case http.StatusCreated, http.StatusAccepted, http.StatusNoContent, http.StatusOK:
		u.refusals = 0
		discard(resp)
		if err != nil && r.method == http.MethodPatch {
			return nil, wrapTransport(ctx, r.op, r.where(c), err)
		}
		return resp, nil
	}
	refused := c.refusal(r, resp)
	u.learn(ctx, r, resp, refused, offset, n)
	return nil, refused
}

// learn takes in a refused body, so that another try does better.
func (u *Upload) learn(ctx context.Context, r *request, resp *http.Response, refusal error, offset, n int64) {
	c := u.c
	var refused *Error
	if !errors.As(refusal, &refused) {
		return
	}
	if n > 0 && (temporaryStatus(refused.Status) || refused.Status == http.StatusUnauthorized) {
		c.askFirst() // the end of the next token costs no body
	}
	switch refused.Status {
	case http.StatusUnauthorized:
		// A token that ended while the session was open. The body can't be sent again from here.
		if c.isAPI(r.url) && u.refusals < maxRefusals {
			u.refusals++
			refused.again, _ = c.auth.Refused(ctx, r.scopes, r.sent, resp.Header)
			refused.learned = true
		}
	case http.StatusRequestEntityTooLarge:
		c.askFirst()
		refused.again = c.mayChunk() && c.halve(n, u.chunk)
		refused.learned = true
	case http.StatusNotFound, http.StatusGone, http.StatusBadRequest:
		// The session has been lost, by a restart for example: another one will do.
		refused.again = errors.Is(refused, ErrUploadLost)
	case http.StatusRequestedRangeNotSatisfiable:
		// We and the registry differ on what it has: its status will tell.
		refused.again = offset > 0
	}
}
