package devregistry_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"docker-mirror/go-helper/internal/devregistry"
)

func TestRejectEvery(t *testing.T) {
	c := start(t, devregistry.Options{Faults: devregistry.Faults{RejectEvery: 3, RetryAfter: time.Second}})
	var got []int
	for range 7 {
		a := c.do(http.MethodGet, "/v2/", nil)
		got = append(got, a.StatusCode)
		if a.StatusCode == http.StatusServiceUnavailable && a.Header.Get("Retry-After") != "1" {
			t.Errorf("Retry-After is %q", a.Header.Get("Retry-After"))
		}
	}
	if want := "[200 200 503 200 200 503 200]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestRate(t *testing.T) {
	c := start(t, devregistry.Options{Faults: devregistry.Faults{Rate: 0.1, Burst: 2, RetryAfter: 1500 * time.Millisecond}})
	for i, want := range []int{200, 200, 429, 429} {
		a := c.do(http.MethodGet, "/v2/", nil)
		if a.StatusCode != want {
			t.Errorf("request %d: %d, want %d", i, a.StatusCode, want)
		}
		if want == 429 && (a.Header.Get("Retry-After") != "2" || a.code() != devregistry.CodeTooManyRequests) {
			t.Errorf("Retry-After %q, code %q", a.Header.Get("Retry-After"), a.code())
		}
	}
	c.server.SetFaults(devregistry.Faults{Rate: 0.1, Burst: 1, RetryAfter: 10 * time.Second, RetryAfterDate: true})
	c.do(http.MethodGet, "/v2/", nil)
	date, err := http.ParseTime(c.do(http.MethodGet, "/v2/", nil).Header.Get("Retry-After"))
	if wait := time.Until(date); err != nil || wait < 9*time.Second || wait > 12*time.Second {
		t.Errorf("Retry-After in %s, %v", wait, err)
	}
}

func TestThrottleMount(t *testing.T) {
	c := start(t, devregistry.Options{})
	blob, h := content(100, "a")
	c.push("from", blob)
	c.server.SetFaults(devregistry.Faults{ThrottleMountEvery: 2})
	for i, want := range []int{201, 429, 201, 429} {
		if a := c.mount("to", "from", h); a.StatusCode != want {
			t.Errorf("mount %d: %d, want %d", i, a.StatusCode, want)
		}
	}
}

func TestCutDownload(t *testing.T) {
	for _, root := range []string{"", t.TempDir()} {
		c := start(t, devregistry.Options{Root: root})
		blob, h := content(1_000_000, "a")
		c.push("a", blob)
		c.server.SetFaults(devregistry.Faults{CutDownloadEvery: 2})
		for i := range 4 {
			a := c.do(http.MethodGet, "/v2/a/blobs/"+h.String(), nil)
			if i%2 == 0 {
				if a.err != nil || !bytes.Equal(a.body, blob) {
					t.Errorf("GET %d: %d bytes, %v", i, len(a.body), a.err)
				}
				continue
			}
			if !errors.Is(a.err, io.ErrUnexpectedEOF) || len(a.body) != len(blob)/2 {
				t.Errorf("GET %d: %d bytes, %v", i, len(a.body), a.err)
			}
		}
		c.server.SetFaults(devregistry.Faults{CutDownloadEvery: 1, CutDownloadAfter: 10})
		a := c.do(http.MethodGet, "/v2/a/blobs/"+h.String(), nil, "Range", "bytes=500-")
		if a.StatusCode != http.StatusPartialContent || !errors.Is(a.err, io.ErrUnexpectedEOF) || !bytes.Equal(a.body, blob[500:510]) {
			t.Errorf("a cut range: %d, %d bytes, %v", a.StatusCode, len(a.body), a.err)
		}
	}
}

func TestStallDownload(t *testing.T) {
	c := start(t, devregistry.Options{})
	blob, h := content(100_000, "a")
	c.push("a", blob)
	c.server.SetFaults(devregistry.Faults{Intercept: devregistry.Once(
		func(r devregistry.Request) bool { return r.Kind == devregistry.KindBlobGet },
		devregistry.Fault{StallDownload: devregistry.AfterBytes(1000), StallFor: 200 * time.Millisecond},
	)})
	began := time.Now()
	a := c.do(http.MethodGet, "/v2/a/blobs/"+h.String(), nil)
	if a.err != nil || !bytes.Equal(a.body, blob) || time.Since(began) < 200*time.Millisecond {
		t.Errorf("%d bytes after %s, %v", len(a.body), time.Since(began), a.err)
	}
	// Without an end it lasts until the client gives up; what came before the stall has arrived.
	c.server.SetFaults(devregistry.Faults{StallDownloadEvery: 1})
	c.http.Timeout = 300 * time.Millisecond
	a = c.do(http.MethodGet, "/v2/a/blobs/"+h.String(), nil)
	if a.err == nil || len(a.body) != len(blob)/2 {
		t.Errorf("%d bytes, %v", len(a.body), a.err)
	}
}

