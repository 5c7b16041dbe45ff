package evidence

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/registry"
)

// shelf is a registry whose content is in memory; what isn't there is not found.
type shelf struct {
	referrers []v1.Descriptor
	manifests map[string]any
	asked     map[string]int
}

func (s *shelf) Host() string { return "registry.example" }

func (s *shelf) AllReferrers(context.Context, string, v1.Hash) ([]v1.Descriptor, error) {
	s.asked["referrers"]++
	return s.referrers, nil
}

func (s *shelf) HeadManifest(_ context.Context, _, identifier string) (v1.Descriptor, error) {
	if s.manifests[identifier] == nil {
		return v1.Descriptor{}, registry.ErrNotFound
	}
	return v1.Descriptor{}, nil
}

func (s *shelf) GetManifest(_ context.Context, _, identifier string) (*registry.Manifest, error) {
	if s.manifests[identifier] == nil {
		return nil, registry.ErrNotFound
	}
	if body, ok := s.manifests[identifier].(json.RawMessage); ok {
		return &registry.Manifest{Body: body}, nil
	}
	body, err := json.Marshal(s.manifests[identifier])
	return &registry.Manifest{Body: body}, err
}

func (s *shelf) ReadBlob(context.Context, string, v1.Hash, int64, io.Writer) (int64, error) {
	s.asked["blob"]++
	return 0, registry.ErrNotFound
}

