package devregistry

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// upload is a session. Its lock is held for one write at a time, never for a whole body: a request that takes the
// session over from one whose client went away must not wait for it.
type upload struct {
	id string

	mu      sync.Mutex
	writer  contentWriter
	digest  hash.Hash
	size    int64
	turn    int64 // who may write: the request that came last
	patches int
	short   bool // the last chunk was below the dialect's least
	closed  bool
}

var (
	errUploadUnknown = fail(http.StatusNotFound, CodeBlobUploadUnknown, "upload unknown to registry")
	errSuperseded    = errors.New("another request took the upload over")
)

// abortUpload ends a request whose body broke off: the connection is closed without an answer.
type abortUpload struct{ error }

func (e abortUpload) Unwrap() error { return e.error }

// reserve makes room for a body.
func (u *upload) reserve(n int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.closed {
		u.writer.reserve(n)
	}
}

// begin makes the caller the one who may write.
func (u *upload) begin() (turn, offset int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.turn++
	return u.turn, u.size
}

func (u *upload) offset() int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.size
}

func (u *upload) write(turn int64, p []byte) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.closed:
		return errUploadUnknown
	case u.turn != turn:
		return errSuperseded
	}
	if _, err := u.writer.Write(p); err != nil {
		return err
	}
	_, _ = u.digest.Write(p) // a hash never fails
	u.size += int64(len(p))
	return nil
}

// rewind drops what came after offset; digest is the hash's state there.
func (u *upload) rewind(turn, offset int64, digest hash.Hash) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed || u.turn != turn {
		return nil
	}
	u.size, u.digest = offset, digest
	return u.writer.truncate(offset)
}

// commit files the upload under h, or drops it for what is there already. Where its content has another digest the session stays, as with distribution, until
// somebody cancels it.
func (u *upload) commit(turn int64, h v1.Hash, keep bool) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.closed:
		return errUploadUnknown
	case u.turn != turn:
		return errSuperseded
	}
	got, err := u.digestBy(h.Algorithm)
	if err != nil {
		return err
	}
	if got != h {
		return fail(http.StatusBadRequest, CodeDigestInvalid, "uploaded content has digest %s, not %s", got, h)
	}
	u.closed = true
	if keep {
		return u.writer.discard()
	}
	return u.writer.commit(h)
}

// keeps tells whether what the storage has of a digest stays.
func (c *call) keeps(h v1.Hash) bool {
	if !c.dialect.KeepBlobs {
		return false
	}
	content, _, err := c.registry.storage.open(h)
	if err != nil {
		return false
	}
	_ = content.Close()
	return true
}

// digestBy tells the digest of what came. Only the end of an upload says by which algorithm; for all but the usual one the
// content is read once more.
func (u *upload) digestBy(algorithm string) (v1.Hash, error) {
	sum := u.digest
	if algorithm != usualAlgorithm {
		var err error
		if sum, err = v1.Hasher(algorithm); err != nil {
			return v1.Hash{}, err
		}
		if err := u.writer.writeTo(sum); err != nil {
			return v1.Hash{}, fmt.Errorf("reading an upload: %w", err)
		}
	}
	return v1.Hash{Algorithm: algorithm, Hex: hex.EncodeToString(sum.Sum(nil))}, nil
}

func (u *upload) discard() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return nil
	}
	u.closed = true
	return u.writer.discard()
}

// newUpload opens a session.
func (c *call) newUpload(repo *repository) (*upload, error) {
	writer, err := c.registry.storage.create()
	if err != nil {
		return nil, fmt.Errorf("starting an upload: %w", err)
	}
	u := &upload{id: rand.Text(), writer: writer, digest: sha256.New()}
	repo.openUpload(u)
	return u, nil
}

// startUpload is POST: a mount, a whole blob, or a session.
func (c *call) startUpload() error {
	query := c.r.URL.Query()
	repo, err := c.pushTo()
	if err != nil {
		return err
	}
	if query.Has("mount") && c.dialect.MountStatus != 0 {
		return fail(c.dialect.MountStatus, CodeUnknown, "mounting failed")
	}
	// Without `from` the specification leaves it open; distribution starts an upload, and so it does for a bad digest.
	if from := query.Get("from"); from != "" && c.digest != (v1.Hash{}) && query.Has("mount") && c.mountable(from) {
		if err := repo.linkBlob(c.digest); err != nil {
			return fmt.Errorf("mounting %s from %s into %s: %w", c.digest, from, c.repository, err)
		}
		c.w.record.mounted.Store(true)
		return c.created(c.digest, http.StatusCreated)
	}
	if query.Has("digest") && !c.dialect.NoMonolithicPost {
		h, err := parseDigest(query.Get("digest"))
		if err != nil {
			return err
		}
		u, err := c.newUpload(repo)
		if err != nil {
			return err
		}
		if err := c.receiveLast(repo, u, h); err != nil {
			// There is no Location to go on with.
			repo.closeUpload(u.id)
			return errors.Join(err, u.discard())
		}
		return nil
	}
	u, err := c.newUpload(repo)
	if err != nil {
		return err
	}
	if err := c.uploadHeaders(u, u.offset()); err != nil {
		return err
	}
	if c.dialect.MinChunk > 0 {
		c.w.Header().Set("OCI-Chunk-Min-Length", strconv.FormatInt(c.dialect.MinChunk, 10))
	}
	c.w.WriteHeader(http.StatusAccepted)
	return nil
}

