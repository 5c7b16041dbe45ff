package registry

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"sync"
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
		c.mountsBroken.Store(Temporary(err) || TimedOut(err))
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
