package registry_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
	"docker-mirror/go-helper/internal/registry"
)

func TestReferrers(t *testing.T) {
	tests := map[string]struct {
		dialect devregistry.Dialect
		listed  bool
	}{
		"by the API":        {devregistry.Dialect{}, true},
		"by the tag schema": {devregistry.Dialect{NoReferrers: true}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server := devregistrytest.Start(t, devregistry.Options{Dialect: test.dialect})
			pool, err := registry.NewPool(registry.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer pool.Close()
			c := pool.Client(server.Host)
			manifest := func(m map[string]any) *registry.Manifest {
				m["schemaVersion"], m["mediaType"] = 2, "application/vnd.oci.image.index.v1+json"
				body, err := json.Marshal(m)
				if err != nil {
					t.Fatal(err)
				}
				digest, _, err := v1.SHA256(bytes.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				return &registry.Manifest{MediaType: "application/vnd.oci.image.index.v1+json", Digest: digest, Body: body}
			}
			subject := manifest(map[string]any{"manifests": []any{}})
			if err := c.PutManifest(t.Context(), "x", "v", subject); err != nil {
				t.Fatal(err)
			}
			if list, err := c.Referrers(t.Context(), "x", subject.Digest); err != nil || len(list) != 0 {
				t.Fatalf("none there: %v, %v", list, err)
			}
			descriptor := map[string]any{"mediaType": subject.MediaType, "digest": subject.Digest.String(), "size": len(subject.Body)}
			refers := manifest(map[string]any{"manifests": []any{}, "subject": descriptor, "artifactType": "application/x"})
			listed, err := c.PutReferrer(t.Context(), "x", refers)
			if err != nil || listed != test.listed {
				t.Fatalf("PutReferrer: %v, %v; want %v", listed, err, test.listed)
			}
			if !listed {
				index := manifest(map[string]any{"manifests": []any{map[string]any{
					"mediaType": refers.MediaType, "digest": refers.Digest.String(), "size": len(refers.Body),
				}}})
				if err := c.PutManifest(t.Context(), "x", registry.ReferrersTag(subject.Digest), index); err != nil {
					t.Fatal(err)
				}
			}
			list, err := c.Referrers(t.Context(), "x", subject.Digest)
			if err != nil || len(list) != 1 || list[0].Digest != refers.Digest {
				t.Errorf("got %v, %v", list, err)
			}
			// A failure is never "none".
			server.SetFaults(devregistry.Faults{Intercept: devregistry.Always(func(devregistry.Request) bool { return true },
				devregistry.Fault{Status: http.StatusForbidden, Code: devregistry.CodeDenied})})
			if list, err := c.Referrers(t.Context(), "x", subject.Digest); !registry.IsDenied(err) {
				t.Errorf("forbidden: %v, %v", list, err)
			}
		})
	}
}

// GitLab answers `sha256-<hex>` with the manifest of that digest. A HEAD tells, and what is read where it doesn't.
func TestAReferrersTagThatIsTheManifestItself(t *testing.T) {
	for name, test := range map[string]struct {
		dialect devregistry.Dialect
		gets    int
	}{
		"told by HEAD": {devregistry.Dialect{NoReferrers: true}, 0},
		"not told": {devregistry.Dialect{NoReferrers: true, HeadDigest: func(string, string) string {
			return "sha256:0000000000000000000000000000000000000000000000000000000000000000"
		}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			server := devregistrytest.Start(t, devregistry.Options{Dialect: test.dialect})
			pool, err := registry.NewPool(registry.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer pool.Close()
			body := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[` +
				`{"digest":"sha256:1111111111111111111111111111111111111111111111111111111111111111","size":2}]}`)
			digest, _, err := v1.SHA256(bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if err := server.PlantManifest("x", registry.ReferrersTag(digest), "application/vnd.oci.image.index.v1+json", body); err != nil {
				t.Fatal(err)
			}
			list, err := pool.Client(server.Host).Referrers(t.Context(), "x", digest)
			if err != nil || len(list) > 0 {
				t.Errorf("listed %v, %v", list, err)
			}
			if n := server.Log().Counts()[devregistry.KindManifestGet]; n != test.gets {
				t.Errorf("%d manifests were read, want %d", n, test.gets)
			}
		})
	}
}

// clientOf is a client of a registry that answers as a handler does, and the digest of a subject.
func clientOf(t *testing.T, answer http.HandlerFunc, subject string) (*registry.Client, v1.Hash) {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	pool, err := registry.NewPool(registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	digest, err := v1.NewHash(subject)
	if err != nil {
		t.Fatal(err)
	}
	return pool.Client(strings.TrimPrefix(server.URL, "http://")), digest
}

// What a registry's first page has shown is that it has the API: a later one that is missing hides what it lists.
func TestAListOfReferrersThatBreaksBetweenPagesIsNone(t *testing.T) {
	t.Parallel()
	const subject = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	for name, test := range map[string]struct {
		second func(w http.ResponseWriter)
		says   string
	}{
		"not found":        {func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) }, "404 Not Found"},
		"not allowed":      {func(w http.ResponseWriter) { w.WriteHeader(http.StatusMethodNotAllowed) }, "405 Method Not Allowed"},
		"a page of a site": {func(w http.ResponseWriter) { _, _ = w.Write([]byte("<html>")) }, "the answer is no index but text/html"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, digest := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path == "/v2/":
				case r.URL.Query().Get("page") == "2":
					test.second(w)
				case strings.Contains(r.URL.Path, "/referrers/"):
					w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
					w.Header().Set("Link", "<"+r.URL.Path+"?page=2>; rel=\"next\"")
					_, _ = w.Write([]byte(`{"manifests":[]}`))
				default:
					w.WriteHeader(http.StatusNotFound)
				}
			}, subject)
			list, err := c.Referrers(t.Context(), "x", digest)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("listed %v, %v; want %q", list, err, test.says)
			}
		})
	}
}

// A 200 with something else than a list is no answer: a page doesn't say that there is no API, and not that nothing refers. What the
// referrers tag lists counts; that there is no such tag doesn't.
func TestA200ThatIsNoListOfReferrersIsNoAnswer(t *testing.T) {
	t.Parallel()
	const subject, referrer = "sha256:1111111111111111111111111111111111111111111111111111111111111111", "sha256:2222222222222222222222222222222222222222222222222222222222222222"
	index := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"digest":"` + referrer + `","size":2}]}`
	for name, test := range map[string]struct {
		contentType, body string
		tagged            bool
		listed            int
		says              string
	}{
		"a page":                       {"text/html; charset=utf-8", "<html>Log in</html>", false, 0, "the answer is no index but text/html, so whether there are any isn't known"},
		"a page, and a tag":            {"text/html", "<html>Log in</html>", true, 1, ""},
		"nothing":                      {"text/plain", "", false, 0, "no index but text/plain"},
		"JSON of something else":       {"application/json", `{"detail":"log in"}`, false, 0, "no index but application/json"},
		"an image":                     {"application/vnd.oci.image.index.v1+json", `{"manifests":[],"config":{}}`, false, 0, "it has the config or layers of an image"},
		"a list of the type":           {"application/vnd.oci.image.index.v1+json", index, false, 1, ""},
		"a list of another type":       {"text/plain", index, false, 1, ""},
		"a list of none, and the type": {"application/vnd.oci.image.index.v1+json", `{"manifests":[]}`, true, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, digest := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path == "/v2/":
				case strings.Contains(r.URL.Path, "/referrers/"):
					w.Header().Set("Content-Type", test.contentType)
					_, _ = w.Write([]byte(test.body))
				case test.tagged && strings.HasSuffix(r.URL.Path, "/manifests/sha256-"+strings.TrimPrefix(subject, "sha256:")):
					w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
					_, _ = w.Write([]byte(index))
				default:
					w.WriteHeader(http.StatusNotFound)
				}
			}, subject)
			for range 2 { // the first answer is not taken for that of all others
				for _, ask := range []func() ([]v1.Descriptor, error){
					func() ([]v1.Descriptor, error) { return c.Referrers(t.Context(), "x", digest) },
					func() ([]v1.Descriptor, error) { return c.AllReferrers(t.Context(), "x", digest) },
				} {
					list, err := ask()
					if len(list) != test.listed || (err == nil) != (test.says == "") || err != nil && (registry.Temporary(err) || !strings.Contains(err.Error(), test.says)) {
						t.Errorf("listed %v, %v; want %d, %q", list, err, test.listed, test.says)
					}
				}
			}
		})
	}
}

