package engine_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/engine"
)

// plantIndex puts an index of n equal entries into a registry, unchecked, and gives its digest.
func plantIndex(t *testing.T, plant func(repository, reference, mediaType string, body []byte) error, tag, childType, child string, n int) string {
	t.Helper()
	entry := fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":2}`, childType, child)
	body := []byte(`{"schemaVersion":2,"manifests":[` + strings.Repeat(entry+",", n-1) + entry + `]}`)
	if err := plant("app", tag, ociIndex, body); err != nil {
		t.Fatal(err)
	}
	return hashOf(t, body).String()
}

// A few small indexes that name each other many times stand for more manifests than any machine has room for.
func TestAnIndexBombIsRefused(t *testing.T) {
	source, destination := pair(t)
	p := newPusher(t, source.Host)
	child, childType := p.image("app", "child", ociManifest, content("layer", 1000)).Digest.String(), ociManifest
	for level := range 5 {
		child = plantIndex(t, source.PlantManifest, fmt.Sprintf("bomb%d", level), childType, child, 200)
		childType = ociIndex
	}
	p.image("app", "good", ociManifest, content("good", 1000))
	list := copies(t, source.Host, []string{destination.Host}, "app:bomb4", "app:good")
	results := run(t, list, engine.Options{})
	if results[0].Status != engine.StatusFailed || !strings.Contains(fmt.Sprint(results[0].Err), "manifests that are accepted of one image") {
		t.Errorf("%s, %v", results[0].Status, results[0].Err)
	}
	wantStatus(t, list[1:], results[1:], engine.StatusCopied)
	for _, e := range destination.Log().Entries() {
		if e.Method == http.MethodPut && strings.Contains(e.Path, "bomb") {
			t.Errorf("%s %s", e.Method, e.Path)
		}
	}
}
