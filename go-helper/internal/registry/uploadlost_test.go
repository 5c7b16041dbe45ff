package registry

import (
	"bytes"
	"errors"
	"sync/atomic"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
)

// A session that the registry has lost is begun anew; what else is refused stays refused.
func TestLostSessions(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault devregistry.Fault
		lost  bool
	}{
		{"404", devregistry.Fault{Status: 404, Code: "BLOB_UPLOAD_UNKNOWN"}, true},
		{"404 invalid", devregistry.Fault{Status: 404, Code: "BLOB_UPLOAD_INVALID"}, true},
		{"404 of a proxy", devregistry.Fault{Status: 404, Body: "404 page not found"}, true},
		{"400", devregistry.Fault{Status: 400, Code: "BLOB_UPLOAD_UNKNOWN"}, true},
		{"400 invalid", devregistry.Fault{Status: 400, Code: "BLOB_UPLOAD_INVALID"}, true},
		{"410", devregistry.Fault{Status: 410, Body: "gone"}, true},
		{"400 for another reason", devregistry.Fault{Status: 400, Code: "NAME_INVALID"}, false},
		{"no such repository", devregistry.Fault{Status: 404, Code: "NAME_UNKNOWN"}, false},
	} {
		for _, kind := range []devregistry.Kind{devregistry.KindUploadPut, devregistry.KindUploadPatch} {
			server := devregistrytest.Start(t, devregistry.Options{})
			opts := Options{Retry: impatient}
			if kind == devregistry.KindUploadPatch {
				opts.Host = func(string) HostOptions { return HostOptions{ChunkSize: minChunk} }
			}
			c := newPool(t, opts).Client(server.Host)
			server.SetFaults(devregistry.Faults{Intercept: devregistry.Once(isKind(kind), tt.fault)})
			blob := noise(2 * minChunk)
			tries, err := pushOn(t, c, "a/b", blob)
			if lost := err == nil && tries == 2; lost != tt.lost || errors.Is(err, ErrUploadLost) {
				t.Errorf("%s, %s: %d tries, %v", tt.name, kind, tries, err)
			}
			if tt.lost && !server.HasBlob("a/b", DigestOf(blob)) {
				t.Errorf("%s, %s: the blob isn't there", tt.name, kind)
			}
		}
	}
	lost := &Error{Status: 404, session: true}
	if !errors.Is(lost, ErrUploadLost) || errors.Is(&Error{Status: 404}, ErrUploadLost) {
		t.Error("a 404 is about a session only where one was asked for")
	}
}

// A registry that was asked before the body was sent, and knows nothing of the session or of the offset, isn't asked the same again:
// that would use up the patience that the next session needs.
func TestWhatAnotherTryCannotMendIsTriedOnce(t *testing.T) {
	for _, status := range []int{404, 416} {
		server := devregistrytest.Start(t, devregistry.Options{})
		c := newPool(t, Options{Retry: impatient}).Client(server.Host)
		var lost atomic.Pointer[string] // the first session, from its first body on
		server.SetFaults(devregistry.Faults{Intercept: func(r devregistry.Request) *devregistry.Fault {
			if r.Kind != devregistry.KindUploadPut && r.Kind != devregistry.KindUploadStatus {
				return nil
			}
			lost.CompareAndSwap(nil, &r.Reference)
			if r.Reference != *lost.Load() {
				return nil
			}
			if r.Kind == devregistry.KindUploadStatus {
				return &devregistry.Fault{Status: 404, Code: "BLOB_UPLOAD_UNKNOWN"}
			}
			return &devregistry.Fault{Status: status, Code: map[int]string{404: "BLOB_UPLOAD_UNKNOWN", 416: "RANGE_INVALID"}[status]}
		}})
		blob := noise(1 << 20)
		digest := DigestOf(blob)
		up, err := c.StartUpload(t.Context(), "a/b", digest, "")
		if err != nil {
			t.Fatal(err)
		}
		c.askFirst()
		if err := up.Put(t.Context(), digest, 1<<20, bytes.NewReader(blob[100:]), 100); !Temporary(err) {
			t.Errorf("%d: %v; want an error that the caller mends", status, err)
		}
		if n := server.Log().Counts()[devregistry.KindUploadPut]; n != 1 {
			t.Errorf("%d: the registry was sent %d PUTs", status, n)
		}
		if _, err := pushOn(t, c, "a/b", blob); err != nil || !server.HasBlob("a/b", digest) {
			t.Errorf("%d: %v", status, err)
		}
	}
}
