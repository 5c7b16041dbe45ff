// Package evidence finds what signs an image: Sigstore bundles that refer to it, and cosign's tags. It reads, and judges nothing.
package evidence

import (
	"context"
	"io"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/registry"
)

// The bounds of what is read of one manifest. Real images have a few signatures of some kilobytes.
const (
	MaxItems = 50
	MaxSize  = 1 << 20
	// MaxTotal bounds what is read of all of them.
	MaxTotal = 8 << 20
	// maxKept bounds what a finder keeps for those who ask again.
	maxKept = 64 << 20
)

// Kind is the form of a piece of evidence.
type Kind string

// The kinds, as the verifier knows them.
const (
	Bundle      Kind = "bundle"      // a Sigstore bundle that refers to the manifest
	Signature   Kind = "signature"   // of cosign's tag .sig: a payload, with annotations
	Attestation Kind = "attestation" // of cosign's tag .att: a DSSE envelope, with annotations
)

// Item is a piece of evidence.
type Item struct {
	Kind        Kind
	Manifest    v1.Hash // that has it
	Bytes       []byte
	Annotations map[string]string
	// Refused is why it can't be taken, however it reads: it is too large, or no evidence at all.
	Refused string
}

// Found is what there is of one manifest.
type Found struct {
	Items []Item
	// Errs are questions that had no answer: with one, nobody can tell that there is nothing.
	Errs []error
	// Beyond tells that there is more than is read.
	Beyond bool
	// Others are signatures of kinds that nobody verifies here, by their names.
	Others []string
}

// Registry is where evidence is read; a *registry.Client is one.
type Registry interface {
	Host() string
	AllReferrers(ctx context.Context, repository string, digest v1.Hash) ([]v1.Descriptor, error)
	HeadManifest(ctx context.Context, repository, identifier string) (v1.Descriptor, error)
	GetManifest(ctx context.Context, repository, identifier string) (*registry.Manifest, error)
	ReadBlob(ctx context.Context, repository string, digest v1.Hash, size int64, into io.Writer) (int64, error)
}

// Finder asks for each manifest once, as long as it can keep what it found. The zero value is ready.
type Finder struct {
	mu    sync.Mutex
	asked map[key]*asked
	kept  int
}

type key struct {
	host, repository string
	digest           v1.Hash
	attestations     bool
}

type asked struct {
	once  sync.Once
	found *Found
}

// Find gives what signs a manifest of a repository; cosign's tag of attestations is asked for where those are wanted.
func (f *Finder) Find(ctx context.Context, at Registry, repository string, digest v1.Hash, attestations bool) *Found {
	k := key{at.Host(), repository, digest, attestations}
	f.mu.Lock()
	if f.asked == nil {
		f.asked = map[key]*asked{}
	}
	a := f.asked[k]
	if a == nil {
		a = &asked{}
		f.asked[k] = a
	}
	f.mu.Unlock()
	a.once.Do(func() {
		a.found = find(ctx, at, repository, digest, attestations)
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, item := range a.found.Items {
			f.kept += len(item.Bytes)
		}
		if f.kept > maxKept { // attestations with whole SBOMs in them
			clear(f.asked)
			f.kept = 0
		}
	})
	return a.found
}
