package registry

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/auth"
)

// cancelTimeout bounds the courtesy of cancelling an upload.
const cancelTimeout = 10 * time.Second

// Upload is an open upload session of one repository. Its methods are not for concurrent use.
type Upload struct {
	c          *Client
	repository string
	digest     v1.Hash // what it was started for, for errors

	mu       sync.Mutex
	location *url.URL // newest; every answer may move it (distribution spec, "Pushing a blob in chunks")
}

// StartUpload asks the registry to mount the blob from another repository of it (mountFrom may be empty, or the
// repository itself), else to open an upload. No Upload and no error: it is mounted.
func (c *Client) StartUpload(ctx context.Context, repository string, digest v1.Hash, mountFrom string) (*Upload, error) {
	r := &request{
		kind: "upload POST", op: "start upload of", method: http.MethodPost,
		repository: repository, reference: digest.String(),
		scopes: []auth.Scope{auth.Push(repository)},
		accept: []int{http.StatusAccepted},
		header: http.Header{},
		body:   []byte{},
	}
	var query url.Values
	if mountFrom != "" {
		r.kind, r.op = "upload POST mount", "mount"
		query = url.Values{"mount": {digest.String()}, "from": {mountFrom}}
		if mountFrom != repository {
			r.scopes = append(r.scopes, auth.Pull(mountFrom))
		}
		r.accept = []int{http.StatusAccepted, http.StatusCreated}
	}
	r.url = c.endpoint(repository, "blobs/uploads/", query)
	answer, err := c.do(ctx, r)
	if err != nil {
		return nil, err
	}
	if answer.status == http.StatusCreated {
		return nil, nil
	}
	u := &Upload{c: c, repository: repository, digest: digest}
	if err := u.adopt(answer.header, answer.url); err != nil {
		return nil, wrapTransport(ctx, r.op, r.where(c), err)
	}
	if u.location == nil {
		return nil, wrapTransport(ctx, r.op, r.where(c), permanentf("the answer has no Location"))
	}
	return u, nil
}

// adopt takes over the newest Location, relative to what answered.
func (u *Upload) adopt(h http.Header, answered *url.URL) error {
	value := h.Get("Location")
	if value == "" {
		return nil
	}
	next, err := answered.Parse(value)
	if err != nil {
		return permanentf("the upload's Location is unreadable")
	}
	u.mu.Lock()
	u.location = next
	u.mu.Unlock()
	return nil
}

func (u *Upload) newest() *url.URL {
	u.mu.Lock()
	defer u.mu.Unlock()
	location := *u.location
	return &location
}

func (u *Upload) request(kind, op, method string) *request {
	return &request{
		kind: kind, op: op, method: method, url: u.newest(),
		repository: u.repository, reference: u.digest.String(),
		scopes: []auth.Scope{auth.Push(u.repository)},
	}
}

// Put sends the blob, of which body is the part from offset on, and commits it under its digest. It tries once:
// after an error the caller asks [Temporary], then [Upload.Status] or [Upload.Cancel].
func (u *Upload) Put(ctx context.Context, digest v1.Hash, size int64, body io.Reader, offset int64) error {
	r := u.request("upload PUT", "upload", http.MethodPut)
	query := r.url.Query()
	query.Set("digest", digest.String())
	r.url.RawQuery = query.Encode()

	putCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	sent := &sentBody{body: body, up: &u.c.stats.up, stall: u.c.opts.Retry.StallTimeout}
	sent.timer = time.AfterFunc(sent.stall, func() { cancel(&timeoutError{what: "no byte went out", limit: sent.stall}) })
	sent.timer.Stop()
	defer sent.timer.Stop()

	req, err := http.NewRequestWithContext(putCtx, http.MethodPut, r.url.String(), io.NopCloser(sent))
	if err != nil {
		return wrapTransport(ctx, r.op, r.where(u.c), permanentf("the upload's Location is unusable"))
	}
	req.ContentLength = size - offset
	if req.ContentLength == 0 {
		req.Body = http.NoBody
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	req.Header.Set("User-Agent", u.c.opts.UserAgent)
	if offset > 0 {
		req.Header.Set("Content-Range", fmt.Sprintf("%d-%d", offset, size-1))
	}
	u.c.stats.request(r.kind)
	resp, err := u.c.bulk.RoundTrip(req)
	if err != nil {
		if cause := context.Cause(putCtx); cause != nil {
			err = cause
		}
		return wrapTransport(ctx, r.op, r.where(u.c), err)
	}
	if err := u.adopt(resp.Header, resp.Request.URL); err != nil {
		discard(resp)
		return wrapTransport(ctx, r.op, r.where(u.c), err)
	}
	if resp.StatusCode != http.StatusCreated && resp.StatusCode != http.StatusNoContent && resp.StatusCode != http.StatusOK {
		return u.c.refusal(r, resp)
	}
	discard(resp)
	return nil
}

// sentBody counts what the transport takes, and times how long it takes to ask for more.
type sentBody struct {
	body  io.Reader
	up    *atomic.Int64
	stall time.Duration
	timer *time.Timer
}

func (s *sentBody) Read(p []byte) (int, error) {
	s.timer.Stop()
	n, err := s.body.Read(p)
	s.up.Add(int64(n))
	if err == nil {
		s.timer.Reset(s.stall)
	}
	return n, err
}

// Status asks how many bytes the registry has; 0 where it doesn't know. [ErrNotFound]: the session is gone.
func (u *Upload) Status(ctx context.Context) (int64, error) {
	r := u.request("upload GET", "ask for status of upload", http.MethodGet)
	r.accept = []int{http.StatusNoContent, http.StatusOK, http.StatusAccepted}
	answer, err := u.c.do(ctx, r)
	if err != nil {
		return 0, err
	}
	if err := u.adopt(answer.header, answer.url); err != nil {
		return 0, wrapTransport(ctx, r.op, r.where(u.c), err)
	}
	return received(answer.header.Get("Range")), nil
}

// received reads "0-99" (also "bytes=0-99") as 100. "0-0" is 0: distribution says it of an empty upload.
func received(value string) int64 {
	value = strings.TrimPrefix(value, "bytes=")
	first, last, ok := strings.Cut(value, "-")
	if !ok || first != "0" {
		return 0
	}
	n, err := strconv.ParseInt(last, 10, 64)
	if err != nil || n <= 0 {
		return 0
	}
	return n + 1
}

// Cancel ends the session at the registry, so that it needn't keep the bytes; it is tried once, briefly, and also
// where ctx has ended.
func (u *Upload) Cancel(ctx context.Context) error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), cancelTimeout)
	defer stop()
	r := u.request("upload DELETE", "cancel upload of", http.MethodDelete)
	r.accept = []int{http.StatusNoContent, http.StatusOK, http.StatusAccepted, http.StatusNotFound}
	_, err := u.c.try(ctx, r)
	return err
}
