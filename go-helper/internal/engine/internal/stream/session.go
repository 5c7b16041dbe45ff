package stream

import (
	"context"
	"errors"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/registry"
)

const (
	// maxResumes and maxRestarts bound the tries at one upload, whatever the registry's policy allows.
	maxResumes  = 20
	maxRestarts = 4
	// progress is how much more a registry must have for a break to be the first one again: a large blob on a bad line may
	// meet any number of them.
	progress = 1 << 20
)

// Session is the upload of a blob to one repository, over all its tries. It is owned by whoever works on it.
type Session struct {
	client     *registry.Client
	repository string
	digest     v1.Hash

	tries    *registry.Tries  // the patience with all of it
	upload   *registry.Upload // nil where there is none just now
	resumes  int              // since the last fresh start
	restarts int
}

// Start asks to mount a blob from another repository of the registry, or from its own, which asks whether it is there, else to start an
// upload; from may be empty. Without a Session and an error it is mounted. Where there was a Session before, its patience goes on.
func Start(ctx context.Context, client *registry.Client, repository string, digest v1.Hash, from string, before *Session) (*Session, error) {
	s := &Session{client: client, repository: repository, digest: digest}
	if before != nil {
		s.tries, s.restarts = before.tries, before.restarts
	} else {
		s.tries = client.Tries()
	}
	upload, err := client.StartUpload(s.tries.With(ctx), repository, digest, from)
	if err != nil || upload == nil {
		return nil, err
	}
	s.upload = upload
	return s, nil
}

// Cancel ends a session that nobody will use.
func (s *Session) Cancel(ctx context.Context) error {
	if s.upload == nil {
		return nil
	}
	err := s.upload.Cancel(ctx) // also works, more briefly, where the run is being interrupted
	s.upload = nil
	if errors.Is(err, registry.ErrNotFound) {
		return nil
	}
	return err
}

// restart drops what the registry has.
func (s *Session) restart(ctx context.Context) {
	s.restarts++
	s.resumes = 0
	_ = s.Cancel(ctx)
}
