package registry

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "1": time.Second, " 120 ": 2 * time.Minute, "-5": 0, "1.5": 1500 * time.Millisecond, "soon": 0, "NaN": 0,
		"Fri, 02 Jan 2026 03:04:15 GMT": 10 * time.Second,
		"Fri, 02 Jan 2026 03:04:00 GMT": 0,
		"99999999999999999999":          24 * time.Hour,
	} {
		if got := retryAfter(http.Header{"Retry-After": {value}}, now); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}

func TestRateLimitHeaders(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		headers map[string]string
		want    *RateLimit
		reset   time.Duration
	}{
		{nil, nil, 0},
		{
			map[string]string{"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "76;w=21600", "docker-ratelimit-source": "192.0.2.1"},
			&RateLimit{Limit: 100, Remaining: 76, Window: 6 * time.Hour, Source: "192.0.2.1", Seen: now}, 0,
		},
		{
			map[string]string{"RateLimit-Limit": "10, 10;w=1", "RateLimit-Remaining": "0", "RateLimit-Reset": "7"},
			&RateLimit{Limit: 10, Window: time.Second, Seen: now}, 7 * time.Second,
		},
		{map[string]string{"RateLimit": `"default";r=0;t=30`}, &RateLimit{Seen: now}, 30 * time.Second},
		{map[string]string{"RateLimit-Remaining": "many"}, nil, 0},
	} {
		h := http.Header{}
		for k, v := range tt.headers {
			h.Set(k, v)
		}
		got, reset := rateLimit(h, now)
		if fmt.Sprint(got) != fmt.Sprint(tt.want) || reset != tt.reset {
			t.Errorf("%v: %+v, %s; want %+v, %s", tt.headers, got, reset, tt.want, tt.reset)
		}
	}
}

// pausing answers the first request with a status and headers, and remembers when the others came.
func pausing(t *testing.T, status int, headers map[string]string) (host string, gaps func() []time.Duration) {
	t.Helper()
	var mu sync.Mutex
	var times []time.Time
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/" {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		times = append(times, time.Now())
		if len(times) == 1 {
			for k, v := range headers {
				w.Header().Set(k, v)
			}
			w.WriteHeader(status)
			return
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://"), func() []time.Duration {
		mu.Lock()
		defer mu.Unlock()
		var gaps []time.Duration
		for _, at := range times[1:] {
			gaps = append(gaps, at.Sub(times[0]))
		}
		return gaps
	}
}

func TestPausesHoldEverything(t *testing.T) {
	date := func() string { return time.Now().Add(4 * time.Second).UTC().Format(http.TimeFormat) }
	for _, tt := range []struct {
		name    string
		status  int
		headers map[string]string
		policy  RetryPolicy
		least   time.Duration
		most    time.Duration
	}{
		{name: "429 Retry-After", status: 429, headers: map[string]string{"Retry-After": "1"}, least: time.Second, most: 2 * time.Second},
		{name: "503 Retry-After", status: 503, headers: map[string]string{"Retry-After": "1"}, least: time.Second, most: 2 * time.Second},
		{name: "a date", status: 429, headers: map[string]string{"Retry-After": date()}, least: 500 * time.Millisecond, most: 5 * time.Second},
		{name: "429 and nothing else", status: 429, least: 250 * time.Millisecond, most: 1500 * time.Millisecond},
		{name: "429 with a reset", status: 429, headers: map[string]string{"RateLimit-Remaining": "0", "RateLimit-Reset": "1"}, least: time.Second, most: 2 * time.Second},
		{name: "used up", status: 404, headers: map[string]string{"RateLimit-Remaining": "0", "RateLimit-Reset": "1"}, least: time.Second, most: 2 * time.Second},
		{name: "used up, Docker Hub", status: 404, headers: map[string]string{"ratelimit-remaining": "0;w=21600"}, policy: RetryPolicy{MaxPause: 400 * time.Millisecond}, least: 400 * time.Millisecond, most: time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.name == "a date" {
				tt.headers["Retry-After"] = date() // from now on, not from when the tests began
			}
			host, gaps := pausing(t, tt.status, tt.headers)
			var mu sync.Mutex
			var told []string
			pool := newPool(t, Options{Retry: tt.policy, OnPause: func(h string, d time.Duration, reason string) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, fmt.Sprint(h, " ", reason))
			}})
			c := pool.Client(host)
			head := func(int) error {
				_, err := c.HeadManifest(t.Context(), "a/b", "v1")
				return notFoundIsFine(err)
			}
			first := make(chan error, 1)
			go func() { first <- head(0) }()
			for len(pool.Stats()[host].Requests) < 2 || c.throttle.remaining() == 0 {
				time.Sleep(time.Millisecond)
			}
			many(t, 10, func(i int) error {
				if i%2 == 0 {
					_, err := c.OpenBlob(t.Context(), "a/b", DigestOf(nil), 0)
					return notFoundIsFine(err)
				}
				return head(i)
			})
			if err := <-first; err != nil {
				t.Error(err)
			}
			for _, gap := range gaps() {
				if gap < tt.least || gap > tt.most {
					t.Errorf("a request %s after the first, want %s to %s", gap, tt.least, tt.most)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			if len(told) != 1 || !strings.HasPrefix(told[0], host) {
				t.Errorf("told %q", told)
			}
		})
	}
}

func TestDockerHubLimitIsKept(t *testing.T) {
	host, _ := pausing(t, http.StatusNotFound, map[string]string{"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "42;w=21600"})
	pool := newPool(t, Options{})
	if _, err := pool.Client(host).HeadManifest(t.Context(), "a/b", "v1"); notFoundIsFine(err) != nil {
		t.Fatal(err)
	}
	if limit := pool.Stats()[host].RateLimit; limit == nil || limit.Remaining != 42 || limit.Limit != 100 || limit.Window != 6*time.Hour {
		t.Errorf("%+v", limit)
	}
}
