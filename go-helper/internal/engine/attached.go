package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"docker-mirror/go-helper/internal/engine/internal/tree"
	"docker-mirror/go-helper/internal/registry"
)

// Referrers says what of an image's attachments is copied with it.
type Referrers string

// The kinds of attachments. An attachment is a manifest that has the image, or one of its platforms' manifests,
// as its subject (OCI 1.1 referrers), or that one of cosign's tags names.
const (
	ReferrersNone       Referrers = "none" // also the zero value
	ReferrersSignatures Referrers = "signatures"
	ReferrersAll        Referrers = "all"
	// ReferrersRequire is all, also of an image that is unchanged. An image fails if something attached to it, or whether there is
	// anything, can't be had.
	ReferrersRequire Referrers = "require"
)

// maxReferrersDepth bounds attachments of attachments, such as the signature of an SBOM.
const maxReferrersDepth = 3

// maxAttachments bounds what is read of an image's attachments; real images have a few.
const maxAttachments = 1000

var errTooManyAttachments = fmt.Errorf("more than the %d that are read of one image", maxAttachments)

// cosignSuffixes end the tags by which cosign finds what it attached: `sha256-<hex>.sig` and so on.
func cosignSuffixes(mode Referrers) []string {
	if mode == ReferrersSignatures {
		return []string{".sig"}
	}
	return []string{".sig", ".att", ".sbom"}
}

// attachment is a manifest to be copied with an image.
type attachment struct {
	node *tree.Node
	// tag names it at the destination; empty where subject finds it.
	tag     string
	subject v1.Hash
}

// isSignature knows the artifact types of cosign, sigstore bundles and Notation.
func isSignature(artifactType string) bool {
	return strings.HasPrefix(artifactType, "application/vnd.dev.cosign.artifact.sig") ||
		strings.HasPrefix(artifactType, "application/vnd.dev.cosign.simplesigning") ||
		strings.HasPrefix(artifactType, "application/vnd.dev.sigstore.bundle") ||
		artifactType == "application/vnd.cncf.notary.signature"
}

func (c Copy) attaches() bool { return c.Referrers != "" && c.Referrers != ReferrersNone }

// attachments finds what is attached to an image at its source: to the index and to each manifest that is kept. A
// root whose platforms were limited is not the source's any more, so nothing speaks of it.
//
// Whether something is attached is a question beside the image: where it can't be answered, the image is copied without, and
// its result says what isn't known. That is never taken for "none", and fails an image whose attachments are required.
func (r *run) attachments(ctx context.Context, im *image, root *tree.Node, sourceDigest v1.Hash) ([]attachment, error) {
	if !im.copy.attaches() {
		return nil, nil
	}
	f := &attachmentFinder{run: r, image: im, seen: map[string]bool{}}
	group, groupCtx := errgroup.WithContext(ctx)
	root.Walk(func(n *tree.Node) {
		if n == root && n.Manifest.Digest != sourceDigest {
			return
		}
		f.find(groupCtx, group, n.Manifest.Digest, 0)
	})
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("find what is attached to it: %w", err)
	}
	if err := r.missed(im, f.missed); err != nil {
		return nil, err
	}
	// In an order that does not depend on who answered first; deeper ones come after what they speak of.
	slices.SortFunc(f.found, func(a, b foundAttachment) int {
		if a.depth != b.depth {
			return a.depth - b.depth
		}
		return strings.Compare(a.tag+a.node.Manifest.Digest.Hex, b.tag+b.node.Manifest.Digest.Hex)
	})
	out := make([]attachment, len(f.found))
	for i, found := range f.found {
		out[i] = found.attachment
	}
	return out, nil
}

// missed notes what of an image's attachments won't come along. It is an error where they are required.
func (r *run) missed(im *image, list []Missed) error {
	if len(list) == 0 {
		return nil
	}
	list = collapse(list)
	for _, m := range list { // a manifest that is written again may be refused again
		if !slices.ContainsFunc(im.result.Missed, func(known Missed) bool { return known.What == m.What }) {
			im.result.Missed = append(im.result.Missed, m)
		}
	}
	if im.copy.Referrers != ReferrersRequire {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrAttachmentsRequired, list[0])
}

// ErrAttachmentsRequired is wrapped by the failures of images whose attachments are required and can't be had.
var ErrAttachmentsRequired = errors.New("what is attached to it is required, and can't be had")

// collapse tells one cause once: a registry that denies each of an image's attachment tags does so for one reason.
func collapse(list []Missed) []Missed {
	slices.SortStableFunc(list, func(a, b Missed) int { return strings.Compare(a.What, b.What) })
	cause := func(m Missed) string {
		var refused *registry.Error
		var unlisted *registry.NoListError
		known := errors.As(m.Err, &refused)
		switch {
		case errors.As(m.Err, &unlisted):
			return unlisted.Error()
		case errors.As(m.Err, new(*registry.PausedError)), known && refused.Status == http.StatusTooManyRequests:
			return "throttled"
		case known:
			return fmt.Sprint(refused.Op, refused.Host, refused.Status) // messages name the manifest
		}
		return m.Err.Error()
	}
	var out []Missed
	at := map[string]int{}
	for _, m := range list {
		if i, ok := at[cause(m)]; ok {
			out[i].More++
			continue
		}
		at[cause(m)] = len(out)
		out = append(out, m)
	}
	return out
}

