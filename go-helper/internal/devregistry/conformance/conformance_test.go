package conformance_test

import (
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/devregistry/conformance"
	"docker-mirror/go-helper/internal/devregistry/devregistrytest"
	"docker-mirror/go-helper/internal/devregistry/distributiontest"
)

func TestMemory(t *testing.T) {
	s := devregistrytest.Start(t, devregistry.Options{})
	conformance.Run(t, conformance.Target{URL: s.URL, MonolithicPost: true, Referrers: true, BlobsInIndexes: true, MountsSHA512: true})
}

func TestDisk(t *testing.T) {
	s := devregistrytest.Start(t, devregistry.Options{Root: t.TempDir()})
	conformance.Run(t, conformance.Target{URL: s.URL, MonolithicPost: true, Referrers: true, BlobsInIndexes: true, MountsSHA512: true})
}

func TestDistributionDialect(t *testing.T) {
	s := devregistrytest.Start(t, devregistry.Options{Dialect: devregistry.Distribution})
	conformance.Run(t, conformance.Target{URL: s.URL, MountsSHA512: true})
}

func TestRelativeLocation(t *testing.T) {
	s := devregistrytest.Start(t, devregistry.Options{Dialect: devregistry.Dialect{RelativeLocation: true}})
	conformance.Run(t, conformance.Target{URL: s.URL, MonolithicPost: true, Referrers: true, BlobsInIndexes: true, MountsSHA512: true})
}

func TestDistribution(t *testing.T) {
	s := distributiontest.Start(t)
	conformance.Run(t, conformance.Target{URL: s.URL})
}

func TestSparseIndexes(t *testing.T) {
	for name, required := range map[string][]string{"none": nil, "one": {"linux/amd64"}} {
		t.Run(name, func(t *testing.T) {
			s := devregistrytest.Start(t, devregistry.Options{Dialect: devregistry.Dialect{SparseIndexes: true, RequiredPlatforms: required}})
			conformance.RunSparseIndexes(t, conformance.Target{URL: s.URL}, strings.Join(required, ""))
		})
		t.Run(name+", distribution", func(t *testing.T) {
			s := distributiontest.Start(t, distributiontest.WithSparseIndexes(required...))
			conformance.RunSparseIndexes(t, conformance.Target{URL: s.URL}, strings.Join(required, ""))
		})
	}
}
