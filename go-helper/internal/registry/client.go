package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"docker-mirror/go-helper/internal/auth"
	"docker-mirror/go-helper/internal/reference"
)

// dockerHubAPI is where Docker Hub serves the distribution API; its scopes and config entries don't say so.
const dockerHubAPI = "registry-1.docker.io"

// Client speaks to one registry host. All its work shares connections, tokens, one window of small requests
// and one pause. It is safe for concurrent use.
type Client struct {
	host string // canonical
	base url.URL
	opts *Options

	small, bulk *connections
	auth        *auth.Authorizer
	mu          sync.Mutex
	elsewhere   map[string]*auth.Authorizer // by host that was redirected to
	throttle    *throttle
	stats       stats
	pinging     pinging
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
	}
	c.chunk.Store(max(own.ChunkSize, 0))
	if opts.PlainHTTP(host) {
		c.base.Scheme = "http"
	}
	if host == reference.DockerHub {
		c.base.Host = dockerHubAPI
	}
	api := c.base
	guard := newDialGuard(&api)
	c.small = newConnections(func() *http.Transport { return newSmallTransport(opts, own, guard) })
	c.bulk = newConnections(func() *http.Transport { return newBulkTransport(opts, own, guard) })
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
	limit    int64              // most bytes of an accepted answer's body
	attempts int                // fewer than the policy's; 0: those
	sent     auth.Authorization // of the last try
	session  bool               // it is about an upload session
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
		return nil, err
	}
	defer resp.Body.Close()
	body, err := c.readAll(ctx, r, resp)
	if err != nil {
		return nil, err
	}
	return &reply{status: resp.StatusCode, header: resp.Header, body: body, url: resp.Request.URL}, nil
}

func (c *Client) readAll(ctx context.Context, r *request, resp *http.Response) ([]byte, error) {
	limit := r.limit
	if limit == 0 {
		limit = maxErrorBody
	}
	if r.method == http.MethodHead {
		return nil, nil
	}
	if resp.ContentLength > limit {
		return nil, wrapTransport(ctx, r.op, r.where(c),
			permanentf("the answer has %d bytes, more than the %d allowed", resp.ContentLength, limit))
	}
	var buf bytes.Buffer
	if resp.ContentLength > 0 {
		buf.Grow(int(resp.ContentLength) + bytes.MinRead) // ReadFrom grows unless MinRead bytes are free
	}
	n, err := buf.ReadFrom(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, wrapTransport(ctx, r.op, r.where(c), err)
	}
	if n > limit {
		return nil, wrapTransport(ctx, r.op, r.where(c), permanentf("the answer has more than the %d bytes allowed", limit))
	}
	return buf.Bytes(), nil
}

// send sends the request over t, with authorization, and follows redirects. The answer has an accepted
// status, and an open body.
func (c *Client) send(ctx context.Context, t *connections, r *request) (*http.Response, error) {
	target := r.url
	for range maxRedirects + 1 {
		resp, err := c.sendAuthorized(ctx, t, r, target)
		if err != nil {
			return nil, err
		}
		if slices.Contains(r.accept, resp.StatusCode) {
			return resp, nil
		}
		next, err := c.redirect(r, resp)
		if err != nil {
			return nil, wrapTransport(ctx, r.op, r.where(c), err)
		}
		if next == nil {
			return nil, c.refusal(r, resp)
		}
		target = next
	}
	return nil, wrapTransport(ctx, r.op, r.where(c), permanentf("more than %d redirects", maxRedirects))
}

