package engine_test

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
	"docker-mirror/go-helper/internal/engine"
	"docker-mirror/go-helper/internal/registry"
)

// run copies with a fresh pool, and fails where it hangs.
func run(t testing.TB, list []engine.Copy, opts engine.Options) []engine.Result {
	t.Helper()
	return runContext(context.Background(), t, list, opts)
}

// patient is how a registry is waited for where nothing is meant to stall: a busy machine must not look like a fault.
// Impatient is for tests that stall; it makes requests that are merely slow be sent twice.
var (
	patient = registry.RetryPolicy{
		Backoff: 5 * time.Millisecond, ThrottleBackoff: 20 * time.Millisecond, MaxBackoff: 200 * time.Millisecond,
	}
	impatient = registry.RetryPolicy{
		Backoff: 5 * time.Millisecond, ThrottleBackoff: 20 * time.Millisecond, MaxBackoff: 200 * time.Millisecond,
		StallTimeout: 400 * time.Millisecond, ResponseTimeout: 400 * time.Millisecond,
	}
)

func runContext(ctx context.Context, t testing.TB, list []engine.Copy, opts engine.Options) []engine.Result {
	t.Helper()
	return runRetrying(ctx, t, list, opts, patient)
}

func runRetrying(ctx context.Context, t testing.TB, list []engine.Copy, opts engine.Options, retry registry.RetryPolicy) []engine.Result {
	t.Helper()
	pool, err := registry.NewPool(registry.Options{Retry: retry})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	opts.Pool = pool
	done := make(chan []engine.Result)
	go func() { done <- engine.Run(ctx, list, opts) }()
	select {
	case results := <-done:
		return results
	case <-time.After(3 * time.Minute):
		stacks := make([]byte, 1<<20)
		t.Fatalf("the run hangs:\n%s", stacks[:runtime.Stack(stacks, true)])
		return nil
	}
}

func wantStatus(t testing.TB, list []engine.Copy, results []engine.Result, want engine.Status) {
	t.Helper()
	for i, r := range results {
		if r.Status != want {
			t.Errorf("%s: %s (%v), want %s", list[i].Destination, r.Status, r.Err, want)
		}
	}
}

// pair starts an empty source and destination.
func pair(t testing.TB) (source, destination *devregistry.Server) {
	t.Helper()
	return devregistrytest.Start(t, devregistry.Options{}), devregistrytest.Start(t, devregistry.Options{})
}

// threeImages share layers; one is an index.
func threeImages(t testing.TB, host string) []string {
	t.Helper()
	p := newPusher(t, host)
	base, shared := content("base", 300_000), content("shared", 100_000)
	p.image("app/one", "1.0", ociManifest, base, content("one", 50_000))
	p.image("app/two", "2.0", dockerImage, base, shared, content("two", 70_000))
	p.index(
		"app/three", "3.0", ociIndex,
		entry{platform: "amd64", of: p.image("app/three", "", ociManifest, base, shared, content("three", 20_000))},
		entry{platform: "arm64", of: p.image("app/three", "", ociManifest, shared, content("three-arm", 10_000))},
	)
	return []string{"app/one:1.0", "app/two:2.0", "app/three:3.0"}
}

func TestCopiesASetOnce(t *testing.T) {
	source, destination := pair(t)
	list := copies(t, source.Host, []string{destination.Host}, threeImages(t, source.Host)...)
	source.Log().Reset()

	results := run(t, list, engine.Options{})
	wantStatus(t, list, results, engine.StatusCopied)
	for i, c := range list {
		checkMirrored(t, source, destination, c)
		body, _, _ := source.Manifest(c.Source.Repository, c.Source.Tag)
		if want := hashOf(t, body); results[i].Digest != want {
			t.Errorf("%s: digest %s, want %s", c.Destination, results[i].Digest, want)
		}
	}
	for digest, n := range source.Log().Downloads() {
		if n != 1 {
			t.Errorf("blob %s was downloaded %d times", digest, n)
		}
	}
	uploaded := map[v1.Hash]int{}
	for at, n := range destination.Log().Uploads() {
		uploaded[at.Digest] += n
	}
	for digest, n := range uploaded {
		if n != 1 {
			t.Errorf("blob %s was uploaded %d times", digest, n)
		}
	}
	var total engine.Bytes
	for _, r := range results {
		total.Down += r.Bytes.Down
		total.Up += r.Bytes.Up
		total.Mounted += r.Bytes.Mounted
	}
	if total.Up != destination.Log().UploadedBytes() || total.Down != source.Log().DownloadedBytes() {
		t.Errorf("reported %+v, the registries saw %d down, %d up", total, source.Log().DownloadedBytes(), destination.Log().UploadedBytes())
	}
	if total.Mounted < 500_000 {
		t.Errorf("reported %d bytes as mounted, want the shared layers'", total.Mounted)
	}
	if n := destination.OpenUploads(); n != 0 {
		t.Errorf("%d upload sessions were left open", n)
	}

	source.Log().Reset()
	destination.Log().Reset()
	wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusUnchanged)
	for name, log := range map[string]*devregistry.Log{"source": source.Log(), "destination": destination.Log()} {
		if got := log.Counts(); got[devregistry.KindManifestHead] != 3 || log.Total() != 4 {
			t.Errorf("an unchanged set cost the %s %v, want 3 HEADs and a ping", name, got)
		}
	}
}

