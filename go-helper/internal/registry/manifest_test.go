package registry

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/types"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
)

var emptyIndex = &Manifest{
	MediaType: string(types.OCIImageIndex),
	Body:      []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`),
}

func TestManifests(t *testing.T) {
	for _, tt := range []struct {
		name    string
		dialect devregistry.Dialect
	}{
		{"plain", devregistry.Dialect{}},
		{"no digest on HEAD", devregistry.Dialect{NoDigestOnHead: true}},
		{"relative Location", devregistry.Dialect{RelativeLocation: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := devregistrytest.Start(t, devregistry.Options{Dialect: tt.dialect})
			c := newPool(t, Options{Retry: impatient}).Client(server.Host)
			ctx := t.Context()
			if err := c.PutManifest(ctx, "a/b", "v1", emptyIndex); err != nil {
				t.Fatal(err)
			}
			digest := DigestOf(emptyIndex.Body)
			for _, identifier := range []string{"v1", digest.String()} {
				head, err := c.HeadManifest(ctx, "a/b", identifier)
				if err != nil || head.Digest != digest || head.Size != int64(len(emptyIndex.Body)) || head.MediaType != types.OCIImageIndex {
					t.Errorf("HEAD %s: %+v, %v", identifier, head, err)
				}
				m, err := c.GetManifest(ctx, "a/b", identifier)
				if err != nil || m.Digest != digest || !bytes.Equal(m.Body, emptyIndex.Body) || m.MediaType != emptyIndex.MediaType {
					t.Errorf("GET %s: %+v, %v", identifier, m, err)
				}
			}
			if _, err := c.GetManifest(ctx, "a/b", "v2"); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), server.Host+"/a/b:v2") {
				t.Errorf("a missing tag: %v", err)
			}
			if _, err := c.HeadManifest(ctx, "a/b", DigestOf(nil).String()); !errors.Is(err, ErrNotFound) {
				t.Errorf("a missing digest: %v", err)
			}
		})
	}
}

func TestManifestErrors(t *testing.T) {
	right := `{"schemaVersion":2}`
	digest := DigestOf([]byte(right))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v2/{$}", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /v2/wrong/manifests/{ref}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, right, "\n") })
	mux.HandleFunc("HEAD /v2/wronghead/manifests/{ref}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Docker-Content-Digest", DigestOf(nil).String())
		w.Header().Set("Content-Length", "2")
	})
	mux.HandleFunc("PUT /v2/wrong/manifests/{ref}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Docker-Content-Digest", DigestOf(nil).String())
		w.WriteHeader(http.StatusCreated)
	})
	mux.HandleFunc("GET /v2/big/manifests/{ref}", func(w http.ResponseWriter, _ *http.Request) {
		for range maxManifest>>10 + 1 {
			_, _ = w.Write(make([]byte, 1<<10))
		}
	})
	mux.HandleFunc("GET /v2/talkative/manifests/{ref}", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `{"errors": [{"code": "DENIED", "message": %q}]}`, strings.Repeat("no\n", 1000))
	})
	mux.HandleFunc("GET /v2/endless/manifests/{ref}", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		for range 1000 {
			_, _ = w.Write(make([]byte, 1<<10))
		}
	})
	mux.HandleFunc("HEAD /v2/nohead/manifests/{ref}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusMethodNotAllowed) })
	mux.HandleFunc("GET /v2/nohead/manifests/{ref}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, right) })
	mux.HandleFunc("HEAD /v2/oddhead/manifests/{ref}", func(w http.ResponseWriter, r *http.Request) {
		status, _ := strconv.Atoi(r.PathValue("ref"))
		w.WriteHeader(status)
	})
	mux.HandleFunc("GET /v2/oddhead/manifests/{ref}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("ref") == "400" {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"errors":[{"code":"NAME_INVALID","message":"two components, please"}]}`)
			return
		}
		fmt.Fprint(w, right)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	c := newPool(t, Options{Retry: impatient}).Client(strings.TrimPrefix(server.URL, "http://"))
	ctx := t.Context()

	var mismatch *DigestMismatchError
	if _, err := c.GetManifest(ctx, "wrong", digest.String()); !errors.As(err, &mismatch) || mismatch.Want != digest || Temporary(err) {
		t.Errorf("other content than its digest: %v", err)
	}
	if _, err := c.HeadManifest(ctx, "wronghead", digest.String()); !errors.As(err, &mismatch) || Temporary(err) {
		t.Errorf("another digest than asked for: %v", err)
	}
	if err := c.PutManifest(ctx, "wrong", "v1", &Manifest{Body: []byte(right)}); !errors.As(err, &mismatch) || Temporary(err) {
		t.Errorf("another digest than sent: %v", err)
	}
	if _, err := c.GetManifest(ctx, "big", "v1"); err == nil || Temporary(err) || !strings.Contains(err.Error(), "more than the 4194304 bytes") {
		t.Errorf("too big: %v", err)
	}
	if _, err := c.GetManifest(ctx, "talkative", "v1"); !IsDenied(err) || len(err.Error()) > 800 || strings.Contains(err.Error(), "\n") {
		t.Errorf("a long message: %v", err)
	}
	if _, err := c.GetManifest(ctx, "endless", "v1"); err == nil || !strings.Contains(err.Error(), "400 Bad Request") {
		t.Errorf("an endless error: %v", err)
	}
	if head, err := c.HeadManifest(ctx, "nohead", "v1"); err != nil || head.Digest != digest {
		t.Errorf("HEAD not allowed: %v, %v", head, err)
	}
	for _, ref := range []string{"405", "406", "501"} {
		if head, err := c.HeadManifest(ctx, "oddhead", ref); err != nil || head.Digest != digest {
			t.Errorf("HEAD answered %s: %v, %v", ref, head, err)
		}
	}
	if _, err := c.HeadManifest(ctx, "oddhead", "400"); err == nil || !strings.Contains(err.Error(), "two components, please") {
		t.Errorf("why a HEAD is refused: %v", err)
	}
}