// sendAuthorized sends the request to one address. A 401 is answered once with other credentials, if there are any; once
// more where it had come with a challenge that wasn't known. A 403 to credentials that nobody gave for this is answered
// without them.
func (c *Client) sendAuthorized(ctx context.Context, t *connections, r *request, target *url.URL) (*http.Response, error) {
	adapted := false
	var first error // the refusal of what was better than nothing
	for tries := 1; ; tries-- {
		header, err := c.authorize(ctx, r, target)
		if err != nil && first != nil && IsDenied(err) {
			authorizer, scopes := c.authorizer(r, target)
			authorizer.GoBack(scopes)
			return nil, first
		}
		if err != nil {
			return nil, err
		}
		req := (&http.Request{
			Method: r.method, URL: target, Host: target.Host,
			Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: make(http.Header, len(r.header)+2),
		}).WithContext(ctx)
		for key, values := range r.header {
			req.Header[key] = values
		}
		if header != "" {
			req.Header["Authorization"] = []string{header}
		}
		if len(r.body) > 0 {
			req.Body = io.NopCloser(bytes.NewReader(r.body))
			req.ContentLength = int64(len(r.body))
		}
		resp, err := c.roundTrip(t, req, r.kind)
		if err != nil {
			return nil, wrapTransport(ctx, r.op, r.where(c), err)
		}
		authorizer, scopes := c.authorizer(r, target)
		sent := r.sent
		if resp.StatusCode != http.StatusUnauthorized && resp.StatusCode != http.StatusForbidden {
			if first != nil {
				authorizer.WentWithout(ctx, sent)
			}
			return resp, nil
		}
		again := false
		denial := c.refusal(r, resp)
		if resp.StatusCode == http.StatusUnauthorized {
			var changed bool
			again, changed = authorizer.Refused(ctx, scopes, sent, resp.Header)
			if changed && !adapted {
				adapted = true
				tries++
			}
		}
		switch {
		case again && tries > 0:
		case first != nil:
			authorizer.GoBack(scopes)
			return nil, first
		case authorizer.GoWithout(scopes, sent):
			first, tries = denial, 1
		default:
			return nil, denial
		}
	}
}

// authorize returns the Authorization header for a request to target. The keychain's credentials are for the
// registry's own host alone.
func (c *Client) authorize(ctx context.Context, r *request, target *url.URL) (string, error) {
	if c.isAPI(target) {
		// A token that is fetched after the pause doesn't end in it.
		if err := c.unpaused(ctx); err != nil {
			return "", wrapTransport(ctx, r.op, r.where(c), err)
		}
	}
	authorizer, scopes := c.authorizer(r, target)
	sent, err := authorizer.Authorize(ctx, scopes)
	var denied *auth.DeniedError
	if errors.As(err, &denied) && c.isAPI(target) && c.readOnly(r, denied) {
		sent, err = authorizer.Authorize(ctx, r.scopes)
	}
	r.sent = sent
	switch {
	case err == nil:
		return sent.Header, nil
	case errors.As(err, &denied):
		return "", &Error{
			Op: r.op, Host: c.host, Repository: r.repository, Reference: r.reference,
			Status: denied.Status, Detail: denied.Error(), Login: login(sent), noToken: true,
		}
	case ctx.Err() != nil:
		return "", wrapTransport(ctx, r.op, r.where(c), err)
	}
	return "", fmt.Errorf("%s %s: %w", r.op, r.where(c), err)
}

