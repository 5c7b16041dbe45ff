package engine_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/engine"
)

// An index often names what its registry doesn't have any more: platforms that were pruned, attestations that weren't copied.
func TestAnIndexThatNamesWhatIsNotThere(t *testing.T) {
	for name, test := range map[string]struct {
		remove    []string // of pushMulti
		platforms []string
		sparse    bool
		want      string   // of the error
		missing   []string // of the report
		kept      int
	}{
		"a platform":                        {[]string{"arm64"}, nil, false, "linux/arm64 sha256:", []string{"linux/arm64 sha256:"}, 4},
		"an attestation":                    {[]string{"of s390x"}, nil, false, "attestation of linux/s390x sha256:", []string{"attestation of linux/s390x sha256:"}, 5},
		"a platform and its attestation":    {[]string{"arm64", "of arm64"}, nil, false, "linux/arm64", []string{"linux/arm64", "attestation of linux/arm64"}, 4},
		"one of two that are wanted":        {[]string{"arm64"}, []string{"amd64", "arm64"}, false, "linux/arm64", []string{"linux/arm64"}, 2},
		"one of two that are wanted sparse": {[]string{"arm64"}, []string{"amd64", "arm64"}, true, "linux/arm64", []string{"linux/arm64"}, 2},
		"one that isn't wanted":             {[]string{"arm64"}, []string{"amd64"}, false, "", nil, 2},
		"all that is wanted":                {[]string{"arm64"}, []string{"arm64"}, false, "linux/arm64", nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source, destination := pair(t)
			destination.SetDialect(devregistry.Dialect{SparseIndexes: test.sparse})
			m := pushMulti(t, newPusher(t, source.Host), "v")
			for _, child := range test.remove {
				if err := source.RemoveManifest("x", m.children[child].Digest); err != nil {
					t.Fatal(err)
				}
			}
			list := []engine.Copy{sparseCopy(t, source.Host, destination.Host, "v", test.platforms...)}
			list[0].Sparse = test.sparse
			r := runRetrying(t.Context(), t, list, engine.Options{}, hasty)[0]
			if test.want == "" {
				wantStatus(t, list, []engine.Result{r}, engine.StatusCopied)
				return
			}
			var missing *engine.MissingManifestsError
			if r.Status != engine.StatusFailed || !errors.As(r.Err, &missing) || !strings.Contains(fmt.Sprint(r.Err), test.want) || len(destination.Tags("m/x")) > 0 {
				t.Errorf("%s, %v; want %s", r.Status, r.Err, test.want)
			}
			opts := engine.Options{SkipMissing: true, SparsePath: filepath.Join(t.TempDir(), "sparse")}
			r = runRetrying(t.Context(), t, list, opts, hasty)[0]
			if test.kept == 0 {
				if r.Status != engine.StatusFailed || !errors.As(r.Err, &missing) || !strings.HasSuffix(missing.Error(), "; without it nothing is left of what is wanted") {
					t.Errorf("nothing is left: %s, %v", r.Status, r.Err)
				}
				return
			}
			wantSkipped := func(what string, r engine.Result, status engine.Status) {
				t.Helper()
				if r.Status != status || r.Subset == nil || r.Subset.Sparse != test.sparse || r.Subset.Manifests != 6 || r.Subset.Kept != test.kept || len(r.Subset.Missing) != len(test.missing) {
					t.Errorf("%s: %s, %v, %+v", what, r.Status, r.Err, r.Subset)
					return
				}
				for i, m := range r.Subset.Missing {
					if !strings.Contains(m.String(), test.missing[i]) {
						t.Errorf("%s: missing %s, want %s", what, m, test.missing[i])
					}
				}
			}
			wantSkipped("copied", r, engine.StatusCopied)
			if (r.Digest == m.index.Digest) != test.sparse {
				t.Errorf("digest %s of %s", r.Digest, m.index.Digest)
			}
			wantKept(t, destination, "m/x", test.sparse, test.kept)
			wantSkipped("again", runRetrying(t.Context(), t, list, opts, hasty)[0], engine.StatusUnchanged)
			opts.Verify = true
			if r := runRetrying(t.Context(), t, list, opts, hasty)[0]; r.Status != engine.StatusUnchanged {
				t.Errorf("verified: %s, %v", r.Status, r.Err)
			}
		})
	}
}