func TestCorrupt(t *testing.T) {
	for _, root := range []string{"", t.TempDir()} {
		c := start(t, devregistry.Options{Root: root})
		blob, h := content(100_000, "a")
		c.push("a", blob)
		c.server.SetFaults(devregistry.Faults{CorruptEvery: 1})
		if a := c.do(http.MethodGet, "/v2/a/blobs/"+h.String(), nil); a.err != nil || len(a.body) != len(blob) || bytes.Equal(a.body, blob) {
			t.Errorf("%d bytes, %v", len(a.body), a.err)
		}
		c.server.SetFaults(devregistry.Faults{})
		if a := c.do(http.MethodGet, "/v2/a/blobs/"+h.String(), nil); !bytes.Equal(a.body, blob) {
			t.Error("the stored blob was changed")
		}
	}
}

// What came before a cut is acknowledged, and the upload goes on from there.
func TestCutUpload(t *testing.T) {
	for _, disk := range []bool{false, true} {
		for _, method := range []string{http.MethodPut, http.MethodPatch} {
			root := ""
			if disk {
				root = t.TempDir()
			}
			c := start(t, devregistry.Options{Root: root, Faults: devregistry.Faults{CutUploadEvery: 1, CutUploadAfter: 700_000}})
			blob, h := content(1_000_000, "a")
			location := c.upload("a")
			if a, err := c.try(method, withDigest(location, h), blob); err == nil {
				t.Fatalf("the cut request was answered with %d", a.StatusCode)
			}
			c.server.SetFaults(devregistry.Faults{})
			status := c.want(http.StatusNoContent, http.MethodGet, location.String(), nil)
			if got := status.Header.Get("Range"); got != "0-699999" {
				t.Errorf("Range is %q", got)
			}
			c.want(http.StatusRequestedRangeNotSatisfiable, http.MethodPut, withDigest(location, h), nil)
			c.want(http.StatusCreated, http.MethodPut, withDigest(c.location(status), h), blob[700_000:], "Content-Range", "700000-999999")
			if a := c.do(http.MethodGet, "/v2/a/blobs/"+h.String(), nil); !bytes.Equal(a.body, blob) {
				t.Error("the resumed blob differs")
			}
			if got := c.server.Log().UploadedBytes(); got != 1_000_000 {
				t.Errorf("%d bytes came in", got)
			}
		}
	}
}

// A stalled upload holds nothing up: its status tells how far it came, and the next request takes over.
func TestStallUpload(t *testing.T) {
	c := start(t, devregistry.Options{Faults: devregistry.Faults{StallUploadEvery: 1}})
	blob, h := content(2_000_000, "a")
	location := c.upload("a")
	c.http.Timeout = time.Second
	if a, err := c.try(http.MethodPut, withDigest(location, h), blob); err == nil {
		t.Fatalf("the stalled request was answered with %d", a.StatusCode)
	}
	c.http.Timeout = 30 * time.Second
	c.server.SetFaults(devregistry.Faults{})
	status := c.want(http.StatusNoContent, http.MethodGet, location.String(), nil)
	if got := status.Header.Get("Range"); got != "0-999999" {
		t.Errorf("Range is %q", got)
	}
	c.want(http.StatusCreated, http.MethodPut, withDigest(c.location(status), h), blob[1_000_000:])
}

func TestReset(t *testing.T) {
	c := start(t, devregistry.Options{Faults: devregistry.Faults{ResetEvery: 1}})
	if _, err := c.try(http.MethodGet, "/v2/", nil); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
	entries := c.server.Log().Entries()
	if len(entries) != 1 || !entries[0].Broken || entries[0].Status != 0 {
		t.Errorf("the log has %+v", entries)
	}
}

