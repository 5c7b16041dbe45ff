package engine

import (
	"context"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/engine/internal/tree"
	"docker-mirror/go-helper/internal/registry"
)

// mountMode is what the run knows of a registry's cross-repository mounts (distribution-spec,
// "Mounting a blob from another repository": a registry may always answer 202 instead).
type mountMode int

const (
	// mountsUnknown: nothing seen yet. A blob is asked for before its bytes are sent.
	mountsUnknown mountMode = iota
	// mountsWork: a mount was answered 201. A mount request is check, mount and upload start in one.
	mountsWork
	// mountsAfterCommit: a mount of a blob that this run had uploaded was refused while no manifest
	// referred to it. ECR wants a committed one, so followers wait for the leader's image.
	mountsAfterCommit
	// mountsNever: refused although the origin's manifest was committed.
	mountsNever
)

// verdictPatience is how long a large blob waits to learn whether mounts work before it asks with a HEAD.
const verdictPatience = time.Second

// destination is what one run knows of a registry that it writes to.
type destination struct {
	client *registry.Client
	host   string
	sparse bool // the run leaves out some of what indexes there name: earlier runs may have done so where this one doesn't

	referrersTags sync.Mutex // held while one is read and written

	mu        sync.Mutex
	mode      mountMode
	verdict   chan struct{} // closed when mode leaves mountsUnknown
	waiting   int           // uploads that wait for the verdict
	probing   bool
	uploaded  *need                           // what a probe can be made with: the first blob that this run uploaded
	small     int                             // small uploads on their way, whose success lets the verdict be had
	missing   map[string]*once[bool]          // repository -> it does not exist
	origins   map[v1.Hash][]string            // repositories that had the blob before this run
	manifests map[manifestKey]*once[struct{}] // manifests pushed by this run
	unread    []unchangedImage                // whose manifests nobody has read yet

	reading chan struct{} // held while those are read
}

type manifestKey struct{ repository, identifier, digest string }

type unchangedImage struct {
	repository string
	digest     v1.Hash
	kept       tree.Selection // of a sparse index
}

func newDestination(client *registry.Client) *destination {
	return &destination{
		client:    client,
		host:      client.Host(),
		verdict:   make(chan struct{}),
		missing:   map[string]*once[bool]{},
		origins:   map[v1.Hash][]string{},
		manifests: map[manifestKey]*once[struct{}]{},
		reading:   make(chan struct{}, 1),
	}
}

func (d *destination) mounts() mountMode {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.mode
}

// learn moves to a mode that an answer proved; a proof that mounts work is never taken back by a
// refusal, which may have other reasons (the origin was garbage-collected).
// It tells whether that was news.
func (d *destination) learn(mode mountMode) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case mode == d.mode, d.mode == mountsWork, d.mode == mountsNever:
		return false
	case d.mode == mountsAfterCommit && mode == mountsWork:
		return false // it works, after the commit: the order stays
	}
	if d.mode == mountsUnknown {
		close(d.verdict)
	}
	d.mode = mode
	return true
}

// awaitVerdict waits until mounts are known to work or not, as long as some upload is on its way, or done, that can
// tell. probe is called where a request is to be made to find out.
func (d *destination) awaitVerdict(ctx context.Context, probe func(*need)) mountMode {
	d.mu.Lock()
	if d.mode != mountsUnknown || (d.small == 0 && !d.probing && d.uploaded == nil) {
		defer d.mu.Unlock()
		return d.mode
	}
	d.waiting++
	with := d.takeProbe()
	d.mu.Unlock()
	if with != nil {
		probe(with)
	}
	timer := time.NewTimer(verdictPatience)
	defer timer.Stop()
	select {
	case <-d.verdict:
	case <-timer.C:
	case <-ctx.Done():
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting--
	return d.mode
}

// hasUploaded notes an upload of this run, and gives the one to probe with where somebody waits for the verdict.
func (d *destination) hasUploaded(n *need) *need {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.uploaded == nil {
		d.uploaded = n
	}
	return d.takeProbe()
}

// takeProbe gives, once, what to probe with where there is reason to.
func (d *destination) takeProbe() *need {
	if d.mode != mountsUnknown || d.waiting == 0 || d.probing || d.uploaded == nil {
		return nil
	}
	d.probing = true
	return d.uploaded
}

// smallUpload counts uploads on their way that may bring the verdict.
func (d *destination) smallUpload(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.small += n
}

// addOrigin notes that repository had the blob before this run, best known first.
func (d *destination) addOrigin(digest v1.Hash, repository string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, known := range d.origins[digest] {
		if known == repository {
			return
		}
	}
	d.origins[digest] = append(d.origins[digest], repository)
}

// origin names a repository other than own that had the blob before this run, or "".
func (d *destination) origin(digest v1.Hash, own string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, repository := range d.origins[digest] {
		if repository != own {
			return repository
		}
	}
	return ""
}

// hadBlob tells whether repository itself is known to have had the blob before this run.
func (d *destination) hadBlob(digest v1.Hash, repository string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, known := range d.origins[digest] {
		if known == repository {
			return true
		}
	}
	return false
}

// forgetOrigin drops an origin that a mount showed to be gone.
func (d *destination) forgetOrigin(digest v1.Hash, repository string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	kept := d.origins[digest][:0]
	for _, known := range d.origins[digest] {
		if known != repository {
			kept = append(kept, known)
		}
	}
	d.origins[digest] = kept
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
