package engine

import (
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/registry"
)

const (
	// detachPatience is how long an upload may hold up others of the same download.
	detachPatience = 3 * time.Second
	// maxResumes and maxFailures bound the tries at one upload, whatever the registry's policy allows.
	maxResumes  = 20
	maxFailures = 4
	// progress is how much more a registry must have for a break to be the first one again: a large blob on a bad line may
	// meet any number of them.
	progress = 1 << 20
)

// errSent closes the window of an upload that the registry has taken.
var errSent = errors.New("upload is complete")

// sink is one upload fed by a download.
type sink struct {
	need   *need
	window *window
	next   sinkOutcome
	err    error
}

type sinkOutcome int

const (
	sinkSent    sinkOutcome = iota
	sinkFailed              // for good
	sinkResume              // goes on from need.offset, which the window no longer has
	sinkRestart             // must begin anew
	sinkSource              // the download failed, not the upload
)

// transfer reads the blob once and feeds it to all the needs' uploads, then settles or requeues each need.
func (r *run) transfer(b *blob, needs []*need) {
	start := needs[0].offset
	sinks := make([]*sink, len(needs))
	var sending sync.WaitGroup
	for i, n := range needs {
		s := &sink{need: n, window: newWindow(start, b.size)}
		sinks[i] = s
		sending.Add(1)
		go func() {
			defer sending.Done()
			r.send(s)
		}()
	}
	err := r.pump(b, start, slices.Clone(sinks))
	if err != nil {
		for _, s := range sinks {
			s.window.close(err)
		}
	}
	sending.Wait()
	first := true
	for _, s := range sinks {
		if s.next == sinkSent {
			r.transfers.succeeded()
			r.sent(s.need, first)
			first = false
			continue
		}
		r.requeue(s)
	}
}

// sent settles a need that got its bytes; the one download is counted once.
func (r *run) sent(n *need, countDown bool) {
	b := n.host.blob
	r.mu.Lock()
	if len(n.images) > 0 {
		bytes := &n.images[0].result.Bytes
		bytes.Up += b.size
		if countDown {
			bytes.Down += b.size
		}
	}
	r.mu.Unlock()
	r.observe(BlobUploaded{
		Registry: n.host.destination.host, Repository: n.repository, Digest: b.digest, Size: b.size,
	})
	if with := n.host.destination.hasUploaded(n); with != nil {
		r.probe(with)
	}
	r.done(n)
}

// requeue gives a need whose upload did not end well another turn, or gives it up.
func (r *run) requeue(s *sink) {
	n := s.need
	switch {
	case r.ctx.Err() != nil:
		r.cancel(n.upload)
		return
	case s.next == sinkResume && n.resumes < maxResumes:
		n.resumes++
	case (s.next == sinkRestart || s.next == sinkResume) && n.failures < maxFailures:
		r.restart(n)
	default:
		r.fail(n, s.err)
		return
	}
	r.log.Debug("upload gets another turn", "repository", n.repository, "blob", n.host.blob.digest, "offset", n.offset, "error", s.err)
	r.mu.Lock()
	r.want(n)
	r.mu.Unlock()
}

// restart drops a session, so that the next turn opens a new one.
func (r *run) restart(n *need) {
	n.failures++
	n.resumes, n.offset = 0, 0
	if n.upload != nil {
		r.cancel(n.upload)
		n.upload = nil
	}
}

// pump reads the blob from offset start on and pushes it into the sinks' windows, going on where a
// download breaks. The last piece is handed over only when the digest is right. Its error is the source's.
func (r *run) pump(b *blob, start int64, sinks []*sink) error {
	from := 0
	source, _ := r.source(b, from)
	digest := newBlobHash(b, start)
	r.observe(BlobStarted{Digest: b.digest, Size: b.size, Source: source.String()})
	offset, tries := start, source.client.Tries()
	var body *registry.BlobReader
	closeBody := func() {
		if body != nil {
			body.Close()
			body = nil
		}
	}
	defer closeBody()
	err := func() error {
		if b.size == start {
			return digest.check(source)
		}
		for offset < b.size {
			if err := r.ctx.Err(); err != nil {
				return err
			}
			if body == nil {
				var err error
				asked := time.Now()
				body, err = source.client.OpenBlob(tries.With(r.ctx), source.repository, b.digest, offset)
				if err == nil && body.Refused {
					r.transfers.overloaded(asked)
				}
				if err == nil {
					err = discard(body, offset-body.Offset)
				}
				if err != nil {
					closeBody()
					if next, ok := r.source(b, from+1); ok && r.ctx.Err() == nil {
						from, source, tries = from+1, next, next.client.Tries() // another repository of the plan has the same blob
						continue
					}
					if err := tries.Again(r.ctx, err); err != nil {
						return err
					}
					continue
				}
			}
			c := r.chunks.get()
			n, err := fill(c, body, b.size-offset)
			if n > 0 {
				tries.Progress()
				offset += int64(n)
				digest.write(c.buf)
				r.observe(BlobRead{Digest: b.digest, Bytes: int64(n)})
				if offset == b.size {
					if err := digest.check(source); err != nil {
						c.release()
						return err
					}
				}
				sinks = hand(c, sinks)
			}
			c.release()
			if len(sinks) == 0 {
				return nil
			}
			if err != nil && offset < b.size {
				closeBody()
				if err := tries.Again(r.ctx, err); err != nil {
					return err
				}
			}
		}
		return nil
	}()
	r.observe(BlobEnded{Digest: b.digest, Err: err})
	return err
}

