package engine_test

import (
	"testing"
	"time"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/engine"
)

// What an unchanged image costs at its source: the first manifest tells what an index that is cut down has become, and of a
// single image a HEAD tells.
func TestAnUnchangedLimitedImageIsNotReadDeeply(t *testing.T) {
	source, destination := pair(t)
	p := newPusher(t, source.Host)
	pushMulti(t, p, "multi")
	p.image("x", "single", ociManifest, content("layer", 1000))
	for tag, want := range map[string]map[devregistry.Kind]int{
		"multi":  {devregistry.KindManifestGet: 1},
		"single": {devregistry.KindManifestHead: 1},
	} {
		t.Run(tag, func(t *testing.T) {
			list := []engine.Copy{sparseCopy(t, source.Host, destination.Host, tag, "amd64")}
			list[0].Sparse, list[0].Referrers = false, engine.ReferrersAll
			first := run(t, list, engine.Options{})
			wantStatus(t, list, first, engine.StatusCopied)
			source.Log().Reset()
			destination.Log().Reset()
			again := run(t, list, engine.Options{})
			wantStatus(t, list, again, engine.StatusUnchanged)
			counts := source.Log().Counts()
			if counts[devregistry.KindManifestGet] != want[devregistry.KindManifestGet] || counts[devregistry.KindManifestHead] != want[devregistry.KindManifestHead] {
				t.Errorf("source: %v, want %v", counts, want)
			}
			if n := destination.Log().Counts()[devregistry.KindManifestHead]; n != 1 || destination.Log().Total() != 2 {
				t.Errorf("destination: %v", destination.Log().Counts())
			}
			if (again[0].Subset == nil) != (first[0].Subset == nil) || again[0].Digest != first[0].Digest || again[0].SourceDigest != first[0].SourceDigest {
				t.Errorf("%+v, want what the first run told: %+v", again[0], first[0])
			}
		})
	}
	// A destination that has all of it, from before platforms were named, is still cut down.
	list := []engine.Copy{sparseCopy(t, source.Host, destination.Host, "multi", "amd64")}
	list[0].Sparse, list[0].Platforms = false, nil
	wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusCopied)
	list = []engine.Copy{sparseCopy(t, source.Host, destination.Host, "multi", "amd64")}
	list[0].Sparse = false
	results := run(t, list, engine.Options{})
	wantStatus(t, list, results, engine.StatusCopied)
	if results[0].Subset == nil || results[0].Digest == results[0].SourceDigest {
		t.Errorf("%+v", results[0])
	}
}

// Once manifests of unchanged images are read to find a large blob, smaller ones are mounted, too, which by themselves wouldn't be worth
// it; also those that were asked for before.
func TestSmallerBlobsAreMountedWhereALargeOneIsLookedFor(t *testing.T) {
	for _, tt := range []struct {
		name  string
		large int
		want  string // where the smaller one is mounted from
	}{{"beside a large one", 5 << 20, "mirror/old"}, {"alone", 1 << 20, ""}} {
		t.Run(tt.name, func(t *testing.T) {
			source, destination := pair(t)
			p := newPusher(t, source.Host)
			large, smaller := content("large", tt.large), content("smaller", 1<<20)
			p.image("old", "v", ociManifest, large, smaller)
			p.image("new", "v", ociManifest, smaller, large, content("own", 100))
			run(t, copies(t, source.Host, []string{destination.Host}, "old:v"), engine.Options{})
			source.Log().Reset()
			// So that it becomes known late how the registry mounts, and a large blob's answer is there before.
			source.SetFaults(devregistry.Faults{Intercept: devregistry.Always(func(r devregistry.Request) bool {
				return r.Kind == devregistry.KindBlobGet
			}, devregistry.Fault{Delay: 300 * time.Millisecond})})
			list := copies(t, source.Host, []string{destination.Host}, "old:v", "new:v")
			results := run(t, list, engine.Options{})
			wantStatus(t, list[1:], results[1:], engine.StatusCopied)
			checkMirrored(t, source, destination, list[1])
			if from := destination.Log().Mounts()[devregistry.RepoBlob{Repository: "mirror/new", Digest: hashOf(t, smaller)}]; from != tt.want {
				t.Errorf("the smaller blob was mounted from %q, want %q", from, tt.want)
			}
			gets := 2 // its own two
			if tt.want == "" {
				gets = 4
			}
			if n := source.Log().Counts()[devregistry.KindBlobGet]; n != gets {
				t.Errorf("%d blobs were read, want %d", n, gets)
			}
		})
	}
}