func (c *call) mountable(from string) bool {
	if c.dialect.NoMounts {
		return false
	}
	origin, ok := c.registry.lookup(from)
	if !ok || !origin.hasBlob(c.digest) {
		return false
	}
	return !c.dialect.MountNeedsManifest || origin.references(c.digest)
}

// session finds the upload of the path and checks that the client took the Location of the last answer, as
// distribution does: its state holds the offset, which a broken request moves on.
func (c *call) session() (*repository, *upload, error) {
	repo, ok := c.registry.lookup(c.repository)
	if !ok {
		return nil, nil, errUploadUnknown
	}
	u, ok := repo.upload(c.reference)
	if !ok {
		return nil, nil, errUploadUnknown
	}
	if c.r.Method == http.MethodGet || c.r.Method == http.MethodHead {
		return repo, u, nil
	}
	query := c.r.URL.Query()
	if want, err := url.ParseQuery(c.dialect.LocationQuery); err == nil {
		for key := range want {
			if query.Get(key) != want.Get(key) {
				return nil, nil, fail(http.StatusNotFound, CodeBlobUploadInvalid, "the Location's query parameter %q is missing or wrong", key)
			}
		}
	}
	if !c.dialect.PlainLocation {
		id, offset, err := unpackState(query.Get("_state"))
		if err != nil || id != u.id {
			return nil, nil, fail(http.StatusNotFound, CodeBlobUploadInvalid, "the Location's state is missing or wrong")
		}
		if size := u.offset(); offset != size {
			return nil, nil, fail(http.StatusRequestedRangeNotSatisfiable, CodeRangeInvalid, "the Location is of offset %d, the upload is at %d", offset, size)
		}
	}
	return repo, u, nil
}

func packState(id string, offset int64) string {
	return base64.RawURLEncoding.EncodeToString([]byte(id + " " + strconv.FormatInt(offset, 10)))
}

func unpackState(s string) (id string, offset int64, err error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return "", 0, err
	}
	id, n, _ := strings.Cut(string(b), " ")
	offset, err = strconv.ParseInt(n, 10, 64)
	return id, offset, err
}

// uploadHeaders are those of every answer about a session.
func (c *call) uploadHeaders(u *upload, offset int64) error {
	query := ""
	if !c.dialect.PlainLocation {
		query = "_state=" + packState(u.id, offset)
	}
	if c.dialect.LocationQuery != "" {
		query = strings.TrimPrefix(query+"&"+c.dialect.LocationQuery, "&")
	}
	location := "/v2/" + c.repository + "/blobs/uploads/" + u.id
	if query != "" {
		location += "?" + query
	}
	location = c.location(location)
	if c.dialect.UploadElsewhere {
		base, err := c.registry.cdnBase()
		if err != nil {
			return err
		}
		location = base + strings.TrimPrefix(location, c.url(""))
	}
	header := c.w.Header()
	header.Set("Location", location)
	header.Set("Docker-Upload-UUID", u.id)
	// Inclusive: the specification has no way to say "nothing yet", and distribution says 0-0.
	header.Set("Range", "0-"+strconv.FormatInt(max(offset-1, 0), 10))
	header.Set("Content-Length", "0")
	return nil
}

// created answers 201, or what the dialect has for it, for a blob.
func (c *call) created(h v1.Hash, status int) error {
	header := c.w.Header()
	header.Set("Location", c.location("/v2/"+c.repository+"/blobs/"+h.String()))
	header.Set("Docker-Content-Digest", h.String())
	if status != http.StatusNoContent {
		header.Set("Content-Length", "0")
	}
	c.w.WriteHeader(status)
	return nil
}

func (c *call) uploadStatus() error {
	if c.dialect.NoUploadStatus {
		return errNoSuchPage
	}
	_, u, err := c.session()
	if err != nil {
		return err
	}
	// A status says where the next request begins, so whoever still writes has lost the session.
	_, offset := u.begin()
	if err := c.uploadHeaders(u, offset); err != nil {
		return err
	}
	if c.dialect.ZeroUploadStatus {
		c.w.Header().Set("Range", "0-0")
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *call) patchUpload() error {
	if c.dialect.NoPatch {
		return fail(http.StatusMethodNotAllowed, CodeUnsupported, "PATCH is not supported; send the blob with one PUT")
	}
	repo, u, err := c.session()
	if err != nil {
		return err
	}
	if t := c.r.Header.Get("Content-Type"); t != "" && t != "application/octet-stream" {
		return fail(http.StatusBadRequest, CodeBlobUploadInvalid, "Content-Type of a chunk is %q", t)
	}
	turn, offset := u.begin()
	if err := c.checkChunk(offset); err != nil {
		return err
	}
	if c.dialect.MinChunk > 0 && u.short {
		return errors.Join(fail(http.StatusRequestedRangeNotSatisfiable, CodeSizeInvalid, "a chunk that isn't the last was shorter than %d bytes", c.dialect.MinChunk), c.drop(repo, u))
	}
	if c.dialect.SinglePatch && u.patches > 0 {
		if err := u.rewind(turn, 0, sha256.New()); err != nil {
			return err
		}
	}
	received, err := c.receive(u, turn)
	if err != nil {
		return err
	}
	u.mu.Lock()
	u.patches++
	u.short = received < c.dialect.MinChunk
	offset = u.size
	u.mu.Unlock()
	if err := c.uploadHeaders(u, offset); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusAccepted)
	return nil
}