// authorizer is the registry's own, or the anonymous one of a host that it redirects to: some want a token even
// from whoever may read everything.
func (c *Client) authorizer(r *request, target *url.URL) (*auth.Authorizer, []auth.Scope) {
	if c.isAPI(target) {
		return c.auth, r.scopes
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	elsewhere := c.elsewhere[target.Host]
	if elsewhere == nil {
		api := &url.URL{Scheme: target.Scheme, Host: target.Host}
		elsewhere = auth.NewAuthorizer(target.Host, api, nil, c.opts.UserAgent, c.opts.Logger, c.sendToken)
		if len(c.elsewhere) < maxElsewhere {
			c.elsewhere[target.Host] = elsewhere
		}
	}
	// The repository has another name there.
	var scopes []auth.Scope
	if name, _, ok := strings.Cut(strings.TrimPrefix(target.Path, "/v2/"), "/manifests/"); ok {
		scopes = []auth.Scope{auth.Pull(name)}
	} else if name, _, ok := strings.Cut(strings.TrimPrefix(target.Path, "/v2/"), "/blobs/"); ok {
		scopes = []auth.Scope{auth.Pull(name)}
	}
	return elsewhere, scopes
}

// maxElsewhere bounds how many other hosts are remembered.
const maxElsewhere = 64

// roundTrip sends one request, once the registry isn't paused, and takes in what the answer says of our speed.
func (c *Client) roundTrip(t *connections, req *http.Request, kind string) (*http.Response, error) {
	req.Header["User-Agent"] = []string{c.opts.UserAgent}
	api := c.isAPI(req.URL)
	if api {
		if err := c.gate(req.Context()); err != nil {
			return nil, err
		}
	}
	c.stats.request(kind)
	sent := time.Now()
	resp, err := t.RoundTrip(req)
	if api && (err == nil || req.Context().Err() == nil) {
		c.throttle.heard(err == nil)
	}
	switch {
	case err != nil && api:
		err = protocolError(c.host, certificateError(c.host, err))
	case err != nil:
		err = certificateError(req.URL.Host, err)
	case api:
		c.observe(resp, sent)
	}
	return resp, err
}

// isAPI tells whether u is at the registry's own host, which alone gets credentials.
func (c *Client) isAPI(u *url.URL) bool {
	return u.Scheme == c.base.Scheme && canonicalPort(u) == canonicalPort(&c.base)
}

// canonicalPort spells host:port in full.
func canonicalPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// resolve reads a Location, relative to the answer's address. A registry behind a proxy that ends TLS may think
// that it speaks HTTP: its own host stays on TLS.
func (c *Client) resolve(answered *url.URL, location string) (*url.URL, error) {
	next, err := answered.Parse(location)
	if err != nil || next.Host == "" || (next.Scheme != "https" && next.Scheme != "http") {
		return nil, permanentf("the answer has an unusable Location")
	}
	next.User, next.Fragment = nil, ""
	if local(next.Hostname()) && !isLoopback(c.base.Host) && next.Hostname() != c.base.Hostname() {
		// A hostile registry could reach services of this machine, or a cloud's metadata service.
		return nil, permanentf("the answer points at %s, an address of this machine or its link: refused", next.Host)
	}
	if next.Scheme == "http" && c.base.Scheme == "https" && next.Hostname() == c.base.Hostname() {
		next.Scheme = "https"
		if next.Port() == "80" {
			next.Host = c.base.Host
		}
	}
	return next, nil
}

// maxRedirects is how many redirects one request follows.
const maxRedirects = 5

// local tells whether a host is this machine or on its link only, 169.254.169.254 among them.
func local(host string) bool {
	ip := net.ParseIP(host)
	return isLoopback(host) || ip != nil && (ip.IsLinkLocalUnicast() || ip.IsUnspecified())
}

// redirect returns where an answer points, nil where it is no redirect or mustn't be followed; it is read then.
func (c *Client) redirect(r *request, resp *http.Response) (*url.URL, error) {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther:
		if r.method != http.MethodGet && r.method != http.MethodHead {
			return nil, nil // the method would change (RFC 9110, 15.4)
		}
	case http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, nil
	}
	location := resp.Header.Get("Location")
	if location == "" {
		return nil, nil
	}
	discard(resp)
	next, err := c.resolve(resp.Request.URL, location)
	if err != nil {
		return nil, err
	}
	if next.Scheme == "http" && resp.Request.URL.Scheme == "https" {
		return nil, permanentf("redirected from TLS to http://%s: refused", next.Host)
	}
	return next, nil
}

// refusal makes the error of an answer that wasn't accepted, and reads it so that the connection can be used
// again.
func (c *Client) refusal(r *request, resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	discard(resp)
	if c.isAPI(resp.Request.URL) && refusedPlainHTTP(resp, body) {
		return wrapTransport(resp.Request.Context(), r.op, r.where(c), &ProtocolError{Host: c.host, TLS: true, Err: errors.New("400 Bad Request")})
	}
	secrets := sentSecrets(resp.Request)
	refused := &Error{
		Op: r.op, Host: c.host, Repository: r.repository, Reference: r.reference,
		Status: resp.StatusCode, Codes: parseCodes(body, secrets), RetryAfter: retryAfter(resp.Header, time.Now()),
		session: r.session, bearer: strings.HasPrefix(r.sent.Header, "Bearer "),
	}
	if len(refused.Codes) == 0 {
		refused.Said = said(body, secrets)
	}
	if r.method == http.MethodPut && !r.session {
		refused.MediaType = r.header.Get("Content-Type")
	}
	if _, length, ok := strings.Cut(resp.Header.Get("Content-Range"), "*/"); ok { // RFC 9110, 15.5.17
		refused.length, _ = strconv.ParseInt(length, 10, 64)
	}
	switch {
	case !c.isAPI(resp.Request.URL):
		refused.Detail = "from " + resp.Request.URL.Host
		refused.elsewhere = true
	case IsDenied(refused):
		refused.Detail, refused.Login = c.auth.Hint(r.sent), login(r.sent)
	}
	return refused
}

func login(sent auth.Authorization) Login {
	switch {
	case sent.Authenticated():
		return LoginSent
	case sent.Wanted():
		return LoginMissing
	}
	return LoginUnwanted
}

// discard ends an answer: a short rest is read, so that the connection can be used again.
func discard(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, maxErrorBody)
	resp.Body.Close()
}