func TestAPinnedImageThatIsThereCostsItsSourceNothing(t *testing.T) {
	source, destination := pair(t)
	digest := newPusher(t, source.Host).image("app", "1", ociManifest, content("layer", 1000)).Digest
	list := copies(t, source.Host, []string{destination.Host}, "app:1")
	list[0].Source.Digest = digest
	wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusCopied)
	source.Log().Reset()
	wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusUnchanged)
	if counts := source.Log().Counts(); source.Log().Total() != 0 {
		t.Errorf("the source was asked %v", counts)
	}
}

// Whether a repository exists is asked once for many tags, also where that is refused.
func TestAsksOnceForARepositoryOfManyTags(t *testing.T) {
	for name, fault := range map[string]*devregistry.Fault{
		"missing": nil, "forbidden": {Status: http.StatusForbidden, Code: devregistry.CodeDenied},
	} {
		t.Run(name, func(t *testing.T) {
			source, destination := pair(t)
			p := newPusher(t, source.Host)
			var names []string
			for i := range 5 {
				tag := fmt.Sprint("v", i)
				p.image("x", tag, ociManifest, content(tag, 100))
				names = append(names, "x:"+tag)
			}
			if fault != nil {
				destination.SetFaults(devregistry.Faults{Intercept: devregistry.Always(func(r devregistry.Request) bool {
					return r.Kind == devregistry.KindTags
				}, *fault)})
			}
			list := copies(t, source.Host, []string{destination.Host}, names...)
			wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusCopied)
			counts := destination.Log().Counts()
			heads := 1 // of the first
			if fault != nil {
				heads = 5
			}
			if counts[devregistry.KindTags] != 1 || counts[devregistry.KindManifestHead] != heads {
				t.Errorf("%d lists and %d HEADs, want 1 and %d", counts[devregistry.KindTags], counts[devregistry.KindManifestHead], heads)
			}
		})
	}
}

func TestOneDownloadFeedsTwoRegistries(t *testing.T) {
	source, first := pair(t)
	second := devregistrytest.Start(t, devregistry.Options{})
	names := threeImages(t, source.Host)
	list := copies(t, source.Host, []string{first.Host, second.Host}, names...)
	source.Log().Reset()
	wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusCopied)
	for i, c := range list {
		checkMirrored(t, source, []*devregistry.Server{first, second}[i/len(names)], c)
	}
	for digest, n := range source.Log().Downloads() {
		if n != 1 {
			t.Errorf("blob %s was downloaded %d times", digest, n)
		}
	}
}

func TestMountsFromEarlierRuns(t *testing.T) {
	large := content("large", 5<<20)
	push := func(t *testing.T) (source, destination *devregistry.Server) {
		source, destination = pair(t)
		p := newPusher(t, source.Host)
		p.image("old", "v", ociManifest, large)
		p.image("new", "v", ociManifest, large, content("own", 100))
		return source, destination
	}
	wantMounted := func(t *testing.T, destination *devregistry.Server) {
		t.Helper()
		if from := destination.Log().Mounts()[devregistry.RepoBlob{Repository: "mirror/new", Digest: hashOf(t, large)}]; from != "mirror/old" {
			t.Errorf("the large blob was mounted from %q, want mirror/old", from)
		}
	}
	t.Run("the cache names the origin", func(t *testing.T) {
		source, destination := push(t)
		cache := engine.Options{CachePath: filepath.Join(t.TempDir(), "sub", "origins")}
		run(t, copies(t, source.Host, []string{destination.Host}, "old:v"), cache)
		list := copies(t, source.Host, []string{destination.Host}, "new:v")
		wantStatus(t, list, run(t, list, cache), engine.StatusCopied)
		wantMounted(t, destination)
	})
	t.Run("an unchanged image of the plan does", func(t *testing.T) {
		source, destination := push(t)
		run(t, copies(t, source.Host, []string{destination.Host}, "old:v"), engine.Options{})
		list := copies(t, source.Host, []string{destination.Host}, "old:v", "new:v")
		run(t, list, engine.Options{})
		wantMounted(t, destination)
	})
	t.Run("a cache that is wrong harms nothing", func(t *testing.T) {
		source, destination := push(t)
		cache := engine.Options{CachePath: filepath.Join(t.TempDir(), "origins")}
		run(t, copies(t, source.Host, []string{destination.Host}, "old:v"), cache)
		if err := destination.RemoveBlob("mirror/old", hashOf(t, large)); err != nil {
			t.Fatal(err)
		}
		list := copies(t, source.Host, []string{destination.Host}, "new:v")
		wantStatus(t, list, run(t, list, cache), engine.StatusCopied)
		checkMirrored(t, source, destination, list[0])
	})
}
