package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"docker-mirror/go-helper/internal/engine/internal/tree"
	"docker-mirror/go-helper/internal/registry"
)

// pushAttachments writes what is attached to an image whose manifests are there already, so that no subject is
// missing; the image's tag comes after. It tells how many it wrote; what the registry doesn't take is noted.
func (r *run) pushAttachments(ctx context.Context, im *image, attached []attachment) (int, error) {
	unlisted := map[v1.Hash][]attachment{}
	var subjects []v1.Hash
	var missed []Missed
	pushed := 0
	for _, a := range attached {
		listed, err := r.pushAttachment(ctx, im, a)
		if refusesKind(err) {
			missed = append(missed, Missed{What: "manifest " + a.node.Manifest.Digest.String(), Err: err})
			continue
		}
		if err != nil {
			return 0, err
		}
		pushed++
		if !listed {
			if unlisted[a.subject] == nil {
				subjects = append(subjects, a.subject)
			}
			unlisted[a.subject] = append(unlisted[a.subject], a)
		}
	}
	for _, subject := range subjects {
		if err := r.listReferrers(ctx, im, subject, unlisted[subject]); err != nil {
			if ctx.Err() != nil {
				return 0, err
			}
			missed = append(missed, Missed{What: "tag " + registry.ReferrersTag(subject) + ", which is to list what refers to its image", Err: err})
		}
	}
	return pushed, r.missed(im, missed)
}

// refusesKind tells whether a registry takes no manifests of that kind, as some take images only. That one refers to something
// unknown is about this one alone.
func refusesKind(err error) bool {
	var refused *registry.Error
	statuses := []int{http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity}
	return errors.As(err, &refused) && slices.Contains(statuses, refused.Status) && !registry.BlobUnknown(err)
}

// pushAttachment writes one, and tells whether it is found without the referrers tag.
func (r *run) pushAttachment(ctx context.Context, im *image, a attachment) (listed bool, err error) {
	if a.tag != "" {
		return true, r.pushTree(ctx, im, a.node, a.tag)
	}
	for _, child := range a.node.Children {
		if err := r.pushTree(ctx, im, child, child.Manifest.Digest.String()); err != nil {
			return false, err
		}
	}
	m := *a.node.Manifest
	m.MediaType = a.node.MediaType
	return im.destination.client.PutReferrer(ctx, im.repository(), &m)
}

// listReferrers adds attachments to a subject's referrers tag, for registries that list none by themselves
// (distribution spec 1.1, "Referrers Tag Schema"). What is listed stays: the destination may have attachments of its own.
func (r *run) listReferrers(ctx context.Context, im *image, subject v1.Hash, attached []attachment) error {
	d, repository, tag := im.destination, im.repository(), registry.ReferrersTag(subject)
	// Images of one repository may share a subject; what another client writes meanwhile can't be guarded against.
	d.referrersTags.Lock()
	defer d.referrersTags.Unlock()
	index, err := d.client.ReferrersIndex(ctx, repository, subject)
	if err != nil {
		return err
	}
	if index == nil {
		index = &registry.Manifest{
			MediaType: string(types.OCIImageIndex),
			Body:      []byte(`{"schemaVersion":2,"mediaType":"` + types.OCIImageIndex + `","manifests":[]}`),
		}
	}
	selected, err := tree.Select(index, tree.Selection{})
	if err != nil {
		return fmt.Errorf("what it names %w", err)
	}
	var more []json.RawMessage
	for _, a := range attached {
		if slices.ContainsFunc(selected.Content.Manifests, func(d v1.Descriptor) bool { return a.node.Manifest.Is(d.Digest) }) {
			continue
		}
		entry, err := referrerDescriptor(a.node)
		if err != nil {
			return err
		}
		more = append(more, entry)
	}
	if len(more) == 0 {
		return nil
	}
	body, err := tree.AppendManifests(index.Body, more)
	if err != nil {
		return fmt.Errorf("what it names %w", err)
	}
	return d.client.PutManifest(ctx, repository, tag, &registry.Manifest{MediaType: string(selected.Content.MediaType), Body: body})
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
