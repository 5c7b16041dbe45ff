package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// Figures of different days are compared: a set must never change under its name.
func TestSetsStayAsTheyAre(t *testing.T) {
	for _, test := range []struct {
		set                      string
		revision                 int
		images, manifests, blobs int
		bytes                    int64
		digests                  string // digest of all images' digests
	}{
		{"S0", 0, 4, 7, 13, 549381, "sha256:ff19a759b580f25131ab74bdf7003e60d72fc2c74ab5ad9df020d5483cf5d53b"},
		{"S0", 1, 4, 7, 13, 601619, "sha256:e9c3634c0c700b1b6a951b9fd112ab8a51f909107cd1414622f7ed72471990a8"},
		{"S4", 0, 1000, 1000, 2290, 144337481, "sha256:de08946a1671362f480b77b3163ad2ec6b16214094947275d184925186236eea"},
		{"S2", 0, 300, 420, 1116, 13994328, "sha256:33f885436d7fdc310b1abcb8058b4d646cdcb5877f61a75be76fbb0e75638d15"},
	} {
		images, err := imagesOf(test.set, test.revision)
		if err != nil {
			t.Fatal(err)
		}
		got, err := build(images, nil, "lib/")
		if err != nil {
			t.Fatal(err)
		}
		var bytes int64
		for _, size := range got.Blobs {
			bytes += size
		}
		var digests strings.Builder
		for _, image := range got.Images {
			digests.WriteString(image.Digest + "\n")
		}
		if len(got.Images) != test.images || len(got.Manifests) != test.manifests || len(got.Blobs) != test.blobs || bytes != test.bytes {
			t.Errorf("%s revision %d: %d images, %d manifests, %d blobs, %d bytes", test.set, test.revision,
				len(got.Images), len(got.Manifests), len(got.Blobs), bytes)
		}
		if all := digestOf([]byte(digests.String())); all != test.digests {
			t.Errorf("%s revision %d: digests %s", test.set, test.revision, all)
		}
	}
}

func TestUnknownSetsAreErrors(t *testing.T) {
	for set, revision := range map[string]int{"S9": 0, "S3": 1, "S1": -1} {
		if _, err := imagesOf(set, revision); err == nil {
			t.Errorf("%s revision %d: no error", set, revision)
		}
	}
	if err := run([]string{"-set", "S0", "-registry", "http://registry.example"}); err == nil {
		t.Error("a registry beyond loopback: no error")
	}
}

// A set is pushed with each blob uploaded once, and mounted where another repository wants it.
func TestPushesEachBlobOnce(t *testing.T) {
	var mu sync.Mutex
	uploads, mounts, manifests := map[string]int{}, 0, 0
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case r.Method == http.MethodPost && r.URL.Query().Get("mount") != "":
			mounts++
			w.WriteHeader(http.StatusCreated)
		case r.Method == http.MethodPost:
			w.Header().Set("Location", r.URL.Path+"1?state=x")
			w.WriteHeader(http.StatusAccepted)
		case strings.Contains(r.URL.Path, "/blobs/uploads/"):
			digest := r.URL.Query().Get("digest")
			if digestOf(body) != digest {
				t.Errorf("%s has other content", digest)
			}
			uploads[digest]++
			w.WriteHeader(http.StatusCreated)
		default:
			manifests++
			w.WriteHeader(http.StatusCreated)
		}
	}))
	defer registry.Close()
	images, err := imagesOf("S0", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := build(images, newPusher(registry.URL), "lib/"); err != nil {
		t.Fatal(err)
	}
	if len(uploads) != 13 || mounts != 3 || manifests != 7 {
		t.Errorf("%d blobs uploaded, %d mounts, %d manifests", len(uploads), mounts, manifests)
	}
	for digest, n := range uploads {
		if n != 1 {
			t.Errorf("%s was uploaded %d times", digest, n)
		}
	}
}
