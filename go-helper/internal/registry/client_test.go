package registry

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
)

func newPool(t testing.TB, opts Options) *Pool {
	t.Helper()
	pool, err := NewPool(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func TestHappyPath(t *testing.T) {
	ctx := context.Background()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	pool := newPool(t, Options{})
	c := pool.Client(strings.TrimPrefix(server.URL, "http://"))

	if _, err := c.HeadManifest(ctx, "a/b", "v1"); !errors.Is(err, ErrNotFound) {
		t.Fatalf("HEAD of a missing tag: %v", err)
	}
	if missing, err := c.RepositoryMissing(ctx, "a/b"); err != nil || !missing {
		t.Fatalf("RepositoryMissing = %v, %v", missing, err)
	}
	blob := bytes.Repeat([]byte("blob"), 1<<16)
	digest := DigestOf(blob)
	if exists, err := c.HeadBlob(ctx, "a/b", digest, int64(len(blob))); err != nil || exists {
		t.Fatalf("HeadBlob = %v, %v", exists, err)
	}
	up, err := c.StartUpload(ctx, "a/b", digest, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := up.Put(ctx, digest, int64(len(blob)), bytes.NewReader(blob), 0); err != nil {
		t.Fatal(err)
	}
	if exists, err := c.HeadBlob(ctx, "a/b", digest, int64(len(blob))); err != nil || !exists {
		t.Fatalf("HeadBlob = %v, %v", exists, err)
	}
	r, err := c.OpenBlob(ctx, "a/b", digest, 0)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, blob) {
		t.Fatalf("read %d bytes, %v", len(got), err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}

	body := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{},"layers":[]}`)
	m := &Manifest{MediaType: "application/vnd.oci.image.manifest.v1+json", Body: body}
	if err := c.PutManifest(ctx, "a/b", "v1", m); err != nil {
		t.Fatal(err)
	}
	d, err := c.HeadManifest(ctx, "a/b", "v1")
	if err != nil || d.Digest != DigestOf(body) || d.Size != int64(len(body)) || string(d.MediaType) != m.MediaType {
		t.Fatalf("HeadManifest = %+v, %v", d, err)
	}
	read, err := c.GetManifest(ctx, "a/b", d.Digest.String())
	if err != nil || !bytes.Equal(read.Body, body) || read.Digest != d.Digest || read.MediaType != m.MediaType {
		t.Fatalf("GetManifest = %+v, %v", read, err)
	}
	tags, err := c.ListTags(ctx, "a/b")
	if err != nil || len(tags) != 1 || tags[0] != "v1" {
		t.Fatalf("ListTags = %v, %v", tags, err)
	}
	if stats := pool.Stats()[c.Host()]; stats.Requests["ping"] != 1 || stats.BytesUp != int64(len(blob)) || stats.BytesDown != int64(len(blob)) {
		t.Fatalf("stats: %+v", stats)
	}
}
