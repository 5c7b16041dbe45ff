package registry

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"docker-mirror/go-helper/internal/auth"
)

// maxTokenAnswer caps a token service's answer.
const maxTokenAnswer = 64 << 10

// sendToken is the [auth.Sender] of this registry. Callers hold a place in the window, so it takes none.
func (c *Client) sendToken(ctx context.Context, req auth.TokenRequest) (auth.TokenAnswer, error) {
	r := &request{kind: "token", op: "get a token at", url: req.URL}
	answer, err := retrying(ctx, c, r, func(ctx context.Context, _ bool) (auth.TokenAnswer, error) { return c.tryToken(ctx, r, req) })
	if err != nil && Temporary(err) {
		err = &finalError{err}
	}
	return answer, err
}

func (c *Client) tryToken(ctx context.Context, r *request, req auth.TokenRequest) (auth.TokenAnswer, error) {
	target := req.URL
	for range maxRedirects + 1 {
		resp, err := c.postOrGet(ctx, target, req)
		if err != nil {
			return auth.TokenAnswer{}, wrapTransport(ctx, r.op, req.URL.Host, err)
		}
		if temporaryStatus(resp.StatusCode) {
			refused := c.refusal(r, resp)
			return auth.TokenAnswer{}, fmt.Errorf("token service %s: %w", target.Host, refused)
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
