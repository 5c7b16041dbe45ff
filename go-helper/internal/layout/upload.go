package layout

import (
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// upload is a session. The client keeps to one request of it at a time.
type upload struct {
	name string // of the file
	file *os.File
	sum  hash.Hash // SHA-256 of what came
	size int64
}

// discard removes what came.
func (u *upload) discard(root *os.Root) error {
	if u.file == nil {
		return nil
	}
	_ = u.file.Close() // nothing of it is wanted
	u.file = nil
	return root.Remove(u.name)
}

func (l *Layout) serveUpload(req *http.Request, repository, id string) (answer, error) {
	if id == "" {
		if req.Method != http.MethodPost {
			return answer{}, refuse(http.StatusMethodNotAllowed, "UNSUPPORTED", "no such request")
		}
		return l.startUpload(repository, req.URL.Query().Get("mount"))
	}
	l.mu.Lock()
	u := l.uploads[id]
	root := l.root
	l.mu.Unlock()
	if u == nil || root == nil {
		return answer{}, refuse(http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN", "no such upload")
	}
	switch req.Method {
	case http.MethodGet:
		return u.status(http.StatusNoContent, req.URL.Path), nil
	case http.MethodPatch:
		if err := u.take(req, root); err != nil {
			return answer{}, err
		}
		return u.status(http.StatusAccepted, req.URL.Path), nil
	case http.MethodPut:
		if err := u.take(req, root); err != nil {
			return answer{}, err
		}
		return l.commit(root, id, u, req.URL.Query().Get("digest"))
	case http.MethodDelete:
		l.forget(id)
		return answer{status: http.StatusNoContent}, u.discard(root)
	}
	return answer{}, refuse(http.StatusMethodNotAllowed, "UNSUPPORTED", "no such request")
}

// startUpload mounts, as all blobs are of all repositories, or opens a session.
func (l *Layout) startUpload(repository, mount string) (answer, error) {
	if digest, err := v1.NewHash(mount); err == nil && l.has(digest) {
		return created(repository, "blobs", digest), nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.root == nil {
		return answer{}, refuse(http.StatusMethodNotAllowed, "UNSUPPORTED", "this layout is only read")
	}
	if err := l.begun(); err != nil {
		return answer{}, err
	}
	l.uploaded++
	id := strconv.Itoa(l.uploaded)
	hasher, err := v1.Hasher("sha256")
	if err != nil {
		return answer{}, err
	}
	l.uploads[id] = &upload{name: workDir + "/upload-" + id, sum: hasher}
	return answer{status: http.StatusAccepted, header: http.Header{"Location": {"/v2/" + repository + "/blobs/uploads/" + id}}}, nil
}

// has tells whether nobody needs to bring a blob.
func (l *Layout) has(digest v1.Hash) bool {
	if f, err := l.files.open(blobName(digest)); err == nil {
		_ = f.close() // only looked at
		return true
	}
	_, ok := l.bases[digest]
	return ok
}

func (l *Layout) forget(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.uploads, id)
}

func (u *upload) status(status int, path string) answer {
	last := max(u.size-1, 0)
	return answer{status: status, header: http.Header{"Location": {path}, "Range": {fmt.Sprintf("0-%d", last)}}}
}

// take appends the request's body. What came before an error stays.
func (u *upload) take(req *http.Request, root *os.Root) error {
	if span := req.Header.Get("Content-Range"); span != "" {
		first, _, _ := strings.Cut(span, "-")
		if offset, err := strconv.ParseInt(first, 10, 64); err != nil || offset != u.size {
			return refuse(http.StatusRequestedRangeNotSatisfiable, "RANGE_INVALID", "there are %d bytes", u.size)
		}
	}
	if u.file == nil {
		f, err := root.OpenFile(u.name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o666)
		if err != nil {
			return err
		}
		u.file = f
	}
	if req.Body == nil {
		return nil
	}
	n, err := io.Copy(io.MultiWriter(u.file, u.sum), body{req.Body})
	u.size += n
	return err
}

// body tells errors of who sends from those of the disk.
type body struct{ io.Reader }

type bodyError struct{ err error }

func (e *bodyError) Error() string { return "reading what is sent: " + e.err.Error() }
func (e *bodyError) Unwrap() error { return e.err }

// Read implements [io.Reader].
func (b body) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &bodyError{err}
	}
	return n, err
}

// commit gives the content its name once it is what its digest says, and on the disk.
func (l *Layout) commit(root *os.Root, id string, u *upload, wanted string) (answer, error) {
	digest, err := v1.NewHash(wanted)
	if err != nil {
		return answer{}, refuse(http.StatusBadRequest, "DIGEST_INVALID", "%v", err)
	}
	sum := u.sum
	if digest.Algorithm != "sha256" {
		if sum, err = v1.Hasher(digest.Algorithm); err != nil {
			return answer{}, refuse(http.StatusBadRequest, "DIGEST_INVALID", "%v", err)
		}
		if _, err := io.Copy(sum, io.NewSectionReader(u.file, 0, u.size)); err != nil {
			return answer{}, err
		}
	}
	l.forget(id)
	if got := hex.EncodeToString(sum.Sum(nil)); got != digest.Hex {
		_ = u.discard(root) // the answer says what matters
		return answer{}, refuse(http.StatusBadRequest, "DIGEST_INVALID", "the content has %s:%s", digest.Algorithm, got)
	}
	if err := u.file.Sync(); err != nil {
		_ = u.discard(root)
		return answer{}, err
	}
	if err := u.file.Close(); err != nil {
		return answer{}, err
	}
	if err := place(root, u.name, digest); err != nil {
		return answer{}, err
	}
	return created("", "blobs", digest), nil
}

// place moves a complete file to where its digest says.
func place(root *os.Root, temporary string, digest v1.Hash) error {
	if err := root.MkdirAll(blobsDir+"/"+digest.Algorithm, 0o777); err != nil {
		return err
	}
	return root.Rename(temporary, blobName(digest))
}

func created(repository, kind string, digest v1.Hash) answer {
	return answer{status: http.StatusCreated, header: http.Header{
		"Location":              {"/v2/" + repository + "/" + kind + "/" + digest.String()},
		"Docker-Content-Digest": {digest.String()},
	}}
}
