package devregistry_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/types"

	"docker-mirror/go-helper/internal/devregistry"
)

// Whatever a client sends, the answer is never a 500 and the handler never panics but to close the connection.
func FuzzServeHTTP(f *testing.F) {
	digest := "sha256:" + strings.Repeat("0", 64)
	manifest := string(types.OCIManifestSchema1)
	f.Add("GET", "/v2/", "", "", "", "")
	f.Add("PUT", "/v2/a/manifests/v1", "", manifest, "", `{"schemaVersion":2,"config":{"digest":"`+digest+`"},"layers":[{"digest":""}]}`)
	f.Add("PUT", "/v2/a/manifests/v1", "", string(types.OCIImageIndex), "", `{"schemaVersion":2,"manifests":[]}`)
	f.Add("POST", "/v2/a/blobs/uploads/", "mount="+digest+"&from=a", "", "", "")
	f.Add("POST", "/v2/a/blobs/uploads/", "digest="+digest, "", "", "content")
	f.Add("PATCH", "/v2/a/blobs/uploads/x", "_state=eCAw", "application/octet-stream", "0-6", "content")
	f.Add("GET", "/v2/a/blobs/"+digest, "", "", "bytes=0-", "")
	f.Add("GET", "/v2/a/tags/list", "n=1&last=%00", "", "", "")
	f.Add("GET", "/v2/a/referrers/"+digest, "artifactType=x", "", "", "")
	f.Add("POST", "/token", "", "application/x-www-form-urlencoded", "", "grant_type=password&scope=repository:a:pull")
	f.Fuzz(func(t *testing.T, method, path, query, contentType, contentRange, body string) {
		if !validMethod(method) {
			return
		}
		for _, dialect := range []devregistry.Dialect{{}, {Auth: devregistry.Auth{Scheme: devregistry.AuthBearer}}} {
			registry, err := devregistry.New(devregistry.Options{Dialect: dialect})
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", strings.NewReader(body))
			r.Method = method
			r.URL = &url.URL{Path: path, RawQuery: query}
			r.Header.Set("Content-Type", contentType)
			r.Header.Set("Content-Range", contentRange)
			r.Header.Set("Range", contentRange)
			w := httptest.NewRecorder()
			serve(t, registry, w, r)
			if w.Code == http.StatusInternalServerError {
				t.Errorf("%s %s?%s: %s", method, path, query, w.Body)
			}
		}
	})
}

func validMethod(method string) bool {
	return method != "" && !strings.ContainsFunc(method, func(r rune) bool { return r < 'A' || r > 'Z' })
}

func serve(t *testing.T, handler http.Handler, w http.ResponseWriter, r *http.Request) {
	t.Helper()
	defer func() {
		if p := recover(); p != nil {
			if err, ok := p.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
		}
	}()
	handler.ServeHTTP(w, r)
}
