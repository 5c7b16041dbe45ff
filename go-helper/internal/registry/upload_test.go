package registry

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
)

// pushOn uploads a blob the way the engine does: going on where the registry says, starting over where it can't.
func pushOn(t *testing.T, c *Client, repository string, blob []byte) (tries int, err error) {
	t.Helper()
	ctx := t.Context()
	digest := DigestOf(blob)
	up, err := c.StartUpload(ctx, repository, digest, "")
	if err != nil {
		return 0, err
	}
	var at int64
	patience := c.Tries()
	ctx = patience.With(ctx)
	for tries = 1; ; tries++ {
		err = up.Put(ctx, digest, int64(len(blob)), bytes.NewReader(blob[at:]), at)
		if err == nil || !Temporary(err) {
			return tries, err
		}
		if err := patience.Again(ctx, err); err != nil {
			return tries, err
		}
		at, err = up.Status(ctx)
		if at > 0 {
			continue
		}
		if err == nil {
			_ = up.Cancel(ctx)
		} else if !errors.Is(err, ErrNotFound) {
			return tries, err
		}
		if up, err = c.StartUpload(ctx, repository, digest, ""); err != nil {
			return tries, err
		}
	}
}

func TestUploads(t *testing.T) {
	blob := noise(3<<20 + 17)
	put := isKind(devregistry.KindUploadPut)
	for _, tt := range []struct {
		name    string
		dialect devregistry.Dialect
		faults  func(devregistry.Request) *devregistry.Fault
		tries   int
	}{
		{name: "plain", tries: 1},
		{name: "relative Location", dialect: devregistry.Dialect{RelativeLocation: true}, tries: 1},
		{name: "Location without state", dialect: devregistry.Dialect{PlainLocation: true}, tries: 1},
		{name: "Location with query", dialect: devregistry.Dialect{LocationQuery: "session=a%2Fb&part=1"}, tries: 1},
		{name: "no PATCH", dialect: devregistry.Dialect{NoPatch: true}, tries: 1},
		{name: "cut, then on", faults: devregistry.Once(put, devregistry.Fault{CutUpload: devregistry.Halfway()}), tries: 2},
		{name: "cut twice", faults: devregistry.Times(2, put, devregistry.Fault{CutUpload: devregistry.Halfway()}), tries: 3},
		{name: "cut, bytes lost", dialect: devregistry.Dialect{DiscardPartial: true}, faults: devregistry.Once(put, devregistry.Fault{CutUpload: devregistry.Halfway()}), tries: 2},
		{name: "cut, status unknown", dialect: devregistry.Dialect{ZeroUploadStatus: true}, faults: devregistry.Once(put, devregistry.Fault{CutUpload: devregistry.Halfway()}), tries: 2},
		{name: "cut, session gone", dialect: devregistry.Dialect{NoUploadStatus: true}, faults: devregistry.Once(put, devregistry.Fault{CutUpload: devregistry.Halfway()}), tries: 2},
		{name: "stalled", faults: devregistry.Once(put, devregistry.Fault{StallUpload: devregistry.Halfway(), StallFor: 2500 * time.Millisecond}), tries: 2},
		{name: "429", faults: devregistry.Once(put, devregistry.Fault{Status: 429}), tries: 2},
		{name: "503 twice", faults: devregistry.Times(2, put, devregistry.Fault{Status: 503}), tries: 3},
		{name: "reset", faults: devregistry.Once(put, devregistry.Fault{Reset: true}), tries: 2},
		{name: "body limit", dialect: devregistry.Dialect{MaxUploadBody: 2 << 20}, tries: 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := devregistrytest.Start(t, devregistry.Options{Dialect: tt.dialect})
			server.SetFaults(devregistry.Faults{Intercept: tt.faults})
			if tt.faults == nil {
				server.SetFaults(devregistry.Faults{})
			}
			blob, policy := blob, impatient
			if tt.name == "stalled" {
				policy = stalling
				blob = noise(24 << 20) // more than the sockets' buffers hold
			}
			pool := newPool(t, Options{Retry: policy})
			c := pool.Client(server.Host)
			if tt.dialect.MaxUploadBody > 0 {
				c.chunk.Store(2 * minChunk) // as after the halvings that a limit far below 16 MB needs
				tt.tries = 1
			}
			tries, err := pushOn(t, c, "a/b", blob)
			if err != nil {
				t.Fatal(err)
			}
			if tries > tt.tries {
				t.Errorf("%d tries, want at most %d", tries, tt.tries)
			}
			stored, err := server.ReadBlob("a/b", DigestOf(blob))
			if err != nil || !bytes.Equal(stored, blob) {
				t.Errorf("stored %d bytes, %v", len(stored), err)
			}
			for _, e := range server.Log().Entries() {
				if e.Kind == devregistry.KindUploadPatch && tt.dialect.MaxUploadBody == 0 {
					t.Error("a PATCH where one PUT would do")
				}
			}
		})
	}
}

