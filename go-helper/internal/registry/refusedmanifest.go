package registry

import (
	"errors"
	"net/http"
	"regexp"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// unknownCodes say that something isn't there. Of a manifest that is written, MANIFEST_UNKNOWN says it of what an index names.
var unknownCodes = []string{"MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_UNKNOWN"}

// BlobUnknown tells whether a manifest was refused because something that it names isn't there.
func BlobUnknown(err error) bool {
	var refused *Error
	return errors.As(err, &refused) && refused.MediaType != "" && slices.ContainsFunc(unknownCodes, refused.HasCode)
}

// Lacked are the digests that such a refusal names; none where it names none.
func Lacked(err error) []v1.Hash {
	var refused *Error
	if !errors.As(err, &refused) {
		return nil
	}
	return refused.Lacks
}

var digestText = regexp.MustCompile(`\bsha(256:[0-9a-f]{64}|512:[0-9a-f]{128})\b`)

// digestsIn finds the digests in a refusal, wherever they stand there: but for that of the manifest itself.
func digestsIn(answer, manifest []byte) (digests []v1.Hash) {
	for _, text := range digestText.FindAllString(string(answer), -1) {
		h, err := v1.NewHash(text)
		if err != nil || slices.Contains(digests, h) {
			continue
		}
		if own, err := digestBy(h.Algorithm, manifest); err == nil && own == h {
			continue
		}
		digests = append(digests, h)
	}
	return digests
}

// ContentMissing tells whether that may be why. Pulp says only that the manifest is invalid.
func ContentMissing(err error) bool {
	var refused *Error
	return BlobUnknown(err) || errors.As(err, &refused) && refused.MediaType != "" &&
		refused.Status == http.StatusBadRequest && refused.HasCode("MANIFEST_INVALID")
}

// noteRefusedType remembers that a registry doesn't take a kind of manifest at all.
func (c *Client) noteRefusedType(err error) bool {
	var refused *Error
	if !errors.As(err, &refused) || refused.Status != http.StatusUnsupportedMediaType || refused.MediaType == "" {
		return false
	}
	c.refusedTypes.Store(refused.MediaType, refused)
	return true
}

// Refuses is the error that a manifest of this media type would be refused with, as another one was before; nil where that
// isn't known. It is for not sending in vain what a manifest refers to.
func (c *Client) Refuses(repository, mediaType string) error {
	before, ok := c.refusedTypes.Load(mediaType)
	if !ok {
		return nil
	}
	refused := *before.(*Error)
	refused.Repository, refused.Reference = repository, ""
	refused.Detail = "as it refused another one in this run: nothing of this image was sent"
	return &refused
}
