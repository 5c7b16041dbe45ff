package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"docker-mirror/go-helper/internal/auth"
)

// maxTokenAnswer caps a token service's answer.
const maxTokenAnswer = 64 << 10

// sendToken is the [auth.Sender] of this registry. Callers hold a place in the window, so it takes none.
func (c *Client) sendToken(ctx context.Context, req auth.TokenRequest) (auth.TokenAnswer, error) {
	r := &request{kind: "token", op: "get a token at", url: req.URL}
	if err := c.resting(req.URL.Host); err != nil {
		return auth.TokenAnswer{}, err
	}
	answer, err := retrying(ctx, c, r, func(ctx context.Context, _ bool) (auth.TokenAnswer, error) { return c.tryToken(ctx, r, req) })
	if err != nil && Temporary(err) {
		err = &finalError{err}
		c.rest(req.URL.Host, err)
	}
	return answer, err
}

// tokenServiceError says who refused. Its text is made when it is read: what is told of an answer grows with the tries.
type tokenServiceError struct {
	host string
	err  error
}

func (e *tokenServiceError) Error() string { return fmt.Sprintf("token service %s: %v", e.host, e.err) }
func (e *tokenServiceError) Unwrap() error { return e.err }

// restAsked is what a token service said that wants to be left alone for longer than any request waits.
type restAsked struct {
	until time.Time
	err   error
}

// rest notes such an answer: other repositories' tokens aren't asked for meanwhile.
func (c *Client) rest(host string, err error) {
	var refused *Error
	if errors.As(err, &refused) && refused.RetryAfter > c.opts.Retry.Budget {
		c.rests.Store(host, restAsked{time.Now().Add(refused.RetryAfter), err})
	}
}

func (c *Client) resting(host string) error {
	if asked, ok := c.rests.Load(host); ok && time.Now().Before(asked.(restAsked).until) {
		return asked.(restAsked).err
	}
	return nil
}

func (c *Client) tryToken(ctx context.Context, r *request, req auth.TokenRequest) (auth.TokenAnswer, error) {
	target := req.URL
	for range maxRedirects + 1 {
		resp, err := c.postOrGet(ctx, target, req)
		if err != nil {
			return auth.TokenAnswer{}, wrapTransport(ctx, r.op, req.URL.Host, err)
		}
		if temporaryStatus(resp.StatusCode) {
			return auth.TokenAnswer{}, &tokenServiceError{target.Host, c.refusal(r, resp)}
		}
		location := resp.Header.Get("Location")
		if resp.StatusCode < 300 || resp.StatusCode >= 400 || location == "" || req.Form != nil {
			body, err := io.ReadAll(io.LimitReader(resp.Body, maxTokenAnswer))
			resp.Body.Close()
			if err != nil {
				return auth.TokenAnswer{}, wrapTransport(ctx, r.op, req.URL.Host, err)
			}
			return auth.TokenAnswer{Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
		}
		discard(resp)
		next, err := target.Parse(location)
		if err != nil || next.Scheme != target.Scheme || next.Host != target.Host {
			// Where it leads is no longer the realm that was checked.
			return auth.TokenAnswer{}, wrapTransport(ctx, r.op, req.URL.Host, permanentf("the token service redirects elsewhere: refused"))
		}
		target = next
	}
	return auth.TokenAnswer{}, wrapTransport(ctx, r.op, req.URL.Host, permanentf("more than %d redirects", maxRedirects))
}

func (c *Client) postOrGet(ctx context.Context, target *url.URL, req auth.TokenRequest) (*http.Response, error) {
	out := (&http.Request{
		Method: http.MethodGet, URL: target, Host: target.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: req.Header.Clone(),
	}).WithContext(ctx)
	if req.Form != nil {
		out.PostForm = req.Form // not sent: what a refusal mustn't repeat
		form := req.Form.Encode()
		out.Method = http.MethodPost
		out.Body = io.NopCloser(strings.NewReader(form))
		out.ContentLength = int64(len(form))
		out.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return c.roundTrip(c.small, out, "token")
}
