package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
)

func TestTemporary(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{&Error{Status: 408}, true},
		{&Error{Status: 425}, true},
		{&Error{Status: 429}, true},
		{&Error{Status: 500}, true},
		{&Error{Status: 502}, true},
		{&Error{Status: 504}, true},
		{&Error{Status: 501}, false},
		{&Error{Status: 505}, false},
		{&Error{Status: 400}, false},
		{&Error{Status: 401}, false},
		{&Error{Status: 403}, false},
		{&Error{Status: 404}, false},
		{fmt.Errorf("copy: %w", &Error{Status: 503}), true},
		{&DigestMismatchError{Want: v1.Hash{}, Got: v1.Hash{}}, false},
		{context.Canceled, false},
		{context.DeadlineExceeded, false},
		{fmt.Errorf("x: %w", context.DeadlineExceeded), false},
		{io.ErrUnexpectedEOF, true},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, true},
		{&timeoutError{what: "no byte came", limit: time.Second}, true},
		{&finalError{&Error{Status: 503}}, false},
		{errors.New("something else"), false},
		{wrapTransport(context.Background(), "get", "a", &net.DNSError{IsNotFound: true}), false},
		{wrapTransport(context.Background(), "get", "a", &net.DNSError{IsTemporary: true}), true},
		{wrapTransport(context.Background(), "get", "a", io.EOF), true},
		{wrapTransport(context.Background(), "get", "a", permanentf("no")), false},
	} {
		if got := Temporary(tt.err); got != tt.want {
			t.Errorf("%v: %v", tt.err, got)
		}
	}
}

func TestSmallRequestsSurvive(t *testing.T) {
	for _, tt := range []struct {
		name   string
		faults devregistry.Faults
	}{
		{"503", devregistry.Faults{RejectEvery: 3}},
		{"500", devregistry.Faults{RejectEvery: 3, RejectStatus: 500}},
		{"429", devregistry.Faults{RejectEvery: 3, RejectStatus: 429}},
		{"408", devregistry.Faults{RejectEvery: 3, RejectStatus: 408}},
		{"resets", devregistry.Faults{ResetEvery: 3}},
		{"lost answers", devregistry.Faults{LoseAnswerEvery: 3}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := devregistrytest.Start(t, devregistry.Options{Faults: tt.faults})
			var told atomic.Int64
			pool := newPool(t, Options{
				Retry:   RetryPolicy{Attempts: 8, Backoff: time.Millisecond, ThrottleBackoff: 2 * time.Millisecond},
				OnRetry: func(Retry) { told.Add(1) },
			})
			c := pool.Client(server.Host)
			many(t, 30, func(i int) error {
				repository := fmt.Sprintf("r%d", i)
				if err := c.PutManifest(t.Context(), repository, "v1", emptyIndex); err != nil {
					return err
				}
				if _, err := c.HeadManifest(t.Context(), repository, "v1"); err != nil {
					return err
				}
				_, err := c.GetManifest(t.Context(), repository, "v1")
				return err
			})
			if stats := pool.Stats()[server.Host]; stats.Retries == 0 || stats.Retries != told.Load() {
				t.Errorf("%d retries, told of %d", stats.Retries, told.Load())
			}
		})
	}
}

// On a line on which every 15th request fails, small requests take about three times as long: each 503 narrows the window.
func BenchmarkFlakyLine(b *testing.B) {
	for name, faults := range map[string]devregistry.Faults{"whole": {}, "every 15th a 503": {RejectEvery: 15}} {
		b.Run(name, func(b *testing.B) {
			faults.Latency = 20 * time.Millisecond
			server := devregistrytest.Start(b, devregistry.Options{Faults: faults})
			for b.Loop() {
				c := newPool(b, Options{}).Client(server.Host)
				many(b, 20, func(int) error {
					for range 30 {
						if _, err := c.HeadManifest(b.Context(), "a/b", "v1"); !errors.Is(err, ErrNotFound) {
							return err
						}
					}
					return nil
				})
			}
		})
	}
}

// What can't be mended isn't tried again.
func TestRefusalsAreFinal(t *testing.T) {
	for _, status := range []int{400, 403, 404, 405, 409, 501} {
		server := devregistrytest.Start(t, devregistry.Options{Faults: devregistry.Faults{RejectEvery: 1, RejectStatus: status, SparePing: true}})
		c := newPool(t, Options{}).Client(server.Host)
		if _, err := c.GetManifest(t.Context(), "a/b", "v1"); err == nil || Temporary(err) {
			t.Errorf("%d: %v", status, err)
		}
		if n := len(entries(server, devregistry.KindManifestGet)); n != 1 {
			t.Errorf("%d: %d requests", status, n)
		}
	}
}

func TestUnreachable(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := listener.Addr().String()
	listener.Close()
	pool := newPool(t, Options{Retry: impatient})
	c := pool.Client(host)
	many(t, 20, func(int) error {
		_, err := c.HeadManifest(t.Context(), "a/b", "v1")
		if err == nil || Temporary(err) || !strings.Contains(err.Error(), host+" can't be reached") {
			return fmt.Errorf("got %w", err)
		}
		return nil
	})
	if n := pool.Stats()[host].Requests["ping"]; n != int64(impatient.Attempts) {
		t.Errorf("%d pings", n)
	}
}

func TestOnePing(t *testing.T) {
	server := devregistrytest.Start(t, devregistry.Options{Faults: devregistry.Faults{Latency: 20 * time.Millisecond}})
	c := newPool(t, Options{}).Client(server.Host)
	impatientCtx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if _, err := c.HeadManifest(impatientCtx, "a/b", "v1"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	server.Log().Reset()
	many(t, 20, func(int) error {
		_, err := c.HeadManifest(t.Context(), "a/b", "v1")
		return notFoundIsFine(err)
	})
	if n := len(entries(server, devregistry.KindPing)); n != 1 {
		t.Errorf("%d pings", n)
	}
}

// silentServer answers pings and nothing else, to a client that waits so long for an answer.
func silentServer(t *testing.T, wait time.Duration) *Client {
	t.Helper()
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/" {
			<-hang
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(hang) })
	policy := impatient
	policy.ResponseTimeout = wait
	return newPool(t, Options{Retry: policy}).Client(strings.TrimPrefix(server.URL, "http://"))
}

func TestSilentServerTimesOut(t *testing.T) {
	c := silentServer(t, 50*time.Millisecond)
	_, err := c.GetManifest(t.Context(), "a/b", "v1")
	if !TimedOut(err) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestStats(t *testing.T) {
	server := devregistrytest.Start(t, devregistry.Options{})
	pool := newPool(t, Options{})
	c := pool.Client(server.Host)
	push(t, c, "a/b", []byte("content"))
	readOn(t, c, "a/b", []byte("content"))
	if _, err := c.StartUpload(t.Context(), "c/d", DigestOf([]byte("content")), "a/b"); err != nil {
		t.Fatal(err)
	}
	stats := pool.Stats()[server.Host]
	for kind, want := range map[string]int64{"ping": 1, "upload POST": 1, "upload PUT": 1, "blob GET": 1, "upload POST mount": 1} {
		if stats.Requests[kind] != want {
			t.Errorf("%d of %s, want %d", stats.Requests[kind], kind, want)
		}
	}
	if stats.BytesUp != 7 || stats.BytesDown != 7 {
		t.Errorf("%d up, %d down", stats.BytesUp, stats.BytesDown)
	}
}
