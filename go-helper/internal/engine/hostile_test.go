package engine_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/engine"
)

// plantBomb puts a few small indexes into a repository, unchecked, that name each other many times: the last, under
// a tag, stands for more manifests than any machine has room for.
func plantBomb(t *testing.T, registry *devregistry.Server, repository, tag string) {
	t.Helper()
	child, childType := newPusher(t, registry.Host).image(repository, "child", ociManifest, content("layer", 1000)).Digest.String(), ociManifest
	for range 5 {
		entry := fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":2}`, childType, child)
		body := []byte(`{"schemaVersion":2,"manifests":[` + strings.Repeat(entry+",", 199) + entry + `]}`)
		for _, reference := range []string{tag, hashOf(t, body).String()} {
			if err := registry.PlantManifest(repository, reference, ociIndex, body); err != nil {
				t.Fatal(err)
			}
		}
		child, childType = hashOf(t, body).String(), ociIndex
	}
}

func wantBombRefused(t *testing.T, result engine.Result) {
	t.Helper()
	if result.Status != engine.StatusFailed || !strings.Contains(fmt.Sprint(result.Err), "manifests that are accepted of one image") {
		t.Errorf("%s, %v", result.Status, result.Err)
	}
}

func TestAnIndexBombIsRefused(t *testing.T) {
	source, destination := pair(t)
	plantBomb(t, source, "app", "bomb")
	newPusher(t, source.Host).image("app", "good", ociManifest, content("good", 1000))
	list := copies(t, source.Host, []string{destination.Host}, "app:bomb", "app:good")
	results := run(t, list, engine.Options{})
	wantBombRefused(t, results[0])
	wantStatus(t, list[1:], results[1:], engine.StatusCopied)
	for _, e := range destination.Log().Entries() {
		if e.Method == http.MethodPut && strings.Contains(e.Path, "bomb") {
			t.Errorf("%s %s", e.Method, e.Path)
		}
	}
}

// A destination is read as warily as a source.
func TestVerifyRefusesAnIndexBomb(t *testing.T) {
	source, destination := pair(t)
	plantBomb(t, source, "app", "bomb")
	plantBomb(t, destination, "mirror/app", "bomb")
	list := copies(t, source.Host, []string{destination.Host}, "app:bomb")
	wantBombRefused(t, run(t, list, engine.Options{Verify: true})[0])
}
