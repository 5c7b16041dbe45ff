package registry

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
)

// A manifest that was written although the answer failed to the end is looked for.
func TestCommittedManifest(t *testing.T) {
	for _, tt := range []struct {
		name    string
		fault   devregistry.Fault
		planted bool
		want    bool
	}{
		{"written", devregistry.Fault{Status: 502}, true, true},
		{"written, answers lost", devregistry.Fault{Reset: true}, true, true},
		{"not written", devregistry.Fault{Status: 502}, false, false},
		{"refused", devregistry.Fault{Status: 400, Code: "MANIFEST_INVALID"}, true, false},
	} {
		for _, reference := range []string{"v1", DigestOf(emptyIndex.Body).String()} {
			server := devregistrytest.Start(t, devregistry.Options{})
			if tt.planted {
				if err := server.PlantManifest("a/b", reference, emptyIndex.MediaType, emptyIndex.Body); err != nil {
					t.Fatal(err)
				}
			} else if err := server.PlantManifest("a/b", "v1", emptyIndex.MediaType, append([]byte(" "), emptyIndex.Body...)); err != nil {
				t.Fatal(err) // another one
			}
			server.SetFaults(devregistry.Faults{Intercept: devregistry.Always(isKind(devregistry.KindManifestPut), tt.fault)})
			c := newPool(t, Options{Retry: impatient}).Client(server.Host)
			err := c.PutManifest(t.Context(), "a/b", reference, emptyIndex)
			if (err == nil) != tt.want {
				t.Errorf("%s, %s: %v", tt.name, reference, err)
			}
			if n := len(entries(server, devregistry.KindManifestHead)); n > 1 || (n == 1) != (tt.fault.Status != 400) {
				t.Errorf("%s, %s: looked %d times", tt.name, reference, n)
			}
		}
	}
}

// A manifest whose first answer was lost and whose next try is refused is there all the same.
func TestCommittedBeforeARefusal(t *testing.T) {
	for name, tt := range map[string]struct {
		first devregistry.Fault
		then  devregistry.Fault
		want  bool
	}{
		"written":          {devregistry.Fault{LoseAnswer: true}, devregistry.Fault{Status: 403, Code: "DENIED"}, true},
		"not written":      {devregistry.Fault{Reset: true}, devregistry.Fault{Status: 403, Code: "DENIED"}, false},
		"content is lost":  {devregistry.Fault{LoseAnswer: true}, devregistry.Fault{Status: 400, Code: "MANIFEST_BLOB_UNKNOWN"}, false},
		"refused at first": {devregistry.Fault{Status: 403, Code: "DENIED"}, devregistry.Fault{Status: 403, Code: "DENIED"}, false},
	} {
		server := devregistrytest.Start(t, devregistry.Options{})
		puts := 0
		server.SetFaults(devregistry.Faults{Intercept: func(r devregistry.Request) *devregistry.Fault {
			if r.Kind != devregistry.KindManifestPut {
				return nil
			}
			if puts++; puts == 1 {
				return &tt.first
			}
			return &tt.then
		}})
		c := newPool(t, Options{Retry: impatient}).Client(server.Host)
		if err := c.PutManifest(t.Context(), "a/b", "v1", emptyIndex); (err == nil) != tt.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What isn't 201 is believed only where what was written is there.
func TestUnusualSuccess(t *testing.T) {
	blob := []byte("content")
	for _, status := range []int{200, 202, 204} {
		server := devregistrytest.Start(t, devregistry.Options{Dialect: devregistry.Dialect{CreatedStatus: status}})
		c := newPool(t, Options{Retry: impatient}).Client(server.Host)
		push(t, c, "a/b", blob)
		if err := c.PutManifest(t.Context(), "a/b", "v1", emptyIndex); err != nil {
			t.Errorf("%d for a manifest that is there: %v", status, err)
		}
		nothing := devregistry.Fault{Status: status, Body: " "}
		if status == 204 {
			nothing.Body, nothing.Code = "", "X"
		}
		server.SetFaults(devregistry.Faults{Intercept: devregistry.FirstOf(
			devregistry.Always(isKind(devregistry.KindUploadPut), nothing),
			devregistry.Always(isKind(devregistry.KindManifestPut), nothing),
		)})
		up, err := c.StartUpload(t.Context(), "c/d", DigestOf(blob), "")
		if err != nil {
			t.Fatal(err)
		}
		err = up.Put(t.Context(), DigestOf(blob), int64(len(blob)), bytes.NewReader(blob), 0)
		if !Temporary(err) || !strings.Contains(err.Error(), "the blob isn't there") {
			t.Errorf("%d for a blob that isn't there: %v", status, err)
		}
		err = c.PutManifest(t.Context(), "c/d", "v1", emptyIndex)
		if err == nil || !strings.Contains(err.Error(), "the manifest isn't there") {
			t.Errorf("%d for a manifest that isn't there: %v", status, err)
		}
	}
}

// A blob that is there in part isn't there.
func TestUnusualSuccessOfAPart(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodPost:
			w.Header().Set("Location", "/v2/a/b/blobs/uploads/1")
			w.WriteHeader(http.StatusAccepted)
		case http.MethodPut:
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusAccepted)
		case http.MethodHead:
			w.Header().Set("Content-Length", "0")
		}
	}))
	defer server.Close()
	c := newPool(t, Options{Retry: impatient}).Client(strings.TrimPrefix(server.URL, "http://"))
	up, err := c.StartUpload(t.Context(), "a/b", DigestOf([]byte("abc")), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := up.Put(t.Context(), DigestOf([]byte("abc")), 3, strings.NewReader("abc"), 0); !Temporary(err) {
		t.Errorf("got %v", err)
	}
}