type foundAttachment struct {
	attachment
	depth int
}

type attachmentFinder struct {
	run   *run
	image *image

	mu     sync.Mutex
	seen   map[string]bool
	found  []foundAttachment
	missed []Missed
}

// miss notes what isn't known, unless the run ended: then that is the reason, and an error.
func (f *attachmentFinder) miss(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.missed = append(f.missed, Missed{What: what, Err: err})
	return nil
}

func (f *attachmentFinder) find(ctx context.Context, group *errgroup.Group, subject v1.Hash, depth int) {
	client, repository, mode := f.image.source, f.image.copy.Source.Repository, f.image.copy.Referrers
	group.Go(func() error {
		list, err := client.Referrers(ctx, repository, subject)
		if err != nil {
			return f.miss(ctx, "what refers to "+subject.String(), err)
		}
		for _, d := range list {
			if mode == ReferrersSignatures && !isSignature(d.ArtifactType) {
				continue
			}
			if f.full() {
				return f.miss(ctx, "further attachments", errTooManyAttachments)
			}
			n, err := f.add(ctx, d.Digest.String(), "", subject, depth)
			if err != nil {
				if err := f.miss(ctx, "manifest "+d.Digest.String()+", which is listed", err); err != nil {
					return err
				}
				continue
			}
			if n != nil && depth+1 < maxReferrersDepth {
				f.find(ctx, group, d.Digest, depth+1)
			}
		}
		return nil
	})
	for _, suffix := range cosignSuffixes(mode) {
		tag := registry.ReferrersTag(subject) + suffix
		group.Go(func() error {
			// Asked by HEAD first: most images have none, and a HEAD is never counted as a pull.
			_, err := client.HeadManifest(ctx, repository, tag)
			if errors.Is(err, registry.ErrNotFound) {
				return nil
			}
			if err == nil {
				_, err = f.add(ctx, tag, tag, v1.Hash{}, depth)
			}
			if err != nil {
				return f.miss(ctx, "tag "+tag, err)
			}
			return nil
		})
	}
}

// full tells whether enough was read.
func (f *attachmentFinder) full() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.seen) >= maxAttachments
}

// add reads an attachment, once. What a list names must speak of the subject: the list may be wrong, or its tag be something
// else altogether.
func (f *attachmentFinder) add(ctx context.Context, identifier, tag string, subject v1.Hash, depth int) (*tree.Node, error) {
	f.mu.Lock()
	again := f.seen[identifier]
	f.seen[identifier] = true
	f.mu.Unlock()
	if again {
		return nil, nil
	}
	m, err := f.run.sources.manifest(ctx, f.image.source, f.image.copy.Source.Repository, identifier)
	if err != nil {
		return nil, err
	}
	if tag == "" && !speaksOf(m.Body, subject) {
		return nil, fmt.Errorf("it does not refer to %s", subject)
	}
	n, err := f.run.sourceTree(f.image, false).Tree(ctx, m, tree.Selection{})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", identifier, err)
	}
	if err := f.blobsThere(ctx, n); err != nil {
		return nil, err
	}
	knowInline(f.image, n)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.found = append(f.found, foundAttachment{attachment{n, tag, subject}, depth})
	return n, nil
}

// blobsThere looks whether the source has the blobs of an attachment: later, the lack of one would fail the image.
func (f *attachmentFinder) blobsThere(ctx context.Context, root *tree.Node) error {
	var all []v1.Descriptor
	root.Walk(func(n *tree.Node) { all = append(all, n.Blobs...) })
	for _, d := range all {
		if d.Data != nil {
			continue
		}
		has, err := f.run.sources.hasBlob(ctx, f.image.source, f.image.copy.Source.Repository, d.Digest)
		if err != nil {
			return err
		}
		if !has {
			return fmt.Errorf("its blob %s isn't there: %w", d.Digest, registry.ErrNotFound)
		}
	}
	return nil
}

// speaksOf tells whether a manifest has the subject, or is an index that names it.
func speaksOf(body []byte, subject v1.Hash) bool {
	var m struct {
		Subject   *v1.Descriptor  `json:"subject"`
		Manifests []v1.Descriptor `json:"manifests"`
	}
	if json.Unmarshal(body, &m) != nil {
		return false
	}
	return m.Subject != nil && m.Subject.Digest == subject ||
		slices.ContainsFunc(m.Manifests, func(d v1.Descriptor) bool { return d.Digest == subject })
}
