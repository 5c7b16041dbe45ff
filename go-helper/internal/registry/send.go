package registry

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

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
	resp, err := c.timed(t, req)
	if api && (err == nil || req.Context().Err() == nil) {
		c.throttle.heard(err == nil)
	}
	quiet := err != nil && silent(err)
	if err != nil {
		err = c.proxyError(req, err)
	} else if c.proxyOf(req) != nil {
		resp.Body = &proxiedBody{resp.Body, c, req}
	}
	switch {
	case err != nil && errors.As(err, new(*ProxyError)):
	case err != nil && api:
		err = protocolError(c.host, certificateError(c.host, err))
	case err != nil:
		err = certificateError(req.URL.Host, err)
	case api:
		c.observe(resp, sent)
		c.tellDate(resp)
	}
	if quiet {
		err = &quietError{err, time.Since(sent)}
	}
	return resp, err
}

// tellDate passes on when an answer was made: its Date, and its Age where it comes out of a cache (RFC 9110 6.6.1, RFC 9111 5.1).
func (c *Client) tellDate(resp *http.Response) {
	if c.opts.OnDate == nil {
		return
	}
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return
	}
	if age, err := strconv.Atoi(resp.Header.Get("Age")); err == nil && age > 0 {
		date = date.Add(time.Duration(age) * time.Second)
	}
	c.opts.OnDate(c.host, date)
}

// refusal makes the error of an answer that wasn't accepted, and reads it so that the connection can be used
// again.
func (c *Client) refusal(r *request, resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	discard(resp)
	if c.isAPI(resp.Request.URL) && refusedPlainHTTP(resp, body) {
		err := c.proxyError(resp.Request, &ProtocolError{Host: c.host, TLS: true, Err: errors.New("400 Bad Request")})
		return wrapTransport(resp.Request.Context(), r.op, r.where(c), err)
	}
	secrets := append(sentSecrets(resp.Request), c.proxySecrets(resp.Request)...)
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
		refused.Lacks = digestsIn(body, r.body)
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
	if len(refused.Codes) == 0 {
		refused.Detail = joinDetails(refused.Detail, c.answeredThrough(resp.Request, resp.StatusCode))
	}
	return refused
}
