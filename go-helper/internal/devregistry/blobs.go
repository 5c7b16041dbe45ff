package devregistry

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

func (c *call) errBlobUnknown() error {
	return fail(http.StatusNotFound, CodeBlobUnknown, "blob unknown to repository %s", c.repository).with(c.digest)
}

func (c *call) getBlob() error {
	repo, ok := c.registry.lookup(c.repository)
	if !ok || !repo.hasBlob(c.digest) {
		return c.errBlobUnknown()
	}
	if c.dialect.RedirectBlobs && c.r.Method == http.MethodGet {
		base, err := c.registry.cdnBase()
		if err != nil {
			return err
		}
		// The query stands for a signature; the redirect is worthless to whoever drops it.
		target := base + cdnPrefix + c.repository + "/" + c.digest.String() + "?" + url.Values{"signature": {cdnSignature}}.Encode()
		http.Redirect(c.w, c.r, target, http.StatusTemporaryRedirect)
		return nil
	}
	c.w.Header().Set("Docker-Content-Digest", c.digest.String())
	return c.serveContent()
}

// serveContent sends a blob, or the part that a Range header asks for, without holding it in memory.
func (c *call) serveContent() error {
	content, size, err := c.registry.storage.open(c.digest)
	if errors.Is(err, fs.ErrNotExist) {
		return c.errBlobUnknown()
	}
	if err != nil {
		return fmt.Errorf("opening blob %s: %w", c.digest, err)
	}
	defer func() { _ = content.Close() }()
	header := c.w.Header()
	header.Set("Content-Type", "application/octet-stream")
	header.Set("Etag", strconv.Quote(c.digest.String()))
	if c.dialect.RangesRefused && c.r.Header.Get("Range") != "" {
		return fail(http.StatusRequestedRangeNotSatisfiable, CodeRangeInvalid, "no ranges of this")
	}
	if c.dialect.NoRange {
		c.r.Header.Del("Range")
	}
	if c.r.Header.Get("Range") == "" {
		// ServeContent finds it out by seeking; known before WriteHeader it also serves faults that cut half-way.
		header.Set("Content-Length", strconv.FormatInt(size, 10))
	}
	http.ServeContent(c.w, c.r, "", time.Time{}, content)
	return nil
}

func (c *call) deleteBlob() error {
	repo, ok := c.registry.lookup(c.repository)
	if !ok {
		return c.errBlobUnknown()
	}
	found, err := repo.unlinkBlob(c.digest)
	if err != nil {
		return fmt.Errorf("deleting blob %s of %s: %w", c.digest, c.repository, err)
	}
	if !found {
		return c.errBlobUnknown()
	}
	c.w.WriteHeader(http.StatusAccepted)
	return nil
}

// cdnSignature is no secret: it only shows that the client followed the redirect as it was given.
const cdnSignature = "as-given"

// errAuthorizationOnCDN is Amazon S3's "Only one auth mechanism allowed".
var errAuthorizationOnCDN = fail(http.StatusBadRequest, "INVALID_ARGUMENT", "only one authentication mechanism is allowed; the URL is signed")

// getFromCDN is the other host that RedirectBlobs sends clients to.
func (c *call) getFromCDN() error {
	if c.r.Header.Get("Authorization") != "" {
		return errAuthorizationOnCDN
	}
	if c.r.URL.Query().Get("signature") != cdnSignature {
		return fail(http.StatusForbidden, CodeDenied, "the signature is missing or wrong")
	}
	repo, ok := c.registry.lookup(c.repository)
	if !ok || !repo.hasBlob(c.digest) {
		return c.errBlobUnknown()
	}
	return c.serveContent()
}
