package engine_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
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

func TestImagesOfAllShapes(t *testing.T) {
	tests := map[string]func(p *pusher) (tag string){
		"one-entry index": func(p *pusher) string {
			p.index("x", "v", ociIndex, entry{platform: "amd64", of: p.image("x", "", ociManifest, content("a", 10))})
			return "v"
		},
		"entry without platform": func(p *pusher) string {
			p.index("x", "v", dockerList, entry{of: p.image("x", "", dockerImage, content("a", 10))})
			return "v"
		},
		"manifest without mediaType": func(p *pusher) string {
			m := p.manifest("x", ociManifest, content("a", 10))
			delete(m, "mediaType")
			p.put("x", "v", ociManifest, m)
			return "v"
		},
		"nested index": func(p *pusher) string {
			inner := p.index("x", "", ociIndex, entry{platform: "amd64", of: p.image("x", "", ociManifest, content("a", 10))})
			p.index("x", "v", ociIndex, entry{of: inner, extra: object{"mediaType": ociIndex}})
			return "v"
		},
		"empty index": func(p *pusher) string {
			p.put("x", "v", ociIndex, object{"schemaVersion": 2, "mediaType": ociIndex, "manifests": []object{}})
			return "v"
		},
		"artifact with empty config": func(p *pusher) string {
			empty := p.blob("x", "", []byte("{}"))
			p.put("x", "v", ociManifest, object{
				"schemaVersion": 2, "mediaType": ociManifest, "artifactType": "application/vnd.cncf.helm.chart",
				"config": descriptor("application/vnd.oci.empty.v1+json", empty),
				"layers": []object{descriptor("application/vnd.cncf.helm.chart.content.v1.tar+gzip", p.blob("x", "", content("chart", 999)))},
			})
			return "v"
		},
		"Helm chart": func(p *pusher) string {
			config := p.blob("x", "", []byte(`{"name":"chart","version":"1.0.0"}`))
			p.put("x", "v", ociManifest, object{
				"schemaVersion": 2, "mediaType": ociManifest,
				"config": descriptor("application/vnd.cncf.helm.config.v1+json", config),
				"layers": []object{
					descriptor("application/vnd.cncf.helm.chart.content.v1.tar+gzip", p.blob("x", "", content("chart", 999))),
					descriptor("application/vnd.cncf.helm.chart.provenance.v1.prov", p.blob("x", "", content("provenance", 99))),
				},
				"annotations": object{"org.opencontainers.image.version": "1.0.0"},
			})
			return "v"
		},
		"WebAssembly": func(p *pusher) string {
			config := p.blob("x", "", []byte(`{"architecture":"wasm","os":"wasip1","layerDigests":[]}`))
			p.put("x", "v", ociManifest, object{
				"schemaVersion": 2, "mediaType": ociManifest,
				"config": descriptor("application/vnd.wasm.config.v0+json", config),
				"layers": []object{descriptor("application/wasm", p.blob("x", "", append([]byte("\x00asm"), content("module", 500)...)))},
			})
			return "v"
		},
		"cosign's signature by itself": func(p *pusher) string {
			layer := descriptor("application/vnd.dev.cosign.simplesigning.v1+json", p.blob("x", "", []byte(`{"critical":{}}`)))
			layer["annotations"] = object{"dev.cosignproject.cosign/signature": "MEUCIQ=="}
			p.put("x", "v", ociManifest, object{
				"schemaVersion": 2, "mediaType": ociManifest,
				"config": descriptor(ociConfig, p.blob("x", "", []byte(`{"architecture":"","os":"","rootfs":{"type":"layers","diff_ids":[]}}`))),
				"layers": []object{layer},
			})
			return "v"
		},
		"artifact without content": func(p *pusher) string { // image-spec, manifest.md, "Guidelines for Artifact Usage"
			empty := descriptor("application/vnd.oci.empty.v1+json", p.blob("x", "", []byte("{}")))
			empty["data"] = "e30="
			p.put("x", "v", ociManifest, object{
				"schemaVersion": 2, "mediaType": ociManifest, "artifactType": "application/vnd.example+type",
				"config": empty, "layers": []object{empty}, "annotations": object{"x": "only this"},
			})
			return "v"
		},
		"no layers": func(p *pusher) string {
			p.image("x", "v", ociManifest)
			return "v"
		},
		"zstd and uncompressed layers": func(p *pusher) string {
			m := p.manifest("x", ociManifest, content("gzip", 10))
			m["layers"] = append(m["layers"].([]object),
				descriptor("application/vnd.oci.image.layer.v1.tar+zstd", p.blob("x", "", append([]byte("\x28\xb5\x2f\xfd"), content("zstd", 300)...))),
				descriptor("application/vnd.oci.image.layer.v1.tar", p.blob("x", "", content("tar", 300))))
			p.put("x", "v", ociManifest, m)
			return "v"
		},
		"nested three deep, with a child that comes twice": func(p *pusher) string {
			image := p.image("x", "", ociManifest, content("a", 10))
			inner := p.index("x", "", ociIndex, entry{platform: "amd64", of: image})
			for range 2 {
				inner = p.index("x", "", ociIndex, entry{of: inner, extra: object{"mediaType": ociIndex}}, entry{platform: "arm64", of: image})
			}
			p.index("x", "v", ociIndex, entry{of: inner, extra: object{"mediaType": ociIndex}})
			return "v"
		},
		"index of artifacts": func(p *pusher) string {
			chart := p.put("x", "", ociManifest, object{
				"schemaVersion": 2, "mediaType": ociManifest, "artifactType": "application/vnd.example",
				"config": descriptor("application/vnd.oci.empty.v1+json", p.blob("x", "", []byte("{}"))), "layers": []object{},
			})
			p.put("x", "v", ociIndex, object{
				"schemaVersion": 2, "mediaType": ociIndex, "artifactType": "application/vnd.example.set",
				"manifests": []object{descriptor(ociManifest, chart)}, "annotations": object{"a": "b"},
			})
			return "v"
		},
		"empty blob and the same blob twice": func(p *pusher) string {
			p.image("x", "v", ociManifest, nil, content("a", 10), content("a", 10))
			return "v"
		},
		"foreign layer": func(p *pusher) string {
			m := p.manifest("x", dockerImage, content("a", 10))
			foreign := descriptor(dockerForeign, v1.Descriptor{Digest: hashOf(p.t, content("elsewhere", 5)), Size: 5})
			foreign["urls"] = []string{"https://example.com/layer"}
			m["layers"] = append(m["layers"].([]object), foreign)
			p.put("x", "v", dockerImage, m)
			return "v"
		},
		"by digest": func(p *pusher) string {
			return "v@" + p.image("x", "v", ociManifest, content("a", 10)).Digest.String()
		},
	}
	for name, push := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source, destination := pair(t)
			tag := push(newPusher(t, source.Host))
			list := []engine.Copy{{
				Source:      ref(t, source.Host+"/x:"+tag),
				Destination: ref(t, destination.Host+"/mirror/x:v"),
			}}
			wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusCopied)
			checkMirrored(t, source, destination, list[0])
			wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusUnchanged)
		})
	}
}

