package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"docker-mirror/go-helper/internal/auth"
)

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
		req := r.http(ctx, target, header)
		resp, err := c.roundTrip(t, req, r.kind)
		if err != nil {
			return nil, c.wrapSent(ctx, r, target, err)
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

// http is the request as it is sent.
func (r *request) http(ctx context.Context, target *url.URL, authorization string) *http.Request {
	req := (&http.Request{
		Method: r.method, URL: target, Host: target.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: make(http.Header, len(r.header)+2),
	}).WithContext(ctx)
	for key, values := range r.header {
		req.Header[key] = values
	}
	if authorization != "" {
		req.Header["Authorization"] = []string{authorization}
	}
	if len(r.body) > 0 {
		req.Body = io.NopCloser(bytes.NewReader(r.body))
		req.ContentLength = int64(len(r.body))
	}
	return req
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

func login(sent auth.Authorization) Login {
	switch {
	case sent.Authenticated():
		return LoginSent
	case sent.Wanted():
		return LoginMissing
	}
	return LoginUnwanted
}
