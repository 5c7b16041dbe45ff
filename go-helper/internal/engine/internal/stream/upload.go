package stream

import (
	"context"
	"errors"
	"time"

	"docker-mirror/go-helper/internal/registry"
)

// errSent closes the window of an upload that the registry has taken.
var errSent = errors.New("upload is complete")

// send uploads what comes through a sink's window, going on after breaks as long as the window has the bytes.
func (s *sink) send(ctx context.Context) {
	t := s.transfer
	for {
		asked := time.Now()
		err := s.upload.Put(s.tries.With(ctx), t.Digest, t.Size, s.window.newReader(), s.offset)
		if err == nil {
			s.window.close(errSent)
			s.end, s.upload = Sent, nil
			return
		}
		s.err = err
		if registry.Overloaded(err) {
			t.Watcher.Overloaded(asked)
		}
		switch cause := s.window.closedBy(); {
		case errors.Is(cause, errDetached):
			s.goOn(ctx) // only finds out where the next turn begins
			return
		case cause != nil:
			s.end, s.err = SourceFailed, cause
			return
		case errors.Is(err, registry.ErrUploadLost), digestInvalid(err) && s.offset > 0:
			// The registry knows nothing of the upload, or after a resume has kept other bytes than it said: once
			// more, from the start.
			s.begin(ctx)
			return
		case !registry.Temporary(err):
			s.close(Failed)
			return
		}
		if err := s.tries.Again(ctx, err); err != nil {
			s.err = err
			s.close(Failed)
			return
		}
		if !s.goOn(ctx) {
			return
		}
	}
}

func (s *sink) close(end End) {
	s.end = end
	s.window.close(s.err)
}

// begin ends the sink with a fresh start to come, unless there have been enough of them.
func (s *sink) begin(ctx context.Context) {
	if s.restarts >= maxRestarts {
		s.close(Failed)
		return
	}
	s.restart(ctx)
	s.offset = 0
	s.close(Restart)
}

// goOn brings the upload to where it can go on: what the registry has, and a window that has the rest. Where
// it can't, the sink is closed with what comes next.
func (s *sink) goOn(ctx context.Context) bool {
	ctx = s.tries.With(ctx)
	received, err := s.upload.Status(ctx)
	switch {
	case errors.Is(err, registry.ErrNotFound):
		// The session is gone, perhaps because the answer to a complete upload got lost.
		if exists, err := s.client.HeadBlob(ctx, s.repository, s.digest, s.transfer.Size); err == nil && exists {
			s.upload = nil
			s.close(Sent)
			return false
		}
		received = 0
	case err != nil:
		received = 0
	}
	if received > 0 && received <= s.transfer.Size && s.resumes < maxResumes {
		if received-s.offset >= progress {
			s.tries.Progress()
			s.resumes = 0
		}
		s.offset = received
		s.resumes++
		if s.window.rewind(received) {
			return true
		}
		s.close(Resume)
		return false
	}
	// "0-0" may also mean one byte, so a session that says it is not reused.
	if s.restarts >= maxRestarts || !s.window.rewind(0) {
		s.begin(ctx)
		return false
	}
	s.restart(ctx)
	s.offset = 0
	upload, err := s.client.StartUpload(ctx, s.repository, s.digest, "")
	if err != nil {
		s.err = err
		s.close(Failed)
		return false
	}
	s.upload = upload
	return true
}

func digestInvalid(err error) bool {
	var refused *registry.Error
	return errors.As(err, &refused) && refused.HasCode("DIGEST_INVALID")
}
