package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

const (
	blobURL  = "/v2/lib/app/blobs/sha256:aa"
	blobSize = 400_000
)

// start runs a proxy before a registry of which the proxy only knows the paths.
func start(t *testing.T, config Config) (*Proxy, string) {
	t.Helper()
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		switch {
		case strings.Contains(r.URL.Path, "/blobs/uploads/") && r.URL.Query().Get("mount") != "":
			w.WriteHeader(http.StatusCreated)
		case strings.Contains(r.URL.Path, "/blobs/uploads/"):
			w.WriteHeader(http.StatusAccepted)
		case r.Method == http.MethodPut:
			w.WriteHeader(http.StatusCreated)
		case r.Header.Get("Range") != "":
			w.WriteHeader(http.StatusPartialContent)
		case strings.Contains(r.URL.Path, "/blobs/"):
			w.Header().Set("Content-Length", fmt.Sprint(blobSize))
			_, _ = w.Write(make([]byte, blobSize))
		}
	}))
	t.Cleanup(registry.Close)
	target, err := url.Parse(registry.URL)
	if err != nil {
		t.Fatal(err)
	}
	config.Upstream = target
	proxy := NewProxy(config)
	server := httptest.NewUnstartedServer(proxy)
	server.Listener = proxy.counters.listener(server.Listener)
	server.Config.ConnContext = withConnection
	server.Start()
	t.Cleanup(server.Close)
	return proxy, server.URL
}

// ask sends a request and returns the status and how many bytes came, with the error of the body.
func ask(t *testing.T, method, target string, body io.Reader, headers ...string) (int, int64, http.Header, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, target, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, 0, nil, err
	}
	defer response.Body.Close()
	n, err := io.Copy(io.Discard, response.Body)
	return response.StatusCode, n, response.Header, err
}

func statuses(t *testing.T, target string, n int) []int {
	t.Helper()
	var all []int
	for range n {
		status, _, _, err := ask(t, http.MethodGet, target, nil)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, status)
	}
	return all
}

func TestCountsRequestsAndBytes(t *testing.T) {
	proxy, at := start(t, Config{})
	for range 3 {
		if _, n, _, err := ask(t, http.MethodGet, at+blobURL, nil); err != nil || n != blobSize {
			t.Fatalf("got %d bytes, %v", n, err)
		}
	}
	_, _, _, _ = ask(t, http.MethodPut, at+"/v2/m/app/blobs/uploads/1?digest=sha256:aa", bytes.NewReader(make([]byte, 5000)))
	_, _, _, _ = ask(t, http.MethodPut, at+"/v2/m/app/manifests/1.0", strings.NewReader("{}"))
	_, _, _, _ = ask(t, http.MethodPost, at+"/v2/m/b/blobs/uploads/?mount=sha256:aa&from=m/app", nil)

	got := proxy.counters.snapshot()
	if got.Requests != 6 || got.BodyDown != 3*blobSize || got.BodyUp != 5002 || got.BlobUp != 5000 {
		t.Errorf("requests %d, down %d, up %d, blobs up %d", got.Requests, got.BodyDown, got.BodyUp, got.BlobUp)
	}
	if got.BlobsDownloaded != 1 || got.BlobDownloadsAgain != 2 {
		t.Errorf("downloaded %d distinct, %d again", got.BlobsDownloaded, got.BlobDownloadsAgain)
	}
	for kind, want := range map[string]int64{
		"blob GET": 3, "upload PUT": 1, "manifest PUT tag": 1, "upload POST mount": 1, "mount ok": 1,
	} {
		if got.Kinds[kind] != want {
			t.Errorf("%s: %d, want %d", kind, got.Kinds[kind], want)
		}
	}
	if len(got.Timeline) != 1 || got.Timeline[0].Tags != 1 || got.Timeline[0].BodyUp != 5002 {
		t.Errorf("timeline %+v", got.Timeline)
	}
	_, _, _, _ = ask(t, http.MethodPost, at+"/__reset", nil)
	if got := proxy.counters.snapshot(); got.Requests != 0 || got.BodyDown != 0 || len(got.Kinds) != 0 {
		t.Errorf("after a reset: %+v", got)
	}
}

func TestCutsEverySecondBlob(t *testing.T) {
	proxy, at := start(t, Config{CutEvery: 2})
	for i, want := range []int64{blobSize, blobSize / 2, blobSize, blobSize / 2} {
		_, n, _, err := ask(t, http.MethodGet, at+blobURL, nil)
		if n != want || (err != nil) != (want != blobSize) {
			t.Errorf("GET %d: %d bytes, %v; want %d", i+1, n, err, want)
		}
	}
	if got := proxy.counters.snapshot().InjectedCut; got != 2 {
		t.Errorf("%d cuts", got)
	}
}

