package devregistry_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/types"

	"docker-mirror/go-helper/internal/devregistry"
)

func TestNoMounts(t *testing.T) {
	c := start(t, devregistry.Options{Dialect: devregistry.Dialect{NoMounts: true}})
	blob, h := content(100, "a")
	c.push("from", blob)
	for _, from := range []string{"from", "to"} {
		if a := c.mount("to", from, h); a.StatusCode != http.StatusAccepted {
			t.Errorf("mount from %s: %d", from, a.StatusCode)
		}
	}
}

func TestMountNeedsManifest(t *testing.T) {
	c := start(t, devregistry.Options{Dialect: devregistry.Dialect{MountNeedsManifest: true}})
	blob, h := content(100, "a")
	c.push("from", blob)
	if a := c.mount("to", "from", h); a.StatusCode != http.StatusAccepted {
		t.Errorf("before the manifest: %d", a.StatusCode)
	}
	digest := c.pushImage("from", "v1", blob)
	if a := c.mount("to", "from", h); a.StatusCode != http.StatusCreated {
		t.Errorf("after the manifest: %d", a.StatusCode)
	}
	if got := c.server.Log().Mounts(); len(got) != 1 || got[devregistry.RepoBlob{Repository: "to", Digest: h}] != "from" {
		t.Errorf("the log has %v", got)
	}
	c.want(http.StatusAccepted, http.MethodDelete, "/v2/from/manifests/"+digest.String(), nil)
	if a := c.mount("third", "from", h); a.StatusCode != http.StatusAccepted {
		t.Errorf("after the manifest is gone: %d", a.StatusCode)
	}
}

func TestNoPatch(t *testing.T) {
	c := start(t, devregistry.Options{Dialect: devregistry.Dialect{NoPatch: true}})
	blob, h := content(100, "a")
	location := c.upload("a")
	if a := c.want(http.StatusMethodNotAllowed, http.MethodPatch, location.String(), blob); a.code() != devregistry.CodeUnsupported {
		t.Errorf("code %q", a.code())
	}
	c.want(http.StatusCreated, http.MethodPut, withDigest(location, h), blob)
}

func TestSinglePatch(t *testing.T) {
	for _, root := range []string{"", t.TempDir()} {
		c := start(t, devregistry.Options{Root: root, Dialect: devregistry.Dialect{SinglePatch: true}})
		blob, h := content(1000, "a")
		one := c.want(http.StatusAccepted, http.MethodPatch, c.upload("a").String(), blob)
		c.want(http.StatusCreated, http.MethodPut, withDigest(c.location(one), h), nil)
		one = c.want(http.StatusAccepted, http.MethodPatch, c.upload("b").String(), blob[:600])
		two := c.want(http.StatusAccepted, http.MethodPatch, c.location(one).String(), blob[600:])
		if a := c.want(http.StatusBadRequest, http.MethodPut, withDigest(c.location(two), h), nil); a.code() != devregistry.CodeDigestInvalid {
			t.Errorf("code %q", a.code())
		}
	}
}

func TestMaxUploadBody(t *testing.T) {
	c := start(t, devregistry.Options{Dialect: devregistry.Dialect{MaxUploadBody: 600}})
	blob, h := content(1000, "a")
	location := c.upload("a")
	c.want(http.StatusRequestEntityTooLarge, http.MethodPut, withDigest(location, h), blob)
	one := c.want(http.StatusAccepted, http.MethodPatch, location.String(), blob[:600])
	two := c.want(http.StatusAccepted, http.MethodPatch, c.location(one).String(), blob[600:])
	c.want(http.StatusCreated, http.MethodPut, withDigest(c.location(two), h), nil)
}

func TestMinChunk(t *testing.T) {
	c := start(t, devregistry.Options{Dialect: devregistry.Dialect{MinChunk: 500}})
	blob, h := content(1000, "a")
	begin := c.want(http.StatusAccepted, http.MethodPost, "/v2/a/blobs/uploads/", nil)
	if got := begin.Header.Get("OCI-Chunk-Min-Length"); got != "500" {
		t.Errorf("OCI-Chunk-Min-Length is %q", got)
	}
	one := c.want(http.StatusAccepted, http.MethodPatch, c.location(begin).String(), blob[:500])
	two := c.want(http.StatusAccepted, http.MethodPatch, c.location(one).String(), blob[500:900])
	c.want(http.StatusRequestedRangeNotSatisfiable, http.MethodPatch, c.location(two).String(), blob[900:])
	one = c.want(http.StatusAccepted, http.MethodPatch, c.upload("a").String(), blob[:900])
	two = c.want(http.StatusAccepted, http.MethodPatch, c.location(one).String(), blob[900:])
	c.want(http.StatusCreated, http.MethodPut, withDigest(c.location(two), h), nil)
}

