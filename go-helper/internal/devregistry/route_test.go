package devregistry

import (
	"strings"
	"testing"
)

func TestParsePath(t *testing.T) {
	hex := strings.Repeat("a", 64)
	digest := "sha256:" + hex
	for _, c := range []struct {
		path       string
		resource   resource
		repository string
		reference  string
	}{
		{"/v2", resourcePing, "", ""},
		{"/v2/", resourcePing, "", ""},
		{"/token", resourceToken, "", ""},
		{"/v2/a/manifests/v1", resourceManifest, "a", "v1"},
		{"/v2/a/manifests/" + strings.Repeat("t", 128), resourceManifest, "a", strings.Repeat("t", 128)},
		{"/v2/a/b/c/manifests/" + digest, resourceManifest, "a/b/c", digest},
		{"/v2/a/blobs/" + digest, resourceBlob, "a", digest},
		{"/v2/a/blobs/uploads/", resourceUploads, "a", ""},
		{"/v2/a/blobs/uploads", resourceUploads, "a", ""},
		{"/v2/a/blobs/uploads/X-1", resourceUpload, "a", "X-1"},
		{"/v2/a/tags/list", resourceTags, "a", ""},
		{"/v2/a/referrers/" + digest, resourceReferrers, "a", digest},
		{"/cdn/a/b/" + digest, resourceCDN, "a/b", digest},
		// Components that are words of the API.
		{"/v2/blobs/manifests/v1", resourceManifest, "blobs", "v1"},
		{"/v2/manifests/blobs/" + digest, resourceBlob, "manifests", digest},
		{"/v2/a/manifests/manifests/v1", resourceManifest, "a/manifests", "v1"},
		{"/v2/a/blobs/uploads/blobs/uploads/id", resourceUpload, "a/blobs/uploads", "id"},
		{"/v2/tags/list/tags/list", resourceTags, "tags/list", ""},
	} {
		rt, err := parsePath(c.path)
		if err != nil || rt.resource != c.resource || rt.repository != c.repository || rt.reference != c.reference {
			t.Errorf("%s: %+v, %v", c.path, rt, err)
		}
		if (rt.digest.Hex == hex) != strings.HasSuffix(c.path, digest) {
			t.Errorf("%s: digest %v", c.path, rt.digest)
		}
	}
	for _, path := range []string{
		"", "/", "/v1/", "/v2/a", "/v2/a/", "/v2//manifests/v1", "/v2/A/manifests/v1", "/v2/a/../b/manifests/v1", "/v2/a/manifests/",
		"/v2/a/manifests/-v", "/v2/a/manifests/" + strings.Repeat("t", 129), "/v2/a/blobs/sha256:xyz", "/v2/a/blobs/sha512:" + hex, "/v2/a/blobs/sha256:" + hex + hex, "/v2/a/blobs/sha1:" + hex[:40], "/v2/_a/tags/list",
		"/v2/" + strings.Repeat("a", 256) + "/tags/list", "/v2/a//b/tags/list", "/v2/a_/tags/list", "/cdn/x", "/v2/a/referrers/v1",
	} {
		if rt, err := parsePath(path); err == nil {
			t.Errorf("%q: %+v", path, rt)
		}
	}
}

// Whatever comes, a route names a valid repository that stays within the storage's folder.
func FuzzParsePath(f *testing.F) {
	digest := "sha256:" + strings.Repeat("0", 64)
	for _, seed := range []string{
		"/v2/", "/v2/a/manifests/v1", "/v2/a/b/blobs/" + digest, "/v2/a/blobs/uploads/id", "/v2/../../etc/tags/list", "/cdn/a/" + digest,
		"/v2/a/referrers/" + digest, "/v2/a%2fb/tags/list", "/v2/\x00/tags/list", "/v2/a/./tags/list",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		rt, err := parsePath(path)
		if err != nil {
			return
		}
		switch rt.resource {
		case resourcePing, resourceToken:
			return
		case resourceNone:
			t.Fatalf("%q: neither a route nor an error", path)
		}
		if !validName(rt.repository) || strings.Contains(rt.repository, "..") || strings.Contains("/"+rt.repository+"/", "/_") {
			t.Errorf("%q: repository %q", path, rt.repository)
		}
		if rt.resource == resourceManifest && rt.digest.Hex == "" && !validTag(rt.reference) {
			t.Errorf("%q: tag %q", path, rt.reference)
		}
		if rt.digest.Hex != "" && len(rt.digest.Hex) != 64 {
			t.Errorf("%q: digest %v", path, rt.digest)
		}
	})
}