// The blob is there although the client was told nothing.
func TestLoseAnswer(t *testing.T) {
	c := start(t, devregistry.Options{})
	blob, h := content(1000, "a")
	location := c.upload("a")
	c.server.SetFaults(devregistry.Faults{LoseAnswerEvery: 1})
	if a, err := c.try(http.MethodPut, withDigest(location, h), blob); err == nil {
		t.Fatalf("answered with %d", a.StatusCode)
	}
	c.want(http.StatusOK, http.MethodHead, "/v2/a/blobs/"+h.String(), nil)
}

func TestLatency(t *testing.T) {
	c := start(t, devregistry.Options{Faults: devregistry.Faults{Latency: 100 * time.Millisecond}})
	began := time.Now()
	c.want(http.StatusOK, http.MethodGet, "/v2/", nil)
	if took := time.Since(began); took < 100*time.Millisecond {
		t.Errorf("took %s", took)
	}
}

func TestIntercept(t *testing.T) {
	c := start(t, devregistry.Options{})
	one, h1 := content(1000, "1")
	two, h2 := content(1000, "2")
	c.push("team/a", one)
	c.push("team/a", two)
	var seen []string
	c.server.SetFaults(devregistry.Faults{
		SparePing: true,
		Intercept: devregistry.FirstOf(
			func(r devregistry.Request) *devregistry.Fault {
				seen = append(seen, fmt.Sprintf("%d %s %s %s", r.Number, r.Kind, r.Repository, r.Digest.Hex))
				return nil
			},
			devregistry.Times(2, func(r devregistry.Request) bool { return r.Digest == h2 },
				devregistry.Fault{Status: http.StatusForbidden, Code: devregistry.CodeDenied, Message: "no", Header: http.Header{"X-Test": {"yes"}}}),
		),
	})
	c.want(http.StatusOK, http.MethodGet, "/v2/", nil)
	c.want(http.StatusOK, http.MethodGet, "/v2/team/a/blobs/"+h1.String(), nil)
	for range 2 {
		if a := c.want(http.StatusForbidden, http.MethodGet, "/v2/team/a/blobs/"+h2.String(), nil); a.code() != devregistry.CodeDenied || a.Header.Get("X-Test") != "yes" {
			t.Errorf("%s %v", a.body, a.Header)
		}
	}
	c.want(http.StatusOK, http.MethodGet, "/v2/team/a/blobs/"+h2.String(), nil)
	want := "1 blob GET team/a " + h1.Hex + "\n2 blob GET team/a " + h2.Hex + "\n3 blob GET team/a " + h2.Hex + "\n4 blob GET team/a " + h2.Hex
	if got := strings.Join(seen, "\n"); got != want {
		t.Errorf("seen:\n%s\nwant:\n%s", got, want)
	}
}

// A refused body isn't read where the client waits for 100-continue.
func TestRejectedBodyIsNotRead(t *testing.T) {
	c := start(t, devregistry.Options{})
	c.http.Transport.(*http.Transport).ExpectContinueTimeout = 10 * time.Second
	blob, h := content(5_000_000, "a")
	location := c.upload("a")
	c.server.SetFaults(devregistry.Faults{RejectEvery: 1})
	c.want(http.StatusServiceUnavailable, http.MethodPut, withDigest(location, h), blob, "Expect", "100-continue")
	if up := c.server.Log().UploadedBytes(); up != 0 {
		t.Errorf("%d bytes were read", up)
	}
}

func TestHalfway(t *testing.T) {
	c := start(t, devregistry.Options{})
	for _, size := range []int{0, 1, 2, 3} {
		blob, h := content(size, strconv.Itoa(size))
		c.push("a", blob)
		c.server.SetFaults(devregistry.Faults{CutDownloadEvery: 1})
		a, err := c.try(http.MethodGet, "/v2/a/blobs/"+h.String(), nil)
		if err == nil && a.err == nil && size > 0 {
			t.Errorf("%d bytes came whole", size)
		}
		c.server.SetFaults(devregistry.Faults{})
	}
}

func TestBandwidth(t *testing.T) {
	c := start(t, devregistry.Options{Faults: devregistry.Faults{Bandwidth: 2_000_000}})
	blob, h := content(400_000, "a")
	for _, move := range []func(){
		func() { c.push("a", blob) },
		func() { c.want(http.StatusOK, http.MethodGet, "/v2/a/blobs/"+h.String(), nil) },
	} {
		began := time.Now()
		move()
		if took := time.Since(began); took < 150*time.Millisecond {
			t.Errorf("400 kB at 2 MB/s took %s", took)
		}
	}
}