// hand pushes a piece to every window and gives those that take more. Where several uploads share the
// download, one that stands still is detached after a while.
func hand(c *chunk, sinks []*sink) []*sink {
	var patience time.Duration
	if len(sinks) > 1 {
		patience = detachPatience
	}
	return slices.DeleteFunc(sinks, func(s *sink) bool { return !s.window.push(c, patience) })
}

// fill reads a whole chunk where it can. At the blob's end it is full with less.
func fill(c *chunk, body io.Reader, left int64) (int, error) {
	want := int(min(int64(chunkSize), left))
	n, err := io.ReadFull(body, c.buf[:want])
	c.buf = c.buf[:n]
	if err == nil || n == want {
		return n, nil
	}
	return n, err
}

// discard reads over what a registry without ranges sends again.
func discard(body io.Reader, n int64) error {
	if n <= 0 {
		return nil
	}
	_, err := io.CopyN(io.Discard, body, n)
	return err
}

// blobHash checks a blob that is read from its start. Of one that goes on in the middle only the registry sees all
// bytes; it checks them before it commits.
type blobHash struct {
	blob *blob
	hash hash.Hash
}

func newBlobHash(b *blob, start int64) *blobHash {
	h := &blobHash{blob: b}
	if start == 0 {
		switch b.digest.Algorithm {
		case "sha256":
			h.hash = sha256.New()
		case "sha512":
			h.hash = sha512.New()
		}
	}
	return h
}

func (h *blobHash) write(p []byte) {
	if h.hash != nil {
		h.hash.Write(p)
	}
}

func (h *blobHash) check(source blobSource) error {
	if h.hash == nil {
		return nil
	}
	got := v1.Hash{Algorithm: h.blob.digest.Algorithm, Hex: fmt.Sprintf("%x", h.hash.Sum(nil))}
	if got != h.blob.digest {
		return &registry.DigestMismatchError{Reference: "blob from " + source.String(), Want: h.blob.digest, Got: got}
	}
	return nil
}

// send uploads what comes through a sink's window, going on after breaks as long as the window has the bytes.
func (r *run) send(s *sink) {
	n := s.need
	b, client := n.host.blob, n.host.destination.client
	if n.tries == nil {
		n.tries = client.Tries()
	}
	for {
		asked := time.Now()
		err := n.upload.Put(n.tries.With(r.ctx), b.digest, b.size, s.window.newReader(), n.offset)
		if err == nil {
			s.window.close(errSent)
			s.next = sinkSent
			return
		}
		s.err = err
		if registry.Overloaded(err) {
			r.transfers.overloaded(asked)
		}
		switch cause := s.window.closedBy(); {
		case errors.Is(cause, errDetached):
			r.resume(s) // only finds out where the next turn begins
			return
		case cause != nil:
			s.next, s.err = sinkSource, cause
			return
		case sessionLost(err), digestInvalid(err) && n.offset > 0:
			// The registry knows nothing of the upload, or after a resume has kept other bytes than it said: once
			// more, from the start.
			s.close(sinkRestart)
			return
		case !registry.Temporary(err):
			s.close(sinkFailed)
			return
		}
		if err := n.tries.Again(r.ctx, err); err != nil {
			s.err = err
			s.close(sinkFailed)
			return
		}
		if !r.resume(s) {
			return
		}
	}
}

func (s *sink) close(next sinkOutcome) {
	s.next = next
	s.window.close(s.err)
}

// resume brings the upload to where it can go on: what the registry has, and a window that has the rest. Where
// it can't, the sink is closed with what comes next.
func (r *run) resume(s *sink) bool {
	n := s.need
	b, client := n.host.blob, n.host.destination.client
	ctx := n.tries.With(r.ctx)
	received, err := n.upload.Status(ctx)
	switch {
	case errors.Is(err, registry.ErrNotFound):
		// The session is gone, perhaps because the answer to a complete upload got lost.
		if exists, err := client.HeadBlob(ctx, n.repository, b.digest, b.size); err == nil && exists {
			s.close(sinkSent)
			return false
		}
		received = 0
	case err != nil:
		received = 0
	}
	if received > 0 && received <= b.size && n.resumes < maxResumes {
		if received-n.offset >= progress {
			n.tries.Progress()
			n.resumes = 0
		}
		n.offset = received
		if s.window.rewind(received) {
			n.resumes++
			return true
		}
		s.close(sinkResume)
		return false
	}
	// "0-0" may also mean one byte, so a session that says it is not reused.
	if n.failures >= maxFailures || !s.window.rewind(0) {
		s.close(sinkRestart)
		return false
	}
	r.restart(n)
	u, err := client.StartUpload(ctx, n.repository, b.digest, "")
	if err != nil {
		s.err = err
		s.close(sinkFailed)
		return false
	}
	n.upload = u
	return true
}

func digestInvalid(err error) bool {
	var refused *registry.Error
	return errors.As(err, &refused) && refused.HasCode("DIGEST_INVALID")
}

// sessionLost tells whether the registry doesn't know the upload (any more).
func sessionLost(err error) bool {
	var refused *registry.Error
	return errors.As(err, &refused) && (refused.HasCode("BLOB_UPLOAD_UNKNOWN") || refused.HasCode("BLOB_UPLOAD_INVALID"))
}
