package sample_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
	"docker-mirror/go-helper/internal/devregistry/sample"
)

// The bytes are the same on every machine and with every Go.
func TestDigests(t *testing.T) {
	images, err := sample.Set()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"web:1.0": "ceda52b16739d956", "api:2.3": "8440bef752019741", "api:latest": "8440bef752019741",
		"worker:2.3": "d60f8a51716c0a6a", "tools:5.1": "8926503e9dd23905", "untyped:1.0": "d7202eacddd20f9f",
		"single:1.0": "d4b5ffd7f9d0ecac", "noarch:1.0": "cd0f41e4f4f6cb61", "attested:1.0": "5c9b8b36974b3e3c",
		"charts/hello:0.1.0": "0ffe725bb5a1e69d",
	}
	got := map[string]string{}
	for _, image := range images {
		got[image.Repository+":"+image.Tag] = image.Digest.Hex[:16]
	}
	for ref, digest := range got {
		if want[ref] != digest {
			t.Errorf("%q: %q, was %q", ref, digest, want[ref])
		}
	}
	if len(want) != len(got) {
		t.Errorf("%d images, want %d", len(got), len(want))
	}
}

// Every layer is gzip as others read it.
func TestLayersAreGzip(t *testing.T) {
	images, err := sample.Set()
	if err != nil {
		t.Fatal(err)
	}
	for _, image := range images {
		if image.Repository != sample.RepositoryAPI {
			continue
		}
		for _, blob := range image.Blobs {
			if blob.Content[0] == '{' {
				continue
			}
			r, err := gzip.NewReader(bytes.NewReader(blob.Content))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, r); err != nil {
				t.Errorf("layer %s: %v", blob.Digest, err)
			}
		}
	}
}

func TestPush(t *testing.T) {
	s := devregistrytest.Start(t, devregistry.Options{})
	pushed, err := sample.Push(t.Context(), nil, s.URL, "demo/")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pushed {
		ref, err := name.ParseReference(fmt.Sprintf("%s/%s:%s", s.Host, p.Repository, p.Tag))
		if err != nil {
			t.Fatal(err)
		}
		desc, err := remote.Get(ref)
		if err != nil {
			t.Fatal(err)
		}
		if desc.Digest != p.Digest || desc.MediaType != types.MediaType(p.MediaType) {
			t.Errorf("%s: %s %s, want %s %s", ref, desc.Digest, desc.MediaType, p.Digest, p.MediaType)
		}
		if p.Repository == "demo/"+sample.RepositoryHelmChart || p.Repository == "demo/"+sample.RepositoryAttested {
			continue // validate knows images only
		}
		if desc.MediaType.IsIndex() {
			index, err := desc.ImageIndex()
			if err != nil {
				t.Fatal(err)
			}
			if err := validate.Index(index); err != nil {
				t.Errorf("%s: %v", ref, err)
			}
			continue
		}
		image, err := desc.Image()
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(image); err != nil {
			t.Errorf("%s: %v", ref, err)
		}
	}
	if len(s.Log().Mounts()) == 0 {
		t.Error("nothing was mounted")
	}
	if open := s.OpenUploads(); open != 0 {
		t.Errorf("%d uploads were left open", open)
	}
	// Again sends nothing.
	s.Log().Reset()
	if _, err := sample.Push(t.Context(), nil, s.URL, "demo/"); err != nil {
		t.Fatal(err)
	}
	if uploads := s.Log().Uploads(); len(uploads) > 0 {
		t.Errorf("uploaded again: %v", uploads)
	}
}

func TestAttached(t *testing.T) {
	s := devregistrytest.Start(t, devregistry.Options{})
	if _, err := sample.Push(t.Context(), nil, s.URL, ""); err != nil {
		t.Fatal(err)
	}
	set, err := sample.Set()
	if err != nil {
		t.Fatal(err)
	}
	attached, err := sample.Attached()
	if err != nil {
		t.Fatal(err)
	}
	fallback, err := sample.Fallback()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sample.PushImages(t.Context(), nil, s.URL, "", append(attached, fallback...)); err != nil {
		t.Fatal(err)
	}
	// The registry's own referrers and the fallback tags say the same.
	for _, image := range []sample.Image{set[0], set[1], {Repository: sample.RepositoryWeb, Manifest: set[0].Children[0]}, attached[1]} {
		ref, err := name.NewDigest(s.Host + "/" + image.Repository + "@" + image.Digest.String())
		if err != nil {
			t.Fatal(err)
		}
		referrers, err := remote.Referrers(ref)
		if err != nil {
			t.Fatal(err)
		}
		byAPI, err := referrers.IndexManifest()
		if err != nil {
			t.Fatal(err)
		}
		tag, err := remote.Index(ref.Context().Tag("sha256-" + image.Digest.Hex))
		if err != nil {
			t.Fatal(err)
		}
		byTag, err := tag.IndexManifest()
		if err != nil {
			t.Fatal(err)
		}
		if len(byAPI.Manifests) == 0 || len(byAPI.Manifests) != len(byTag.Manifests) {
			t.Errorf("%s: %d referrers by API, %d by tag", ref, len(byAPI.Manifests), len(byTag.Manifests))
		}
		for _, d := range byAPI.Manifests {
			if !slices.ContainsFunc(byTag.Manifests, func(e v1.Descriptor) bool { return e.Digest == d.Digest && e.ArtifactType == d.ArtifactType }) {
				t.Errorf("%s: %s (%s) isn't in the fallback tag", ref, d.Digest, d.ArtifactType)
			}
		}
	}
}
