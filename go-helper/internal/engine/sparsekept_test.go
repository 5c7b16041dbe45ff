package engine_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/engine"
)

// An equal digest doesn't tell that all of an index is there. Who wrote it sparse, or leaves something out at that registry,
// or is told to look, looks.
func TestASparseDestinationIsNotUnchangedForARunThatWantsAll(t *testing.T) {
	for name, test := range map[string]struct {
		first, second engine.Options
		beside        bool // another copy of the second run is sparse
		rewritten     bool // to all platforms that there are, which leaves it as it is
		want          engine.Status
	}{
		"the run that wrote it is remembered": {engine.Options{SparsePath: "X"}, engine.Options{SparsePath: "X"}, false, false, engine.StatusCopied},
		"remembered, for a dry run":           {engine.Options{SparsePath: "X"}, engine.Options{SparsePath: "X", DryRun: true}, false, false, engine.StatusPlanned},
		"remembered, rewritten to all":        {engine.Options{SparsePath: "X"}, engine.Options{SparsePath: "X"}, false, true, engine.StatusCopied},
		"another copy is sparse":              {engine.Options{}, engine.Options{}, true, false, engine.StatusCopied},
		"told to look":                        {engine.Options{}, engine.Options{CheckPlatforms: true}, false, false, engine.StatusCopied},
		"forced":                              {engine.Options{}, engine.Options{Force: true}, false, false, engine.StatusCopied},
		"verified":                            {engine.Options{}, engine.Options{Verify: true}, false, false, engine.StatusFailed},
		"nobody knows":                        {engine.Options{}, engine.Options{}, false, false, engine.StatusUnchanged},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "cache", "sparse")
			for _, opts := range []*engine.Options{&test.first, &test.second} {
				opts.SparsePath = strings.ReplaceAll(opts.SparsePath, "X", file)
			}
			source, destination := lenient(t)
			p := newPusher(t, source.Host)
			m := pushMulti(t, p, "v")
			pushMulti(t, p, "w")
			list := []engine.Copy{sparseCopy(t, source.Host, destination.Host, "v", "amd64")}
			wantStatus(t, list, run(t, list, test.first), engine.StatusCopied)

			list = []engine.Copy{sparseCopy(t, source.Host, destination.Host, "v")}
			if test.rewritten {
				list = []engine.Copy{sparseCopy(t, source.Host, destination.Host, "v", architectures...)}
				list[0].Sparse = false
			}
			all := list
			if test.beside {
				all = append(all, sparseCopy(t, source.Host, destination.Host, "w", "arm64"))
			}
			results := run(t, all, test.second)
			wantStatus(t, list, results[:1], test.want)
			if test.want == engine.StatusFailed && !errors.Is(results[0].Err, engine.ErrDrift) {
				t.Errorf("verify: %v, want drift", results[0].Err)
			}
			if test.want != engine.StatusCopied {
				m.wantThere(t, destination, "amd64")
				return
			}
			m.wantThere(t, destination, architectures...)
			checkMirrored(t, source, destination, list[0])
			// Once it is whole and known to be, its digest is enough again.
			destination.Log().Reset()
			wantStatus(t, list, run(t, list, engine.Options{SparsePath: test.second.SparsePath}), engine.StatusUnchanged)
			if counts := destination.Log().Counts(); counts[devregistry.KindManifestGet] != 0 || counts[devregistry.KindManifestHead] != 1 {
				t.Errorf("the destination was asked %v", counts)
			}
		})
	}
}

// A run that looked and found all there remembers that, too.
func TestAnIndexThatBecameWholeIsAskedForOnce(t *testing.T) {
	source, destination := lenient(t)
	m := pushMulti(t, newPusher(t, source.Host), "v")
	opts := engine.Options{SparsePath: filepath.Join(t.TempDir(), "sparse")}
	list := []engine.Copy{sparseCopy(t, source.Host, destination.Host, "v", "amd64")}
	wantStatus(t, list, run(t, list, opts), engine.StatusCopied)
	list = []engine.Copy{sparseCopy(t, source.Host, destination.Host, "v")}
	wantStatus(t, list, run(t, list, engine.Options{Force: true}), engine.StatusCopied) // by somebody else
	m.wantThere(t, destination, architectures...)
	for _, gets := range []int{1, 0} {
		destination.Log().Reset()
		wantStatus(t, list, run(t, list, opts), engine.StatusUnchanged)
		if counts := destination.Log().Counts(); counts[devregistry.KindManifestGet] != gets {
			t.Errorf("the destination was asked %v, want %d GETs", counts, gets)
		}
	}
}

