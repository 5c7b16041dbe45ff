package registry

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
)

func TestContentMissing(t *testing.T) {
	for _, tt := range []struct {
		err            *Error
		unknown, maybe bool
	}{
		{&Error{Status: 400, MediaType: "x", Codes: []Code{{Code: "MANIFEST_BLOB_UNKNOWN"}}}, true, true},
		{&Error{Status: 404, MediaType: "x", Codes: []Code{{Code: "BLOB_UNKNOWN"}}}, true, true},
		{&Error{Status: 400, MediaType: "x", Codes: []Code{{Code: "MANIFEST_INVALID"}}}, false, true},
		{&Error{Status: 415, MediaType: "x", Codes: []Code{{Code: "MANIFEST_INVALID"}}}, false, false},
		{&Error{Status: 400, MediaType: "x"}, false, false},
		{&Error{Status: 404, Codes: []Code{{Code: "BLOB_UNKNOWN"}}}, false, false}, // a blob was asked for
	} {
		err := fmt.Errorf("copying: %w", tt.err)
		if BlobUnknown(err) != tt.unknown || ContentMissing(err) != tt.maybe {
			t.Errorf("%v: %v, %v", err, BlobUnknown(err), ContentMissing(err))
		}
	}
}

// A kind of manifest that was refused is known to be.
func TestRefusedMediaTypes(t *testing.T) {
	server := devregistrytest.Start(t, devregistry.Options{Dialect: devregistry.Dialect{RefuseMediaTypes: []string{emptyIndex.MediaType}}})
	c := newPool(t, Options{Retry: impatient}).Client(server.Host)
	if err := c.Refuses("a/b", emptyIndex.MediaType); err != nil {
		t.Errorf("before: %v", err)
	}
	if err := c.PutManifest(t.Context(), "a/b", "v1", emptyIndex); err == nil {
		t.Error("taken")
	}
	err := c.Refuses("c/d", emptyIndex.MediaType)
	var refused *Error
	if !errors.As(err, &refused) || refused.Repository != "c/d" || refused.Status != 415 || refused.MediaType != emptyIndex.MediaType || !strings.Contains(err.Error(), "nothing of this image was sent") {
		t.Errorf("after: %v", err)
	}
	if err := c.Refuses("c/d", "another"); err != nil {
		t.Errorf("another type: %v", err)
	}
	// One that is refused for what it says is about itself.
	server.SetDialect(devregistry.Dialect{})
	if err := c.PutManifest(t.Context(), "a/b", "v1", &Manifest{MediaType: "application/x", Body: []byte("{}")}); err == nil || c.Refuses("a/b", "application/x") != nil {
		t.Errorf("%v", err)
	}
}
