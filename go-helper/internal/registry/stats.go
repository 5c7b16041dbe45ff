package registry

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// Stats are a registry's counters since its client was made.
type Stats struct {
	// Requests sent, by kind: "manifest HEAD", "blob GET", "upload POST mount", "token", "ping" and so on.
	// Each try counts, redirects followed do not.
	Requests map[string]int64
	// Retries are requests sent again after a failure; Throttled are answers that ask to be left alone: 429, and 503 with
	// Retry-After.
	Retries, Throttled int64
	// BytesDown and BytesUp are blob bytes, as far as they got.
	BytesDown, BytesUp int64
	// RateLimit is what the registry last said of its limit; nil where it never did.
	RateLimit *RateLimit
}

// RateLimit is a registry's own account of a limit.
type RateLimit struct {
	Limit, Remaining int
	Window           time.Duration // 0 where not said
	// Source is what Docker Hub counts against: an address or an account's identifier; empty elsewhere.
	Source string
	Seen   time.Time
}

type stats struct {
	retries, throttled atomic.Int64
	down, up           atomic.Int64
	rateLimit          atomic.Pointer[RateLimit]

	mu       sync.Mutex
	requests map[string]int64
}

func (s *stats) request(kind string) {
	s.mu.Lock()
	if s.requests == nil {
		s.requests = map[string]int64{}
	}
	s.requests[kind]++
	s.mu.Unlock()
}

func (s *stats) snapshot() Stats {
	s.mu.Lock()
	requests := maps.Clone(s.requests)
	s.mu.Unlock()
	if requests == nil {
		requests = map[string]int64{}
	}
	out := Stats{
		Requests: requests,
		Retries:  s.retries.Load(), Throttled: s.throttled.Load(),
		BytesDown: s.down.Load(), BytesUp: s.up.Load(),
	}
	if limit := s.rateLimit.Load(); limit != nil {
		copied := *limit
		out.RateLimit = &copied
	}
	return out
}