func (c *call) putUpload() error {
	repo, u, err := c.session()
	if err != nil {
		return err
	}
	h, err := parseDigest(c.r.URL.Query().Get("digest"))
	if err != nil {
		return err // the session stays, for another try
	}
	return c.receiveLast(repo, u, h)
}

// receiveLast takes the last bytes of an upload and commits it.
func (c *call) receiveLast(repo *repository, u *upload, h v1.Hash) error {
	turn, offset := u.begin()
	if err := c.checkChunk(offset); err != nil {
		return err
	}
	if _, err := c.receive(u, turn); err != nil {
		return err
	}
	if err := u.commit(turn, h, c.keeps(h)); errors.Is(err, errSuperseded) {
		return abortUpload{err}
	} else if err != nil {
		return err
	}
	repo.closeUpload(u.id)
	if err := repo.linkBlob(h); err != nil {
		return fmt.Errorf("linking %s into %s: %w", h, c.repository, err)
	}
	c.w.record.stored.Store(true)
	return c.created(h, c.createdStatus())
}

// checkChunk looks at a chunk's headers: "Pushing a blob in chunks", `Content-Range: <start>-<end>`.
func (c *call) checkChunk(offset int64) error {
	if limit := c.dialect.MaxUploadBody; limit > 0 && c.r.ContentLength > limit {
		return errBodyTooLarge(limit)
	}
	value := strings.TrimPrefix(c.r.Header.Get("Content-Range"), "bytes ")
	if value == "" {
		return nil
	}
	first, last, ok := strings.Cut(value, "-")
	start, err1 := strconv.ParseInt(first, 10, 64)
	end, err2 := strconv.ParseInt(last, 10, 64)
	if !ok || err1 != nil || err2 != nil {
		return fail(http.StatusBadRequest, CodeBlobUploadInvalid, "bad Content-Range %q", value)
	}
	if start > end || start != offset {
		return fail(http.StatusRequestedRangeNotSatisfiable, CodeRangeInvalid, "Content-Range is %s, the upload is at %d", value, offset)
	}
	if c.r.ContentLength >= 0 && c.r.ContentLength != end-start+1 {
		return fail(http.StatusBadRequest, CodeSizeInvalid, "Content-Range is %s, Content-Length %d", value, c.r.ContentLength)
	}
	return nil
}

func errBodyTooLarge(limit int64) error {
	return fail(http.StatusRequestEntityTooLarge, CodeSizeInvalid, "the body is larger than %d bytes", limit)
}

// buffers for bodies: large enough that net/http reads past its own 4 KB.
var buffers = sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}

// receive appends the request's body to the upload, and keeps what came of a body that breaks off.
func (c *call) receive(u *upload, turn int64) (int64, error) {
	if c.r.ContentLength == 0 {
		return 0, nil
	}
	var before hash.Hash
	start := u.offset()
	if c.dialect.DiscardPartial {
		var err error
		if before, err = cloneHash(u); err != nil {
			return 0, err
		}
	}
	u.reserve(c.r.ContentLength)
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	var received int64
	for {
		n, readErr := c.r.Body.Read(*buffer)
		if n > 0 {
			received += int64(n)
			if limit := c.dialect.MaxUploadBody; limit > 0 && received > limit {
				return received, errBodyTooLarge(limit)
			}
			if err := u.write(turn, (*buffer)[:n]); err != nil {
				if errors.Is(err, errSuperseded) {
					return received, abortUpload{err}
				}
				return received, err
			}
		}
		if errors.Is(readErr, io.EOF) {
			return received, nil
		}
		if readErr != nil {
			if before != nil {
				readErr = errors.Join(readErr, u.rewind(turn, start, before))
			}
			return received, abortUpload{readErr}
		}
	}
}

func cloneHash(u *upload) (hash.Hash, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	cloner, ok := u.digest.(hash.Cloner)
	if !ok {
		return nil, errors.New("SHA-256 can't be cloned")
	}
	return cloner.Clone()
}

func (c *call) cancelUpload() error {
	if status := c.dialect.CancelStatus; status != 0 {
		return fail(status, CodeUnsupported, "uploads can't be cancelled")
	}
	repo, u, err := c.session()
	if err != nil {
		return err
	}
	if err := c.drop(repo, u); err != nil {
		return fmt.Errorf("cancelling an upload to %s: %w", c.repository, err)
	}
	c.w.Header().Set("Docker-Upload-UUID", u.id)
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *call) drop(repo *repository, u *upload) error {
	repo.closeUpload(u.id)
	return u.discard()
}
