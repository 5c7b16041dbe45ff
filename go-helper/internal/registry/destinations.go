package registry

import (
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

// Missing tells whether an error is the registry's way to say that a repository, or what was asked for in it, may not be
// there: a 404, or that whoever asked may not read it. The latter is not known then, rather than so.
func Missing(err error) (missing, known bool) {
	if errors.Is(err, ErrNotFound) {
		return true, true
	}
	return IsDenied(err), false
}