func TestBadImagesFailAlone(t *testing.T) {
	tests := map[string]struct {
		push func(p *pusher, s *devregistry.Server)
		want string
	}{
		"no such tag": {func(*pusher, *devregistry.Server) {}, "read source 127.0.0.1"},
		"a blob is gone": {func(p *pusher, s *devregistry.Server) {
			layer := content("gone", 5000)
			p.image("bad", "v", ociManifest, layer)
			if err := s.RemoveBlob("bad", hashOf(p.t, layer)); err != nil {
				p.t.Fatal(err)
			}
		}, "404"},
		"a blob is not what its digest says": {func(p *pusher, s *devregistry.Server) {
			p.image("bad", "v", ociManifest, content("layer", 500_000))
			s.SetFaults(devregistry.Faults{Intercept: devregistry.Always(func(r devregistry.Request) bool {
				return r.Kind == devregistry.KindBlobGet && r.Repository == "bad"
			}, devregistry.Fault{Corrupt: true})})
		}, "digest"},
		"a child is gone": {func(p *pusher, s *devregistry.Server) {
			child := p.image("bad", "", ociManifest, content("layer", 50))
			p.index("bad", "v", ociIndex, entry{platform: "amd64", of: child})
			if err := s.RemoveManifest("bad", child.Digest); err != nil {
				p.t.Fatal(err)
			}
		}, "404"},
		"forbidden": {func(p *pusher, s *devregistry.Server) {
			s.SetFaults(devregistry.Faults{Intercept: devregistry.Always(func(r devregistry.Request) bool {
				return r.Repository == "bad"
			}, devregistry.Fault{Status: http.StatusForbidden, Code: devregistry.CodeDenied})})
		}, "403"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source, destination := pair(t)
			good := threeImages(t, source.Host)
			test.push(newPusher(t, source.Host), source)
			list := copies(t, source.Host, []string{destination.Host}, append([]string{"bad:v"}, good...)...)
			results := run(t, list, engine.Options{})
			if results[0].Status != engine.StatusFailed || !strings.Contains(fmt.Sprint(results[0].Err), test.want) {
				t.Errorf("bad image: %s, %v; want failed with %q", results[0].Status, results[0].Err, test.want)
			}
			if _, _, ok := destination.Manifest("mirror/bad", "v"); ok {
				t.Error("the bad image has a tag")
			}
			wantStatus(t, list[1:], results[1:], engine.StatusCopied)
			for _, c := range list[1:] {
				checkMirrored(t, source, destination, c)
			}
			if n := destination.OpenUploads(); n != 0 {
				t.Errorf("%d upload sessions were left open", n)
			}
		})
	}
}

