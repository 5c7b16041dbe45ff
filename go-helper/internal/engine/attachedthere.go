package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/engine/internal/tree"
	"docker-mirror/go-helper/internal/registry"
)

// A destination may have attachments of its own: who mirrors an image may sign the copy. What names single attachments can
// be completed (the list of a referrers tag), and is. One of cosign's tags names one manifest with all signatures in it: it is
// replaced where nothing is lost by that, and kept otherwise.

// standing says what a destination has where an attachment goes.
type standing int

const (
	standsNot   standing = iota
	standsLess           // part of what the source has
	standsWhole          // all that the source has, perhaps more
	standsOwn            // something that the source lacks
)

// errOwnAttachment is why an attachment stays behind.
var errOwnAttachment = errors.New("the destination has one of its own, with content that the source's lacks: it is kept")

// standing asks a destination what it has where an attachment goes.
func (r *run) standing(ctx context.Context, im *image, a attachment) (standing, v1.Hash, error) {
	client, repository := im.destination.client, im.repository()
	identifier := a.tag
	if identifier == "" {
		identifier = a.node.Manifest.Digest.String()
	}
	there, err := client.HeadManifest(ctx, repository, identifier)
	switch missing, known := registry.Missing(err); {
	case known, missing && r.writes():
		return standsNot, v1.Hash{}, nil // as of the image itself: many registries deny what isn't there
	case err != nil:
		return standsNot, v1.Hash{}, err
	case a.node.Manifest.Is(there.Digest):
		return standsWhole, there.Digest, nil
	}
	m, err := client.GetManifest(ctx, repository, identifier)
	if err != nil {
		return standsNot, v1.Hash{}, notFoundIsNone(err)
	}
	return compareLayers(a.node.Manifest.Body, m.Body), m.Digest, nil
}

// compareLayers compares two of cosign's manifests: a layer is a signature or an attestation, told apart by its annotations.
func compareLayers(source, destination []byte) standing {
	from, to := layersOf(source), layersOf(destination)
	holds := func(all, some []v1.Descriptor) bool {
		return !slices.ContainsFunc(some, func(d v1.Descriptor) bool {
			return !slices.ContainsFunc(all, func(other v1.Descriptor) bool { return reflect.DeepEqual(d, other) })
		})
	}
	switch {
	case from == nil || to == nil:
		return standsOwn
	case holds(to, from):
		return standsWhole
	case holds(from, to):
		return standsLess
	}
	return standsOwn
}

// layersOf gives nil for what is no such manifest.
func layersOf(body []byte) []v1.Descriptor {
	var m v1.Manifest
	if json.Unmarshal(body, &m) != nil || len(m.Layers) == 0 {
		return nil
	}
	return m.Layers
}

// keepOwn leaves out the attachments in whose place the destination has something of its own, and those of which it has all.
func (r *run) keepOwn(ctx context.Context, im *image, attached []attachment) ([]attachment, error) {
	var kept []attachment
	var missed []Missed
	for _, a := range attached {
		if a.tag == "" || im.destination.knownMissing(im.repository()) {
			kept = append(kept, a)
			continue
		}
		stands, there, err := r.standing(ctx, im, a)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil: // whether it may be overwritten isn't known
			missed = append(missed, Missed{What: "tag " + a.tag, Err: err})
		case stands == standsOwn:
			missed = append(missed, Missed{What: "tag " + a.tag, Err: errOwnAttachment})
		case stands == standsWhole && !a.node.Manifest.Is(there):
			// It has the source's and more.
		default:
			kept = append(kept, a)
		}
	}
	return kept, r.missed(im, missed)
}

// lacksAttachments tells what the destination lacks of what is attached to an image, "" where that is nothing; what it has of
// its own instead is noted.
func (r *run) lacksAttachments(ctx context.Context, im *image, attached []attachment) (string, error) {
	var missed []Missed
	for _, a := range attached {
		stands, there, err := r.standing(ctx, im, a)
		what := "manifest " + a.node.Manifest.Digest.String()
		if a.tag != "" {
			what = "tag " + a.tag
		}
		switch {
		case err != nil:
			return "", err
		case stands == standsNot:
			return "lacks " + what, nil
		case stands == standsLess:
			return "has less than the source in " + what, nil
		case stands == standsOwn:
			missed = append(missed, Missed{What: what, Err: errOwnAttachment})
			continue
		}
		if r.opts.Verify {
			if lacks, err := r.verifyAttachment(ctx, im, a, there); lacks != "" || err != nil {
				return lacks, err
			}
		}
	}
	return "", r.missed(im, missed)
}

// verifyAttachment looks whether all of an attachment is there, and whether it is found by its subject.
func (r *run) verifyAttachment(ctx context.Context, im *image, a attachment, there v1.Hash) (lacks string, err error) {
	root, err := r.verifyTree(ctx, im, there, tree.Selection{})
	if errors.Is(err, ErrDrift) {
		return err.Error(), nil
	}
	if err == nil && root.Subset != nil {
		return "lacks " + root.Subset.Missing[0].String() + " of " + there.String(), nil
	}
	if err != nil || a.tag != "" {
		return "", err
	}
	list, err := im.destination.client.Referrers(ctx, im.repository(), a.subject)
	if err != nil {
		return "", fmt.Errorf("list what is attached to %s: %w", a.subject, err)
	}
	if !slices.ContainsFunc(list, func(d v1.Descriptor) bool { return a.node.Manifest.Is(d.Digest) }) {
		return fmt.Sprintf("does not list %s among what is attached to %s", a.node.Manifest.Digest, a.subject), nil
	}
	return "", nil
}