// Where uploads can't be cancelled that is asked once a registry.
func TestCancelIsACourtesy(t *testing.T) {
	blob := DigestOf([]byte("content"))
	for _, tt := range []struct {
		name    string
		dialect devregistry.Dialect
		fault   *devregistry.Fault
		asked   int
	}{
		{name: "can be", asked: 3},
		{name: "405", dialect: devregistry.Dialect{CancelStatus: 405}, asked: 1},
		{name: "404", dialect: devregistry.Dialect{CancelStatus: 404}, asked: 1},
		{name: "501", dialect: devregistry.Dialect{CancelStatus: 501}, asked: 1},
		{name: "400", dialect: devregistry.Dialect{CancelStatus: 400}, asked: 1},
		{name: "403", dialect: devregistry.Dialect{CancelStatus: 403}, asked: 1},
		{name: "sessions gone by themselves", fault: &devregistry.Fault{Status: 404, Code: "BLOB_UPLOAD_UNKNOWN"}, asked: 3},
		{name: "out of order", fault: &devregistry.Fault{Status: 500}, asked: 3},
	} {
		server := devregistrytest.Start(t, devregistry.Options{Dialect: tt.dialect})
		if tt.fault != nil {
			server.SetFaults(devregistry.Faults{Intercept: devregistry.Always(isKind(devregistry.KindUploadCancel), *tt.fault)})
		}
		c := newPool(t, Options{Retry: impatient}).Client(server.Host)
		for range 3 {
			up, err := c.StartUpload(t.Context(), "a/b", blob, "")
			if err != nil {
				t.Fatal(err)
			}
			if err := up.Cancel(t.Context()); err != nil && tt.fault == nil {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
		if n := len(entries(server, devregistry.KindUploadCancel)); n != tt.asked {
			t.Errorf("%s: asked %d times", tt.name, n)
		}
		if n := len(entries(server, devregistry.KindUploadStatus)); n != 0 {
			t.Errorf("%s: asked for the status %d times", tt.name, n)
		}
	}
}

// Where mounting is out of order there is still the upload.
func TestMountsOutOfOrder(t *testing.T) {
	blob := []byte("content")
	server := devregistrytest.Start(t, devregistry.Options{})
	plain := newPool(t, Options{}).Client(server.Host)
	push(t, plain, "a/b", blob)
	server.SetDialect(devregistry.Dialect{MountStatus: 500})
	c := newPool(t, Options{Retry: RetryPolicy{Attempts: 8, Backoff: 1}}).Client(server.Host)
	for _, repository := range []string{"c/d", "e/f"} {
		up, err := c.StartUpload(t.Context(), repository, DigestOf(blob), "a/b")
		if err != nil || up == nil {
			t.Fatalf("%v, %v", up, err)
		}
		if err := up.Put(t.Context(), DigestOf(blob), int64(len(blob)), bytes.NewReader(blob), 0); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(entries(server, devregistry.KindMount)); n != mountAttempts+1 {
		t.Errorf("asked for mounts %d times", n)
	}
	server.SetDialect(devregistry.Dialect{})
	for range 2 {
		if up, err := c.StartUpload(t.Context(), "g/h", DigestOf(blob), "a/b"); err != nil || up != nil {
			t.Errorf("mended: %v, %v", up, err)
		}
	}
	if c.mountsBroken.Load() {
		t.Error("mounts count as broken after one that worked")
	}
	// Throttling is no such failure.
	server.SetFaults(devregistry.Faults{Intercept: devregistry.Times(5, isKind(devregistry.KindMount), devregistry.Fault{Status: 429})})
	patient := newPool(t, Options{Retry: RetryPolicy{ThrottleBackoff: 1}}).Client(server.Host)
	if up, err := patient.StartUpload(t.Context(), "i/j", DigestOf(blob), "a/b"); err != nil || up != nil {
		t.Errorf("throttled five times: %v, %v", up, err)
	}
}

// A proxy that limits bodies to what nginx does by default, and to less.
func TestSmallBodyLimits(t *testing.T) {
	for _, limit := range []int64{1 << 20, 200 << 10, minChunk} {
		server := devregistrytest.Start(t, devregistry.Options{Dialect: devregistry.Dialect{MaxUploadBody: limit}})
		c := newPool(t, Options{Retry: impatient}).Client(server.Host)
		blob := noise(3<<20 + 17)
		if _, err := pushOn(t, c, "a/b", blob); err != nil {
			t.Errorf("%d: %v", limit, err)
			continue
		}
		if stored, err := server.ReadBlob("a/b", DigestOf(blob)); err != nil || !bytes.Equal(stored, blob) {
			t.Errorf("%d: stored %d bytes, %v", limit, len(stored), err)
		}
	}
	server := devregistrytest.Start(t, devregistry.Options{Dialect: devregistry.Dialect{MaxUploadBody: 1000}})
	c := newPool(t, Options{Retry: impatient}).Client(server.Host)
	if _, err := pushOn(t, c, "a/b", noise(3<<20+17)); err == nil || Temporary(err) || !strings.Contains(err.Error(), "413") {
		t.Errorf("a limit that nothing fits: %v", err)
	}
	least := newPool(t, Options{Retry: impatient}).Client(server.Host)
	server.SetDialect(devregistry.Dialect{MaxUploadBody: 1 << 20, MinChunk: 2 << 20})
	if _, err := pushOn(t, least, "a/b", noise(5<<20)); err == nil || Temporary(err) {
		t.Errorf("a limit below the least chunk: %v", err)
	}
}

// A download whose rest is refused goes on from the start; one that has ended doesn't.
func TestRangesRefused(t *testing.T) {
	blob := noise(1 << 20)
	server := devregistrytest.Start(t, devregistry.Options{})
	c := newPool(t, Options{Retry: impatient}).Client(server.Host)
	push(t, c, "a/b", blob)
	server.SetDialect(devregistry.Dialect{RangesRefused: true})
	r, err := c.OpenBlob(t.Context(), "a/b", DigestOf(blob), 1000)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); r.Offset != 0 || err != nil || !bytes.Equal(got, blob) {
		t.Errorf("from %d: %d bytes, %v", r.Offset, len(got), err)
	}
	server.SetDialect(devregistry.Dialect{})
	if _, err := c.OpenBlob(t.Context(), "a/b", DigestOf(blob), 2<<20); err == nil || Temporary(err) || !strings.Contains(err.Error(), "ends before") {
		t.Errorf("past its end: %v", err)
	}
}

// A cache that fetches what it lacks says 404 at first.
func TestColdCaches(t *testing.T) {
	blob := []byte("content")
	server := devregistrytest.Start(t, devregistry.Options{})
	c := newPool(t, Options{Retry: impatient}).Client(server.Host)
	push(t, c, "a/b", blob)
	if err := c.PutManifest(t.Context(), "a/b", "v1", emptyIndex); err != nil {
		t.Fatal(err)
	}
	open := func(repository string, digest v1.Hash) error {
		r, err := c.OpenBlob(t.Context(), repository, digest, 0)
		if err == nil {
			r.Close()
		}
		return err
	}
	get := func(repository, reference string) error {
		_, err := c.GetManifest(t.Context(), repository, reference)
		return err
	}
	once := func(kind devregistry.Kind, code string) {
		server.Log().Reset()
		server.SetFaults(devregistry.Faults{Intercept: devregistry.Once(isKind(kind), devregistry.Fault{Status: 404, Code: code})})
	}
	once(devregistry.KindBlobGet, "BLOB_UNKNOWN")
	if err := open("a/b", DigestOf(blob)); err != nil {
		t.Errorf("a blob: %v", err)
	}
	once(devregistry.KindManifestGet, "MANIFEST_UNKNOWN")
	if err := get("a/b", DigestOf(emptyIndex.Body).String()); err != nil {
		t.Errorf("a manifest by its digest: %v", err)
	}
	once(devregistry.KindManifestGet, "MANIFEST_UNKNOWN")
	if err := get("a/b", "v1"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a tag, which may well not be there: %v", err)
	}
	server.SetFaults(devregistry.Faults{})
	server.Log().Reset()
	if err := open("a/b", DigestOf(nil)); !errors.Is(err, ErrNotFound) || Temporary(err) {
		t.Errorf("a blob that isn't there: %v", err)
	}
	if n := len(server.Log().Entries()); n != missingAttempts {
		t.Errorf("asked %d times for a blob that isn't there", n)
	}
}
