package main

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

func TestAClockBehindALockIsRefused(t *testing.T) {
	t.Parallel()
	c := newCooling(t, weekLong)
	pushImage(t, c.src.Host+"/app:1", 512, 1)
	c.list("images.txt", c.src, "app:1")
	c.lock(0, day)
	c.src.Log().Reset()
	p := c.lock(2, 0, "--upgrade")
	wantContains(t, "stderr", p.stderr.String(), "images.txt.lock:4: "+c.src.Host+"/app:1 was seen at "+c.at(day)+", and it is "+c.at(0)+" by this machine's clock")
	if n := c.src.Log().Total(); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// A proxy before the registry says what time it is.
func TestAClockThatIsNotTheRegistrysIsRefused(t *testing.T) {
	t.Parallel()
	c := newCooling(t, weekLong)
	pushImage(t, c.src.Host+"/app:1", 512, 1)
	behind := &url.URL{Scheme: "http", Host: c.src.Host}
	for apart, says := range map[time.Duration]string{
		-day:            "this machine's clock is 24h0m0s ahead of that of ",
		day:             "this machine's clock is 24h0m0s behind that of ",
		5 * time.Minute: "",
	} {
		proxy := httptest.NewServer(&httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(behind) },
			ModifyResponse: func(r *http.Response) error {
				r.Header.Set("Date", time.Now().Add(apart).UTC().Format(http.TimeFormat))
				return nil
			},
		})
		host := strings.TrimPrefix(proxy.URL, "http://")
		c.write("images.txt", host+"/app:1\n")
		code := 0
		if says != "" {
			code = 2
		}
		p := c.run(code, "lock", "--policy=mirror-policy.toml", "images.txt")
		wantContains(t, "stderr", p.stderr.String(), says)
		if c.exists("images.txt.lock") != (says == "") {
			t.Errorf("%s apart: is the lock there? %v", apart, says != "")
		}
		if says == "" {
			if err := os.Remove(c.path("images.txt.lock")); err != nil {
				t.Error(err)
			}
		} else {
			c.run(0, "lock", "images.txt") // without a policy no age counts
			c.run(2, "lock", "--check", "--online", "--policy=mirror-policy.toml", "images.txt")
			if err := os.Remove(c.path("images.txt.lock")); err != nil {
				t.Error(err)
			}
		}
		proxy.Close()
	}
}
