package registry

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// sentBody is a body on its way out. It counts what the transport takes, and cancels the request where the
// transport doesn't come back for more.
type sentBody struct {
	body  io.Reader
	left  int64 // net/http reads on to see whether there is more than Content-Length: not here
	up    *atomic.Int64
	stall time.Duration
	timer *time.Timer // set by of

	mu            sync.Mutex
	touched, over bool
}

func newSentBody(body io.Reader, n int64, up *atomic.Int64, stall time.Duration) *sentBody {
	return &sentBody{body: body, left: n, up: up, stall: stall}
}

// of makes it the body of the request that cancel ends.
func (s *sentBody) of(cancel context.CancelCauseFunc) io.ReadCloser {
	s.timer = time.AfterFunc(s.stall, func() { cancel(&timeoutError{what: "no byte went out", limit: s.stall}) })
	s.timer.Stop() // connecting has a timeout of its own
	return s
}

var errBodyOver = errors.New("the upload has ended")

func (s *sentBody) Read(p []byte) (int, error) {
	s.timer.Stop()
	if s.left == 0 {
		return 0, io.EOF
	}
	s.mu.Lock()
	over := s.over
	s.touched = s.touched || !over
	s.mu.Unlock()
	if over {
		return 0, errBodyOver
	}
	n, err := s.body.Read(p[:min(int64(len(p)), s.left)])
	s.left -= int64(n)
	s.up.Add(int64(n))
	s.mu.Lock()
	if err == nil && !s.over {
		s.timer.Reset(s.stall)
	}
	s.mu.Unlock()
	return n, err
}

// Close is called by the transport when it is done with the body.
func (s *sentBody) Close() error {
	s.timer.Stop()
	return nil
}

// end makes that no further Read reaches the body, and tells whether one ever did.
func (s *sentBody) end() (touched bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	if s.timer != nil {
		s.timer.Stop()
	}
	return s.touched
}