func TestUploadStatus(t *testing.T) {
	blob, h := content(1000, "a")
	for name, dialect := range map[string]devregistry.Dialect{
		"zero": {ZeroUploadStatus: true}, "none": {NoUploadStatus: true}, "discard": {DiscardPartial: true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, root := range []string{"", t.TempDir()} {
				c := start(t, devregistry.Options{Root: root, Dialect: dialect})
				location := c.upload("a")
				c.server.SetFaults(devregistry.Faults{CutUploadEvery: 1, CutUploadAfter: 600})
				if a, err := c.try(http.MethodPut, withDigest(location, h), blob); err == nil {
					t.Fatalf("answered with %d", a.StatusCode)
				}
				c.server.SetFaults(devregistry.Faults{})
				status := c.do(http.MethodGet, location.String(), nil)
				if dialect.NoUploadStatus {
					if status.StatusCode != http.StatusNotFound {
						t.Errorf("status %d", status.StatusCode)
					}
					continue
				}
				if status.StatusCode != http.StatusNoContent || status.Header.Get("Range") != "0-0" {
					t.Errorf("status %d, Range %q", status.StatusCode, status.Header.Get("Range"))
				}
				if dialect.DiscardPartial {
					c.want(http.StatusCreated, http.MethodPut, withDigest(c.location(status), h), blob)
				}
			}
		})
	}
}

func TestLocations(t *testing.T) {
	blob, h := content(1000, "a")
	for name, c := range map[string]struct {
		dialect devregistry.Dialect
		check   func(location string) bool
	}{
		"absolute": {devregistry.Dialect{}, func(l string) bool { return strings.HasPrefix(l, "http://127.0.0.1") && strings.Contains(l, "_state=") }},
		"relative": {devregistry.Dialect{RelativeLocation: true}, func(l string) bool { return strings.HasPrefix(l, "/v2/") }},
		"plain":    {devregistry.Dialect{PlainLocation: true}, func(l string) bool { return !strings.Contains(l, "?") }},
		"query":    {devregistry.Dialect{LocationQuery: "k=a%2Bb%26c&z="}, func(l string) bool { return strings.Contains(l, "k=a%2Bb%26c") }},
	} {
		t.Run(name, func(t *testing.T) {
			client := start(t, devregistry.Options{Dialect: c.dialect})
			begin := client.want(http.StatusAccepted, http.MethodPost, "/v2/a/blobs/uploads/", nil)
			if location := begin.Header.Get("Location"); !c.check(location) {
				t.Errorf("Location is %q", location)
			}
			one := client.want(http.StatusAccepted, http.MethodPatch, client.location(begin).String(), blob[:10])
			if c.dialect.LocationQuery != "" {
				dropped := client.location(one)
				dropped.RawQuery = url.Values{"_state": {dropped.Query().Get("_state")}}.Encode()
				client.want(http.StatusNotFound, http.MethodPut, withDigest(dropped, h), blob[10:])
			}
			client.want(http.StatusCreated, http.MethodPut, withDigest(client.location(one), h), blob[10:])
		})
	}
}

func TestManifestHeaders(t *testing.T) {
	c := start(t, devregistry.Options{})
	digest := c.pushImage("a", "v1", []byte("layer"))
	head := func() http.Header {
		return c.want(http.StatusOK, http.MethodHead, "/v2/a/manifests/v1", nil).Header
	}
	if got := head().Get("Docker-Content-Digest"); got != digest.String() {
		t.Errorf("by default: %q", got)
	}
	c.server.SetDialect(devregistry.Dialect{NoDigestOnHead: true})
	if got := head().Get("Docker-Content-Digest"); got != "" {
		t.Errorf("NoDigestOnHead: %q", got)
	}
	if got := c.want(http.StatusOK, http.MethodGet, "/v2/a/manifests/v1", nil).Header.Get("Docker-Content-Digest"); got != digest.String() {
		t.Errorf("NoDigestOnHead, GET: %q", got)
	}
	c.server.SetDialect(devregistry.Dialect{HeadDigest: func(repository, reference string) string {
		if repository == "a" && reference == "v1" {
			return "sha256:" + strings.Repeat("0", 64)
		}
		return ""
	}})
	if got := head().Get("Docker-Content-Digest"); got != "sha256:"+strings.Repeat("0", 64) {
		t.Errorf("HeadDigest: %q", got)
	}
	c.server.SetDialect(devregistry.Dialect{ManifestContentType: "text/plain"})
	if got := head().Get("Content-Type"); got != "text/plain" {
		t.Errorf("ManifestContentType: %q", got)
	}
}

