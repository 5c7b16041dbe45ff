package registry

import (
	"context"
	"errors"
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

const (
	// cancelTimeout bounds the courtesy of cancelling an upload; a run that was interrupted has less time.
	cancelTimeout, interruptedCancelTimeout = 10 * time.Second, time.Second
	// defaultChunk is one PATCH where a registry limits bodies: below Azure's 20 MB, a multiple of what
	// object stores want.
	defaultChunk = 16 << 20
	// statusAttempts: a session whose status can't be had is better started anew.
	statusAttempts = 3
	// mountAttempts: there is another way.
	mountAttempts = 3
	// maxRefusals is how many tokens in a row may be refused: each had ended while the session was open. A token lives for
	// a chunk at least.
	maxRefusals = 3
	// expectFor is how long after a refusal bodies ask first.
	expectFor = time.Minute
)

// Upload is an open upload session of one repository. Its methods are not for concurrent use.
type Upload struct {
	c          *Client
	repository string
	digest     v1.Hash // what it was started for, for errors
	refusals   int     // how often in a row a token was refused in the middle, and another one was to be had

	chunk      int64 // that was last sent by; 0: in one
	leastChunk int64 // that the registry takes, but for the last

	mu       sync.Mutex
	location *url.URL // newest: every answer may move it (distribution spec, "Pushing a blob in chunks")
}

// StartUpload asks the registry to mount the blob from another repository of it (mountFrom may be empty, or the
// repository itself), else to open an upload. No Upload and no error: it is mounted.
func (c *Client) StartUpload(ctx context.Context, repository string, digest v1.Hash, mountFrom string) (*Upload, error) {
	u := &Upload{c: c, repository: repository, digest: digest}
	if mountFrom != "" && c.damages.of(digest) == 0 {
		mounted, err := u.mount(ctx, mountFrom)
		switch {
		case mounted:
			return nil, nil
		case err == nil:
			return u, nil
		}
		if ctx.Err() != nil || throttled(err) {
			return nil, err
		}
		// A mount is a favour: without access to the origin, or without the origin, there is still the upload, and where
		// mounting is out of order as well. What else is wrong (the repository itself, say) it will tell.
		c.mountsBroken.Store(Temporary(err))
		c.opts.Logger.Debug("mount refused", "registry", c.host, "repository", repository, "from", mountFrom, "error", err)
	}
	r := u.startRequest("upload POST", "start upload of")
	r.url = c.endpoint(repository, "blobs/uploads/", nil)
	answer, err := c.push(ctx, r)
	if err != nil {
		return nil, err
	}
	return u, u.begin(ctx, r, answer)
}

func (u *Upload) startRequest(kind, op string) *request {
	return &request{
		kind: kind, op: op, method: http.MethodPost,
		repository: u.repository, reference: u.digest.String(),
		scopes: []auth.Scope{auth.Push(u.repository)},
		accept: []int{http.StatusAccepted},
	}
}

// mount asks for a mount (distribution spec, "Mounting a blob from another repository"): 201, or 202 with an
// upload.
func (u *Upload) mount(ctx context.Context, from string) (bool, error) {
	r := u.startRequest("upload POST mount", "mount")
	r.url = u.c.endpoint(u.repository, "blobs/uploads/", url.Values{"mount": {u.digest.String()}, "from": {from}})
	if from != u.repository {
		r.scopes = append(r.scopes, auth.Pull(from))
	}
	r.accept = []int{http.StatusCreated, http.StatusAccepted}
	r.attempts = mountAttempts
	if u.c.mountsBroken.Load() {
		r.attempts = 1
	}
	// What it takes is no part of the work's patience: there is still the upload.
	answer, err := u.c.push(u.c.Tries().With(ctx), r)
	if err != nil {
		return false, err
	}
	u.c.mountsBroken.Store(false)
	if answer.status == http.StatusCreated {
		return true, nil
	}
	return false, u.begin(ctx, r, answer)
}

func (u *Upload) begin(ctx context.Context, r *request, answer *reply) error {
	if err := u.adopt(answer.header, answer.url); err != nil {
		return wrapTransport(ctx, r.op, r.where(u.c), err)
	}
	if u.location == nil {
		return wrapTransport(ctx, r.op, r.where(u.c), permanentf("the answer has no Location"))
	}
	// Distribution spec, "Pushing a blob in chunks".
	u.leastChunk, _ = strconv.ParseInt(answer.header.Get("OCI-Chunk-Min-Length"), 10, 64)
	return nil
}

// adopt takes over the newest Location.
func (u *Upload) adopt(h http.Header, answered *url.URL) error {
	location := h.Get("Location")
	if location == "" {
		id := h.Get("Docker-Upload-UUID")
		if id == "" || u.location != nil {
			return nil
		}
		location = "/v2/" + u.repository + "/blobs/uploads/" + url.PathEscape(id)
	}
	next, err := u.c.resolve(answered, location)
	if err != nil {
		return err
	}
	u.mu.Lock()
	u.location = next
	u.mu.Unlock()
	return nil
}

// request addresses the newest Location.
func (u *Upload) request(kind, op, method string) *request {
	u.mu.Lock()
	location := *u.location
	u.mu.Unlock()
	return &request{
		session: true, kind: kind, op: op, method: method, url: &location,
		repository: u.repository, reference: u.digest.String(),
		scopes: []auth.Scope{auth.Push(u.repository)},
	}
}

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
	// The specification knows 201 alone here: what else says "fine" may mean "still at it", or nothing.
	stored, err := u.c.StatBlob(ctx, u.repository, digest)
	switch {
	case errors.Is(err, ErrNotFound) || err == nil && stored >= 0 && stored != size:
		return &Error{
			Op: r.op, Host: u.c.host, Repository: u.repository, Reference: r.reference, Status: resp.StatusCode,
			Detail: "that is no 201 Created, and the blob isn't there", again: true,
		}
	case err != nil:
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
		if err == nil || touched || (n == 0 && refused == nil) ||
			refused != nil && refused.Status == http.StatusRequestEntityTooLarge { // it takes smaller ones
			return resp, err
		}
		if err := tries.again(ctx, r.op+" "+r.where(c), err); err != nil {
			return nil, err
		}
	}
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
	resp, err := c.roundTrip(c.bulk, req, r.kind)
	if err != nil {
		if cause := context.Cause(sendCtx); cause != nil && ctx.Err() == nil {
			err = cause
			c.bulk.renew(began)
		}
		return nil, wrapTransport(ctx, r.op, r.where(c), err)
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

// minChunk: a registry that refuses less than this has another problem. nginx lets 1 MiB through where nothing else is
// configured.
const minChunk = 64 << 10

// halve makes chunks smaller after a body of n bytes was too large that was sent by chunks of so many. It tells whether the
// next one will be.
func (c *Client) halve(n, by int64) bool {
	chunk := c.chunk.Load()
	next := min(int64(defaultChunk), n/2)
	if chunk > 0 {
		next = min(chunk, n) / 2
	}
	next = max(next, minChunk)
	if n > next && (chunk == 0 || next < chunk) && c.chunk.CompareAndSwap(chunk, next) {
		return true
	}
	now := c.chunk.Load()
	return now > 0 && (by == 0 || now < by) // another upload has found it out
}

// mayChunk tells whether the registry puts several PATCHes together rightly. GitHub's keeps only the last one.
func (c *Client) mayChunk() bool { return c.host != "ghcr.io" }

// askFirst makes uploads ask before they send their bodies, for a while.
func (c *Client) askFirst() { c.unwell.Store(time.Now().UnixNano()) }

// expects tells whether to ask before sending a body ("Expect: 100-continue"), so that a refusal costs none of it.
func (c *Client) expects() bool {
	last := c.unwell.Load()
	return last != 0 && time.Since(time.Unix(0, last)) < expectFor
}

// sentBody is a body on its way out. It counts what the transport takes, and cancels the request where the
// transport doesn't come back for more.
type sentBody struct {
	body  io.Reader
	left  int64 // net/http reads on to see whether there is more than Content-Length: not here
	up    *atomic.Int64
	stall time.Duration
	timer *time.Timer // set by of

	mu            sync.Mutex
	touched, over bool
}

func newSentBody(body io.Reader, n int64, up *atomic.Int64, stall time.Duration) *sentBody {
	return &sentBody{body: body, left: n, up: up, stall: stall}
}

// of makes it the body of the request that cancel ends.
func (s *sentBody) of(cancel context.CancelCauseFunc) io.ReadCloser {
	s.timer = time.AfterFunc(s.stall, func() { cancel(&timeoutError{what: "no byte went out", limit: s.stall}) })
	s.timer.Stop() // connecting has a timeout of its own
	return s
}

var errBodyOver = errors.New("the upload has ended")

func (s *sentBody) Read(p []byte) (int, error) {
	s.timer.Stop()
	if s.left == 0 {
		return 0, io.EOF
	}
	s.mu.Lock()
	over := s.over
	s.touched = s.touched || !over
	s.mu.Unlock()
	if over {
		return 0, errBodyOver
	}
	n, err := s.body.Read(p[:min(int64(len(p)), s.left)])
	s.left -= int64(n)
	s.up.Add(int64(n))
	s.mu.Lock()
	if err == nil && !s.over {
		s.timer.Reset(s.stall)
	}
	s.mu.Unlock()
	return n, err
}

// Close is called by the transport when it is done with the body.
func (s *sentBody) Close() error {
	s.timer.Stop()
	return nil
}

// end makes that no further Read reaches the body, and tells whether one ever did.
func (s *sentBody) end() (touched bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	if s.timer != nil {
		s.timer.Stop()
	}
	return s.touched
}

// Status asks how many bytes the registry has; 0 where it doesn't know. [ErrNotFound]: the session is gone.
func (u *Upload) Status(ctx context.Context) (int64, error) {
	r := u.request("upload GET", "ask for status of upload", http.MethodGet)
	r.accept = []int{http.StatusNoContent, http.StatusOK, http.StatusAccepted}
	r.attempts = statusAttempts
	answer, err := u.c.do(ctx, r)
	if err != nil {
		return 0, err
	}
	if err := u.adopt(answer.header, answer.url); err != nil {
		return 0, wrapTransport(ctx, r.op, r.where(u.c), err)
	}
	return received(answer.header.Get("Range")), nil
}

// received reads "0-99" (also "bytes=0-99") as 100. "0-0" is 0: distribution says it of an empty upload, which
// can't be told from one with a single byte.
func received(value string) int64 {
	value = strings.TrimPrefix(strings.TrimPrefix(value, "bytes="), "bytes ")
	first, last, ok := strings.Cut(value, "-")
	if !ok || strings.TrimSpace(first) != "0" {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(last), 10, 62)
	if err != nil || n <= 0 {
		return 0
	}
	return n + 1
}

// Cancel ends the session at the registry, so that it needn't keep the bytes. It is tried once, briefly, and also
// where ctx has ended; never again at a registry that doesn't do this.
func (u *Upload) Cancel(ctx context.Context) error {
	if u.c.noCancel.Load() {
		return nil
	}
	limit := cancelTimeout
	if ctx.Err() != nil {
		limit = interruptedCancelTimeout
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer stop()
	err := u.delete(ctx)
	var refused *Error
	if !errors.As(err, &refused) || errors.Is(err, ErrUploadLost) {
		return err
	}
	if cancelUnknown(refused) {
		u.c.noCancel.Store(true)
		u.c.opts.Logger.Debug("uploads can't be cancelled", "registry", u.c.host, "error", err)
		return nil
	}
	if refused.Status != http.StatusRequestedRangeNotSatisfiable && refused.Status != http.StatusBadRequest {
		return err
	}
	// distribution refuses a Location whose offset is no longer the upload's (after a broken PUT): ask for the newest.
	if _, statusErr := u.Status(ctx); statusErr != nil {
		return err
	}
	return u.delete(ctx)
}

// cancelUnknown tells whether it is cancelling as such that was refused: the registry doesn't have it, or the account may
// not (distribution wants the right to delete).
func cancelUnknown(refused *Error) bool {
	switch refused.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return true
	}
	return refused.HasCode("UNSUPPORTED")
}

func (u *Upload) delete(ctx context.Context) error {
	r := u.request("upload DELETE", "cancel upload of", http.MethodDelete)
	r.scopes = []auth.Scope{auth.Delete(u.repository)}
	r.accept = []int{http.StatusNoContent, http.StatusOK, http.StatusAccepted}
	_, err := u.c.try(ctx, r, true)
	return err
}