func hashOf(t *testing.T, data []byte) v1.Hash {
	t.Helper()
	digest, _, err := v1.SHA256(strings.NewReader(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// layer has its content with it, as descriptors may.
func layer(t *testing.T, data []byte, mediaType string) v1.Descriptor {
	return v1.Descriptor{MediaType: "application/" + "x", Digest: hashOf(t, data), Size: int64(len(data)), Data: data, ArtifactType: mediaType}
}

func TestWhatReferrersMustBe(t *testing.T) {
	t.Parallel()
	image := hashOf(t, []byte("image"))
	another := hashOf(t, []byte("another"))
	bundle := layer(t, []byte("{}"), "")
	full := func(change func(m map[string]any)) map[string]any {
		m := map[string]any{"artifactType": bundleType + ".v0.3+json", "subject": v1.Descriptor{Digest: image}, "layers": []any{bundle}}
		change(m)
		return m
	}
	wrong := bundle
	wrong.Data = []byte("[]")
	large := bundle
	large.Size = MaxSize + 1
	for name, c := range map[string]struct {
		listedAs string
		manifest map[string]any
		items    int
		refused  string
		failed   string
	}{
		"a bundle":                    {bundleType + ".v0.3+json", full(func(map[string]any) {}), 1, "", ""},
		"listed without a type":       {"", full(func(map[string]any) {}), 1, "", ""},
		"something else, without one": {"", full(func(m map[string]any) { m["artifactType"] = "application/spdx" }), 0, "", ""},
		"typed by its config": {bundleType, full(func(m map[string]any) {
			delete(m, "artifactType")
			m["config"] = v1.Descriptor{MediaType: bundleType + ".v0.3+json", Digest: image}
		}), 1, "", ""},
		"of another subject": {bundleType, full(func(m map[string]any) { m["subject"] = v1.Descriptor{Digest: another} }), 1, "refers to another manifest", ""},
		"without a subject":  {bundleType, full(func(m map[string]any) { delete(m, "subject") }), 1, "refers to another manifest", ""},
		"two layers":         {bundleType, full(func(m map[string]any) { m["layers"] = []any{bundle, bundle} }), 1, "it has 2 layers", ""},
		"too large":          {bundleType, full(func(m map[string]any) { m["layers"] = []any{large} }), 1, "at most 1048576 are read", ""},
		"other bytes":        {bundleType, full(func(m map[string]any) { m["layers"] = []any{wrong} }), 0, "", "has the digest sha256:"},
		"not there":          {bundleType, nil, 0, "", "which is listed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			own := hashOf(t, []byte(name))
			s := &shelf{asked: map[string]int{}, manifests: map[string]any{}, referrers: []v1.Descriptor{{Digest: own, ArtifactType: c.listedAs}}}
			if c.manifest != nil {
				s.manifests[own.String()] = c.manifest
			}
			found := (&Finder{}).Find(t.Context(), s, "app", image, true)
			if len(found.Items) != c.items || (len(found.Errs) > 0) != (c.failed != "") {
				t.Fatalf("found %+v, %v", found.Items, found.Errs)
			}
			if c.items > 0 && (!strings.Contains(found.Items[0].Refused, c.refused) || (found.Items[0].Bytes == nil) != (c.refused != "")) {
				t.Errorf("found %+v", found.Items[0])
			}
			if c.failed != "" && !strings.Contains(found.Errs[0].Error(), c.failed) {
				t.Errorf("failed with %v", found.Errs)
			}
			if s.asked["blob"] != 0 {
				t.Error("what the descriptor has with it was asked for")
			}
		})
	}
}

func TestWhatIsReadOfOneManifestIsBounded(t *testing.T) {
	t.Parallel()
	image := hashOf(t, []byte("image"))
	var layers []any
	for i := range 9 { // of nearly 1 MiB each
		d := layer(t, []byte(strings.Repeat(string(rune('a'+i)), MaxSize-1)), "")
		d.MediaType = payloadType
		layers = append(layers, d)
	}
	body, err := json.Marshal(map[string]any{"layers": layers})
	if err != nil {
		t.Fatal(err)
	}
	s := &shelf{asked: map[string]int{}, manifests: map[string]any{registry.ReferrersTag(image) + ".sig": json.RawMessage(body)}}
	f := &Finder{}
	found := f.Find(t.Context(), s, "app", image, false)
	if !found.Beyond || len(found.Items) != 8 {
		t.Errorf("%d items, beyond: %v", len(found.Items), found.Beyond)
	}
	// What many images have is not all kept.
	for i := range 9 {
		f.Find(t.Context(), &shelf{asked: map[string]int{}, manifests: s.manifests}, "app"+strings.Repeat("x", i), image, false)
	}
	if f.kept > maxKept {
		t.Errorf("%d bytes are kept", f.kept)
	}
}

// The patience with a blob is that of one piece of work, wherever it breaks.
func TestContentThatBreaksIsReadWithOnePatience(t *testing.T) {
	t.Parallel()
	content := []byte(strings.Repeat("evidence ", 100))
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter, r *http.Request, try int64)
		asked  int64
		fails  bool
	}{
		"always a 500": {func(w http.ResponseWriter, _ *http.Request, _ int64) { w.WriteHeader(http.StatusInternalServerError) }, 3, true},
		"cut twice": {func(w http.ResponseWriter, r *http.Request, try int64) {
			if try <= 2 {
				w.Header().Set("Content-Length", "900")
				_, _ = w.Write(content[:100*try])
				return
			}
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(content)))
		}, 3, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(r.URL.Path, "/blobs/") {
					c.answer(w, r, asked.Add(1))
				}
			}))
			t.Cleanup(server.Close)
			pool, err := registry.NewPool(registry.Options{Retry: registry.RetryPolicy{Attempts: 3, Backoff: time.Millisecond, MaxBackoff: time.Millisecond}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(pool.Close)
			l := &looking{at: pool.Client(strings.TrimPrefix(server.URL, "http://")), repository: "app"}
			data, err := l.read(t.Context(), v1.Descriptor{Digest: hashOf(t, content), Size: int64(len(content))})
			if (err != nil) != c.fails || err == nil && string(data) != string(content) || c.fails && !registry.Temporary(err) {
				t.Errorf("read %d bytes, %v", len(data), err)
			}
			if n := asked.Load(); n != c.asked {
				t.Errorf("asked %d times, and %d is right", n, c.asked)
			}
		})
	}
}
