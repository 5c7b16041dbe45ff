package devregistry

import (
	"crypto/tls"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"strconv"
	"time"
)

// retryAfterValue is RFC 9110's Retry-After, "delay-seconds" or "HTTP-date", never sooner than d.
func retryAfterValue(d time.Duration, date bool) string {
	if date {
		return time.Now().Add(d + time.Second - 1).UTC().Format(http.TimeFormat)
	}
	return strconv.Itoa(int(math.Ceil(d.Seconds())))
}

// resetConnection makes the client see a reset instead of an answer.
func resetConnection(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil { // HTTP/2, or a recorder
		panic(http.ErrAbortHandler)
	}
	raw := conn
	if secure, ok := raw.(*tls.Conn); ok {
		raw = secure.NetConn()
	}
	if tcp, ok := raw.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// responseWriter counts what goes out, notes the status, and breaks the body where a fault says so.
type responseWriter struct {
	http.ResponseWriter
	record *record
	fault  *Fault
	stall  func(time.Duration)
	limit  *rateLimiter // the bandwidth; nil: none

	wroteHeader bool
	sent        int64
	cutAt       int64
	stallAt     int64
	corrupt     bool
}

func newResponseWriter(w http.ResponseWriter, rec *record, fault *Fault, limit *rateLimiter, stall func(time.Duration)) *responseWriter {
	return &responseWriter{ResponseWriter: w, record: rec, fault: fault, limit: limit, stall: stall, cutAt: -1, stallAt: -1}
}

// Unwrap is for http.ResponseController.
func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *responseWriter) WriteHeader(status int) {
	if w.wroteHeader {
		return
	}
	w.wroteHeader = true
	w.record.status.Store(int64(status))
	if status < 300 {
		length := int64(-1)
		if n, err := strconv.ParseInt(w.Header().Get("Content-Length"), 10, 64); err == nil {
			length = n
		}
		w.cutAt, w.stallAt, w.corrupt = w.fault.CutDownload.in(length), w.fault.StallDownload.in(length), w.fault.Corrupt
	}
	if !w.fault.LoseAnswer {
		w.ResponseWriter.WriteHeader(status)
	}
}

func (w *responseWriter) Write(p []byte) (int, error) {
	if !w.wroteHeader {
		w.WriteHeader(http.StatusOK)
	}
	if w.fault.LoseAnswer {
		return len(p), nil
	}
	written := 0
	for {
		part := p[written:]
		next := nextBreak(w.sent, w.stallAt, w.cutAt)
		if next >= 0 && int64(len(part)) > next-w.sent {
			part = part[:next-w.sent]
		}
		if w.corrupt && len(part) > 0 {
			part = append([]byte(nil), part...)
			part[len(part)/2] ^= 1
			w.corrupt = false
		}
		w.limit.wait(len(part))
		n, err := w.ResponseWriter.Write(part)
		written += n
		w.sent += int64(n)
		w.record.down.Add(int64(n))
		if err != nil {
			return written, err
		}
		if w.sent == w.stallAt {
			w.stallAt = -1
			w.flush()
			w.stall(w.fault.StallFor)
		}
		if w.sent == w.cutAt {
			w.flush()
			panic(http.ErrAbortHandler)
		}
		if written == len(p) {
			return written, nil
		}
	}
}

// ReadFrom keeps the way open for sendfile where the body isn't tampered with.
func (w *responseWriter) ReadFrom(r io.Reader) (int64, error) {
	if !w.wroteHeader {
		w.WriteHeader(http.StatusOK)
	}
	inner, ok := w.ResponseWriter.(io.ReaderFrom)
	if !ok || w.fault.LoseAnswer || w.cutAt >= 0 || w.stallAt >= 0 || w.corrupt || w.limit != nil {
		return io.Copy(struct{ io.Writer }{w}, r)
	}
	n, err := inner.ReadFrom(r)
	w.sent += n
	w.record.down.Add(n)
	return n, err
}

func (w *responseWriter) flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// nextBreak is the nearest offset at or after now that isn't never; -1 where there is none.
func nextBreak(now int64, offsets ...int64) int64 {
	next := int64(-1)
	for _, o := range offsets {
		if o >= now && (next < 0 || o < next) {
			next = o
		}
	}
	return next
}

// limitedRead keeps a body under a bandwidth limit flowing in small steps.
const limitedRead = 16 << 10

// errCut is what a reader of a body gets where a fault cuts it.
var errCut = errors.New("the connection was cut by a fault")

// requestBody counts what comes in, and breaks it where a fault says so.
type requestBody struct {
	io.ReadCloser
	record   *record
	stall    func(time.Duration)
	stallFor time.Duration
	limit    *rateLimiter // the bandwidth; nil: none
	received int64
	cutAt    int64
	stallAt  int64
}

func newRequestBody(r *http.Request, rec *record, fault *Fault, limit *rateLimiter, stall func(time.Duration)) *requestBody {
	return &requestBody{
		ReadCloser: r.Body, record: rec, stall: stall, stallFor: fault.StallFor, limit: limit,
		cutAt: fault.CutUpload.in(r.ContentLength), stallAt: fault.StallUpload.in(r.ContentLength),
	}
}

func (b *requestBody) Read(p []byte) (int, error) {
	if b.received == b.stallAt {
		b.stallAt = -1
		b.stall(b.stallFor)
	}
	if b.received == b.cutAt {
		return 0, errCut
	}
	if next := nextBreak(b.received, b.stallAt, b.cutAt); next >= 0 && int64(len(p)) > next-b.received {
		p = p[:next-b.received]
	}
	if b.limit != nil {
		p = p[:min(len(p), limitedRead)]
	}
	n, err := b.ReadCloser.Read(p)
	b.received += int64(n)
	b.record.up.Add(int64(n))
	b.limit.wait(n)
	return n, err
}

// ignoreWriteError drops the error of a client that went away; there is nobody left to tell.
func ignoreWriteError(error) error { return nil }
