package engine

import (
	"context"
	"sync"

	"docker-mirror/go-helper/internal/registry"
)

// destination is what one run knows of a registry that it writes to.
type destination struct {
	number int // by which the scheduler knows it
	client *registry.Client
	host   string
	sparse bool // the run leaves out some of what indexes there name: earlier runs may have done so where this one doesn't

	referrersTags sync.Mutex // held while one is read and written

	mu        sync.Mutex
	missing   map[string]*once[bool]          // repository -> it does not exist
	manifests map[manifestKey]*once[struct{}] // manifests pushed by this run
}

type manifestKey struct{ repository, identifier, digest string }

func newDestination(client *registry.Client, number int) *destination {
	return &destination{
		number:    number,
		client:    client,
		host:      client.Host(),
		missing:   map[string]*once[bool]{},
		manifests: map[manifestKey]*once[struct{}]{},
	}
}

// repositoryMissing asks once whether the repository exists at all; an error counts as "it may". Whoever asks first looks for
// its own tag before: a list is only asked for where that isn't there.
func (d *destination) repositoryMissing(ctx context.Context, repository string, hasTag func() bool) bool {
	d.mu.Lock()
	o, ok := d.missing[repository]
	if !ok {
		o = &once[bool]{}
		d.missing[repository] = o
	}
	d.mu.Unlock()
	missing, err := o.do(ctx, func() (bool, error) {
		if hasTag() || ctx.Err() != nil {
			return false, ctx.Err()
		}
		missing, err := d.client.RepositoryMissing(ctx, repository)
		if ctx.Err() == nil {
			err = nil // asked once: who may not list tags may still read and write them
		}
		return missing, err
	})
	return missing && err == nil
}

// knownMissing tells whether repositoryMissing was asked and said yes.
func (d *destination) knownMissing(repository string) bool {
	d.mu.Lock()
	o := d.missing[repository]
	d.mu.Unlock()
	if o == nil {
		return false
	}
	missing, ok := o.peek()
	return ok && missing
}
