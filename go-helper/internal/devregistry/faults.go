package devregistry

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Offset is where in a body something happens; the zero value is never.
type Offset struct {
	at   int64
	half bool
	set  bool
}

// AfterBytes is after n bytes of the body.
func AfterBytes(n int64) Offset { return Offset{at: n, set: true} }

// Halfway is after half of the body's Content-Length.
func Halfway() Offset { return Offset{half: true, set: true} }

// in gives the offset within a body of that length; -1 is never.
func (o Offset) in(length int64) int64 {
	switch {
	case !o.set:
		return -1
	case !o.half:
		return o.at
	case length < 0: // chunked: nobody knows the half
		return 64 << 10
	}
	return length / 2
}

// Fault is what befalls one request. The zero value does nothing.
type Fault struct {
	// Delay is waited before anything else.
	Delay time.Duration
	// Reset resets the connection; nothing is done or answered.
	Reset bool
	// Status is answered instead of doing what was asked, with the Code, Message and Header; the request's body isn't read.
	Status  int
	Code    string
	Message string
	Header  http.Header
	// Body is sent instead of the specification's error: a proxy's page, for example.
	Body string
	// CutDownload closes the connection within the answer's body.
	CutDownload Offset
	// StallDownload stops sending within the answer's body, for StallFor.
	StallDownload Offset
	// Corrupt flips a bit in the answer's body.
	Corrupt bool
	// CutUpload closes the connection within the request's body. What was read until then counts as received.
	CutUpload Offset
	// StallUpload stops reading within the request's body, for StallFor.
	StallUpload Offset
	// StallFor ends a stall; 0 is until the client gives up or the registry is closed.
	StallFor time.Duration
	// LoseAnswer does what was asked, then resets the connection instead of answering.
	LoseAnswer bool
}

// Request is what a hook sees of a request.
type Request struct {
	// Number counts the requests since the faults were set, from 1.
	Number     int64
	Method     string
	Kind       Kind
	Repository string
	// Reference is the tag, the digest or the upload's id that the path names.
	Reference string
	// Digest is the blob or manifest that path or query names.
	Digest v1.Hash
	// From is a mount's origin.
	From string
	HTTP *http.Request
}

// Faults are the ways in which a registry fails; the zero value is none. An "every Nth" counts from the moment the
// faults are set, the Nth, 2Nth, … request is hit, and 0 is never.
type Faults struct {
	// SparePing leaves pings and token requests alone.
	SparePing bool

	// Latency is waited before each answer; Jitter adds up to so much.
	Latency, Jitter time.Duration

	// Bandwidth is bytes a second of bodies, shared by all requests, for each direction; 0 is no limit.
	Bandwidth int64

	// RejectEvery answers every Nth request with RejectStatus (503).
	RejectEvery  int
	RejectStatus int

	// Rate is requests per second; what exceeds it gets 429. Burst is how many may come at once (Rate).
	Rate  float64
	Burst int
	// RetryAfter goes with a 429 and with RejectStatus as seconds, rounded up, or as an HTTP date; 0 is no such header.
	RetryAfter     time.Duration
	RetryAfterDate bool
	// ThrottleMountEvery answers every Nth mount with 429: ECR counts InitiateLayerUpload and mounts in one quota.
	ThrottleMountEvery int

	// CutDownloadEvery cuts every Nth GET of a blob, CutDownloadAfter so many bytes (0: half-way).
	CutDownloadEvery int
	CutDownloadAfter int64
	// StallDownloadEvery stalls every Nth GET of a blob half-way.
	StallDownloadEvery int
	// CorruptEvery flips a bit in every Nth GET of a blob.
	CorruptEvery int
	// CutUploadEvery cuts every Nth PUT or PATCH of an upload, CutUploadAfter so many bytes (0: half-way).
	CutUploadEvery int
	CutUploadAfter int64
	// StallUploadEvery stalls every Nth PUT or PATCH of an upload half-way.
	StallUploadEvery int
	// ResetEvery resets the connection of every Nth request before anything is done.
	ResetEvery int
	// LoseAnswerEvery does what every Nth request that isn't a GET or HEAD asks for, then resets its connection.
	LoseAnswerEvery int

	// Intercept picks single requests; nil is no fault by it. What it returns replaces all of the above but the latency.
	// It is called from many goroutines.
	Intercept func(Request) *Fault
}

// Times makes an Intercept that gives its fault to the first n requests that match.
func Times(n int, match func(Request) bool, fault Fault) func(Request) *Fault {
	var left atomic.Int64
	left.Store(int64(n))
	return func(r Request) *Fault {
		if !match(r) || left.Add(-1) < 0 {
			return nil
		}
		return &fault
	}
}

// Once is Times with n = 1.
func Once(match func(Request) bool, fault Fault) func(Request) *Fault { return Times(1, match, fault) }

// Always makes an Intercept that gives its fault to every request that matches.
func Always(match func(Request) bool, fault Fault) func(Request) *Fault {
	return func(r Request) *Fault {
		if !match(r) {
			return nil
		}
		return &fault
	}
}

