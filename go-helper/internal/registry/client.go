package registry

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"

	"docker-mirror/go-helper/internal/auth"
	"docker-mirror/go-helper/internal/reference"
)

// dockerHubAPI is where Docker Hub serves the distribution API; its scopes and config entries don't say so.
const dockerHubAPI = "registry-1.docker.io"

// localAPI is the host of requests that never leave the process (RFC 2606: no such name is ever looked up).
const localAPI = "local.invalid"

// inProcess is a transport without connections.
type inProcess struct{ http.RoundTripper }

func (inProcess) CloseIdleConnections() {}

// Client speaks to one registry host. All its work shares connections, tokens, one window of small requests
// and one pause. It is safe for concurrent use.
type Client struct {
	host string // canonical
	base url.URL
	opts *Options

	small, up, down *connections // small requests, blobs that are sent, blobs that are read
	auth            *auth.Authorizer
	mu              sync.Mutex
	elsewhere       map[string]*auth.Authorizer // by host that was redirected to
	rests           sync.Map                    // of token services: host -> restAsked
	throttle        *throttle
	proxy           func(*http.Request) (*url.URL, error) // nil: none, as nothing is sent anywhere
	stats           stats
	pinging         pinging
	// usedUp remembers that the rate limit's remainder was 0 when last told.
	usedUp atomic.Bool
	// linksTags remembers that the registry says where its tag lists go on, so that no Link means the end.
	linksTags atomic.Bool
	// unwell is when anything was last answered with 429 or 5xx, in Unix nanoseconds.
	unwell atomic.Int64
	// chunk is the size of one PATCH where this registry limits bodies; 0 for one PUT.
	chunk atomic.Int64
	// noCancel: the registry doesn't let uploads be cancelled.
	noCancel atomic.Bool
	// mountsBroken: the last mount failed in a way that should have passed, at every try.
	mountsBroken atomic.Bool
	// noReferrers: the registry has no referrers API.
	noReferrers atomic.Bool
	// destinations are those that this run writes to, by name; false where their token may only read.
	destinations sync.Map
	// pushable tells of those that can't be read whether they can be written to, by name.
	pushable sync.Map
	damages  damages
	// refusedTypes are the media types of manifests that the registry doesn't take, and how it said so.
	refusedTypes sync.Map
	// inline is content that manifests had with them, by digest.
	inline inlineBlobs
	// creator makes repositories that a push finds missing; nil: nobody does.
	creator      RepositoryCreator
	repositories repositories
}

func newClient(host string, opts *Options) *Client {
	own := opts.Host(host)
	window := opts.MaxWindow
	if own.MaxWindow > 0 {
		window = own.MaxWindow
	}
	c := &Client{
		host:     host,
		base:     url.URL{Scheme: "https", Host: host},
		opts:     opts,
		throttle: newThrottle(window, own.MaxRate),

		elsewhere: map[string]*auth.Authorizer{},
		creator:   own.Repositories,
		proxy:     own.proxy(),
	}
	c.chunk.Store(max(own.ChunkSize, 0))
	if opts.PlainHTTP(host) {
		c.base.Scheme = "http"
	}
	if host == reference.DockerHub {
		c.base.Host = dockerHubAPI
	}
	if own.Local != nil {
		c.base = url.URL{Scheme: "http", Host: localAPI}
	}
	api := c.base
	guard := newDialGuard(&api)
	c.small = newConnections(func() transport { return newSmallTransport(opts, own, guard) })
	c.up = newConnections(func() transport { return newBulkTransport(opts, own, guard, bodyTimeouts*opts.Retry.ResponseTimeout) })
	c.down = newConnections(func() transport { return newBulkTransport(opts, own, guard, opts.Retry.ResponseTimeout) })
	if own.Local != nil {
		within := func() transport { return inProcess{own.Local} }
		c.small, c.up, c.down = newConnections(within), newConnections(within), newConnections(within)
		c.proxy = nil
	}
	c.auth = auth.NewAuthorizer(host, &api, opts.Keychain, opts.UserAgent, opts.Logger, c.sendToken)
	return c
}

