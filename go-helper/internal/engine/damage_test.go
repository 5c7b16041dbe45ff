package engine_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/engine"
	"docker-mirror/go-helper/internal/registry"
)

// flipped has the size of b, and another digest.
func flipped(b []byte) []byte {
	out := append([]byte(nil), b...)
	out[len(out)/2] ^= 1
	return out
}

// A registry that lost a part of a blob says that it has it.
func TestDamagedBlobsAreFoundAndSentAgain(t *testing.T) {
	layer := content("layer", 300_000)
	for name, test := range map[string]struct {
		planted []byte
		deep    bool // only reading tells
		want    string
	}{
		"empty":         {nil, false, "has 0 bytes, want 300000"},
		"cut":           {layer[:299_999], false, "has 299999 bytes, want 300000"},
		"too long":      {append(append([]byte(nil), layer...), 0), false, "has 300001 bytes, want 300000"},
		"other content": {flipped(layer), true, "has content of digest sha256:"},
	} {
		for dialectName, dialect := range map[string]devregistry.Dialect{"mounts": {}, "no mounts": {NoMounts: true}} {
			t.Run(name+", "+dialectName, func(t *testing.T) {
				t.Parallel()
				source, destination := pair(t)
				destination.SetDialect(dialect)
				p := newPusher(t, source.Host)
				p.image("x", "v", ociManifest, layer, content("other", 1000))
				list := copies(t, source.Host, []string{destination.Host}, "x:v")
				wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusCopied)
				damage := func() {
					t.Helper()
					if err := destination.PlantBlob("mirror/x", hashOf(t, layer), test.planted); err != nil {
						t.Fatal(err)
					}
				}
				damage()
				wantDrift := func(opts engine.Options) {
					t.Helper()
					r := run(t, list, opts)[0]
					if r.Status != engine.StatusFailed || !errors.Is(r.Err, engine.ErrDrift) || !strings.Contains(r.Err.Error(), test.want) {
						t.Errorf("%+v: %s, %v; want %s", opts, r.Status, r.Err, test.want)
					}
				}
				if !test.deep {
					wantDrift(engine.Options{Verify: true})
					wantStatus(t, list, run(t, list, engine.Options{Force: true}), engine.StatusCopied)
					wantStatus(t, list, run(t, list, engine.Options{VerifyDeep: true}), engine.StatusUnchanged)
					damage()
				}
				wantDrift(engine.Options{VerifyDeep: true})
				source.Log().Reset()
				wantStatus(t, list, run(t, list, engine.Options{VerifyDeep: true, Force: true}), engine.StatusCopied)
				wantStatus(t, list, run(t, list, engine.Options{VerifyDeep: true}), engine.StatusUnchanged)
				read := source.Log().Select(func(e devregistry.Entry) bool {
					return e.Kind == devregistry.KindBlobGet && e.Digest == hashOf(t, layer)
				})
				if len(read) != 1 {
					t.Errorf("the blob was read %d times", len(read))
				}
				checkMirrored(t, source, destination, list[0])
			})
		}
	}
}

// Where a copy asks for a blob it isn't content with a part.
func TestACopyTakesNoPartForABlob(t *testing.T) {
	layer := content("layer", 300_000)
	source, destination := pair(t)
	destination.SetDialect(devregistry.Dialect{NoMounts: true})
	p := newPusher(t, source.Host)
	p.image("x", "v", ociManifest, layer)
	newPusher(t, destination.Host).image("mirror/x", "theirs", ociManifest, layer)
	if err := destination.PlantBlob("mirror/x", hashOf(t, layer), layer[:1000]); err != nil {
		t.Fatal(err)
	}
	list := copies(t, source.Host, []string{destination.Host}, "x:v")
	wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusCopied)
	checkMirrored(t, source, destination, list[0])
}

// Some registries drop what they think they have: then nothing is repaired, and that is said.
func TestARegistryThatKeepsDamagedBlobs(t *testing.T) {
	layer := content("layer", 300_000)
	for name, planted := range map[string][]byte{"cut": layer[:10], "other content": flipped(layer)} {
		t.Run(name, func(t *testing.T) {
			source, destination := pair(t)
			p := newPusher(t, source.Host)
			p.image("x", "v", ociManifest, layer)
			list := copies(t, source.Host, []string{destination.Host}, "x:v")
			wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusCopied)
			destination.SetDialect(devregistry.Dialect{KeepBlobs: true})
			if err := destination.PlantBlob("mirror/x", hashOf(t, layer), planted); err != nil {
				t.Fatal(err)
			}
			r := run(t, list, engine.Options{VerifyDeep: true, Force: true})[0]
			var damaged *registry.DamagedBlobError
			if r.Status != engine.StatusFailed || !errors.As(r.Err, &damaged) || !damaged.Kept || !strings.Contains(fmt.Sprint(r.Err), "keeps what it has") {
				t.Errorf("%s, %v", r.Status, r.Err)
			}
		})
	}
}

// Deeply verified, a blob is read once, however many images have it.
func TestVerifyingDeeplyReadsABlobOnce(t *testing.T) {
	source, destination := pair(t)
	p := newPusher(t, source.Host)
	base := content("base", 100_000)
	for i := range 5 {
		p.image(fmt.Sprintf("x%d", i), "v", ociManifest, base, content(fmt.Sprint(i), 1000))
	}
	list := copies(t, source.Host, []string{destination.Host}, "x0:v", "x1:v", "x2:v", "x3:v", "x4:v")
	wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusCopied)
	destination.Log().Reset()
	wantStatus(t, list, run(t, list, engine.Options{VerifyDeep: true, Concurrency: 3}), engine.StatusUnchanged)
	read := map[v1.Hash]int{}
	for _, e := range destination.Log().Select(func(e devregistry.Entry) bool { return e.Kind == devregistry.KindBlobGet }) {
		read[e.Digest]++
	}
	if len(read) != 11 || read[hashOf(t, base)] != 1 {
		t.Errorf("%d blobs were read, the base %d times", len(read), read[hashOf(t, base)])
	}
	// It goes on where a download breaks.
	destination.SetFaults(devregistry.Faults{CutDownloadEvery: 2})
	wantStatus(t, list, run(t, list, engine.Options{VerifyDeep: true}), engine.StatusUnchanged)
}

// Who may push but not read can still repair what was asked for.
func TestForceWithoutAccessToBlobs(t *testing.T) {
	source, destination := pair(t)
	p := newPusher(t, source.Host)
	p.image("x", "v", ociManifest, content("layer", 1000))
	destination.SetFaults(devregistry.Faults{Intercept: devregistry.Always(func(r devregistry.Request) bool {
		return r.Kind == devregistry.KindBlobHead || r.Kind == devregistry.KindBlobGet
	}, devregistry.Fault{Status: 403, Code: devregistry.CodeDenied})})
	list := copies(t, source.Host, []string{destination.Host}, "x:v")
	for range 2 {
		wantStatus(t, list, run(t, list, engine.Options{Force: true}), engine.StatusCopied)
	}
}
