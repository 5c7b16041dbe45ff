package tree

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/registry"
)

func TestParseManifest(t *testing.T) {
	const digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	tests := map[string]struct {
		sent, body string
		mediaType  string
		index      bool
		blobs      int
		err        string
	}{
		"body's type wins": {
			sent: "text/plain", body: `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`,
			mediaType: "application/vnd.oci.image.index.v1+json", index: true,
		},
		"Content-Type where the body has none": {
			sent: "application/vnd.oci.image.manifest.v1+json", body: `{"schemaVersion":2,"config":{"digest":"` + digest + `","size":0},"layers":[]}`,
			mediaType: "application/vnd.oci.image.manifest.v1+json", blobs: 1,
		},
		"shape where both are missing: index": {
			sent: "application/json", body: `{"schemaVersion":2,"manifests":[]}`,
			mediaType: "application/vnd.oci.image.index.v1+json", index: true,
		},
		"shape where both are missing: manifest": {
			sent: "", body: `{"schemaVersion":2,"config":{"digest":"` + digest + `","size":0}}`,
			mediaType: "application/vnd.oci.image.manifest.v1+json", blobs: 1,
		},
		"a digest that comes twice counts once": {
			sent: "", body: `{"schemaVersion":2,"config":{"digest":"` + digest + `","size":0},"layers":[{"digest":"` + digest + `","size":0}]}`,
			mediaType: "application/vnd.oci.image.manifest.v1+json", blobs: 1,
		},
		"null is not there": {
			sent: "application/json", body: `{"schemaVersion":2,"manifests":null,"config":{"digest":"` + digest + `","size":0},"layers":null}`,
			mediaType: "application/vnd.oci.image.manifest.v1+json", blobs: 1,
		},
		"an index of nothing, as Go writes a nil slice": {
			body:      `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":null}`,
			mediaType: "application/vnd.oci.image.index.v1+json", index: true,
		},
		"a Content-Type of the other family": {
			sent: "application/vnd.docker.distribution.manifest.list.v2+json", body: `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`,
			mediaType: "application/vnd.oci.image.index.v1+json", index: true,
		},
		"both: manifests and layers":     {body: `{"schemaVersion":2,"manifests":[],"layers":[]}`, err: "CVE-2021-41190"},
		"both: manifests and a config":   {body: `{"schemaVersion":2,"config":{"digest":"` + digest + `","size":0},"manifests":[]}`, err: "CVE-2021-41190"},
		"both: manifests and blobs":      {body: `{"schemaVersion":2,"blobs":[],"manifests":[]}`, err: "CVE-2021-41190"},
		"an index by type with layers":   {body: `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","layers":[]}`, err: "is an index by its mediaType"},
		"an image by type with children": {body: `{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","manifests":[]}`, err: "is an image by its mediaType"},
		"an artifact by type with children": {
			body: `{"mediaType":"application/vnd.oci.artifact.manifest.v1+json","manifests":[]}`, err: "is an image by its mediaType",
		},
		"a Content-Type against the shape": {
			sent: "application/vnd.oci.image.manifest.v1+json", body: `{"schemaVersion":2,"manifests":[]}`, err: "is an image by its registry's Content-Type",
		},
		"a Content-Type against the mediaType": {
			sent: "application/vnd.oci.image.index.v1+json", body: `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}`,
			err: "but application/vnd.oci.image.index.v1+json by its registry's Content-Type",
		},
		"a key that comes twice":             {body: `{"schemaVersion":2,"manifests":[],"manifests":[]}`, err: `"manifests" twice`},
		"a key in other letters":             {body: `{"schemaVersion":2,"manifests":[],"Manifests":[]}`, err: `key "Manifests"`},
		"a key in other letters alone":       {body: `{"schemaVersion":2,"LAYERS":[]}`, err: `key "LAYERS"`},
		"a child's key that comes twice":     {body: `{"schemaVersion":2,"manifests":[{"digest":"` + digest + `","digest":"` + digest + `"}]}`, err: `"digest" twice, of which one client takes the first and another the last: refused, in its manifests`},
		"a config's key in other letters":    {body: `{"schemaVersion":2,"config":{"digest":"` + digest + `","Digest":"` + digest + `"}}`, err: `key "Digest"`},
		"a layer's key, once it was escaped": {body: `{"schemaVersion":2,"layers":[{"digest":"` + digest + `","diges\u0074":"` + digest + `"}]}`, err: `"digest" twice`},
		"schema 1":                           {body: `{"schemaVersion":1,"name":"x","fsLayers":[{"blobSum":"` + digest + `"}]}`, err: "schema 1"},
		"HTML":                               {body: `<html>`, err: "not valid JSON"},
		"anything else":                      {body: `{}`, err: "neither"},
		"negative size":                      {body: `{"schemaVersion":2,"config":{"digest":"` + digest + `","size":-1}}`, err: "size -1"},
		"no digest":                          {body: `{"schemaVersion":2,"config":{"size":1}}`, err: "without a digest"},
		"too many":                           {body: `{"manifests":[` + strings.Repeat(`{"size":1},`, maxIndexChildren) + `{"size":1}]}`, err: "more than"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := &registry.Manifest{MediaType: test.sent, Body: []byte(test.body)}
			c, err := Parse(m)
			var blobs []v1.Descriptor
			if err == nil {
				blobs, _, err = c.blobs(false)
			}
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("error %v, want %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if string(c.MediaType) != test.mediaType || c.IsIndex() != test.index || len(blobs) != test.blobs {
				t.Errorf("got %s, index %v, %d blobs", c.MediaType, c.IsIndex(), len(blobs))
			}
		})
	}
}