// FirstOf makes an Intercept of several: the first fault counts.
func FirstOf(intercepts ...func(Request) *Fault) func(Request) *Fault {
	return func(r Request) *Fault {
		for _, intercept := range intercepts {
			if fault := intercept(r); fault != nil {
				return fault
			}
		}
		return nil
	}
}

// faultState is a set of faults with what has been counted since it was set.
type faultState struct {
	Faults
	requests, mounts, downloads, uploads, writes atomic.Int64
	rate                                         rateLimiter
	down, up                                     *rateLimiter // nil: no limit
}

func newFaultState(f Faults) *faultState {
	if f.RejectStatus == 0 {
		f.RejectStatus = http.StatusServiceUnavailable
	}
	burst := float64(f.Burst)
	if burst == 0 {
		burst = max(f.Rate, 1)
	}
	s := &faultState{Faults: f, rate: rateLimiter{rate: f.Rate, burst: burst, tokens: burst, last: time.Now()}}
	if f.Bandwidth > 0 {
		s.down, s.up = newBandwidth(f.Bandwidth), newBandwidth(f.Bandwidth)
	}
	return s
}

func nth(n int64, every int) bool { return every > 0 && n%int64(every) == 0 }

// pick decides what befalls a request; never nil.
func (s *faultState) pick(r Request) *Fault {
	if s.SparePing && (r.Kind == KindPing || r.Kind == KindToken) {
		return &Fault{}
	}
	r.Number = s.requests.Add(1)
	delay := s.Latency
	if s.Jitter > 0 {
		delay += rand.N(s.Jitter)
	}
	if s.Intercept != nil {
		if picked := s.Intercept(r); picked != nil {
			fault := *picked
			fault.Delay += delay
			return &fault
		}
	}
	fault := &Fault{Delay: delay}
	switch {
	case s.Rate > 0 && !s.rate.allow():
		s.throttle(fault)
		return fault
	case nth(r.Number, s.RejectEvery):
		fault.Status, fault.Code, fault.Message = s.RejectStatus, CodeUnavailable, "try again"
		fault.Header = s.retryAfter()
		return fault
	case nth(r.Number, s.ResetEvery):
		fault.Reset = true
		return fault
	}
	switch r.Kind {
	case KindMount:
		if nth(s.mounts.Add(1), s.ThrottleMountEvery) {
			s.throttle(fault)
			return fault
		}
	case KindBlobGet, KindCDN:
		n := s.downloads.Add(1)
		if nth(n, s.CutDownloadEvery) {
			fault.CutDownload = halfOr(s.CutDownloadAfter)
		}
		if nth(n, s.StallDownloadEvery) {
			fault.StallDownload = Halfway()
		}
		fault.Corrupt = nth(n, s.CorruptEvery)
	case KindUploadPut, KindUploadPatch:
		n := s.uploads.Add(1)
		if nth(n, s.CutUploadEvery) {
			fault.CutUpload = halfOr(s.CutUploadAfter)
		}
		if nth(n, s.StallUploadEvery) {
			fault.StallUpload = Halfway()
		}
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		fault.LoseAnswer = nth(s.writes.Add(1), s.LoseAnswerEvery)
	}
	return fault
}

func halfOr(n int64) Offset {
	if n == 0 {
		return Halfway()
	}
	return AfterBytes(n)
}

func (s *faultState) throttle(fault *Fault) {
	fault.Status, fault.Code, fault.Message = http.StatusTooManyRequests, CodeTooManyRequests, "too many requests"
	fault.Header = s.retryAfter()
}

func (s *faultState) retryAfter() http.Header {
	if s.RetryAfter == 0 {
		return nil
	}
	return http.Header{"Retry-After": {retryAfterValue(s.RetryAfter, s.RetryAfterDate)}}
}

// rateLimiter is a token bucket.
type rateLimiter struct {
	mu          sync.Mutex
	rate, burst float64
	tokens      float64
	last        time.Time
}

// newBandwidth lets at most 20 ms' worth of bytes through at once.
func newBandwidth(bytesPerSecond int64) *rateLimiter {
	rate := float64(bytesPerSecond)
	return &rateLimiter{rate: rate, burst: rate / 50, last: time.Now()}
}

func (l *rateLimiter) fill() {
	now := time.Now()
	l.tokens = min(l.burst, l.tokens+now.Sub(l.last).Seconds()*l.rate)
	l.last = now
}

// wait takes n tokens, into debt where need be, and sleeps until the debt is paid. A nil limiter never waits.
func (l *rateLimiter) wait(n int) {
	if l == nil || n == 0 {
		return
	}
	l.mu.Lock()
	l.fill()
	l.tokens -= float64(n)
	debt := -l.tokens / l.rate
	l.mu.Unlock()
	if debt > 0 {
		time.Sleep(time.Duration(debt * float64(time.Second)))
	}
}

func (l *rateLimiter) allow() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fill()
	if l.tokens < 1 {
		return false
	}
	l.tokens--
	return true
}