func TestInjectsStatuses(t *testing.T) {
	_, at := start(t, Config{ThrottleEvery: 3, UnavailableEvery: 2, RetryAfter: "7"})
	if got := fmt.Sprint(statuses(t, at+"/v2/", 6)); got != "[200 503 429 503 200 429]" {
		t.Error(got)
	}
	_, at = start(t, Config{ThrottleEvery: 1, RetryAfter: "7"})
	if _, _, header, _ := ask(t, http.MethodGet, at+"/v2/", nil); header.Get("Retry-After") != "7" {
		t.Errorf("Retry-After %q", header.Get("Retry-After"))
	}
}

func TestLimitsTheRate(t *testing.T) {
	_, at := start(t, Config{Rate: 5})
	got := statuses(t, at+"/v2/", 12)
	if fmt.Sprint(got[:5]) != "[200 200 200 200 200]" || got[11] != http.StatusTooManyRequests {
		t.Error(got)
	}
}

func TestDelays(t *testing.T) {
	_, at := start(t, Config{RTT: 40 * time.Millisecond})
	for i, want := range []time.Duration{80 * time.Millisecond, 40 * time.Millisecond} {
		began := time.Now()
		statuses(t, at+"/v2/", 1)
		if took := time.Since(began); took < want || took > want+35*time.Millisecond {
			t.Errorf("request %d took %v, want %v and little more", i+1, took, want)
		}
	}
}

func TestLimitsTheBandwidth(t *testing.T) {
	_, at := start(t, Config{Bandwidth: 2_000_000})
	began := time.Now()
	if _, n, _, err := ask(t, http.MethodGet, at+blobURL, nil); err != nil || n != blobSize {
		t.Fatal(n, err)
	}
	// All but the first 128 KiB, at 2 MB/s.
	if took := time.Since(began).Seconds(); took < 0.12 || took > 0.4 {
		t.Errorf("took %.3f s", took)
	}
}

func TestPlaysOddRegistries(t *testing.T) {
	_, at := start(t, Config{NoRange: true, NoMount: true})
	if status, n, _, _ := ask(t, http.MethodGet, at+blobURL, nil, "Range", "bytes=10-"); status != http.StatusOK || n != blobSize {
		t.Errorf("Range answered %d with %d bytes", status, n)
	}
	if status, _, _, _ := ask(t, http.MethodPost, at+"/v2/m/b/blobs/uploads/?mount=sha256:aa&from=m/app", nil); status != http.StatusAccepted {
		t.Errorf("mount answered %d", status)
	}
}

func TestAsksForTokens(t *testing.T) {
	proxy, at := start(t, Config{Auth: true, TokenTTL: time.Minute})
	status, _, header, _ := ask(t, http.MethodGet, at+"/v2/lib/app/tags/list", nil)
	if challenge := header.Get("WWW-Authenticate"); status != http.StatusUnauthorized ||
		!strings.Contains(challenge, `scope="repository:lib/app:pull"`) {
		t.Errorf("%d, %s", status, challenge)
	}
	recorder := httptest.NewRecorder()
	proxy.tokens.give(recorder, httptest.NewRequest(http.MethodGet, tokenPath+"?scope=repository:lib/app:pull", nil))
	var token string
	if _, after, found := strings.Cut(recorder.Body.String(), `"token":"`); found {
		token, _, _ = strings.Cut(after, `"`)
	}
	for path, want := range map[string]int{"/v2/lib/app/tags/list": 200, "/v2/lib/other/tags/list": 401} {
		if status, _, _, _ := ask(t, http.MethodGet, at+path, nil, "Authorization", "Bearer "+token); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
	if status, _, _, _ := ask(t, http.MethodPut, at+"/v2/lib/app/manifests/x", strings.NewReader("{}"), "Authorization", "Bearer "+token); status != http.StatusUnauthorized {
		t.Errorf("a pull token pushed: %d", status)
	}
}

func TestLoopbackOnly(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:80": true, "[::1]:80": true, "localhost": true, "10.0.0.1:80": false, "registry.example:80": false, ":80": false,
	} {
		if loopback(address) != want {
			t.Errorf("loopback(%q) is %v", address, !want)
		}
	}
	for _, args := range [][]string{
		{"-upstream", "http://registry.example"},
		{"-upstream", "http://127.0.0.1:1", "-listen", "0.0.0.0:0"},
	} {
		if err := run(args, io.Discard); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}