func TestVerifyOfASparseIndexLooksAtWhatIsWanted(t *testing.T) {
	source, destination := lenient(t)
	m := pushMulti(t, newPusher(t, source.Host), "v")
	list := []engine.Copy{sparseCopy(t, source.Host, destination.Host, "v", "amd64")}
	wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusCopied)
	results := run(t, list, engine.Options{Verify: true})
	wantStatus(t, list, results, engine.StatusUnchanged)
	if results[0].Subset == nil {
		t.Error("doesn't say what is left out")
	}
	if err := destination.RemoveBlob("m/x", hashOf(t, content("vamd64", 3000))); err != nil {
		t.Fatal(err)
	}
	if err := run(t, list, engine.Options{Verify: true})[0].Err; !errors.Is(err, engine.ErrDrift) {
		t.Errorf("a blob is gone: %v, want drift", err)
	}
	wantStatus(t, list, run(t, list, engine.Options{Verify: true, Force: true}), engine.StatusCopied)
	wantStatus(t, list, run(t, list, engine.Options{Verify: true}), engine.StatusUnchanged)
	m.wantThere(t, destination, "amd64")
}

// Wishes that grow, shrink and change their kind from run to run, through random faults: whatever a run calls copied or unchanged
// has all that was wanted of it.
func TestRandomSubsetsThroughRandomFaults(t *testing.T) {
	seeds := uint64(16)
	if testing.Short() {
		seeds = 3
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 9))
			source, destination := lenient(t)
			p := newPusher(t, source.Host)
			images := map[string]multi{}
			tags := []string{"v", "w"}[:1+r.IntN(2)]
			for _, tag := range tags {
				images[tag] = pushMulti(t, p, tag)
			}
			opts := engine.Options{SparsePath: filepath.Join(t.TempDir(), "sparse")}
			for round := range 4 {
				var list []engine.Copy
				for _, tag := range tags {
					wanted := slices.Clone(architectures)
					r.Shuffle(len(wanted), func(i, j int) { wanted[i], wanted[j] = wanted[j], wanted[i] })
					c := sparseCopy(t, source.Host, destination.Host, tag, wanted[:r.IntN(len(wanted)+1)]...)
					c.Sparse = r.IntN(3) > 0
					list = append(list, c)
				}
				destination.SetFaults(devregistry.Faults{})
				if r.IntN(2) == 0 {
					destination.SetFaults(randomFaults(r))
				}
				for i, result := range runRetrying(t.Context(), t, list, opts, impatient) {
					if result.Status == engine.StatusFailed && round < 3 {
						continue
					}
					c := list[i]
					if got := destination.Tags("m/x")[c.Destination.Tag]; got != result.Digest {
						t.Errorf("round %d: %s is %s, reported %s (%s, %v)", round, c.Destination, got, result.Digest, result.Status, result.Err)
					}
					m := images[c.Source.Tag]
					if kept := c.Sparse || len(c.Platforms)%len(architectures) == 0; kept != (result.Digest == m.index.Digest) {
						t.Errorf("round %d: %s has digest %s, the source %s", round, c.Destination, result.Digest, m.index.Digest)
					}
					for name, child := range m.children {
						architecture := strings.TrimPrefix(name, "of ")
						wanted := len(c.Platforms) == 0 || slices.ContainsFunc(c.Platforms, func(p v1.Platform) bool { return p.Architecture == architecture })
						if !wanted {
							continue
						}
						if err := mirrored(source, destination, engine.Copy{
							Source:      ref(t, source.Host+"/x@"+child.Digest.String()),
							Destination: ref(t, destination.Host+"/m/x@"+child.Digest.String()),
						}); err != nil {
							t.Errorf("round %d: %s, %s: %s is wanted: %v", round, c.Destination, result.Status, name, err)
						}
					}
				}
			}
		})
	}
}
