package registry

import (
	"net/http"
	"net/url"
	"testing"
	"time"
)

// What a hostile registry puts into its headers never panics, and never yields a wait, an offset or an address that
// the rest doesn't expect.
func FuzzHeaders(f *testing.F) {
	for _, seed := range []string{
		"", "1", "0-99", "bytes 10-99/100", "Fri, 02 Jan 2026 03:04:15 GMT", "100;w=21600", `"default";r=0;t=30`, "NaN", "-1", "9223372036854775807",
		`</v2/a/tags/list?n=1&last=b>; rel="next"`, `<http://%zz>; rel=next, <`, "http://user:pw@127.0.0.1:1/x#y", "//evil.example/v2/", "file:///etc/passwd",
	} {
		f.Add(seed)
	}
	pool, err := NewPool(Options{})
	if err != nil {
		f.Fatal(err)
	}
	c := pool.Client("registry.example")
	answered := &url.URL{Scheme: "https", Host: "registry.example", Path: "/v2/a/blobs/uploads/"}
	now := time.Now()
	f.Fuzz(func(t *testing.T, value string) {
		h := http.Header{}
		for _, name := range []string{"Retry-After", "RateLimit", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "Link", "Content-Length", "Content-Type"} {
			h.Set(name, value)
		}
		if d := retryAfter(h, now); d < 0 || d > 24*time.Hour {
			t.Errorf("Retry-After: %s", d)
		}
		if limit, reset := rateLimit(h, now); reset < 0 || limit != nil && (limit.Remaining < 0 || limit.Window < 0) {
			t.Errorf("RateLimit: %+v, %s", limit, reset)
		}
		if received(value) < 0 || contentLength(h) < -1 {
			t.Error("a negative length")
		}
		if start, ok := rangeStart(value); ok && start < 0 {
			t.Error("a negative offset")
		}
		if next, err := c.nextPage(&reply{header: h, url: answered}, &request{url: answered}); err == nil && next != nil && next.Host == "" {
			t.Errorf("a next page nowhere: %s", next)
		}
		if next, err := c.resolve(answered, value); err == nil && (next.User != nil || next.Host == "" || next.Scheme != "https" && next.Scheme != "http") {
			t.Errorf("Location: %s", next)
		}
		_ = mediaType(h)
		_ = parseCodes([]byte(value), nil)
	})
}