func TestTags(t *testing.T) {
	for _, tt := range []struct {
		name    string
		dialect devregistry.Dialect
		pages   int
	}{
		{"one page", devregistry.Dialect{}, 2},
		{"pages", devregistry.Dialect{TagsPageSize: 7}, 4},
		{"pages, absolute", devregistry.Dialect{TagsPageSize: 7, AbsoluteLink: true}, 4},
		{"pages without Link", devregistry.Dialect{TagsPageSize: 7, NoLink: true}, 5},
		{"pages end with the last tag", devregistry.Dialect{TagsPageSize: 5}, 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := devregistrytest.Start(t, devregistry.Options{Dialect: tt.dialect})
			c := newPool(t, Options{Retry: impatient}).Client(server.Host)
			if missing, err := c.RepositoryMissing(t.Context(), "a/b"); err != nil || !missing {
				t.Errorf("missing: %v, %v", missing, err)
			}
			if _, err := c.ListTags(t.Context(), "a/b"); !errors.Is(err, ErrNotFound) {
				t.Errorf("tags of a missing repository: %v", err)
			}
			var want []string
			for i := range 25 {
				want = append(want, fmt.Sprintf("v%02d", i))
				if err := c.PutManifest(t.Context(), "a/b", want[i], emptyIndex); err != nil {
					t.Fatal(err)
				}
			}
			if missing, err := c.RepositoryMissing(t.Context(), "a/b"); err != nil || missing {
				t.Errorf("missing: %v, %v", missing, err)
			}
			server.Log().Reset()
			tags, err := c.ListTags(t.Context(), "a/b")
			if err != nil || !slices.Equal(tags, want) {
				t.Errorf("%v, %v", tags, err)
			}
			if n := len(server.Log().Entries()); tt.pages > 0 && n != tt.pages {
				t.Errorf("%d requests, want %d", n, tt.pages)
			}
			server.SetFaults(devregistry.Faults{RejectEvery: 1, RejectStatus: http.StatusForbidden})
			if missing, err := c.RepositoryMissing(t.Context(), "c/d"); err == nil || missing {
				t.Errorf("403 is no answer: %v, %v", missing, err)
			}
		})
	}
}

func TestTagsOfHostileRegistries(t *testing.T) {
	for name, link := range map[string]string{
		"the same page for ever": `</v2/a/b/tags/list?n=1>; rel="next"`,
		"another host":           `<http://127.0.0.2:1/v2/a/b/tags/list>; rel="next"`,
		"no URL":                 `<http://%zz>; rel="next"`,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", link)
			fmt.Fprint(w, `{"tags": ["v1"]}`)
		}))
		c := newPool(t, Options{Retry: impatient}).Client(strings.TrimPrefix(server.URL, "http://"))
		if tags, err := c.ListTags(t.Context(), "a/b"); err == nil || Temporary(err) {
			t.Errorf("%s: %v, %v", name, tags, err)
		}
		server.Close()
	}
}
