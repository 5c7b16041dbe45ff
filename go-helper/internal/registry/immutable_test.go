package registry

import (
	"errors"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
)

// A tag that can't be moved is fine where it names what we want, also where the answer to our own write got lost, and one
// clear error where it doesn't.
func TestImmutableTags(t *testing.T) {
	index := func(n string) *Manifest {
		return &Manifest{MediaType: "application/vnd.oci.image.index.v1+json", Body: []byte(`{"schemaVersion":2,"manifests":[],"annotations":{"n":"` + n + `"}}`)}
	}
	for name, dialect := range map[string]devregistry.Dialect{
		"ECR":    {ImmutableTags: true},
		"Harbor": {ImmutableTagsStrict: true},
	} {
		t.Run(name, func(t *testing.T) {
			server := devregistrytest.Start(t, devregistry.Options{Dialect: dialect})
			c := newPool(t, Options{Retry: impatient}).Client(server.Host)
			one, two := index("1"), index("2")
			server.SetFaults(devregistry.Faults{Intercept: devregistry.Once(isKind(devregistry.KindManifestPut), devregistry.Fault{LoseAnswer: true})})
			for range 2 {
				if err := c.PutManifest(t.Context(), "a/b", "v1", one); err != nil {
					t.Fatalf("the same digest: %v", err)
				}
			}
			server.Log().Reset()
			err := c.PutManifest(t.Context(), "a/b", "v1", two)
			var immutable *ImmutableTagError
			if !errors.As(err, &immutable) || Temporary(err) || immutable.Have != DigestOf(one.Body) || immutable.Want != DigestOf(two.Body) {
				t.Fatalf("another digest: %v", err)
			}
			if !strings.Contains(err.Error(), "/a/b:v1 is immutable") || strings.Contains(err.Error(), "\n") {
				t.Errorf("says %v", err)
			}
			if n := len(entries(server, devregistry.KindManifestPut)); n != 1 {
				t.Errorf("%d writes", n)
			}
			if err := c.PutManifest(t.Context(), "a/b", DigestOf(two.Body).String(), two); err != nil {
				t.Errorf("by digest: %v", err)
			}
		})
	}
}

// A write that is refused for another reason stays what it is.
func TestRefusedWriteIsNoImmutableTag(t *testing.T) {
	server := devregistrytest.Start(t, devregistry.Options{})
	c := newPool(t, Options{Retry: impatient}).Client(server.Host)
	server.SetFaults(devregistry.Faults{Intercept: devregistry.Always(isKind(devregistry.KindManifestPut), devregistry.Fault{
		Status: 400, Code: "TAG_INVALID", Message: "manifest tag did not match URI",
	})})
	err := c.PutManifest(t.Context(), "a/b", "v1", &Manifest{MediaType: "application/vnd.oci.image.index.v1+json", Body: []byte("{}")})
	var immutable *ImmutableTagError
	if err == nil || errors.As(err, &immutable) || !strings.Contains(err.Error(), "did not match") {
		t.Errorf("got %v", err)
	}
}