func TestLimitPlatforms(t *testing.T) {
	source, destination := pair(t)
	p := newPusher(t, source.Host)
	amd := p.image("x", "", ociManifest, content("amd", 100))
	arm := p.image("x", "", ociManifest, content("arm", 100))
	proof := p.image("x", "", ociManifest, content("proof", 10))
	armProof := p.image("x", "", ociManifest, content("arm-proof", 10))
	attests := func(d v1.Descriptor) object {
		return object{
			"platform":    object{"os": "unknown", "architecture": "unknown"},
			"annotations": object{"vnd.docker.reference.digest": d.Digest.String()},
		}
	}
	p.index(
		"x", "v", ociIndex,
		entry{platform: "amd64", of: amd}, entry{platform: "arm64", of: arm},
		entry{of: proof, extra: attests(amd)}, entry{of: armProof, extra: attests(arm)},
	)
	p.image("single", "v", ociManifest, content("single", 10))

	limit := func(name string, architectures ...string) engine.Copy {
		c := engine.Copy{Source: ref(t, source.Host+"/"+name+":v"), Destination: ref(t, destination.Host+"/m/"+name+":"+strings.Join(architectures, "-"))}
		for _, a := range architectures {
			c.Platforms = append(c.Platforms, v1.Platform{OS: "linux", Architecture: a})
		}
		return c
	}
	list := []engine.Copy{limit("x", "amd64"), limit("x", "amd64", "arm64"), limit("single", "arm64"), limit("x", "s390x")}
	results := run(t, list, engine.Options{})
	wantStatus(t, list[:3], results[:3], engine.StatusCopied)
	if err := results[3].Err; err == nil || !strings.Contains(err.Error(), "none of the requested platforms") {
		t.Errorf("no platform matches: %v", err)
	}
	checkMirrored(t, source, destination, list[1]) // all kept: byte for byte
	checkMirrored(t, source, destination, list[2]) // a single image ignores it
	body, _, _ := destination.Manifest("m/x", "amd64")
	index, err := v1.ParseIndexManifest(strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	if len(index.Manifests) != 2 || index.Manifests[0].Digest != amd.Digest || index.Manifests[1].Digest != proof.Digest {
		t.Errorf("limited index lists %+v, want amd64 and its attestation", index.Manifests)
	}
	if destination.HasBlob("m/x", hashOf(t, content("arm-proof", 10))) != true { // wanted by the second copy
		t.Error("the second copy lacks a blob")
	}
	wantStatus(t, list[:3], run(t, list[:3], engine.Options{}), engine.StatusUnchanged)
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

func TestVerifyFindsAndForceRepairs(t *testing.T) {
	source, destination := pair(t)
	names := threeImages(t, source.Host)
	list := copies(t, source.Host, []string{destination.Host}, names...)
	run(t, list, engine.Options{})
	wantStatus(t, list, run(t, list, engine.Options{Verify: true}), engine.StatusUnchanged)

	damage := func() {
		if err := destination.RemoveBlob("mirror/app/three", hashOf(t, content("three-arm", 10_000))); err != nil {
			t.Fatal(err)
		}
	}
	damage()
	wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusUnchanged) // trusted by default
	destination.Log().Reset()
	results := run(t, list, engine.Options{Verify: true})
	wantStatus(t, list[:2], results[:2], engine.StatusUnchanged)
	if !errors.Is(results[2].Err, engine.ErrDrift) {
		t.Errorf("damaged image: %v, want ErrDrift", results[2].Err)
	}
	for kind := range destination.Log().Counts() {
		if strings.Contains(string(kind), "PUT") || strings.Contains(string(kind), "POST") {
			t.Errorf("verify sent %s", kind)
		}
	}
	wantStatus(t, list, run(t, list, engine.Options{Force: true}), engine.StatusCopied)
	checkMirrored(t, source, destination, list[2])

	damage()
	results = run(t, list, engine.Options{Verify: true, Force: true})
	wantStatus(t, list[:2], results[:2], engine.StatusUnchanged)
	wantStatus(t, list[2:], results[2:], engine.StatusCopied)
	checkMirrored(t, source, destination, list[2])
}

func TestDryRunWritesNothing(t *testing.T) {
	source, destination := pair(t)
	names := threeImages(t, source.Host)
	run(t, copies(t, source.Host, []string{destination.Host}, names[0]), engine.Options{})
	destination.Log().Reset()
	list := copies(t, source.Host, []string{destination.Host}, names...)
	results := run(t, list, engine.Options{DryRun: true})
	wantStatus(t, list[:1], results[:1], engine.StatusUnchanged)
	wantStatus(t, list[1:], results[1:], engine.StatusPlanned)
	for _, e := range destination.Log().Entries() {
		if e.Method != http.MethodHead && e.Method != http.MethodGet {
			t.Errorf("dry run sent %s %s", e.Method, e.Path)
		}
	}
	if up := results[1].Bytes.Up + results[2].Bytes.Up; up < 500_000 {
		t.Errorf("planned bytes up: %d, want the layers'", up)
	}
}

// A manifest that is on its way when the interrupt comes is written, and reported so.
func TestInterruptTellsWhatWasWritten(t *testing.T) {
	source, destination := pair(t)
	newPusher(t, source.Host).image("x", "v", ociManifest, content("layer", 1000))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	destination.SetFaults(devregistry.Faults{Intercept: func(r devregistry.Request) *devregistry.Fault {
		if r.Kind == devregistry.KindManifestPut {
			cancel()
			return &devregistry.Fault{Delay: 200 * time.Millisecond}
		}
		return nil
	}})
	list := copies(t, source.Host, []string{destination.Host}, "x:v")
	results := runContext(ctx, t, list, engine.Options{})
	wantStatus(t, list, results, engine.StatusCopied)
	checkMirrored(t, source, destination, list[0])
}

func TestInterrupt(t *testing.T) {
	source, destination := pair(t)
	names := threeImages(t, source.Host)
	source.SetFaults(devregistry.Faults{Intercept: devregistry.Always(func(r devregistry.Request) bool {
		return r.Kind == devregistry.KindBlobGet
	}, devregistry.Fault{StallDownload: devregistry.AfterBytes(1000)})})
	list := copies(t, source.Host, []string{destination.Host}, names...)
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	results := runContext(ctx, t, list, engine.Options{})
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("an interrupted run took %s", took)
	}
	for i, r := range results {
		if r.Status != engine.StatusFailed || !errors.Is(r.Err, engine.ErrInterrupted) {
			t.Errorf("%s: %s, %v", list[i].Destination, r.Status, r.Err)
		}
	}
	for _, kind := range []devregistry.Kind{devregistry.KindManifestPut} {
		if n := destination.Log().Counts()[kind]; n != 0 {
			t.Errorf("%d × %s after the interrupt", n, kind)
		}
	}
	if n := destination.OpenUploads(); n != 0 {
		t.Errorf("%d upload sessions were left open", n)
	}
	source.SetFaults(devregistry.Faults{})
	wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusCopied)
	deadline := time.Now().Add(3 * time.Second)
	for runtime.NumGoroutine() > before+4 && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before+4 {
		t.Errorf("%d goroutines, %d before the runs", n, before)
	}
}
