package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// Config says where the proxy forwards to and which faults it injects.
type Config struct {
	Upstream         *url.URL
	RTT              time.Duration
	Bandwidth        int64   // bytes a second
	Rate             float64 // requests a second
	RetryAfter       string
	ThrottleEvery    int64
	UnavailableEvery int64
	CutEvery         int64
	NoRange          bool
	NoMount          bool
	Auth             bool
	TokenTTL         time.Duration
	Log              io.Writer
}

// bufferSize is the most that passes at once, so that a bandwidth limit is even.
const bufferSize = 32 << 10

// hopByHop headers belong to one connection (RFC 9110, section 7.6.1).
var hopByHop = []string{"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// Proxy forwards requests to a registry, counting them.
type Proxy struct {
	config    Config
	counters  *counters
	tokens    *tokens
	rate      *bucket
	down, up  *bucket
	transport *http.Transport
	logLock   sync.Mutex

	requests atomic.Int64 // those that the 429s and 503s are counted in
	blobGets atomic.Int64
}

// NewProxy makes a proxy with all counters at zero.
func NewProxy(config Config) *Proxy {
	p := &Proxy{
		config:    config,
		counters:  newCounters(),
		tokens:    newTokens(config.TokenTTL),
		transport: &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true},
	}
	if config.Rate > 0 {
		p.rate = newBucket(config.Rate, config.Rate)
	}
	if config.Bandwidth > 0 {
		p.down = newBucket(float64(config.Bandwidth), 128<<10)
		p.up = newBucket(float64(config.Bandwidth), 128<<10)
	}
	return p
}

var _ http.Handler = (*Proxy)(nil)

func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/__stats":
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(p.counters.snapshot())
		return
	case "/__reset":
		p.counters.reset()
		p.requests.Store(0)
		p.blobGets.Store(0)
		return
	}
	e := &exchange{Proxy: p, kind: kindOf(r), start: time.Now()}
	p.counters.requestStarted(e.start)
	defer func() {
		p.counters.requestEnded(e.kind, r.Method, e.status, e.down)
		e.log(r)
	}()
	e.serve(w, r)
}

// exchange is one request and its answer.
type exchange struct {
	*Proxy
	kind   kind
	start  time.Time
	status int
	down   int64 // bytes of the answer's body
	note   string
}

func (e *exchange) serve(w http.ResponseWriter, r *http.Request) {
	if e.config.RTT > 0 {
		wait := e.config.RTT
		if firstOfConnection(r.Context()) {
			wait *= 2 // TCP's handshake
		}
		sleep(r.Context(), wait)
	}
	if e.config.Auth && e.kind.group == groupToken {
		e.status = http.StatusOK
		e.tokens.give(w, r)
		return
	}
	if e.faulty(w) {
		return
	}
	if e.config.Auth && !e.tokens.allow(w, r, e.kind) {
		e.status = http.StatusUnauthorized
		e.counters.add(func(s *Snapshot) { s.Unauthorized++ })
		return
	}
	response, err := e.transport.RoundTrip(e.outgoing(r))
	if err != nil {
		e.note = "upstream: " + err.Error()
		e.status = 499 // nginx's number for a client that went away
		if r.Context().Err() == nil {
			e.status = http.StatusBadGateway
			fail(w, http.StatusBadGateway, "UPSTREAM")
		}
		return
	}
	defer response.Body.Close()
	e.status = response.StatusCode
	for name, values := range response.Header {
		w.Header()[name] = values
	}
	for _, name := range hopByHop {
		w.Header().Del(name)
	}
	w.WriteHeader(e.status)
	if r.Method != http.MethodHead {
		e.send(w, r, response)
	}
}