// Host is the canonical registry host.
func (c *Client) Host() string { return c.host }

// request is one request without a blob's body; it can be sent again as it is.
type request struct {
	kind   string // of Stats.Requests
	op     string // for errors: "get manifest"
	method string
	url    *url.URL
	header http.Header
	body   []byte

	repository, reference string
	scopes                []auth.Scope

	accept   []int              // statuses that are no error
	limit    int64              // most bytes of an accepted answer's body; 0: nobody reads it
	attempts int                // fewer than the policy's; 0: those
	sent     auth.Authorization // of the last try
	session  bool               // it is about an upload session
	broke    bool               // a try failed in a way that doesn't tell whether it was carried out
}

func (r *request) where(c *Client) string { return where(c.host, r.repository, r.reference) }

// reply is an accepted answer, read in full.
type reply struct {
	status int
	header http.Header
	body   []byte
	url    *url.URL // what answered, after redirects
}

// endpoint builds /v2/<repository>/<rest>.
func (c *Client) endpoint(repository, rest string, query url.Values) *url.URL {
	u := c.base
	u.Path = "/v2/"
	if repository != "" {
		u.Path += repository + "/" + rest
	}
	u.RawQuery = query.Encode()
	return &u
}

// do sends a small request until it is answered with an accepted status, refused for good, or out of tries.
func (c *Client) do(ctx context.Context, r *request) (*reply, error) {
	if err := c.Ping(ctx); err != nil {
		return nil, err
	}
	return retrying(ctx, c, r, func(ctx context.Context, again bool) (*reply, error) { return c.try(ctx, r, again) })
}

// retrying calls try until it succeeds, fails for good, or the policy allows no further try of the work that the request is
// part of.
func retrying[T any](ctx context.Context, c *Client, r *request, try func(ctx context.Context, again bool) (T, error)) (T, error) {
	tries := triesOf(ctx, c)
	ctx = tries.With(ctx) // a token that the request needs counts as well
	for made := 1; ; made++ {
		out, err := try(ctx, made > 1)
		if err == nil || made == r.attempts && !throttled(err) {
			return out, err
		}
		if err := tries.again(ctx, r.op+" "+r.where(c), err); err != nil {
			return out, err
		}
	}
}

// try sends a small request once.
func (c *Client) try(ctx context.Context, r *request, again bool) (*reply, error) {
	if err := c.throttle.acquire(ctx, again); err != nil {
		return nil, wrapTransport(ctx, r.op, r.where(c), err)
	}
	defer c.throttle.release()
	resp, err := c.send(ctx, c.small, r)
	if err != nil {
		r.broke = r.broke || Temporary(err) && !throttled(err)
		return nil, err
	}
	answer := &reply{status: resp.StatusCode, header: resp.Header, url: resp.Request.URL}
	if r.limit == 0 { // what is asked for stands in the header: a body that stalls takes nothing of it back
		discard(resp)
		return answer, nil
	}
	defer resp.Body.Close()
	answer.body, err = c.readAll(ctx, r, resp)
	if err != nil {
		return nil, err
	}
	return answer, nil
}

func (c *Client) readAll(ctx context.Context, r *request, resp *http.Response) ([]byte, error) {
	if resp.ContentLength > r.limit {
		return nil, wrapTransport(ctx, r.op, r.where(c),
			permanentf("the answer has %d bytes, more than the %d allowed", resp.ContentLength, r.limit))
	}
	var buf bytes.Buffer
	if resp.ContentLength > 0 {
		buf.Grow(int(resp.ContentLength) + bytes.MinRead) // ReadFrom grows unless MinRead bytes are free
	}
	n, err := buf.ReadFrom(io.LimitReader(resp.Body, r.limit+1))
	if err != nil {
		return nil, wrapTransport(ctx, r.op, r.where(c), err)
	}
	if n > r.limit {
		return nil, wrapTransport(ctx, r.op, r.where(c), permanentf("the answer has more than the %d bytes allowed", r.limit))
	}
	return buf.Bytes(), nil
}