// An upload's Location may be on another host, which gets the bytes and no credentials (it refuses them).
func TestUploadsElsewhere(t *testing.T) {
	for _, scheme := range []devregistry.AuthScheme{devregistry.AuthBasic, devregistry.AuthBearer} {
		server := devregistrytest.Start(t, devregistry.Options{Dialect: devregistry.Dialect{
			UploadElsewhere: true, Auth: devregistry.Auth{Scheme: scheme, Users: map[string]string{"robot": password}},
		}})
		c := newPool(t, Options{Retry: impatient, Keychain: user}).Client(server.Host)
		blob := noise(1 << 20)
		server.SetFaults(devregistry.Faults{Intercept: devregistry.Once(isKind(devregistry.KindUploadPut), devregistry.Fault{CutUpload: devregistry.Halfway()})})
		if _, err := pushOn(t, c, "a/b", blob); err != nil {
			t.Fatalf("%s: %v", scheme, err)
		}
		for _, e := range server.Log().Entries() {
			if (e.Method == http.MethodPut || e.Kind == devregistry.KindUploadStatus) && e.Authorization != "" {
				t.Errorf("%s: %s with %s", scheme, e.Kind, e.Authorization)
			}
		}
	}
}

// A registry says how small chunks may be.
func TestLeastChunk(t *testing.T) {
	server := devregistrytest.Start(t, devregistry.Options{Dialect: devregistry.ECR})
	c := newPool(t, Options{Retry: impatient, Host: func(string) HostOptions { return HostOptions{ChunkSize: 1 << 20} }}).Client(server.Host)
	blob := noise(12 << 20)
	if tries, err := pushOn(t, c, "a/b", blob); err != nil || tries != 1 {
		t.Fatalf("%d tries, %v", tries, err)
	}
	if n := len(entries(server, devregistry.KindUploadPatch)); n != 3 {
		t.Errorf("%d chunks", n)
	}
}

// A registry that limits bodies is found out by its 413, once a host.
func TestBodyLimit(t *testing.T) {
	server := devregistrytest.Start(t, devregistry.Options{Dialect: devregistry.Dialect{MaxUploadBody: 20 << 20}})
	c := newPool(t, Options{Retry: impatient}).Client(server.Host)
	blob := noise(40 << 20)
	tries, err := pushOn(t, c, "a/b", blob)
	if err != nil || tries != 2 {
		t.Fatalf("%d tries, %v", tries, err)
	}
	blob[0]++
	if tries, err = pushOn(t, c, "a/b", blob); err != nil || tries != 1 {
		t.Fatalf("the next blob: %d tries, %v", tries, err)
	}
	if stored, err := server.ReadBlob("a/b", DigestOf(blob)); err != nil || !bytes.Equal(stored, blob) {
		t.Errorf("stored %d bytes, %v", len(stored), err)
	}

	server.SetDialect(devregistry.Dialect{SinglePatch: true, MaxUploadBody: 20 << 20})
	github := newPool(t, Options{Retry: impatient}).Client(server.Host)
	github.host = "ghcr.io"
	blob[0]++
	if _, err := pushOn(t, github, "a/b", blob); err == nil || Temporary(err) || !strings.Contains(err.Error(), "413") {
		t.Errorf("413 where chunks can't be had: %v", err)
	}
}

func TestWrongContentIsRefusedForGood(t *testing.T) {
	server := devregistrytest.Start(t, devregistry.Options{})
	c := newPool(t, Options{Retry: impatient}).Client(server.Host)
	up, err := c.StartUpload(t.Context(), "a/b", DigestOf([]byte("right")), "")
	if err != nil {
		t.Fatal(err)
	}
	err = up.Put(t.Context(), DigestOf([]byte("right")), 5, strings.NewReader("wrong"), 0)
	var refused *Error
	if !errors.As(err, &refused) || refused.Status != 400 || !refused.HasCode("DIGEST_INVALID") || Temporary(err) {
		t.Errorf("got %v", err)
	}
}

// A refused body costs what is on the way, not itself, and the next one asks first.
func TestRefusedBodyCostsLittle(t *testing.T) {
	var puts atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost:
			w.Header().Set("Location", "/v2/a/b/blobs/uploads/1")
			w.WriteHeader(http.StatusAccepted)
		case r.Method == http.MethodPut && puts.Add(1) < 3:
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.Method == http.MethodPut:
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusCreated)
		}
	}))
	defer server.Close()
	pool := newPool(t, Options{Retry: impatient})
	c := pool.Client(strings.TrimPrefix(server.URL, "http://"))
	blob := make([]byte, 32<<20)
	up, err := c.StartUpload(t.Context(), "a/b", DigestOf(blob), "")
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	for tries := 0; ; tries++ {
		err := up.Put(t.Context(), DigestOf(blob), int64(len(blob)), bytes.NewReader(blob), 0)
		if err == nil {
			break
		}
		// Once the body may have been on its way before the answer came; then the registry is asked first.
		if tries == 1 || !Temporary(err) {
			t.Fatalf("try %d: %v", tries, err)
		}
	}
	if extra := pool.Stats()[c.Host()].BytesUp - int64(len(blob)); extra > 8<<20 || puts.Load() != 3 {
		t.Errorf("%d PUTs, %d bytes too many", puts.Load(), extra)
	}
	if took := time.Since(start); took > 1900*time.Millisecond {
		t.Errorf("took %s: somebody waited for the other", took)
	}
}