// wantKept reads what the tag names, without our own client: how much of it is there.
func wantKept(t *testing.T, destination *devregistry.Server, repository string, sparse bool, kept int) {
	t.Helper()
	body, _, ok := destination.Manifest(repository, "v")
	if !ok {
		t.Fatal("no tag")
	}
	index, err := v1.ParseIndexManifest(strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	there := 0
	for _, entry := range index.Manifests {
		if _, _, ok := destination.Manifest(repository, entry.Digest.String()); ok {
			there++
		} else if !sparse {
			t.Errorf("names %s, which isn't there", entry.Digest)
		}
	}
	if there != kept {
		t.Errorf("%d manifests are there, want %d", there, kept)
	}
}

// What the source has again comes along, and what a destination lost is found.
func TestWhatWasMissingComesLater(t *testing.T) {
	for _, sparse := range []bool{false, true} {
		t.Run(fmt.Sprint("sparse ", sparse), func(t *testing.T) {
			source, destination := pair(t)
			destination.SetDialect(devregistry.Dialect{SparseIndexes: true})
			m := pushMulti(t, newPusher(t, source.Host), "v")
			body, mediaType, _ := source.Manifest("x", m.children["arm64"].Digest.String())
			if err := source.RemoveManifest("x", m.children["arm64"].Digest); err != nil {
				t.Fatal(err)
			}
			list := []engine.Copy{sparseCopy(t, source.Host, destination.Host, "v", "amd64", "arm64")}
			list[0].Sparse = sparse
			opts := engine.Options{SkipMissing: true, SparsePath: filepath.Join(t.TempDir(), "sparse")}
			wantStatus(t, list, runRetrying(t.Context(), t, list, opts, hasty), engine.StatusCopied)
			if err := source.PlantManifest("x", m.children["arm64"].Digest.String(), mediaType, body); err != nil {
				t.Fatal(err)
			}
			verify := opts
			verify.Verify = true
			if r := runRetrying(t.Context(), t, list, verify, hasty)[0]; !errors.Is(r.Err, engine.ErrDrift) {
				t.Errorf("verified: %s, %v", r.Status, r.Err)
			}
			results := runRetrying(t.Context(), t, list, opts, hasty)
			wantStatus(t, list, results, engine.StatusCopied)
			if s := results[0].Subset; s == nil || len(s.Missing) > 0 || s.Kept != 4 {
				t.Errorf("%+v", s)
			}
			wantKept(t, destination, "m/x", sparse, 4)
			wantStatus(t, list, runRetrying(t.Context(), t, list, opts, hasty), engine.StatusUnchanged)
		})
	}
}

// An index within an index is left out whole. A digest that is asked for, or locked, is never another one.
func TestSkipMissingHasBounds(t *testing.T) {
	source, destination := pair(t)
	p := newPusher(t, source.Host)
	gone := p.image("x", "", ociManifest, content("gone", 100))
	there := p.image("x", "", ociManifest, content("there", 100))
	inner := p.index("x", "", ociIndex, entry{platform: "amd64", of: gone}, entry{platform: "arm64", of: there})
	root := p.index("x", "v", ociIndex, entry{of: inner, extra: object{"mediaType": ociIndex}}, entry{platform: "s390x", of: there})
	if err := source.RemoveManifest("x", gone.Digest); err != nil {
		t.Fatal(err)
	}
	list := copies(t, source.Host, []string{destination.Host}, "x:v")
	results := runRetrying(t.Context(), t, list, engine.Options{SkipMissing: true}, hasty)
	wantStatus(t, list, results, engine.StatusCopied)
	if s := results[0].Subset; s == nil || s.Kept != 1 || len(s.Missing) != 1 || s.Missing[0].Digest != inner.Digest {
		t.Errorf("%+v", s)
	}
	var missing *engine.MissingManifestsError
	byDigest := list[0]
	byDigest.Source = ref(t, source.Host+"/x@"+root.Digest.String())
	byDigest.Destination = ref(t, destination.Host+"/mirror/y@"+root.Digest.String())
	if r := runRetrying(t.Context(), t, []engine.Copy{byDigest}, engine.Options{SkipMissing: true}, hasty)[0]; r.Status != engine.StatusFailed || !errors.As(r.Err, &missing) || !strings.HasSuffix(missing.Error(), "than the one that is asked for or locked") {
		t.Errorf("by digest: %s, %v", r.Status, r.Err)
	}
	// What isn't said to be gone isn't skipped.
	source.SetFaults(devregistry.Faults{Intercept: devregistry.Always(func(r devregistry.Request) bool {
		return r.Reference == inner.Digest.String()
	}, devregistry.Fault{Status: 403})})
	other := list[0]
	other.Destination.Tag = "other"
	if r := runRetrying(t.Context(), t, []engine.Copy{other}, engine.Options{SkipMissing: true}, hasty)[0]; r.Status != engine.StatusFailed {
		t.Errorf("denied: %s, %v", r.Status, r.Err)
	}
}

// What a lock expects of a rewritten index holds where nothing is missing, and fails where something is.
func TestSkipMissingAndLocks(t *testing.T) {
	source, destination := pair(t)
	m := pushMulti(t, newPusher(t, source.Host), "v")
	list := []engine.Copy{sparseCopy(t, source.Host, destination.Host, "v", "amd64", "arm64")}
	list[0].Sparse = false
	digest := run(t, list, engine.Options{DryRun: true})[0].Digest
	list[0].Expect = digest
	for _, opts := range []engine.Options{{}, {SkipMissing: true}, {Force: true}} {
		results := run(t, list, opts)
		if results[0].Err != nil || results[0].Digest != digest {
			t.Errorf("%+v: %s, %v", opts, results[0].Status, results[0].Err)
		}
	}
	if err := source.RemoveManifest("x", m.children["arm64"].Digest); err != nil {
		t.Fatal(err)
	}
	list[0].Destination.Repository = "m/other"
	var missing *engine.MissingManifestsError
	r := runRetrying(t.Context(), t, list, engine.Options{SkipMissing: true}, hasty)[0]
	if r.Status != engine.StatusFailed || !errors.As(r.Err, &missing) || len(missing.Missing) != 1 || !strings.HasSuffix(missing.Error(), "than the one that is asked for or locked") {
		t.Errorf("locked: %s, %v", r.Status, r.Err)
	}
}
