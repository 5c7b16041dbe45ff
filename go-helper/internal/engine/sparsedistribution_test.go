package engine_test

import (
	"errors"
	"testing"

	"docker-mirror/go-helper/internal/devregistry/distributiontest"
	"docker-mirror/go-helper/internal/engine"
)

func TestSparseIndexesOnDistribution(t *testing.T) {
	source, _ := pair(t)
	m := pushMulti(t, newPusher(t, source.Host), "v")
	for name, test := range map[string]struct {
		options []distributiontest.Option
		refused bool
	}{
		"all":  {nil, true},
		"none": {[]distributiontest.Option{distributiontest.WithSparseIndexes()}, false},
		"list": {[]distributiontest.Option{distributiontest.WithSparseIndexes("linux/amd64")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			destination := distributiontest.Start(t, test.options...)
			list := []engine.Copy{sparseCopy(t, source.Host, destination.Host, "v", "amd64")}
			results := run(t, list, engine.Options{})
			if test.refused {
				if !errors.As(results[0].Err, new(*engine.SparseRefusedError)) {
					t.Errorf("%s, %v", results[0].Status, results[0].Err)
				}
				return
			}
			wantStatus(t, list, results, engine.StatusCopied)
			if results[0].Digest != m.index.Digest {
				t.Errorf("digest %s", results[0].Digest)
			}
			wantStatus(t, list, run(t, list, engine.Options{}), engine.StatusUnchanged)
			wantStatus(t, list, run(t, list, engine.Options{Verify: true}), engine.StatusUnchanged)
			list = []engine.Copy{sparseCopy(t, source.Host, destination.Host, "v")}
			wantStatus(t, list, run(t, list, engine.Options{CheckPlatforms: true}), engine.StatusCopied)
			wantStatus(t, list, run(t, list, engine.Options{Verify: true}), engine.StatusUnchanged)
		})
	}
}