func TestNoRange(t *testing.T) {
	c := start(t, devregistry.Options{Dialect: devregistry.Dialect{NoRange: true}})
	blob, h := content(1000, "a")
	c.push("a", blob)
	if a := c.want(http.StatusOK, http.MethodGet, "/v2/a/blobs/"+h.String(), nil, "Range", "bytes=500-"); !bytes.Equal(a.body, blob) {
		t.Errorf("%d bytes", len(a.body))
	}
}

func TestRedirectBlobs(t *testing.T) {
	c := start(t, devregistry.Options{Dialect: devregistry.Dialect{RedirectBlobs: true}})
	blob, h := content(1000, "a")
	c.push("team/a", blob)
	c.want(http.StatusOK, http.MethodHead, "/v2/team/a/blobs/"+h.String(), nil) // not redirected
	location := c.location(c.want(http.StatusTemporaryRedirect, http.MethodGet, "/v2/team/a/blobs/"+h.String(), nil))
	if location.Host == c.server.Host {
		t.Errorf("redirected to the same host: %s", location)
	}
	if a := c.want(http.StatusOK, http.MethodGet, location.String(), nil); !bytes.Equal(a.body, blob) {
		t.Error("the blob differs")
	}
	if a := c.want(http.StatusPartialContent, http.MethodGet, location.String(), nil, "Range", "bytes=900-"); !bytes.Equal(a.body, blob[900:]) {
		t.Error("the range differs")
	}
	c.want(http.StatusBadRequest, http.MethodGet, location.String(), nil, "Authorization", "Bearer x")
	location.RawQuery = ""
	c.want(http.StatusForbidden, http.MethodGet, location.String(), nil)
	if got := c.server.Log().Downloads()[h]; got != 2 {
		t.Errorf("%d downloads", got)
	}
	if counts := c.server.Log().Counts(); counts[devregistry.KindCDN] != 4 || counts[devregistry.KindBlobGet] != 1 {
		t.Errorf("%v", counts)
	}
}

func TestTagsPagination(t *testing.T) {
	c := start(t, devregistry.Options{})
	for i := range 7 {
		c.pushImage("a", fmt.Sprintf("v%d", i), []byte("layer"))
	}
	page := func(target string) ([]string, string) {
		t.Helper()
		a := c.want(http.StatusOK, http.MethodGet, target, nil)
		var list struct{ Tags []string }
		if err := json.Unmarshal(a.body, &list); err != nil {
			t.Fatal(err)
		}
		return list.Tags, a.Header.Get("Link")
	}
	c.server.SetDialect(devregistry.Dialect{TagsPageSize: 3, AbsoluteLink: true})
	tags, link := page("/v2/a/tags/list?n=1000")
	if !slices.Equal(tags, []string{"v0", "v1", "v2"}) || link != fmt.Sprintf(`<%s/v2/a/tags/list?last=v2&n=3>; rel="next"`, c.server.URL) {
		t.Errorf("%q, Link %s", tags, link)
	}
	c.server.SetDialect(devregistry.Dialect{TagsPageSize: 3, NoLink: true})
	tags, link = page("/v2/a/tags/list?last=v2")
	if !slices.Equal(tags, []string{"v3", "v4", "v5"}) || link != "" {
		t.Errorf("%q, Link %s", tags, link)
	}
}

func TestImmutableTags(t *testing.T) {
	c := start(t, devregistry.Options{Dialect: devregistry.Dialect{ImmutableTags: true}})
	one := c.pushImage("a", "v1", []byte("one"))
	c.pushImage("a", "v1", []byte("one"))
	c.pushImage("a", "v2", []byte("two"))
	body, mediaType, _ := c.server.Manifest("a", "v2")
	if a := c.want(http.StatusBadRequest, http.MethodPut, "/v2/a/manifests/v1", body, "Content-Type", mediaType); a.code() != devregistry.CodeTagInvalid {
		t.Errorf("code %q", a.code())
	}
	if got := c.server.Tags("a")["v1"]; got != one {
		t.Errorf("v1 is %s", got)
	}
	c.server.SetDialect(devregistry.Dialect{ImmutableTagsStrict: true})
	same, mediaType, _ := c.server.Manifest("a", "v1")
	c.want(http.StatusPreconditionFailed, http.MethodPut, "/v2/a/manifests/v1", same, "Content-Type", mediaType)
	c.want(http.StatusCreated, http.MethodPut, "/v2/a/manifests/"+one.String(), same, "Content-Type", mediaType)
	c.want(http.StatusCreated, http.MethodPut, "/v2/a/manifests/v3", same, "Content-Type", mediaType)
}

