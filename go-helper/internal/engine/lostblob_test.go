package engine_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/engine"
)

// An index is broken by what is far below it: the error says of which platform that is, whatever is wrong with it, at either end.
func TestWhatBreaksBelowAnIndexIsNamedByItsPlatform(t *testing.T) {
	layer := func(t *testing.T, a string) v1.Hash { return hashOf(t, content("v"+a, 3000)) }
	always := func(of v1.Hash, kind devregistry.Kind, f devregistry.Fault) devregistry.Faults {
		return devregistry.Faults{Intercept: devregistry.Always(func(r devregistry.Request) bool {
			return r.Kind == kind && strings.Contains(r.Reference+r.Digest.String(), of.String())
		}, f)}
	}
	denied := devregistry.Fault{Status: http.StatusForbidden, Code: devregistry.CodeDenied}
	remove := func(digest func(*testing.T) v1.Hash) func(*testing.T, *devregistry.Server, *devregistry.Server, multi) {
		return func(t *testing.T, source, _ *devregistry.Server, _ multi) {
			if err := source.RemoveBlob("x", digest(t)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, test := range map[string]struct {
		of   []string // of pushMulti
		why  string
		with func(t *testing.T, source, destination *devregistry.Server, m multi)
	}{
		"a layer is gone":       {[]string{"linux/arm64"}, "get blob ", remove(func(t *testing.T) v1.Hash { return layer(t, "arm64") })},
		"an attestation's":      {[]string{"attestation of linux/arm64"}, "404", remove(func(t *testing.T) v1.Hash { return hashOf(t, content("vproof of arm64", 100)) })},
		"a layer of all is too": {[]string{"linux/amd64", "linux/arm64", "linux/s390x"}, "404", remove(func(t *testing.T) v1.Hash { return hashOf(t, content("shared", 2000)) })},
		"a layer is denied": {[]string{"linux/arm64"}, "403", func(t *testing.T, source, _ *devregistry.Server, _ multi) {
			source.SetFaults(always(layer(t, "arm64"), devregistry.KindBlobGet, denied))
		}},
		"a layer is another": {[]string{"linux/arm64"}, "content has digest", func(t *testing.T, source, _ *devregistry.Server, _ multi) {
			source.SetFaults(always(layer(t, "arm64"), devregistry.KindBlobGet, devregistry.Fault{Corrupt: true}))
		}},
		"a manifest is denied": {[]string{"linux/arm64"}, "403", func(_ *testing.T, source, _ *devregistry.Server, m multi) {
			source.SetFaults(always(m.children["arm64"].Digest, devregistry.KindManifestGet, denied))
		}},
		"a manifest is another": {[]string{"linux/arm64"}, "content has digest", func(_ *testing.T, source, _ *devregistry.Server, m multi) {
			source.SetFaults(always(m.children["arm64"].Digest, devregistry.KindManifestGet, devregistry.Fault{Corrupt: true}))
		}},
		"a layer isn't taken": {[]string{"linux/arm64"}, "403", func(t *testing.T, _, destination *devregistry.Server, _ multi) {
			destination.SetFaults(always(layer(t, "arm64"), devregistry.KindUploadPut, denied))
		}},
		"a manifest isn't taken": {[]string{"linux/arm64"}, "403", func(_ *testing.T, _, destination *devregistry.Server, m multi) {
			destination.SetFaults(always(m.children["arm64"].Digest, devregistry.KindManifestPut, denied))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source, destination := pair(t)
			m := pushMulti(t, newPusher(t, source.Host), "v")
			test.with(t, source, destination, m)
			list := []engine.Copy{sparseCopy(t, source.Host, destination.Host, "v")}
			r := runRetrying(t.Context(), t, list, engine.Options{}, hasty)[0]
			wantNamed(t, m, r, test.of, test.why)
		})
	}
}

// wantNamed checks that an error names platforms with their manifests, and no others, and says why.
func wantNamed(t *testing.T, m multi, r engine.Result, of []string, why string) {
	t.Helper()
	text := fmt.Sprint(r.Err)
	if r.Status != engine.StatusFailed || !strings.Contains(text, why) {
		t.Errorf("%s, %s; want %q", r.Status, text, why)
	}
	if n := strings.Count(text, "linux/"); n != len(of) {
		t.Errorf("names %d platforms, want %d: %s", n, len(of), text)
	}
	for _, name := range of {
		child := strings.Replace(strings.TrimPrefix(name, "attestation "), "linux/", "", 1)
		if !strings.Contains(text, name) || !strings.Contains(text, m.children[child].Digest.String()) {
			t.Errorf("doesn't name %s %s: %s", name, m.children[child].Digest, text)
		}
	}
}

// The same where a destination is compared.
func TestWhatIsMissingBelowAnIndexAtTheDestinationIsNamedByItsPlatform(t *testing.T) {
	layer := content("varm64", 3000)
	for name, test := range map[string]struct {
		why    string
		damage func(d *devregistry.Server, m multi) error
	}{
		"no manifest": {"lacks it", func(d *devregistry.Server, m multi) error { return d.RemoveManifest("m/x", m.children["arm64"].Digest) }},
		"no layer":    {"lacks blob ", func(d *devregistry.Server, _ multi) error { return d.RemoveBlob("m/x", hashOf(t, layer)) }},
		"part of one": {"has 10 bytes, want 3000", func(d *devregistry.Server, _ multi) error { return d.PlantBlob("m/x", hashOf(t, layer), layer[:10]) }},
		"another inside": {"has content of digest ", func(d *devregistry.Server, _ multi) error {
			return d.PlantBlob("m/x", hashOf(t, layer), flipped(layer))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source, destination := pair(t)
			m := pushMulti(t, newPusher(t, source.Host), "v")
			list := []engine.Copy{sparseCopy(t, source.Host, destination.Host, "v")}
			wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusCopied)
			if err := test.damage(destination, m); err != nil {
				t.Fatal(err)
			}
			wantNamed(t, m, run(t, list, engine.Options{VerifyDeep: true})[0], []string{"linux/arm64"}, test.why)
		})
	}
}

// What is no index has no platform to name; what is attached to it is named as that.
func TestABlobThatIsGoneIsNamedByWhatItIsOf(t *testing.T) {
	for _, blob := range []string{"layer", "sbom"} {
		source, destination := pair(t)
		p := newPusher(t, source.Host)
		image := p.image("x", "v", ociManifest, content("layer", 1000))
		sbom := p.attach("x", "application/x-sbom", image, content("sbom", 1000))
		want := "get blob "
		if blob == "sbom" {
			want = "attached " + sbom.Digest.String() + ": get blob "
		}
		source.SetFaults(devregistry.Faults{Intercept: devregistry.Always(func(r devregistry.Request) bool {
			return r.Kind == devregistry.KindBlobGet && r.Digest == hashOf(t, content(blob, 1000))
		}, devregistry.Fault{Status: http.StatusForbidden})})
		r := runRetrying(t.Context(), t, referrersOf(t, source, destination, engine.ReferrersAll), engine.Options{}, hasty)[0]
		if r.Status != engine.StatusFailed || !strings.HasPrefix(fmt.Sprint(r.Err), want) {
			t.Errorf("%s: %s, %v; want %s…", blob, r.Status, r.Err, want)
		}
	}
}

// Many platforms may share a base: a few of them are enough.
func TestABlobOfManyPlatformsNamesAFew(t *testing.T) {
	source, destination := pair(t)
	p := newPusher(t, source.Host)
	var entries []entry
	for _, a := range []string{"386", "amd64", "arm", "arm64", "riscv64"} {
		entries = append(entries, entry{platform: a, of: p.image("x", "", ociManifest, content("base", 1000), content(a, 10))})
	}
	p.index("x", "v", ociIndex, entries...)
	if err := source.RemoveBlob("x", hashOf(t, content("base", 1000))); err != nil {
		t.Fatal(err)
	}
	list := copies(t, source.Host, []string{destination.Host}, "x:v")
	r := runRetrying(t.Context(), t, list, engine.Options{}, hasty)[0]
	if text := fmt.Sprint(r.Err); strings.Count(text, "linux/") != 3 || !strings.Contains(text, ", 2 more: get blob ") {
		t.Error(text)
	}
}
