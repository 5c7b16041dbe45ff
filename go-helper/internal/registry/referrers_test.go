package registry_test

import (
	"bytes"
	"encoding/json"
	"net/http"
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