// faulty answers in the registry's place, when a fault is due.
func (e *exchange) faulty(w http.ResponseWriter) bool {
	n := e.requests.Add(1)
	switch {
	case e.rate != nil && !e.rate.take(), e.config.ThrottleEvery > 0 && n%e.config.ThrottleEvery == 0:
		if e.config.RetryAfter != "" {
			w.Header().Set("Retry-After", e.config.RetryAfter)
		}
		e.counters.add(func(s *Snapshot) { s.Injected429++ })
		e.status, e.note = http.StatusTooManyRequests, "injected"
		fail(w, e.status, "TOOMANYREQUESTS")
	case e.config.UnavailableEvery > 0 && n%e.config.UnavailableEvery == 0:
		e.counters.add(func(s *Snapshot) { s.Injected503++ })
		e.status, e.note = http.StatusServiceUnavailable, "injected"
		fail(w, e.status, "UNAVAILABLE")
	default:
		return false
	}
	return true
}

// outgoing is the request as the registry gets it.
func (e *exchange) outgoing(r *http.Request) *http.Request {
	target := *r.URL
	target.Scheme, target.Host = e.config.Upstream.Scheme, e.config.Upstream.Host
	if e.config.NoMount && e.kind.mount {
		query := target.Query()
		query.Del("mount")
		query.Del("from")
		target.RawQuery = query.Encode()
	}
	out := (&http.Request{
		Method: r.Method, URL: &target, Host: r.Host, Header: r.Header.Clone(), ContentLength: r.ContentLength,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(r.Context())
	for _, name := range hopByHop {
		out.Header.Del(name)
	}
	out.Header.Del("Authorization")
	if e.config.NoRange && e.kind.group == groupBlob {
		out.Header.Del("Range")
	}
	if r.ContentLength != 0 {
		out.Body = &countedBody{ReadCloser: r.Body, exchange: e, request: r}
	}
	return out
}

// send passes the answer's body on, or the half of it when a cut is due.
func (e *exchange) send(w http.ResponseWriter, r *http.Request, response *http.Response) {
	limit := int64(-1)
	if e.kind.group == groupBlob && r.Method == http.MethodGet && e.status/100 == 2 &&
		e.config.CutEvery > 0 && e.blobGets.Add(1)%e.config.CutEvery == 0 {
		limit = response.ContentLength / 2
	}
	buffer := make([]byte, bufferSize)
	for {
		room := buffer
		if limit >= 0 {
			room = room[:min(int64(len(room)), limit-e.down)]
		}
		if len(room) == 0 {
			e.counters.add(func(s *Snapshot) { s.InjectedCut++ })
			e.note = "cut"
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler) // closes the connection in mid-body
		}
		n, readErr := response.Body.Read(room)
		if n > 0 {
			if e.Proxy.down != nil {
				e.Proxy.down.wait(r.Context(), n)
			}
			sent, err := w.Write(room[:n])
			e.down += int64(sent)
			e.counters.bytesDown(e.kind, int64(sent))
			if err != nil {
				e.note = "client gone"
				return
			}
		}
		if readErr == io.EOF {
			return
		}
		if readErr != nil {
			e.note = "upstream body: " + readErr.Error()
			panic(http.ErrAbortHandler)
		}
	}
}

func (e *exchange) log(r *http.Request) {
	if e.config.Log == nil {
		return
	}
	e.logLock.Lock()
	defer e.logLock.Unlock()
	fmt.Fprintf(e.config.Log, "%s %.1fms %s %s -> %d down=%d %s ua=%q\n", e.start.Format("15:04:05.000"),
		time.Since(e.start).Seconds()*1e3, r.Method, r.URL.RequestURI(), e.status, e.down, e.note, r.UserAgent())
}

// countedBody counts, and slows, what a client sends.
type countedBody struct {
	io.ReadCloser
	exchange *exchange
	request  *http.Request
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p[:min(len(p), bufferSize)])
	if n > 0 {
		b.exchange.counters.bytesUp(b.exchange.kind, int64(n))
		if b.exchange.up != nil {
			b.exchange.up.wait(b.request.Context(), n)
		}
	}
	return n, err
}

// fail answers as a registry does (distribution spec, error codes).
func fail(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"errors":[{"code":"%s","message":"injected by countproxy"}]}`, code)
}