func TestReplaceManifestsKeepsEveryOtherByte(t *testing.T) {
	body := "{\n \"schemaVersion\": 2, \"x\": {\"manifests\": [1]},\n \"manifests\": [ {\"a\" : 1}, {\"b\":2 } ,{\"c\":3}],\n \"annotations\": {\"k\":  \"v\"} }\n"
	got, n, err := replaceManifests([]byte(body), func(i int) bool { return i != 1 })
	want := "{\n \"schemaVersion\": 2, \"x\": {\"manifests\": [1]},\n \"manifests\": [{\"a\" : 1},{\"c\":3}],\n \"annotations\": {\"k\":  \"v\"} }\n"
	if err != nil || n != 2 || string(got) != want {
		t.Errorf("got %d, %v, %s", n, err, got)
	}
	if _, _, err := replaceManifests([]byte(`[]`), nil); !errors.Is(err, errUnknownManifest) {
		t.Errorf("not an object: %v", err)
	}
}

func TestNoPlatformSaysWhatThereIs(t *testing.T) {
	entry := func(platform string) string {
		return `{"digest":"sha256:` + strings.Repeat("0", 64) + `","platform":` + platform + `}`
	}
	var many []string
	for i := range maxPlatformsNamed + 3 {
		many = append(many, entry(fmt.Sprintf(`{"os":"os%02d","architecture":"a"}`, i)))
	}
	for _, test := range []struct{ manifests, want string }{
		{
			entry(`{"os":"linux","architecture":"arm64"}`) + "," + entry(`{"os":"linux","architecture":"amd64"}`) + "," +
				entry(`{"os":"unknown","architecture":"unknown"}`) + "," + entry(`{"os":"linux","architecture":"amd64"}`) + "," + entry("null"),
			"has none of the requested platforms, windows/amd64, linux/arm/v7: it has linux/amd64, linux/arm64",
		},
		{entry("null"), "has none of the requested platforms, windows/amd64, linux/arm/v7: it names no platform at all"},
		{strings.Join(many, ","), "os19/a, 3 more"},
	} {
		m := &registry.Manifest{Body: []byte(`{"manifests":[` + test.manifests + `]}`)}
		wanted := []v1.Platform{{OS: "windows", Architecture: "amd64"}, {OS: "linux", Architecture: "arm", Variant: "v7"}}
		if _, err := Select(m, Selection{Platforms: wanted}); !errors.Is(err, errNoPlatform) || !strings.HasSuffix(err.Error(), test.want) {
			t.Errorf("got %v, want %s", err, test.want)
		}
	}
}

func TestMatchesPlatforms(t *testing.T) {
	p := func(s string) v1.Platform {
		parsed, err := v1.ParsePlatform(s)
		if err != nil {
			t.Fatal(err)
		}
		return *parsed
	}
	tests := []struct {
		have, want string
		match      bool
	}{
		{"linux/amd64", "linux/amd64", true},
		{"linux/arm64/v8", "linux/arm64", true},
		{"linux/arm64", "linux/aarch64", true},
		{"linux/arm", "linux/arm/v7", true},
		{"linux/arm/v6", "linux/arm/v7", false},
		{"linux/arm/v6", "linux/arm", false},
		{"windows/amd64", "linux/amd64", false},
		{"windows/amd64:10.0.17763.1", "windows/amd64", true},
		{"windows/amd64:10.0.17763.1", "windows/amd64:10.0.20348.1", false},
	}
	for _, test := range tests {
		have := p(test.have)
		if got := matchesAny(&have, []v1.Platform{p(test.want)}); got != test.match {
			t.Errorf("%s matches %s: %v", test.have, test.want, got)
		}
	}
	if matchesAny(nil, []v1.Platform{p("linux/amd64")}) {
		t.Error("an entry without a platform matches")
	}
}
