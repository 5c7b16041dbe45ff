package layout

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"syscall"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// answer is what a request comes to.
type answer struct {
	status int
	header http.Header
	body   io.ReadCloser // nil: empty
	length int64         // of the body, also of one that HEAD leaves out
}

// refusal is an answer that is an error of the distribution spec.
type refusal struct {
	status  int
	code    string
	message string
}

func (r *refusal) Error() string { return r.code + ": " + r.message }

func refuse(status int, code, format string, args ...any) error {
	return &refusal{status, code, fmt.Sprintf(format, args...)}
}

var _ http.RoundTripper = (*Layout)(nil)

// RoundTrip implements [http.RoundTripper]: it answers a request of the distribution API.
func (l *Layout) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer req.Body.Close()
	}
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	a, err := l.serve(req)
	if err != nil {
		if ctxErr := req.Context().Err(); ctxErr != nil {
			return nil, ctxErr
		}
		var broken *bodyError
		if errors.As(err, &broken) {
			return nil, broken.err // as over a network: nobody is there to take an answer
		}
		if !errors.As(err, new(*refusal)) && req.Method != http.MethodGet && req.Method != http.MethodHead {
			l.mu.Lock()
			l.failed = true
			l.mu.Unlock()
		}
		a = refused(err)
	}
	if a.header == nil {
		a.header = http.Header{}
	}
	if a.body == nil || req.Method == http.MethodHead {
		if a.body != nil {
			_ = a.body.Close() // it was only read from
		}
		a.body = http.NoBody
	}
	a.header.Set("Content-Length", strconv.FormatInt(a.length, 10))
	return &http.Response{
		Status:     fmt.Sprintf("%d %s", a.status, http.StatusText(a.status)),
		StatusCode: a.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header, Body: a.body, ContentLength: a.length, Request: req,
	}, nil
}

// refused makes an answer of an error. A disk that is full stays so (RFC 4918, 11.5).
func refused(err error) answer {
	var r *refusal
	switch {
	case errors.As(err, &r):
	case errors.Is(err, fs.ErrNotExist):
		r = &refusal{http.StatusNotFound, "BLOB_UNKNOWN", "it isn't in the layout"}
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		r = &refusal{http.StatusInsufficientStorage, "UNKNOWN", err.Error()}
	default:
		r = &refusal{http.StatusUnprocessableEntity, "UNKNOWN", err.Error()} // no other try mends a file that can't be read or written
	}
	type problem struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	body, err := json.Marshal(map[string][]problem{"errors": {{r.code, r.message}}})
	if err != nil {
		panic(err) // of strings
	}
	return content200(body, "application/json").with(r.status)
}

func content200(body []byte, mediaType string) answer {
	return answer{
		status: http.StatusOK, header: http.Header{"Content-Type": {mediaType}},
		body: io.NopCloser(bytes.NewReader(body)), length: int64(len(body)),
	}
}

func (a answer) with(status int) answer {
	a.status = status
	return a
}

// serve finds out what is asked for: /v2/<repository>/<kind>/<rest>. A repository may have a port in it.
func (l *Layout) serve(req *http.Request) (answer, error) {
	path, ok := strings.CutPrefix(req.URL.Path, "/v2/")
	if !ok {
		return answer{}, refuse(http.StatusNotFound, "UNSUPPORTED", "no such address")
	}
	if path == "" {
		return content200([]byte("{}"), "application/json"), nil
	}
	if repository, ok := strings.CutSuffix(path, "/tags/list"); ok && req.Method == http.MethodGet {
		return l.listTags(repository, req.URL.Query().Get("last"))
	}
	for _, kind := range []string{"/blobs/uploads/", "/blobs/", "/manifests/", "/referrers/"} {
		at := strings.LastIndex(path, kind)
		if at < 0 {
			continue
		}
		repository, rest := path[:at], path[at+len(kind):]
		switch kind {
		case "/blobs/uploads/":
			return l.serveUpload(req, repository, rest)
		case "/blobs/":
			return l.serveBlob(req, rest)
		case "/manifests/":
			return l.serveManifest(req, repository, rest)
		}
		return l.listReferrers(rest)
	}
	return answer{}, refuse(http.StatusNotFound, "UNSUPPORTED", "no such address")
}

func (l *Layout) serveBlob(req *http.Request, rest string) (answer, error) {
	digest, err := v1.NewHash(rest)
	if err != nil {
		return answer{}, refuse(http.StatusBadRequest, "DIGEST_INVALID", "%v", err)
	}
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		return answer{}, refuse(http.StatusMethodNotAllowed, "UNSUPPORTED", "blobs of a layout aren't deleted")
	}
	offset := rangeStart(req.Header.Get("Range"))
	f, err := l.files.open(blobName(digest))
	if errors.Is(err, fs.ErrNotExist) {
		return l.serveElsewhere(req, digest, offset)
	}
	if err != nil {
		return answer{}, err
	}
	return blobFrom(f, offset)
}

func blobFrom(f *content, offset int64) (answer, error) {
	a := answer{status: http.StatusOK, header: http.Header{"Content-Type": {"application/octet-stream"}}, length: f.size - offset}
	if offset > 0 {
		if offset >= f.size {
			return answer{}, errors.Join(refuse(http.StatusRequestedRangeNotSatisfiable, "RANGE_INVALID", "it has %d bytes", f.size), f.close())
		}
		a.status = http.StatusPartialContent
		a.header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", offset, f.size-1, f.size))
	}
	a.body = f.from(offset)
	return a, nil
}

// rangeStart reads `bytes=N-`, the only form that is asked for; 0 for all else, which gives the whole blob.
func rangeStart(value string) int64 {
	first, ok := strings.CutPrefix(value, "bytes=")
	if !ok {
		return 0
	}
	first, last, ok := strings.Cut(first, "-")
	n, err := strconv.ParseInt(first, 10, 64)
	if !ok || last != "" || err != nil || n < 0 {
		return 0
	}
	return n
}

// missing says of a blob that isn't here where it should be.
func (l *Layout) missing(digest v1.Hash) error {
	if blob, ok := l.needs[digest]; ok {
		return refuse(http.StatusNotFound, "BLOB_UNKNOWN", "this bundle leaves it out, as an earlier one had it with %s: import that one first", strings.Join(blob.Repositories, ", "))
	}
	return refuse(http.StatusNotFound, "BLOB_UNKNOWN", "it isn't in the layout: a part is missing, or it was never complete")
}