// blockedReader is a source that has nothing for the moment, and gives up with its context.
type blockedReader struct {
	ctx   context.Context
	first []byte
}

func (r *blockedReader) Read(p []byte) (int, error) {
	if len(r.first) > 0 {
		n := copy(p, r.first)
		r.first = r.first[n:]
		return n, nil
	}
	<-r.ctx.Done()
	return 0, r.ctx.Err()
}

func TestPutEndsWithItsContextAndItsRefusal(t *testing.T) {
	server := devregistrytest.Start(t, devregistry.Options{})
	c := newPool(t, Options{}).Client(server.Host)
	digest := DigestOf(nil)
	start := func(c *Client) *Upload {
		up, err := c.StartUpload(t.Context(), "a/b", digest, "")
		if err != nil {
			t.Fatal(err)
		}
		return up
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	up := start(c)
	begin := time.Now()
	err := up.Put(ctx, digest, 1<<20, &blockedReader{ctx, make([]byte, 100<<10)}, 0)
	if !errors.Is(err, context.DeadlineExceeded) || Temporary(err) || time.Since(begin) > 5*time.Second {
		t.Errorf("after %s: %v", time.Since(begin), err)
	}
	if err := up.Cancel(ctx); err != nil {
		t.Errorf("cancel, its context being over: %v", err)
	}

	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "/v2/a/b/blobs/uploads/1")
		w.WriteHeader(map[string]int{http.MethodGet: 200, http.MethodPost: 202, http.MethodPut: 400}[r.Method])
	}))
	defer refusing.Close()
	up = start(newPool(t, Options{}).Client(strings.TrimPrefix(refusing.URL, "http://")))
	begin = time.Now()
	if err := up.Put(t.Context(), digest, 1<<20, &blockedReader{t.Context(), make([]byte, 100<<10)}, 0); err == nil || Temporary(err) || time.Since(begin) > 5*time.Second {
		t.Errorf("after %s: %v", time.Since(begin), err)
	}

	// What the source says of itself comes through.
	up = start(c)
	broken := errors.New("the source broke")
	err = up.Put(t.Context(), digest, 1<<20, io.MultiReader(bytes.NewReader(make([]byte, 1000)), &failingReader{broken}), 0)
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if n := server.OpenUploads(); n > 2 {
		t.Errorf("%d uploads are open", n)
	}
}

type failingReader struct{ err error }

func (r *failingReader) Read([]byte) (int, error) { return 0, r.err }

func TestMounts(t *testing.T) {
	server := devregistrytest.Start(t, devregistry.Options{})
	c := newPool(t, Options{Retry: impatient}).Client(server.Host)
	blob := []byte("content")
	digest := DigestOf(blob)
	push(t, c, "a/b", blob)
	for _, tt := range []struct {
		repository, from string
		mounted          bool
	}{
		{"c/d", "a/b", true},
		{"a/b", "a/b", true}, // check, mount and start in one
		{"e/f", "no/such", false},
		{"g/h", "", false},
	} {
		up, err := c.StartUpload(t.Context(), tt.repository, digest, tt.from)
		if err != nil || (up == nil) != tt.mounted {
			t.Errorf("%s from %s: %v, %v", tt.repository, tt.from, up, err)
		}
		if up != nil {
			if err := up.Cancel(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
	if n := server.OpenUploads(); n != 0 {
		t.Errorf("%d uploads are open", n)
	}
	server.SetFaults(devregistry.Faults{Intercept: devregistry.Once(isKind(devregistry.KindMount), devregistry.Fault{Status: 429})})
	if up, err := c.StartUpload(t.Context(), "i/j", digest, "a/b"); up != nil || err != nil {
		t.Errorf("429 to a mount isn't a no: %v, %v", up, err)
	}
	server.SetFaults(devregistry.Faults{Intercept: devregistry.Always(isKind(devregistry.KindMount), devregistry.Fault{Status: 404, Code: "BLOB_UNKNOWN"})})
	if up, err := c.StartUpload(t.Context(), "k/l", digest, "a/b"); up == nil || err != nil {
		t.Errorf("404 to a mount leaves the upload: %v, %v", up, err)
	}
}

func TestReceived(t *testing.T) {
	for value, want := range map[string]int64{
		"": 0, "0-0": 0, "0-99": 100, "bytes=0-99": 100, "0--1": 0, "5-99": 0, "x": 0, "0-9223372036854775807": 0,
	} {
		if got := received(value); got != want {
			t.Errorf("%q: %d, want %d", value, got, want)
		}
	}
}
