package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"docker-mirror/go-helper/internal/auth"
)

// unreachableMemory is how long a ping's failure, after all its tries, speaks for further calls: long enough for
// every copy of a run to fail at once rather than one after another.
const unreachableMemory = 15 * time.Second

// pinging is the one ping of a client, its callers waiting for it.
type pinging struct {
	mu   sync.Mutex
	done chan struct{} // nil: none yet
	err  error
	at   time.Time
}

// Ping makes sure that the registry's challenge is known (distribution spec, "API Version Check"): one request for
// all callers. The first request of another kind does so by itself; who knows that one will come saves it the wait.
func (c *Client) Ping(ctx context.Context) error {
	p := &c.pinging
	for {
		p.mu.Lock()
		done := p.done
		if done == nil {
			done = make(chan struct{})
			p.done = done
			p.mu.Unlock()
			err := c.pingOnce(ctx)
			p.mu.Lock()
			p.err, p.at = err, time.Now()
			if ctx.Err() != nil {
				p.done = nil // interrupted: that was no answer, the next caller asks
			}
			p.mu.Unlock()
			close(done)
			return err
		}
		p.mu.Unlock()
		select {
		case <-done:
		case <-ctx.Done():
			return wrapTransport(ctx, "ping", c.host, ctx.Err())
		}
		p.mu.Lock()
		err, at, current := p.err, p.at, p.done == done
		if current && err != nil && time.Since(at) > unreachableMemory {
			p.done, current = nil, false
		}
		p.mu.Unlock()
		if current {
			return err
		}
	}
}

func (c *Client) pingOnce(ctx context.Context) error {
	r := &request{
		kind: "ping", op: "ping", method: http.MethodGet, url: c.endpoint("", "", nil),
		accept: []int{http.StatusOK, http.StatusUnauthorized}, limit: maxPing,
	}
	ctx = c.Tries().With(ctx) // it is everyone's, not a part of the caller's work
	answer, err := retrying(ctx, c, r, func(ctx context.Context, again bool) (*reply, error) { return c.tryPing(ctx, r, again) })
	var refused *Error
	switch {
	case errors.As(err, new(*ProtocolError)):
		return &finalError{err}
	case errors.As(err, &refused) && !refused.Temporary():
		// Some registries serve everything but this address: if credentials are needed, a 401 will say so.
		c.opts.Logger.Debug("ping refused", "registry", c.host, "status", refused.Status)
		return nil
	case err != nil && ctx.Err() == nil:
		return &finalError{fmt.Errorf("registry %s can't be reached: %w", c.host, err)}
	case err != nil:
		return err
	case answer.status == http.StatusUnauthorized:
		c.auth.Challenged(auth.ParseChallenge(answer.header))
	}
	return nil
}

const maxPing = 64 << 10

// tryPing sends it without authorization, which isn't known yet.
func (c *Client) tryPing(ctx context.Context, r *request, again bool) (*reply, error) {
	if err := c.throttle.acquire(ctx, again); err != nil {
		return nil, wrapTransport(ctx, r.op, r.where(c), err)
	}
	defer c.throttle.release()
	req := (&http.Request{
		Method: r.method, URL: r.url, Host: r.url.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
	}).WithContext(ctx)
	resp, err := c.roundTrip(c.small, req, r.kind)
	if err != nil {
		return nil, wrapTransport(ctx, r.op, r.where(c), err)
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusUnauthorized {
		return nil, c.refusal(r, resp)
	}
	discard(resp)
	return &reply{status: resp.StatusCode, header: resp.Header, url: resp.Request.URL}, nil
}