func TestRepositoriesMustExist(t *testing.T) {
	c := start(t, devregistry.Options{Dialect: devregistry.Dialect{RepositoriesMustExist: true}})
	if a := c.want(http.StatusNotFound, http.MethodPost, "/v2/a/blobs/uploads/", nil); a.code() != devregistry.CodeNameUnknown {
		t.Errorf("code %q", a.code())
	}
	c.want(http.StatusNotFound, http.MethodPut, "/v2/a/manifests/v1", []byte(`{"schemaVersion":2,"manifests":[]}`), "Content-Type", string(types.OCIImageIndex))
	c.server.CreateRepository("a")
	c.pushImage("a", "v1", []byte("layer"))
}

func TestProjectsMustExist(t *testing.T) {
	c := start(t, devregistry.Options{Dialect: devregistry.Harbor})
	a := c.want(http.StatusUnauthorized, http.MethodPost, "/v2/team/app/blobs/uploads/", nil)
	if a.code() != devregistry.CodeUnauthorized || a.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("code %q, challenge %q", a.code(), a.Header.Get("WWW-Authenticate"))
	}
	c.want(http.StatusUnauthorized, http.MethodHead, "/v2/team/app/manifests/v1", nil)
	c.want(http.StatusOK, http.MethodGet, "/v2/", nil)
	c.server.CreateProject("team")
	c.pushImage("team/app", "v1", []byte("layer"))
}

func TestPullLimit(t *testing.T) {
	c := start(t, devregistry.Options{})
	c.pushImage("a", "v1", []byte("layer"))
	c.server.SetDialect(devregistry.Dialect{PullLimit: 2})
	for i, want := range []struct {
		status    int
		remaining string
	}{{200, "1;w=21600"}, {200, "0;w=21600"}, {429, "0;w=21600"}} {
		c.want(http.StatusOK, http.MethodHead, "/v2/a/manifests/v1", nil)
		a := c.want(want.status, http.MethodGet, "/v2/a/manifests/v1", nil)
		if got := a.Header.Get("ratelimit-remaining"); got != want.remaining {
			t.Errorf("GET %d: ratelimit-remaining is %q", i, got)
		}
		if i == 1 {
			// A HEAD is free as long as pulls are left; then it is refused as well.
			break
		}
	}
	c.want(http.StatusTooManyRequests, http.MethodGet, "/v2/a/manifests/v1", nil)
}

func TestRefuseForeignLayers(t *testing.T) {
	c := start(t, devregistry.Options{Dialect: devregistry.Dialect{RefuseForeignLayers: true}})
	config := c.push("a", []byte("{}"))
	body := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":2},
		"layers":[{"mediaType":%q,"digest":%q,"size":3,"urls":["https://example.com/l"]}]}`,
		types.DockerManifestSchema2, types.DockerConfigJSON, config, types.DockerForeignLayer, hashOf([]byte("abc")))
	c.want(http.StatusInternalServerError, http.MethodPut, "/v2/a/manifests/v1", body, "Content-Type", string(types.DockerManifestSchema2))
}

func TestUploadElsewhere(t *testing.T) {
	c := start(t, devregistry.Options{Dialect: devregistry.Dialect{
		UploadElsewhere: true, Auth: devregistry.Auth{Scheme: devregistry.AuthBasic},
	}})
	blob, h := content(1000, "a")
	c.header.Set("Authorization", "Basic bWU6c2VjcmV0")
	location := c.upload("a")
	if location.Host == c.server.Host {
		t.Errorf("Location is on the same host: %s", location)
	}
	c.want(http.StatusBadRequest, http.MethodPut, withDigest(location, h), blob)
	c.header.Del("Authorization")
	one := c.want(http.StatusAccepted, http.MethodPatch, location.String(), blob[:10])
	c.want(http.StatusCreated, http.MethodPut, withDigest(c.location(one), h), blob[10:])
	c.want(http.StatusUnauthorized, http.MethodHead, "http://"+location.Host+"/v2/a/blobs/"+h.String(), nil)
}

func TestPlantManifest(t *testing.T) {
	c := start(t, devregistry.Options{})
	const schema1 = `{"schemaVersion":1,"name":"a","tag":"v1"}`
	if err := c.server.PlantManifest("a", "v1", string(types.DockerManifestSchema1Signed), []byte(schema1)); err != nil {
		t.Fatal(err)
	}
	a := c.want(http.StatusOK, http.MethodGet, "/v2/a/manifests/v1", nil)
	if string(a.body) != schema1 || a.Header.Get("Content-Type") != string(types.DockerManifestSchema1Signed) {
		t.Errorf("%s: %s", a.Header.Get("Content-Type"), a.body)
	}
	// Bytes that aren't what the digest says.
	_, h := content(10, "a")
	if err := c.server.PlantManifest("a", h.String(), string(types.DockerManifestSchema2), []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if a := c.want(http.StatusOK, http.MethodGet, "/v2/a/manifests/"+h.String(), nil); string(a.body) != "{}" {
		t.Errorf("%s", a.body)
	}
}
