package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
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
)

// maxReferrersDepth bounds attachments of attachments, such as the signature of an SBOM.
const maxReferrersDepth = 3

// cosignSuffixes end the tags by which cosign finds what it attached: `sha256-<hex>.sig` and so on.
var cosignSuffixes = map[Referrers][]string{
	ReferrersSignatures: {".sig"},
	ReferrersAll:        {".sig", ".att", ".sbom"},
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

// attachments finds what is attached to an image at its source: to the index and to each manifest that is kept. A
// root whose platforms were limited is not the source's any more, so nothing speaks of it. An error is never "none".
func (r *run) attachments(ctx context.Context, im *image, root *tree.Node, sourceDigest v1.Hash) ([]attachment, error) {
	mode := im.copy.Referrers
	if mode == "" || mode == ReferrersNone {
		return nil, nil
	}
	f := &attachmentFinder{run: r, image: im, client: im.source, repository: im.copy.Source.Repository, mode: mode, seen: map[string]bool{}}
	group, ctx := errgroup.WithContext(ctx)
	root.Walk(func(n *tree.Node) {
		if n == root && n.Manifest.Digest != sourceDigest {
			return
		}
		f.find(ctx, group, n.Manifest.Digest, 0)
	})
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("find what is attached to it: %w", err)
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

type foundAttachment struct {
	attachment
	depth int
}

type attachmentFinder struct {
	run        *run
	image      *image
	client     *registry.Client
	repository string
	mode       Referrers

	mu    sync.Mutex
	seen  map[string]bool
	found []foundAttachment
}

func (f *attachmentFinder) find(ctx context.Context, group *errgroup.Group, subject v1.Hash, depth int) {
	group.Go(func() error {
		list, err := f.client.Referrers(ctx, f.repository, subject)
		if err != nil {
			return err
		}
		for _, d := range list {
			if f.mode == ReferrersSignatures && !isSignature(d.ArtifactType) {
				continue
			}
			n, err := f.add(ctx, d.Digest.String(), "", subject, depth)
			if err != nil {
				return err
			}
			if n != nil && depth+1 < maxReferrersDepth {
				f.find(ctx, group, d.Digest, depth+1)
			}
		}
		return nil
	})
	for _, suffix := range cosignSuffixes[f.mode] {
		tag := registry.ReferrersTag(subject) + suffix
		group.Go(func() error {
			// Asked by HEAD first: most images have none, and a HEAD is never counted as a pull.
			_, err := f.client.HeadManifest(ctx, f.repository, tag)
			if errors.Is(err, registry.ErrNotFound) {
				return nil
			}
			if err == nil {
				_, err = f.add(ctx, tag, tag, v1.Hash{}, depth)
			}
			return err
		})
	}
}

// add reads an attachment, once.
func (f *attachmentFinder) add(ctx context.Context, identifier, tag string, subject v1.Hash, depth int) (*tree.Node, error) {
	f.mu.Lock()
	again := f.seen[identifier]
	f.seen[identifier] = true
	f.mu.Unlock()
	if again {
		return nil, nil
	}
	m, err := f.run.sources.manifest(ctx, f.client, f.repository, identifier)
	if err != nil {
		return nil, err
	}
	n, err := f.run.sourceTree(f.image).Tree(ctx, m, tree.Selection{})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", identifier, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.found = append(f.found, foundAttachment{attachment{n, tag, subject}, depth})
	return n, nil
}

// attachmentsThere tells whether the destination has all attachments.
func (r *run) attachmentsThere(ctx context.Context, im *image, attached []attachment) (bool, error) {
	for _, a := range attached {
		identifier := a.tag
		if identifier == "" {
			identifier = a.node.Manifest.Digest.String()
		}
		d, err := im.destination.client.HeadManifest(ctx, im.repository(), identifier)
		if errors.Is(err, registry.ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if d.Digest != a.node.Manifest.Digest {
			return false, nil
		}
	}
	return true, nil
}

// pushAttachments writes what is attached to an image whose manifests are there already, so that no subject is
// missing; the image's tag comes after.
func (r *run) pushAttachments(ctx context.Context, im *image, attached []attachment) error {
	unlisted := map[v1.Hash][]attachment{}
	var subjects []v1.Hash
	for _, a := range attached {
		if a.tag != "" {
			if err := r.pushTree(ctx, im, a.node, a.tag); err != nil {
				return err
			}
			continue
		}
		for _, child := range a.node.Children {
			if err := r.pushTree(ctx, im, child, child.Manifest.Digest.String()); err != nil {
				return err
			}
		}
		m := *a.node.Manifest
		m.MediaType = a.node.MediaType
		listed, err := im.destination.client.PutReferrer(ctx, im.repository(), &m)
		if err != nil {
			return err
		}
		if !listed {
			if unlisted[a.subject] == nil {
				subjects = append(subjects, a.subject)
			}
			unlisted[a.subject] = append(unlisted[a.subject], a)
		}
	}
	for _, subject := range subjects {
		if err := r.listReferrers(ctx, im, subject, unlisted[subject]); err != nil {
			return fmt.Errorf("keep the referrers tag of %s: %w", subject, err)
		}
	}
	return nil
}

// listReferrers adds attachments to a subject's referrers tag, for registries that list none by themselves
// (distribution spec 1.1, "Referrers Tag Schema").
func (r *run) listReferrers(ctx context.Context, im *image, subject v1.Hash, attached []attachment) error {
	d, repository, tag := im.destination, im.repository(), registry.ReferrersTag(subject)
	// Images of one repository may share a subject; what another client writes meanwhile can't be guarded against.
	d.referrersTags.Lock()
	defer d.referrersTags.Unlock()
	index := struct {
		SchemaVersion int               `json:"schemaVersion"`
		MediaType     types.MediaType   `json:"mediaType"`
		Manifests     []json.RawMessage `json:"manifests"`
	}{SchemaVersion: 2, MediaType: types.OCIImageIndex}
	listed := map[v1.Hash]bool{}
	m, err := d.client.GetManifest(ctx, repository, tag)
	switch {
	case errors.Is(err, registry.ErrNotFound):
	case err != nil:
		return err
	default:
		var known struct {
			Manifests []json.RawMessage `json:"manifests"`
		}
		if err := json.Unmarshal(m.Body, &known); err != nil {
			return fmt.Errorf("what it names is no index: %w", err)
		}
		index.Manifests = known.Manifests
		for _, raw := range known.Manifests {
			var entry v1.Descriptor
			if err := json.Unmarshal(raw, &entry); err != nil {
				return fmt.Errorf("what it names is no index: %w", err)
			}
			listed[entry.Digest] = true
		}
	}
	before := len(index.Manifests)
	for _, a := range attached {
		if listed[a.node.Manifest.Digest] {
			continue
		}
		entry, err := referrerDescriptor(a.node)
		if err != nil {
			return err
		}
		index.Manifests = append(index.Manifests, entry)
	}
	if len(index.Manifests) == before {
		return nil
	}
	body, err := json.Marshal(index)
	if err != nil {
		return err
	}
	return d.client.PutManifest(ctx, repository, tag, &registry.Manifest{MediaType: string(types.OCIImageIndex), Body: body})
}

// referrerDescriptor describes a referrer as the spec wants it listed: with its artifact type (for images: of its
// config) and annotations.
func referrerDescriptor(n *tree.Node) (json.RawMessage, error) {
	var m struct {
		ArtifactType string            `json:"artifactType"`
		Config       *v1.Descriptor    `json:"config"`
		Annotations  map[string]string `json:"annotations"`
	}
	if err := json.Unmarshal(n.Manifest.Body, &m); err != nil {
		return nil, err
	}
	if m.ArtifactType == "" && m.Config != nil {
		m.ArtifactType = string(m.Config.MediaType)
	}
	return json.Marshal(v1.Descriptor{
		MediaType:    types.MediaType(n.MediaType),
		Digest:       n.Manifest.Digest,
		Size:         int64(len(n.Manifest.Body)),
		ArtifactType: m.ArtifactType,
		Annotations:  m.Annotations,
	})
}
