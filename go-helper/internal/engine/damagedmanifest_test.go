package engine_test

import (
	"errors"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/engine"
	"docker-mirror/go-helper/internal/registry"
)

// A manifest can be damaged as a blob can: the registry still says that it has its digest. Verifying finds that and forcing sends it again, and where the
// registry drops what is sent, no copy is said to be made.
func TestDamagedManifests(t *testing.T) {
	for name, damaged := range map[string]func([]byte) []byte{
		"empty":         func([]byte) []byte { return nil },
		"cut":           func(body []byte) []byte { return body[:len(body)-5] },
		"other content": flipped,
	} {
		for _, of := range []string{"an index", "a platform"} {
			t.Run(name+" "+of, func(t *testing.T) {
				t.Parallel()
				source, destination := pair(t)
				m := pushMulti(t, newPusher(t, source.Host), "v")
				digest := m.index.Digest
				if of == "a platform" {
					digest = m.children["arm64"].Digest
				}
				list := copies(t, source.Host, []string{destination.Host}, "x:v")
				wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusCopied)
				body, mediaType, _ := destination.Manifest("mirror/x", digest.String())
				damage := func(dialect devregistry.Dialect) {
					t.Helper()
					if err := destination.PlantManifest("mirror/x", digest.String(), mediaType, damaged(body)); err != nil {
						t.Fatal(err)
					}
					destination.SetDialect(dialect)
				}

				damage(devregistry.Dialect{})
				if r := runRetrying(t.Context(), t, list, engine.Options{Verify: true}, hasty)[0]; !errors.Is(r.Err, engine.ErrDrift) || !errors.As(r.Err, new(*registry.DigestMismatchError)) {
					t.Errorf("verified: %s, %v", r.Status, r.Err)
				}
				wantStatus(t, list, runRetrying(t.Context(), t, list, engine.Options{Verify: true, Force: true}, hasty), engine.StatusCopied)
				checkMirrored(t, source, destination, list[0])

				damage(devregistry.Dialect{KeepBlobs: true})
				for _, verify := range []bool{false, true} {
					r := runRetrying(t.Context(), t, list, engine.Options{Verify: verify, Force: true}, hasty)[0]
					var kept *registry.KeptManifestError
					if r.Status != engine.StatusFailed || !errors.As(r.Err, &kept) {
						t.Errorf("kept, verify %t: %s, %v", verify, r.Status, r.Err)
					}
				}
			})
		}
	}
}
