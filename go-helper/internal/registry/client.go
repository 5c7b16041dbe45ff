package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
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

	small, bulk *http.Transport
	throttle    *throttle
	stats       stats
	pinged      pinged
}

func newClient(host string, opts *Options) *Client {
	c := &Client{
		host:  host,
		base:  url.URL{Scheme: "https", Host: host},
		opts:  opts,
		small: newSmallTransport(opts),
		bulk:  newBulkTransport(opts),
	}
	if opts.PlainHTTP(host) {
		c.base.Scheme = "http"
	}
	if host == reference.DockerHub {
		c.base.Host = dockerHubAPI
	}
	c.throttle = newThrottle(opts.MaxWindow)
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

	accept []int // statuses that are no error
	limit  int64 // most bytes of an accepted answer's body
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
	if err := c.ping(ctx); err != nil {
		return nil, err
	}
	return retrying(ctx, c, r, func() (*reply, error) { return c.try(ctx, r) })
}

// retrying calls try until it succeeds, fails for good, or the policy allows no further try.
func retrying[T any](ctx context.Context, c *Client, r *request, try func() (T, error)) (T, error) {
	var since time.Time
	for attempt := 0; ; attempt++ {
		out, err := try()
		if err == nil || !Temporary(err) {
			return out, err
		}
		if throttled(err) && since.IsZero() {
			since = time.Now()
		}
		if !c.mayRetry(attempt, since, err) {
			return out, err
		}
		wait := c.opts.Retry.wait(attempt, err)
		c.stats.retries.Add(1)
		c.opts.OnRetry(c.host, r.op+" "+r.where(c), err, wait)
		if sleepErr := sleep(ctx, wait); sleepErr != nil {
			return out, fmt.Errorf("%s %s: %w (after %w)", r.op, r.where(c), sleepErr, err)
		}
	}
}

// try sends a small request once.
func (c *Client) try(ctx context.Context, r *request) (*reply, error) {
	release, err := c.throttle.acquire(ctx)
	if err != nil {
		return nil, wrapTransport(ctx, r.op, r.where(c), err)
	}
	defer release()
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
func (c *Client) send(ctx context.Context, t *http.Transport, r *request) (*http.Response, error) {
	target := r.url
	for range maxRedirects + 1 {
		req := &http.Request{
			Method: r.method, URL: target, Host: target.Host,
			Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{},
		}
		for key, values := range r.header {
			req.Header[key] = values
		}
		req.Header.Set("User-Agent", c.opts.UserAgent)
		if r.body != nil {
			req.Body = io.NopCloser(bytes.NewReader(r.body))
			req.ContentLength = int64(len(r.body))
		}
		c.stats.request(r.kind)
		resp, err := t.RoundTrip(req.WithContext(ctx))
		if err != nil {
			return nil, wrapTransport(ctx, r.op, r.where(c), err)
		}
		if slices.Contains(r.accept, resp.StatusCode) {
			return resp, nil
		}
		next, err := redirect(resp)
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

// maxRedirects is how many redirects one request follows.
const maxRedirects = 5

// redirect returns where an answer points, nil where it is no redirect; it is read then.
func redirect(resp *http.Response) (*url.URL, error) {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, nil
	}
	discard(resp)
	location := resp.Header.Get("Location")
	if location == "" {
		return nil, permanentf("answer %d without a Location", resp.StatusCode)
	}
	next, err := resp.Request.URL.Parse(location)
	if err != nil {
		return nil, permanentf("answer %d with an unreadable Location", resp.StatusCode)
	}
	return next, nil
}

// refusal makes the error of an answer that wasn't accepted, and reads it so that the connection can be used
// again.
func (c *Client) refusal(r *request, resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	discard(resp)
	return &Error{
		Op: r.op, Host: c.host, Repository: r.repository, Reference: r.reference,
		Status: resp.StatusCode, Codes: parseCodes(body), RetryAfter: retryAfter(resp.Header, time.Now()),
	}
}

// discard ends an answer: a short rest is read, so that the connection can be used again.
func discard(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, maxErrorBody)
	resp.Body.Close()
}

// retryAfter reads Retry-After (RFC 9110, 10.2.3): seconds or an HTTP date; 0 where there is none.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil {
		return max(0, time.Duration(seconds)*time.Second)
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// statusOf gives an error's HTTP status, 0 where it has none.
func statusOf(err error) int {
	var refused *Error
	if errors.As(err, &refused) {
		return refused.Status
	}
	return 0
}
