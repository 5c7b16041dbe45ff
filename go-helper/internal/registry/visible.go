package registry

import (
	"context"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// visibleAttempts is how often a blob is looked for that was sent a moment ago, before it is better sent again.
const visibleAttempts = 3

// awaitManifest looks for a manifest that was answered with another status than 201 Created, the only one that the specification
// knows here: what else says "fine" may mean "still at it", or nothing. It is looked for as often as a request is tried.
func (c *Client) awaitManifest(ctx context.Context, r *request, m *Manifest, status int) error {
	tries := c.Tries()
	for looks := 1; ; looks++ {
		have, err := c.HeadManifest(tries.With(ctx), r.repository, r.reference)
		if err == nil && m.Is(have.Digest) {
			return nil
		}
		detail := fmt.Sprintf("that is no 201 Created, and the manifest isn't there, as %s found", times(looks, "look"))
		absent := err == nil || errors.Is(err, ErrNotFound) // a tag may name what it named before
		if !absent {
			if ctx.Err() != nil {
				return err
			}
			detail = "that is no 201 Created, and whether the manifest is there can't be found out: " + Why(err)
		}
		answered := &Error{
			Op: r.op, Host: c.host, Repository: r.repository, Reference: r.reference, Status: status, Detail: detail,
		}
		if !absent {
			return answered
		}
		if err := tries.Await(ctx, r.op+" "+r.where(c), answered); err != nil {
			return err
		}
	}
}

// awaitBlob is the same for a blob, which is looked for a few times. Its error is temporary: the blob can be sent again.
func (c *Client) awaitBlob(ctx context.Context, r *request, digest v1.Hash, size int64, status int) error {
	tries := triesOf(ctx, c)
	ctx = tries.With(ctx)
	for looks := 1; ; looks++ {
		stored, err := c.StatBlob(ctx, r.repository, digest)
		switch {
		case err == nil && (stored < 0 || stored == size):
			return nil
		case err != nil && !errors.Is(err, ErrNotFound):
			return err
		}
		answered := &Error{
			Op: r.op, Host: c.host, Repository: r.repository, Reference: r.reference, Status: status,
			Detail: fmt.Sprintf("that is no 201 Created, and the blob isn't there, as %s found", times(looks, "look")), again: true,
		}
		if looks == visibleAttempts {
			return answered
		}
		if err := tries.Await(ctx, r.op+" "+r.where(c), answered); err != nil {
			return err
		}
	}
}

// AwaitBlob is [Client.HeadBlob] for a blob that was sent a moment ago: it is asked for a few times more.
func (c *Client) AwaitBlob(ctx context.Context, repository string, digest v1.Hash, size int64) (bool, error) {
	tries := c.Tries()
	for look := 1; ; look++ {
		missing := fmt.Errorf("look for blob %s: it isn't there", where(c.host, repository, digest.String()))
		err := tries.Await(ctx, "look for blob "+where(c.host, repository, digest.String()), missing)
		switch {
		case ctx.Err() != nil:
			return false, err
		case err != nil:
			return false, nil
		}
		if there, err := c.HeadBlob(tries.With(ctx), repository, digest, size); there || err != nil || look == visibleAttempts {
			return there, err
		}
	}
}

func times(n int, what string) string {
	if n == 1 {
		return "one " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
