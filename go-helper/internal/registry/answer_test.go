package registry

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

// stallingServer answers like handle says, and never sends the second half of the bodies that it is told to stall.
func stallingServer(t *testing.T, stalls func(r *http.Request) (status int, header http.Header, body string)) *Client {
	t.Helper()
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		status, header, body := stalls(r)
		for key, values := range header {
			w.Header()[key] = values
		}
		w.Header().Set("Content-Length", strconv.Itoa(2*len(body)))
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
		if body != "" {
			_ = http.NewResponseController(w).Flush()
			<-hang
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(hang) })
	policy := impatient
	policy.ResponseTimeout, policy.StallTimeout = time.Second, 50*time.Millisecond
	return newPool(t, Options{Retry: policy}).Client(strings.TrimPrefix(server.URL, "http://"))
}

// Every answer's body is given up where it stalls: of what is read with an error that may pass, of what nobody needs without.
func TestStalledBodies(t *testing.T) {
	manifest := &Manifest{MediaType: "application/vnd.oci.image.manifest.v1+json", Body: []byte("{}")}
	upload := http.Header{"Location": {"/v2/a/b/blobs/uploads/1"}}
	for _, tt := range []struct {
		name, stalled string // method and end of the path
		status        int
		header        http.Header
		do            func(ctx context.Context, c *Client) error
		want          string // of the error; "": none
		token         bool
	}{
		{name: "ping", stalled: "GET /v2/", status: 200, do: func(ctx context.Context, c *Client) error { return c.Ping(ctx) }},
		{name: "manifest", stalled: "GET v1", status: 200, want: "came for 50ms", do: getTag},
		{name: "refusal", stalled: "GET v1", status: 403, want: "403 Forbidden", do: getTag},
		{name: "tags", stalled: "GET list", status: 200, want: "came for 50ms", do: func(ctx context.Context, c *Client) error {
			_, err := c.ListTags(ctx, "a/b")
			return err
		}},
		{name: "written manifest", stalled: "PUT v1", status: 201, do: func(ctx context.Context, c *Client) error {
			return c.PutManifest(ctx, "a/b", "v1", manifest)
		}},
		{name: "begun upload", stalled: "POST uploads/", status: 202, header: upload, do: putBlob},
		{name: "written blob", stalled: "PUT 1", status: 201, do: putBlob},
		{name: "redirect", stalled: "GET v1", status: 307, header: http.Header{"Location": {"/v2/a/b/manifests/v2"}}, do: getTag},
		{name: "token", stalled: "GET token", status: 200, token: true, want: "came for 50ms", do: getTag},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := stallingServer(t, func(r *http.Request) (int, http.Header, string) {
				method, end, _ := strings.Cut(tt.stalled, " ")
				switch {
				case r.Method == method && strings.HasSuffix(r.URL.Path, end):
					return tt.status, tt.header, "half"
				case tt.token && r.URL.Path == "/v2/":
					return 401, http.Header{"Www-Authenticate": {`Bearer realm="http://` + r.Host + `/token"`}}, ""
				case r.Method == http.MethodPost:
					return 202, upload, ""
				case r.Method == http.MethodPut:
					return 201, nil, ""
				}
				return 200, nil, ""
			})
			ended := make(chan error, 1)
			go func() { ended <- tt.do(t.Context(), c) }()
			select {
			case err := <-ended:
				if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
					t.Errorf("got %v, want %q", err, tt.want)
				}
			case <-time.After(20 * time.Second):
				t.Error("still waiting")
			}
		})
	}
}

func getTag(ctx context.Context, c *Client) error {
	_, err := c.GetManifest(ctx, "a/b", "v1")
	return err
}

func putBlob(ctx context.Context, c *Client) error {
	content := "content"
	u, err := c.StartUpload(ctx, "a/b", DigestOf([]byte(content)), "")
	if err != nil {
		return err
	}
	return u.Put(ctx, DigestOf([]byte(content)), int64(len(content)), strings.NewReader(content), 0)
}

// A small answer that takes long ends, too; a blob may take as long as some of it comes, which a byte now and then isn't.
func TestTricklingBodies(t *testing.T) {
	t.Parallel()
	const pieces = 60
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/" {
			return
		}
		piece := "x"
		if strings.HasPrefix(r.URL.Path, "/v2/large/") {
			piece = strings.Repeat("x", leastProgress)
		}
		w.Header().Set("Content-Length", strconv.Itoa(pieces*len(piece)))
		for range pieces {
			if _, err := io.WriteString(w, piece); err != nil || http.NewResponseController(w).Flush() != nil {
				return
			}
			time.Sleep(60 * time.Millisecond)
		}
	}))
	defer server.Close()
	policy := impatient
	policy.ResponseTimeout, policy.StallTimeout = 400*time.Millisecond, time.Minute
	c := newPool(t, Options{Retry: policy}).Client(strings.TrimPrefix(server.URL, "http://"))
	if err := getTag(t.Context(), c); !TimedOut(err) || !strings.Contains(err.Error(), "the answer didn't end for 2s") {
		t.Errorf("a manifest: got %v", err)
	}
	policy.StallTimeout = time.Second
	readAll := func(repository string) (int64, error) {
		c := newPool(t, Options{Retry: policy}).Client(c.Host())
		b, err := c.OpenBlob(t.Context(), repository, DigestOf(nil), 0)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		return io.Copy(io.Discard, b)
	}
	if n, err := readAll("small"); !TimedOut(err) || !strings.Contains(err.Error(), fmt.Sprintf("only %d bytes came for 1s", n)) {
		t.Errorf("a blob, byte by byte: got %d bytes, %v", n, err)
	}
	if n, err := readAll("large"); n != pieces*leastProgress || err != nil {
		t.Errorf("a blob, in larger pieces: got %d bytes, %v", n, err)
	}
}

// A blob that isn't answered at all is asked for again as soon as any other answer.
func TestSilentBlobTimesOut(t *testing.T) {
	t.Parallel()
	c := silentServer(t, time.Second)
	began := time.Now()
	_, err := c.OpenBlob(t.Context(), "a/b", DigestOf(nil), 0)
	if !TimedOut(err) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 3*bodyTimeouts*time.Second/2 {
		t.Errorf("three tries took %s", took)
	}
}

// What nobody needs of an answer isn't waited for as long as the rest of a blob, through a proxy as well.
func TestRestsAreWaitedForBriefly(t *testing.T) {
	t.Parallel()
	c := stallingServer(t, func(r *http.Request) (int, http.Header, string) {
		if r.URL.Path == "/v2/" {
			return 200, nil, ""
		}
		return 201, nil, "half"
	})
	proxy := httptest.NewServer(&httputil.ReverseProxy{FlushInterval: -1, Director: func(*http.Request) {}})
	t.Cleanup(proxy.Close)
	for name, use := range map[string]func(*http.Request) (*url.URL, error){
		"direct":          func(*http.Request) (*url.URL, error) { return nil, nil },
		"through a proxy": func(*http.Request) (*url.URL, error) { return url.Parse(proxy.URL) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := newPool(t, Options{Host: func(string) HostOptions { return HostOptions{Proxy: use} }})
			began := time.Now()
			m := &Manifest{MediaType: "application/vnd.oci.image.manifest.v1+json", Body: []byte("{}")}
			if err := pool.Client(c.Host()).PutManifest(t.Context(), "a/b", "v1", m); err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took > 4*discardPatience {
				t.Errorf("took %s", took)
			}
		})
	}
}