// One repository without the API says nothing of another one for who must not miss any.
func TestReferrersOfARegistryWhoseRepositoriesDiffer(t *testing.T) {
	t.Parallel()
	server := devregistrytest.Start(t, devregistry.Options{})
	server.SetFaults(devregistry.Faults{Intercept: devregistry.Always(func(r devregistry.Request) bool {
		return r.Kind == devregistry.KindReferrers && r.Repository == "without"
	}, devregistry.Fault{Status: http.StatusNotFound, Body: "404 page not found"})})
	pool, err := registry.NewPool(registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	c := pool.Client(server.Host)
	subject := v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("1", 64)}
	body := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","artifactType":"application/x","manifests":[],` +
		`"subject":{"mediaType":"application/vnd.oci.image.index.v1+json","size":2,"digest":"` + subject.String() + `"}}`)
	if err := server.PlantManifest("with", "referrer", "application/vnd.oci.image.index.v1+json", body); err != nil {
		t.Fatal(err)
	}
	for repository, want := range map[string]int{"without": 0, "with": 1} {
		if _, err := c.Referrers(t.Context(), "without", subject); err != nil {
			t.Fatal(err)
		}
		if list, err := c.AllReferrers(t.Context(), repository, subject); err != nil || len(list) != want {
			t.Errorf("%s: listed %v, %v; want %d", repository, list, err, want)
		}
	}
}
