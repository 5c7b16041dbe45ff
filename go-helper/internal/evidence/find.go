package evidence

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"docker-mirror/go-helper/internal/registry"
)

const (
	bundleType   = "application/vnd.dev.sigstore.bundle"
	notationType = "application/vnd.cncf.notary.signature"
	payloadType  = "application/vnd.dev.cosign.simplesigning.v1+json"
	envelopeType = "application/vnd.dsse.envelope.v1+json"
)

// looking is one search.
type looking struct {
	at         Registry
	repository string
	digest     v1.Hash

	mu    sync.Mutex
	total int64
	found [3][]Item // of the referrers, of .sig, of .att: in an order that doesn't depend on who answered first
	Found
}

func find(ctx context.Context, at Registry, repository string, digest v1.Hash, attestations bool) *Found {
	l := &looking{at: at, repository: repository, digest: digest}
	var group errgroup.Group
	group.Go(func() error { l.referrers(ctx); return nil })
	group.Go(func() error { l.tag(ctx, ".sig", 1); return nil })
	if attestations {
		group.Go(func() error { l.tag(ctx, ".att", 2); return nil })
	}
	_ = group.Wait() // each keeps its own errors
	l.Items = slices.Concat(l.found[:]...)
	if len(l.Items) > MaxItems {
		l.Items, l.Beyond = l.Items[:MaxItems], true
	}
	slices.Sort(l.Others)
	l.Others = slices.Compact(l.Others)
	return &l.Found
}

func (l *looking) fail(what string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Errs = append(l.Errs, fmt.Errorf("%s: %w", what, err))
}

func (l *looking) beyond() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Beyond = true
}

// takes tells whether so many bytes more are read.
func (l *looking) takes(size int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total += size
	return l.total <= MaxTotal
}

// referrers reads the bundles that refer to the manifest. Their annotations are hints that nobody needs.
func (l *looking) referrers(ctx context.Context) {
	list, err := l.at.AllReferrers(ctx, l.repository, l.digest)
	if err != nil {
		l.fail("what refers to "+l.digest.String(), err)
		return
	}
	var bundles []v1.Descriptor
	for _, d := range list {
		switch {
		case d.ArtifactType == notationType:
			l.Others = append(l.Others, "Notation")
		case d.ArtifactType == "" || strings.HasPrefix(d.ArtifactType, bundleType): // lists made by hand have no types
			bundles = append(bundles, d)
		}
	}
	if len(bundles) > MaxItems {
		bundles = bundles[:MaxItems]
		l.beyond()
	}
	items := make([][]Item, len(bundles))
	var group errgroup.Group
	group.SetLimit(8)
	for i, d := range bundles {
		group.Go(func() error {
			items[i] = l.bundle(ctx, d)
			return nil
		})
	}
	_ = group.Wait()
	l.found[0] = slices.Concat(items...)
}

// manifest is what is read of one that holds evidence.
type manifest struct {
	ArtifactType string          `json:"artifactType"`
	Config       v1.Descriptor   `json:"config"`
	Layers       []v1.Descriptor `json:"layers"`
	Subject      *v1.Descriptor  `json:"subject"`
}

func (l *looking) bundle(ctx context.Context, d v1.Descriptor) []Item {
	what := "bundle " + d.Digest.String() + ", which is listed"
	got, err := l.at.GetManifest(ctx, l.repository, d.Digest.String())
	if err != nil {
		l.fail(what, err)
		return nil
	}
	var m manifest
	if err := json.Unmarshal(got.Body, &m); err != nil {
		return []Item{{Kind: Bundle, Manifest: d.Digest, Refused: "its manifest is malformed: " + err.Error()}}
	}
	if !strings.HasPrefix(m.ArtifactType, bundleType) && !strings.HasPrefix(string(m.Config.MediaType), bundleType) {
		return nil // something else, without a type in the list
	}
	switch {
	case m.Subject == nil || m.Subject.Digest != l.digest:
		return []Item{{Kind: Bundle, Manifest: d.Digest, Refused: "it is listed, and refers to another manifest"}}
	case len(m.Layers) != 1:
		return []Item{{Kind: Bundle, Manifest: d.Digest, Refused: fmt.Sprintf("it has %d layers, and a bundle is one", len(m.Layers))}}
	}
	return l.layer(ctx, Item{Kind: Bundle, Manifest: d.Digest}, m.Layers[0], what)
}

// tag reads what cosign has attached under a tag of its own. It is asked for by HEAD first: most images have none, and a HEAD is
// never counted as a pull.
func (l *looking) tag(ctx context.Context, suffix string, place int) {
	tag := registry.ReferrersTag(l.digest) + suffix
	what := "tag " + tag
	_, err := l.at.HeadManifest(ctx, l.repository, tag)
	if errors.Is(err, registry.ErrNotFound) {
		return
	}
	var got *registry.Manifest
	if err == nil {
		got, err = l.at.GetManifest(ctx, l.repository, tag)
	}
	if err != nil {
		l.fail(what, err)
		return
	}
	kind, mediaType := Signature, payloadType
	if suffix == ".att" {
		kind, mediaType = Attestation, envelopeType
	}
	var m manifest
	if err := json.Unmarshal(got.Body, &m); err != nil {
		l.found[place] = []Item{{Kind: kind, Manifest: got.Digest, Refused: "the manifest of its " + what + " is malformed: " + err.Error()}}
		return
	}
	layers := slices.DeleteFunc(m.Layers, func(d v1.Descriptor) bool { return string(d.MediaType) != mediaType })
	if len(layers) == 0 { // the tag is there for nothing else, so this isn't "there is none"
		l.found[place] = []Item{{Kind: kind, Manifest: got.Digest, Refused: "the manifest of its " + what + " has no layer of type " + mediaType}}
		return
	}
	if len(layers) > MaxItems {
		layers = layers[:MaxItems]
		l.beyond()
	}
	for _, d := range layers {
		l.found[place] = append(l.found[place], l.layer(ctx, Item{Kind: kind, Manifest: got.Digest, Annotations: d.Annotations}, d, what)...)
	}
}

// layer reads a piece of evidence. One that is listed and not there may be one that would do: registries are known to have lost the
// content of signatures in some of their regions.
func (l *looking) layer(ctx context.Context, item Item, d v1.Descriptor, what string) []Item {
	if d.Size > MaxSize {
		item.Refused = fmt.Sprintf("it has %d bytes, and at most %d are read", d.Size, MaxSize)
		return []Item{item}
	}
	if !l.takes(d.Size) {
		l.beyond()
		return nil
	}
	data, err := l.read(ctx, d)
	if err != nil {
		l.fail(what, err)
		return nil
	}
	item.Bytes = data
	return []Item{item}
}

func (l *looking) read(ctx context.Context, d v1.Descriptor) ([]byte, error) {
	data := d.Data
	if data == nil {
		var body bytes.Buffer
		switch n, err := l.at.ReadBlob(ctx, l.repository, d.Digest, d.Size, &body); {
		case err != nil:
			return nil, err
		case n != d.Size:
			return nil, fmt.Errorf("blob %s has another size than the %d bytes that are said of it", d.Digest, d.Size)
		}
		data = body.Bytes()
	}
	got, _, err := v1.SHA256(bytes.NewReader(data))
	if err != nil || got != d.Digest {
		return nil, fmt.Errorf("blob %s has the digest %s", d.Digest, got)
	}
	return data, nil
}
