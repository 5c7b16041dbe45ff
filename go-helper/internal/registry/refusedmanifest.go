package registry

import (
	"errors"
	"net/http"
)

// BlobUnknown tells whether a manifest was refused because something that it names isn't there.
func BlobUnknown(err error) bool {
	var refused *Error
	return errors.As(err, &refused) && refused.MediaType != "" && (refused.HasCode("MANIFEST_BLOB_UNKNOWN") || refused.HasCode("BLOB_UNKNOWN"))
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
