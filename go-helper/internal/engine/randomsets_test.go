package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
	"docker-mirror/go-helper/internal/engine"
)

// randomSet pushes images that share layers at random: single ones, indexes, nested indexes, artifacts, empty
// layers, the same blob twice. It gives their names.
func randomSet(t testing.TB, r *rand.Rand, host string, images int) []string {
	t.Helper()
	p := newPusher(t, host)
	layer := func() []byte {
		switch n := r.IntN(10); {
		case n == 0:
			return nil
		case n < 5:
			return content(fmt.Sprintf("shared-%d", r.IntN(4)), 20_000*(1+r.IntN(3)))
		default:
			return content(fmt.Sprintf("own-%d", r.Int()), 1+r.IntN(300_000))
		}
	}
	layers := func() [][]byte {
		var out [][]byte
		for range r.IntN(4) {
			out = append(out, layer())
		}
		if len(out) > 1 && r.IntN(4) == 0 {
			out = append(out, out[0])
		}
		return out
	}
	var names []string
	for i := range images {
		repository := fmt.Sprintf("r%d", r.IntN(images))
		tag := fmt.Sprintf("t%d", i)
		switch r.IntN(4) {
		case 0, 1:
			p.image(repository, tag, []string{ociManifest, dockerImage}[r.IntN(2)], layers()...)
		case 2:
			p.index(
				repository, tag, ociIndex,
				entry{platform: "amd64", of: p.image(repository, "", ociManifest, layers()...)},
				entry{platform: "arm64", of: p.image(repository, "", ociManifest, layers()...)},
			)
		default:
			inner := p.index(repository, "", ociIndex, entry{of: p.image(repository, "", ociManifest, layers()...)})
			p.index(
				repository, tag, ociIndex,
				entry{of: inner, extra: object{"mediaType": ociIndex}},
				entry{platform: "arm64", of: p.image(repository, "", ociManifest, layers()...)},
			)
		}
		names = append(names, repository+":"+tag)
	}
	return names
}

// wantRightOrFailed checks that every copy is exactly right or reported as failed.
func wantRightOrFailed(t *testing.T, source, destination *devregistry.Server, list []engine.Copy, results []engine.Result, mayFail bool) {
	t.Helper()
	for i, r := range results {
		switch {
		case r.Status == engine.StatusCopied || r.Status == engine.StatusUnchanged:
			checkMirrored(t, source, destination, list[i])
		case !mayFail || r.Status != engine.StatusFailed || r.Err == nil || strings.Contains(r.Err.Error(), "lost track"):
			t.Errorf("%s: %s, %v", list[i].Destination, r.Status, r.Err)
		}
	}
}

// randomSets says which random sets are copied: RANDOM_SETS of them, from RANDOM_SETS_FROM on.
func randomSets(t *testing.T) (from, to uint64) {
	t.Helper()
	number := func(name string, value uint64) uint64 {
		if s := os.Getenv(name); s != "" {
			n, err := strconv.ParseUint(s, 10, 64)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return n
		}
		return value
	}
	byDefault := uint64(40)
	if testing.Short() {
		byDefault = 8
	}
	from = number("RANDOM_SETS_FROM", 0)
	return from, from + number("RANDOM_SETS", byDefault)
}

// Random sets through random faults: every destination equals its source or its copy failed, and a later
// faultless run makes all of it right, with nothing written twice.
func TestRandomSetsThroughRandomFaults(t *testing.T) {
	from, to := randomSets(t)
	for seed := from; seed < to; seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 6))
			source, first := pair(t)
			second := devregistrytest.Start(t, devregistry.Options{})
			destinations := []*devregistry.Server{first, second}[:1+r.IntN(2)]
			images := 2 + r.IntN(8)
			if seed%25 == 24 {
				images = 30 + r.IntN(30)
			}
			names := randomSet(t, r, source.Host, images)
			source.SetFaults(randomFaults(r))
			var list []engine.Copy
			var at []*devregistry.Server
			for _, d := range destinations {
				d.SetFaults(randomFaults(r))
				d.SetDialect(devregistry.Dialect{
					NoMounts: r.IntN(4) == 0, MountNeedsManifest: r.IntN(4) == 0, ZeroUploadStatus: r.IntN(5) == 0,
					RelativeLocation: r.IntN(2) == 0, DiscardPartial: r.IntN(5) == 0, NoUploadStatus: r.IntN(6) == 0,
				})
				for _, c := range copies(t, source.Host, []string{d.Host}, names...) {
					list, at = append(list, c), append(at, d)
				}
			}
			results := runRetrying(context.Background(), t, list, engine.Options{}, impatient)
			for i := range list {
				wantRightOrFailed(t, source, at[i], list[i:i+1], results[i:i+1], true)
			}
			source.SetFaults(devregistry.Faults{})
			for _, d := range destinations {
				d.SetFaults(devregistry.Faults{})
				d.Log().Reset()
			}
			results = run(t, list, engine.Options{})
			for i := range list {
				wantRightOrFailed(t, source, at[i], list[i:i+1], results[i:i+1], false)
			}
			for _, d := range destinations {
				wantNothingWrittenTwice(t, d)
			}
		})
	}
}

// wantNothingWrittenTwice checks that no repository was sent a blob, a manifest or a tag twice.
func wantNothingWrittenTwice(t *testing.T, s *devregistry.Server) {
	t.Helper()
	for at, n := range s.Log().Uploads() {
		if n > 1 {
			t.Errorf("%s got blob %s %d times", at.Repository, at.Digest, n)
		}
	}
	written := map[[2]string]int{}
	for _, e := range s.Log().Entries() {
		if e.Kind == devregistry.KindManifestPut {
			at := [2]string{e.Repository, e.Reference}
			if written[at]++; written[at] == 2 {
				t.Errorf("%s is written to %s more than once", e.Reference, e.Repository)
			}
		}
	}
}

func randomFaults(r *rand.Rand) devregistry.Faults {
	sometimes := func(n int) int {
		if r.IntN(3) > 0 {
			return 0
		}
		return n + r.IntN(n)
	}
	f := devregistry.Faults{
		RejectEvery: sometimes(6), CutDownloadEvery: sometimes(3), CutUploadEvery: sometimes(3),
		ResetEvery: sometimes(8), LoseAnswerEvery: sometimes(8), CorruptEvery: sometimes(20),
		StallDownloadEvery: sometimes(25), StallUploadEvery: sometimes(25),
	}
	if r.IntN(4) == 0 {
		f.RejectStatus = []int{429, 500, 502, 504, 408}[r.IntN(5)]
	}
	return f
}
