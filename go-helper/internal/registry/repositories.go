package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
)

// RepositoryCreator makes repositories at a registry where a push doesn't.
type RepositoryCreator interface {
	// CreateRepository makes an empty repository; one that is there already is no error. What may pass it has
	// tried again before it returns an error.
	CreateRepository(ctx context.Context, repository string) error
}

// CreationError tells that a repository doesn't exist and couldn't be created.
type CreationError struct {
	Host, Repository string
	Err              error
}

func (e *CreationError) Error() string {
	return fmt.Sprintf("repository %s does not exist, and can't be created: %v", where(e.Host, e.Repository, ""), e.Err)
}

func (e *CreationError) Unwrap() error { return e.Err }

// repositories is what is known of those that may have to be created.
type repositories struct {
	mu     sync.Mutex
	states map[string]*repositoryState
}

// repositoryState is one of them. Whoever has its turn may ask and change it.
type repositoryState struct {
	turn    chan struct{} // holds the one token
	exists  bool          // a write was let in
	created bool          // by us
	missing bool          // the registry said so
	err     error         // creating it failed
}

func (r *repositories) state(repository string) *repositoryState {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.states == nil {
		r.states = map[string]*repositoryState{}
	}
	state := r.states[repository]
	if state == nil {
		state = &repositoryState{turn: make(chan struct{}, 1)}
		r.states[repository] = state
	}
	return state
}

// take waits for the turn.
func (s *repositoryState) take(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *repositoryState) release() { <-s.turn }

// push is do for what writes into a repository. Where repositories can be created, the first one goes ahead of the
// others, so that one alone is refused, and creates.
func (c *Client) push(ctx context.Context, r *request) (*reply, error) {
	if c.creator == nil {
		return c.do(ctx, r)
	}
	state := c.repositories.state(r.repository)
	if err := state.take(ctx); err != nil {
		return nil, wrapTransport(ctx, r.op, r.where(c), err)
	}
	settled, answer, err := c.pushFirst(ctx, r, state)
	created := state.created
	state.release()
	switch {
	case settled:
		return answer, err
	case created:
		return c.doCreated(ctx, r)
	}
	return c.do(ctx, r)
}

// pushFirst has the turn. It tells whether there is nothing more to send.
func (c *Client) pushFirst(ctx context.Context, r *request, state *repositoryState) (settled bool, answer *reply, err error) {
	switch {
	case state.err != nil:
		return true, nil, state.err
	case state.exists:
		return false, nil, nil
	}
	if state.missing && c.create(ctx, r.repository, state) == nil {
		return false, nil, nil
	}
	// That it couldn't be created counts only where it isn't there: some lists of tags are missing for no other reason
	// than that there is no tag.
	failed := state.err
	state.err = nil
	answer, err = c.do(ctx, r)
	if !repositoryUnknown(err) {
		state.exists = err == nil
		return true, answer, err
	}
	if failed == nil {
		failed = c.create(ctx, r.repository, state)
	}
	if failed != nil && ctx.Err() == nil {
		state.err = failed
	}
	return failed != nil, nil, failed
}

// create makes the repository. It has the turn.
func (c *Client) create(ctx context.Context, repository string, state *repositoryState) error {
	c.stats.request("repository create")
	if err := c.creator.CreateRepository(ctx, repository); err != nil {
		if ctx.Err() != nil {
			return wrapTransport(ctx, "create repository", where(c.host, repository, ""), err)
		}
		state.err = &CreationError{Host: c.host, Repository: repository, Err: err}
		return state.err
	}
	state.exists, state.created = true, true
	c.opts.OnCreate(c.host, repository)
	return nil
}

// doCreated is do for a repository that was created a moment ago, which the registry may not have heard of everywhere.
func (c *Client) doCreated(ctx context.Context, r *request) (*reply, error) {
	return retrying(ctx, c, r, func(ctx context.Context, again bool) (*reply, error) {
		answer, err := c.try(ctx, r, again)
		var refused *Error
		if repositoryUnknown(err) && errors.As(err, &refused) {
			refused.again = true
		}
		return answer, err
	})
}

// knownMissing keeps for push that a repository isn't there.
func (c *Client) knownMissing(ctx context.Context, repository string) {
	if c.creator == nil {
		return
	}
	state := c.repositories.state(repository)
	if state.take(ctx) != nil {
		return
	}
	defer state.release()
	state.missing = !state.exists
}

// repositoryUnknown tells whether the registry says that there is no such repository (distribution spec, "Error
// Codes": NAME_UNKNOWN), and not only that something isn't in it.
func repositoryUnknown(err error) bool {
	var refused *Error
	return errors.As(err, &refused) && refused.Status == http.StatusNotFound && !refused.elsewhere &&
		(len(refused.Codes) == 0 || refused.HasCode("NAME_UNKNOWN") || refused.HasCode("NOT_FOUND"))
}
