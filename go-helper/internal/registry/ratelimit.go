package registry

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// retryAfter reads Retry-After (RFC 9110, 10.2.3): seconds or an HTTP date; 0 where there is none.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseFloat(value, 64); err == nil { // some servers send fractions
		return seconds2duration(seconds)
	}
	if at, err := http.ParseTime(value); err == nil {
		return seconds2duration(at.Sub(now).Seconds())
	}
	return 0
}

func seconds2duration(seconds float64) time.Duration {
	const most = 24 * time.Hour
	switch {
	case !(seconds > 0): // also NaN
		return 0
	case seconds > most.Seconds():
		return most
	}
	return time.Duration(seconds * float64(time.Second))
}

// rateLimit reads what an answer says of a limit; reset is when the quota comes back, 0 where not said.
//
//   - Docker Hub ("Docker Hub pull usage and limits"): `ratelimit-limit: 100;w=21600`, `ratelimit-remaining: 76;w=21600`,
//     `docker-ratelimit-source`;
//   - draft-ietf-httpapi-ratelimit-headers up to 07: RateLimit-Limit, -Remaining, -Reset (seconds);
//   - the same draft from 08 on: `RateLimit: "name";r=76;t=30`.
func rateLimit(h http.Header, now time.Time) (limit *RateLimit, reset time.Duration) {
	if combined := h.Get("RateLimit"); combined != "" {
		first, _, _ := strings.Cut(combined, ",")
		_, params := parameters(first)
		if remaining, ok := params["r"]; ok {
			limit = &RateLimit{Remaining: remaining, Seen: now}
			return limit, seconds2duration(float64(params["t"]))
		}
	}
	value := h.Get("RateLimit-Remaining")
	if value == "" {
		return nil, 0
	}
	head, params := parameters(value)
	remaining, err := strconv.Atoi(head)
	if err != nil || remaining < 0 {
		return nil, 0
	}
	limit = &RateLimit{
		Remaining: remaining, Window: seconds2duration(float64(params["w"])),
		Source: clip(h.Get("Docker-RateLimit-Source"), 64), Seen: now,
	}
	head, params = parameters(h.Get("RateLimit-Limit"))
	limit.Limit, _ = strconv.Atoi(head)
	if limit.Window == 0 {
		limit.Window = seconds2duration(float64(params["w"]))
	}
	if seconds, err := strconv.ParseFloat(h.Get("RateLimit-Reset"), 64); err == nil {
		reset = seconds2duration(seconds)
	}
	return limit, reset
}

// parameters splits `head;key=12;other=x`, keeping whole numbers.
func parameters(value string) (head string, numbers map[string]int) {
	parts := strings.Split(value, ";")
	numbers = map[string]int{}
	for _, part := range parts[1:] {
		key, text, _ := strings.Cut(strings.TrimSpace(part), "=")
		if n, err := strconv.Atoi(text); err == nil && n >= 0 {
			numbers[key] = n
		}
	}
	head, _, _ = strings.Cut(strings.TrimSpace(parts[0]), ",")
	return strings.TrimSpace(head), numbers
}

// observe takes in what the API host's answer says of our speed.
func (c *Client) observe(resp *http.Response, sent time.Time) {
	now := time.Now()
	status := resp.StatusCode
	limit, reset := rateLimit(resp.Header, now)
	if limit != nil {
		c.stats.rateLimit.Store(limit)
	}
	c.throttle.answered(status, sent)
	if temporaryStatus(status) {
		// What refuses small requests will refuse bodies too, and those cost more.
		c.askFirst()
	}
	asked := retryAfter(resp.Header, now)
	switch {
	case status == http.StatusTooManyRequests:
		c.stats.throttled.Add(1)
		d, reason := asked, "429 with Retry-After"
		if d == 0 && reset > 0 {
			d, reason = reset, "429 with RateLimit-Reset"
		}
		if d == 0 {
			refused := &Error{Status: status}
			d, reason = c.opts.Retry.wait(c.throttle.strike(sent), refused), "429"
		}
		c.pause(d, sent, reason)
	case status == http.StatusServiceUnavailable && asked > 0:
		c.stats.throttled.Add(1)
		c.pause(asked, sent, "503 with Retry-After")
	case limit != nil && c.exhausted(limit):
		if reset == 0 {
			reset = limit.Window
		}
		if reset > 0 {
			c.pause(min(reset, c.opts.Retry.MaxPause), sent, "rate limit used up")
		}
	}
}

// exhausted tells whether this answer is the first to say that nothing is left. Later ones don't count until the
// quota has come back: on Docker Hub much can still be done without it (HEADs, blobs).
func (c *Client) exhausted(limit *RateLimit) bool {
	if limit.Remaining > 0 {
		c.usedUp.Store(false)
		return false
	}
	return !c.usedUp.Swap(true)
}

func (c *Client) pause(d time.Duration, sent time.Time, reason string) {
	if c.throttle.pause(d, reason, sent) {
		c.opts.Logger.Debug("registry paused", "registry", c.host, "for", d, "reason", reason)
		c.opts.OnPause(c.host, d, reason)
	}
}
