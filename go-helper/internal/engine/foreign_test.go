package engine_test

import (
	"errors"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/engine"
)

// pushForeign pushes an image with a foreign layer, whose content the registry may have all the same.
func pushForeign(t *testing.T, p *pusher, tag string, has bool) (foreign v1.Descriptor) {
	t.Helper()
	body := content("foreign of "+tag, 700)
	foreign = v1.Descriptor{Digest: hashOf(t, body), Size: int64(len(body))}
	if has {
		p.blob("x", "", body)
	}
	layer := descriptor(dockerForeign, foreign)
	layer["urls"] = []string{"https://layers.example/" + foreign.Digest.Hex}
	m := p.manifest("x", dockerImage, content("own", 100))
	m["layers"] = append([]object{layer}, m["layers"].([]object)...)
	p.put("x", tag, dockerImage, m)
	return foreign
}

func TestForeignLayers(t *testing.T) {
	source, destination := pair(t)
	p := newPusher(t, source.Host)
	foreign := pushForeign(t, p, "there", true)
	pushForeign(t, p, "elsewhere", false)
	list := copies(t, source.Host, []string{destination.Host}, "x:there", "x:elsewhere")

	// Left where they are.
	results := run(t, list, engine.Options{})
	wantStatus(t, list, results, engine.StatusCopied)
	for _, r := range results {
		if r.Foreign != 1 {
			t.Errorf("%d foreign layers left, want 1", r.Foreign)
		}
	}
	if destination.HasBlob("mirror/x", foreign.Digest) {
		t.Error("the foreign layer was copied unasked")
	}
	wantStatus(t, list, run(t, list, engine.Options{Verify: true}), engine.StatusUnchanged)

	// Asked for, as far as the registry has them; what is there already is taken for complete.
	wantStatus(t, list, run(t, list, engine.Options{ForeignLayers: true}), engine.StatusUnchanged)
	if err := run(t, list[:1], engine.Options{ForeignLayers: true, Verify: true})[0].Err; !errors.Is(err, engine.ErrDrift) {
		t.Errorf("verify: %v, want drift", err)
	}
	results = run(t, list, engine.Options{ForeignLayers: true, Force: true})
	wantStatus(t, list[:1], results[:1], engine.StatusCopied)
	if results[0].Foreign != 0 || !destination.HasBlob("mirror/x", foreign.Digest) {
		t.Errorf("the foreign layer was not copied: %+v", results[0])
	}
	if err := results[1].Err; err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("what the registry doesn't have: %v", err)
	}
	checkMirrored(t, source, destination, list[0])
	wantStatus(t, list[:1], run(t, list[:1], engine.Options{ForeignLayers: true, Verify: true}), engine.StatusUnchanged)
}
