package registry

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
)

// A registry that stores something else than it was sent, and says so, is not believed to have the blob.
func TestAnUploadStoredUnderAnotherDigestFails(t *testing.T) {
	sent, other := DigestOf([]byte("sent")), DigestOf([]byte("other"))
	for answered, fails := range map[string]bool{sent.String(): false, other.String(): true, "": false, "sha512:" + other.Hex + other.Hex: false} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.Method {
			case http.MethodPost:
				w.Header().Set("Location", "/v2/a/b/blobs/uploads/1")
				w.WriteHeader(http.StatusAccepted)
			case http.MethodPut:
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Docker-Content-Digest", answered)
				w.WriteHeader(http.StatusCreated)
			}
		}))
		defer server.Close()
		c := newPool(t, Options{Retry: impatient}).Client(server.Listener.Addr().String())
		up, err := c.StartUpload(t.Context(), "a/b", sent, "")
		if err != nil {
			t.Fatal(err)
		}
		err = up.Put(t.Context(), sent, 4, bytes.NewReader([]byte("sent")), 0)
		var mismatch *DigestMismatchError
		switch {
		case !fails && err != nil, fails && !errors.As(err, &mismatch):
			t.Errorf("answered %q: %v", answered, err)
		case fails && (mismatch.Want != sent || mismatch.Got != other):
			t.Errorf("answered %q: %+v", answered, mismatch)
		}
	}
}

// Content-Range says where a part of a blob belongs (distribution spec, "Pushing a blob in chunks"), and isn't sent with the whole.
func TestPartsSayWhereTheyBelong(t *testing.T) {
	blob := noise(3 * minChunk)
	for name, tt := range map[string]struct {
		chunk, offset int64
		want          []string
	}{
		"whole":      {0, 0, []string{"PUT "}},
		"goes on":    {0, 100, []string{"PUT 100-196607"}},
		"in chunks":  {2 * minChunk, 0, []string{"PATCH 0-131071", "PATCH 131072-196607", "PUT "}},
		"both":       {2 * minChunk, minChunk, []string{"PATCH 65536-196607", "PUT "}},
		"only chunk": {3 * minChunk, 0, []string{"PATCH ", "PUT "}}, // which is a stream
	} {
		var got []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "/v2/a/b/blobs/uploads/1")
			_, _ = io.Copy(io.Discard, r.Body)
			switch r.Method {
			case http.MethodPost, http.MethodPatch:
				w.WriteHeader(http.StatusAccepted)
			case http.MethodPut:
				w.WriteHeader(http.StatusCreated)
			}
			if r.Method == http.MethodPut || r.Method == http.MethodPatch {
				got = append(got, r.Method+" "+r.Header.Get("Content-Range"))
			}
		}))
		defer server.Close()
		c := newPool(t, Options{Retry: impatient, Host: func(string) HostOptions { return HostOptions{ChunkSize: tt.chunk} }}).Client(server.Listener.Addr().String())
		up, err := c.StartUpload(t.Context(), "a/b", DigestOf(blob), "")
		if err != nil {
			t.Fatal(err)
		}
		if err := up.Put(t.Context(), DigestOf(blob), int64(len(blob)), bytes.NewReader(blob[tt.offset:]), tt.offset); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
