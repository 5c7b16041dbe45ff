package registry

import (
	"context"
	"errors"
	"net/http"

	"docker-mirror/go-helper/internal/auth"
)

// WillPush tells that this run is to write to the repository. What is read there is then asked for with the right to push:
// one token does for all of it, and some registries (Quay) say of a repository that doesn't exist yet that nobody may read
// it, but to whoever may push.
func (c *Client) WillPush(repository string) { c.destinations.Store(repository, true) }

// reading is the scope for reading a repository.
func (c *Client) reading(repository string) auth.Scope {
	if push, ok := c.destinations.Load(repository); ok && push.(bool) {
		return auth.Push(repository)
	}
	return auth.Pull(repository)
}

// readOnly takes in that a token service refused the right to push for what only reads. It tells whether less may do.
func (c *Client) readOnly(r *request, denied *auth.DeniedError) bool {
	if denied.Status != http.StatusUnauthorized && denied.Status != http.StatusForbidden ||
		r.method != http.MethodGet && r.method != http.MethodHead || r.session ||
		len(r.scopes) != 1 || r.scopes[0] != auth.Push(r.repository) {
		return false
	}
	c.destinations.Store(r.repository, false)
	r.scopes = []auth.Scope{auth.Pull(r.repository)}
	return true
}

// MayPush finds out whether an account that may not read in a repository may write there: by the first request of an upload,
// once a repository. Other failures than a denial say nothing against it.
func (c *Client) MayPush(ctx context.Context, repository string) bool {
	if may, known := c.pushable.Load(repository); known {
		return may.(bool)
	}
	nothing := DigestOf(nil)
	upload, err := c.StartUpload(ctx, repository, nothing, "")
	if err == nil {
		_ = upload.Cancel(ctx) // a courtesy
	}
	may := !IsDenied(err)
	if ctx.Err() == nil {
		c.pushable.Store(repository, may)
	}
	return may
}

// Missing tells whether an error is the registry's way to say that a repository, or what was asked for in it, may not be
// there: a 404, or that whoever asked may not read it. The latter is not known then, rather than so. Credentials that
// are refused as such say nothing of the kind.
func Missing(err error) (missing, known bool) {
	if errors.Is(err, ErrNotFound) {
		return true, true
	}
	var refused *Error
	return errors.As(err, &refused) && !refused.noToken && !refused.elsewhere &&
		(refused.Status == http.StatusForbidden || refused.Status == http.StatusUnauthorized && refused.bearer), false
}
