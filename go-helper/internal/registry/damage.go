package registry

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// DamagedBlobError tells that a registry has something else under a digest than what belongs there: a disk was full, a
// storage lost bytes.
type DamagedBlobError struct {
	Reference  string // in full
	Size, Want int64  // in bytes
	Got        v1.Hash
	Kept       bool // it was sent again, and the registry has kept what it had
}

func (e *DamagedBlobError) Error() string {
	what := fmt.Sprintf("%s has %d bytes, want %d", e.Reference, e.Size, e.Want)
	if e.Got != (v1.Hash{}) {
		what = fmt.Sprintf("%s has content of digest %s", e.Reference, e.Got)
	}
	if e.Kept {
		what += ", also after it was sent again: the registry keeps what it has"
	}
	return what
}

// KeptManifestError tells that a registry has something else under a manifest's digest, also after the manifest was sent again.
type KeptManifestError struct {
	Reference string // in full
	Got       v1.Hash
}

func (e *KeptManifestError) Error() string {
	return fmt.Sprintf("%s has content of digest %s, also after it was sent again: the registry keeps what it has", e.Reference, e.Got)
}

// CheckResentManifest reads a manifest that was sent to repair what is there: registries that find a digest in their storage may
// drop what is sent (distribution's blobStore.Put does). Who may not read it has sent it all the same.
func (c *Client) CheckResentManifest(ctx context.Context, repository string, digest v1.Hash) error {
	_, err := c.GetManifest(ctx, repository, digest.String())
	var mismatch *DigestMismatchError
	if errors.As(err, &mismatch) {
		return &KeptManifestError{Reference: where(c.host, repository, digest.String()), Got: mismatch.Got}
	}
	return ctx.Err()
}

// damages are the blobs that were found damaged: the registry would mount them as they are, and say that it has them.
type damages struct {
	mu    sync.Mutex
	known map[v1.Hash]depth
}

type depth int

const (
	bySize    depth = iota + 1
	byContent       // the size is right
)

func (d *damages) note(digest v1.Hash, found depth) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known == nil {
		d.known = map[v1.Hash]depth{}
	}
	d.known[digest] = found
}

func (d *damages) of(digest v1.Hash) depth {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.known[digest]
}

func (d *damages) forget(digest v1.Hash) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.known, digest)
}

// HeadBlob tells whether the repository has the blob, and all of it as far as its size tells.
func (c *Client) HeadBlob(ctx context.Context, repository string, digest v1.Hash, size int64) (bool, error) {
	err := c.CheckBlobSize(ctx, repository, digest, size)
	if errors.Is(err, ErrNotFound) || errors.As(err, new(*DamagedBlobError)) {
		return false, nil
	}
	return err == nil && c.damages.of(digest) != byContent, err
}

// CheckBlobSize asks for a blob: [ErrNotFound] where it isn't there, *[DamagedBlobError] where it is of another size. It isn't
// mounted then any more, and is looked at again once it was uploaded.
func (c *Client) CheckBlobSize(ctx context.Context, repository string, digest v1.Hash, size int64) error {
	got, err := c.StatBlob(ctx, repository, digest)
	if err != nil || got < 0 || got == size {
		return err
	}
	c.damages.note(digest, bySize)
	return &DamagedBlobError{Reference: where(c.host, repository, digest.String()), Size: got, Want: size}
}

// CheckBlobContent reads a blob and compares it with its digest and size, as [Client.CheckBlobSize] does.
func (c *Client) CheckBlobContent(ctx context.Context, repository string, digest v1.Hash, size int64) error {
	sum, err := v1.Hasher(digest.Algorithm)
	if err != nil {
		return err
	}
	read, err := c.ReadBlob(ctx, repository, digest, size, sum)
	if err != nil {
		return err
	}
	damaged := &DamagedBlobError{Reference: where(c.host, repository, digest.String()), Size: read, Want: size}
	if read != size {
		c.damages.note(digest, bySize)
		return damaged
	}
	damaged.Got = v1.Hash{Algorithm: digest.Algorithm, Hex: hex.EncodeToString(sum.Sum(nil))}
	if damaged.Got != digest {
		c.damages.note(digest, byContent)
		return damaged
	}
	return nil
}

// ReadBlob reads a blob to its end, or to the first byte beyond the size, and goes on where it breaks, with the patience of one
// piece of work. It gives how many bytes it read; whether they are the blob's is for the caller to say.
func (c *Client) ReadBlob(ctx context.Context, repository string, digest v1.Hash, size int64, into io.Writer) (int64, error) {
	tries := c.Tries()
	ctx = tries.With(ctx)
	var offset int64
	for {
		n, err := c.readFrom(ctx, repository, digest, offset, size+1-offset, into)
		offset += n
		if n > 0 {
			tries.Progress()
		}
		if err == nil {
			return offset, nil
		}
		if !Temporary(err) {
			return offset, err
		}
		if err := tries.Again(ctx, err); err != nil {
			return offset, err
		}
	}
}

func (c *Client) readFrom(ctx context.Context, repository string, digest v1.Hash, offset, most int64, into io.Writer) (int64, error) {
	b, err := c.OpenBlob(ctx, repository, digest, offset)
	if err != nil {
		return 0, err
	}
	defer b.Close()
	if _, err := io.CopyN(io.Discard, b, offset-b.Offset); err != nil {
		return 0, err
	}
	return io.Copy(into, io.LimitReader(b, most))
}

// checkResent looks at a damaged blob that was uploaded again: registries that find a digest in their storage may drop what
// is sent (distribution's moveBlob does).
func (c *Client) checkResent(ctx context.Context, repository string, digest v1.Hash, size int64) error {
	var err error
	switch c.damages.of(digest) {
	case bySize:
		err = c.CheckBlobSize(ctx, repository, digest, size)
	case byContent:
		err = c.CheckBlobContent(ctx, repository, digest, size)
	default:
		return nil
	}
	var damaged *DamagedBlobError
	if errors.As(err, &damaged) {
		damaged.Kept = true
		return damaged
	}
	if err == nil {
		c.damages.forget(digest)
	}
	return err
}
