package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// bodyTimeouts is how many times as long as its header all of a small answer's body may take.
	bodyTimeouts = 5
	// discardPatience is how long the rest of an answer that nobody needs is waited for.
	discardPatience = 5 * time.Second
	// leastProgress is how many bytes must come within the policy's StallTimeout: a byte now and then is none.
	leastProgress = 4 << 10
)

// answerBody is an answer's body that ends where nothing comes any more: net/http limits how long the header takes, and nothing
// after it. Its timer runs only inside Read, and begins anew with each leastProgress.
type answerBody struct {
	body   io.ReadCloser
	ctx    context.Context // the request's
	cancel context.CancelCauseFunc
	limit  time.Duration
	stall  *time.Timer
	waited time.Duration // inside Read, since the timer began anew
	got    atomic.Int64  // since then
	closed sync.Once

	mu    sync.Mutex
	whole *time.Timer // for all of it; nil: it may take as long as it comes
}

// timed sends the request so that its answer's body ends with an error where next to nothing comes for the policy's StallTimeout.
// Only a blob may take long in all.
func (c *Client) timed(t *connections, req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	sent := time.Now()
	resp, err := t.RoundTrip(req.WithContext(ctx))
	if err != nil {
		cancel(nil)
		return nil, err
	}
	limit := c.opts.Retry.StallTimeout
	b := &answerBody{body: resp.Body, ctx: ctx, cancel: cancel, limit: limit}
	b.stall = time.AfterFunc(limit, func() {
		t.renew(sent)
		what := "no byte came"
		if got := b.got.Load(); got > 0 {
			what = fmt.Sprintf("only %d bytes came", got)
		}
		cancel(&timeoutError{what: what, limit: limit})
	})
	b.stall.Stop()
	if t != c.down || resp.StatusCode >= http.StatusMultipleChoices {
		b.within(bodyTimeouts * c.opts.Retry.ResponseTimeout)
	}
	resp.Body, resp.Request = b, req // whose context lives on
	return resp, nil
}

// within ends the body after so long.
func (b *answerBody) within(limit time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.whole != nil {
		b.whole.Stop()
	}
	b.whole = time.AfterFunc(limit, func() { b.cancel(&timeoutError{what: "the answer didn't end", limit: limit}) })
}

// Read fails as soon as next to nothing has come for the limit.
func (b *answerBody) Read(p []byte) (int, error) {
	began := time.Now()
	b.stall.Reset(b.limit - b.waited)
	n, err := b.body.Read(p)
	b.stall.Stop()
	b.waited += time.Since(began)
	if b.got.Add(int64(n)) >= leastProgress {
		b.waited = 0
		b.got.Store(0)
	}
	var ours *timeoutError
	if err != nil && err != io.EOF && errors.As(context.Cause(b.ctx), &ours) {
		err = ours
	}
	return n, err
}

// Close ends the answer, wherever it is.
func (b *answerBody) Close() error {
	var err error
	b.closed.Do(func() {
		b.stall.Stop()
		b.mu.Lock()
		if b.whole != nil {
			b.whole.Stop()
		}
		b.mu.Unlock()
		err = b.body.Close() // before the context: it keeps a connection that was read to the end
		b.cancel(nil)
	})
	return err
}

// discard ends an answer: a short rest is read, so that the connection can be used again.
func discard(resp *http.Response) {
	if b, ok := resp.Body.(interface{ within(limit time.Duration) }); ok {
		b.within(discardPatience)
	}
	_, _ = io.CopyN(io.Discard, resp.Body, maxErrorBody)
	resp.Body.Close()
}
