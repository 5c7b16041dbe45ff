package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"mime"
	"net/http"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"docker-mirror/go-helper/internal/auth"
)

// maxManifest is the size that the distribution spec obliges registries to take at least, and most take at most.
const maxManifest = 4 << 20

// acceptManifests asks for any manifest: HEAD and GET must ask alike, or some registries answer them
// differently. Schema 1 is asked for last, so that a registry which has nothing else says so in its Content-Type.
var acceptManifests = []string{strings.Join([]string{
	string(types.OCIImageIndex), string(types.DockerManifestList),
	string(types.OCIManifestSchema1), string(types.DockerManifestSchema2),
	"application/vnd.oci.artifact.manifest.v1+json",
	string(types.DockerManifestSchema1Signed) + ";q=0.1", string(types.DockerManifestSchema1) + ";q=0.1",
	"*/*;q=0.05",
}, ", ")}

// Manifest is a manifest or an index as the registry has it.
type Manifest struct {
	MediaType string
	Digest    v1.Hash // of Body, computed here: by the algorithm that it was asked for by, else by SHA-256
	Body      []byte
}

// Is tells whether h is the manifest's digest, by whichever algorithm.
func (m *Manifest) Is(h v1.Hash) bool {
	if h.Algorithm == m.Digest.Algorithm {
		return h == m.Digest
	}
	got, err := digestBy(h.Algorithm, m.Body)
	return err == nil && got == h
}

// HeadManifest resolves a tag or digest without its content. [ErrNotFound] where it isn't there.
func (c *Client) HeadManifest(ctx context.Context, repository, identifier string) (v1.Descriptor, error) {
	r := c.manifestRequest("manifest HEAD", "resolve", http.MethodHead, repository, identifier)
	answer, err := c.do(ctx, r)
	if err != nil && !mayGet(err) {
		return v1.Descriptor{}, err
	}
	var digest v1.Hash
	size := int64(-1)
	if err == nil {
		digest, err = v1.NewHash(answer.header.Get("Docker-Content-Digest"))
		size = contentLength(answer.header)
	}
	if err != nil || size < 0 {
		// The header is optional in the distribution spec.
		m, err := c.GetManifest(ctx, repository, identifier)
		if err != nil {
			return v1.Descriptor{}, err
		}
		return v1.Descriptor{MediaType: types.MediaType(m.MediaType), Digest: m.Digest, Size: int64(len(m.Body))}, nil
	}
	if want, err := v1.NewHash(identifier); err == nil && want.Algorithm == digest.Algorithm && want != digest {
		return v1.Descriptor{}, &DigestMismatchError{Reference: r.where(c), Want: want, Got: digest}
	}
	return v1.Descriptor{
		MediaType: types.MediaType(mediaType(answer.header)),
		Digest:    digest,
		Size:      size,
	}, nil
}

// mayGet tells whether a GET may succeed where a HEAD failed, or says why, which the answer to a HEAD has no body for. Not every
// registry knows HEAD.
func mayGet(err error) bool {
	var refused *Error
	if !errors.As(err, &refused) {
		return false
	}
	switch refused.Status {
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusNotImplemented:
		return true
	}
	return IsDenied(err) && !refused.noToken
}

// GetManifest reads a manifest of at most 4 MiB. Where identifier is a digest the content is checked against it
// (*[DigestMismatchError]).
func (c *Client) GetManifest(ctx context.Context, repository, identifier string) (*Manifest, error) {
	r := c.manifestRequest("manifest GET", "get manifest", http.MethodGet, repository, identifier)
	r.limit = maxManifest
	var answer *reply
	var err error
	if r.digest() == (v1.Hash{}) {
		answer, err = c.do(ctx, r)
	} else {
		answer, err = c.doNamed(ctx, r)
	}
	if err != nil {
		return nil, err
	}
	m := &Manifest{MediaType: mediaType(answer.header), Digest: DigestOf(answer.body), Body: answer.body}
	want, err := v1.NewHash(identifier)
	if err != nil {
		return m, nil // a tag
	}
	if m.Digest, err = digestBy(want.Algorithm, m.Body); err != nil {
		return nil, wrapTransport(ctx, r.op, r.where(c), permanentf("%v", err))
	}
	if want != m.Digest {
		return nil, &DigestMismatchError{Reference: r.where(c), Want: want, Got: m.Digest}
	}
	return m, nil
}

// digest is what the request names, if it names one.
func (r *request) digest() v1.Hash {
	digest, err := v1.NewHash(r.reference)
	if err != nil {
		return v1.Hash{}
	}
	return digest
}

// doNamed is do for content that something else has named, an index for example.
func (c *Client) doNamed(ctx context.Context, r *request) (*reply, error) {
	if err := c.Ping(ctx); err != nil {
		return nil, err
	}
	missing := missingAttempts
	return retrying(ctx, c, r, func(ctx context.Context, again bool) (*reply, error) {
		answer, err := c.try(ctx, r, again)
		return answer, mayAppear(err, &missing)
	})
}

// PutManifest writes a manifest under a tag or its digest.
func (c *Client) PutManifest(ctx context.Context, repository, identifier string, m *Manifest) error {
	_, err := c.putManifest(ctx, repository, identifier, m)
	return err
}

func (c *Client) putManifest(ctx context.Context, repository, identifier string, m *Manifest) (*reply, error) {
	r := c.manifestRequest("manifest PUT", "put manifest", http.MethodPut, repository, identifier)
	r.header = http.Header{"Content-Type": {m.MediaType}}
	r.body = m.Body
	r.scopes = []auth.Scope{auth.Push(repository)}
	r.accept = []int{http.StatusCreated, http.StatusOK, http.StatusAccepted, http.StatusNoContent}
	want := DigestOf(m.Body)
	answer, err := c.push(ctx, r)
	switch {
	case err != nil && immutableTag(r, err):
		err = c.compareTag(ctx, r, want, err)
		answer = &reply{header: http.Header{}} // where it is there already
	case c.noteRefusedType(err):
	case err != nil && (Temporary(err) || r.broke && !ContentMissing(err)) && !throttled(err) && c.committed(ctx, r, want, TimedOut(err)):
		c.opts.Logger.Debug("manifest is there, whatever was answered", "registry", c.host, "manifest", r.where(c), "error", err)
		answer, err = &reply{header: http.Header{}}, nil
	case err == nil && answer.status != http.StatusCreated:
		err = c.awaitManifest(ctx, r, &Manifest{Digest: want, Body: m.Body}, answer.status)
	}
	if err != nil {
		return nil, err
	}
	got, err := v1.NewHash(answer.header.Get("Docker-Content-Digest"))
	if err != nil {
		return answer, nil // it is optional
	}
	if want, err := digestBy(got.Algorithm, m.Body); err == nil && got != want {
		return nil, &DigestMismatchError{Reference: r.where(c), Want: want, Got: got}
	}
	return answer, nil
}

// committed looks whether a manifest is there that was written, although the answer didn't say so: briefly, as the
// registry may be gone, and once where it was silent.
func (c *Client) committed(ctx context.Context, r *request, want v1.Hash, silent bool) bool {
	tries := c.Tries()
	tries.most = statusAttempts
	if silent {
		tries.most = 1
	}
	have, err := c.HeadManifest(tries.With(ctx), r.repository, r.reference)
	return err == nil && have.Digest == want
}

func (c *Client) manifestRequest(kind, op, method, repository, identifier string) *request {
	return &request{
		kind: kind, op: op, method: method,
		url:        c.endpoint(repository, "manifests/"+identifier, nil),
		header:     http.Header{"Accept": acceptManifests},
		repository: repository, reference: identifier,
		scopes: []auth.Scope{c.reading(repository)},
		accept: []int{http.StatusOK},
	}
}

// mediaType is an answer's Content-Type without parameters.
func mediaType(h http.Header) string {
	value := h.Get("Content-Type")
	if parsed, _, err := mime.ParseMediaType(value); err == nil {
		return parsed
	}
	return value
}

// contentLength of a HEAD's answer, -1 where it is missing or no length.
func contentLength(h http.Header) int64 {
	n, err := strconv.ParseInt(h.Get("Content-Length"), 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}

// digestBy computes a digest by an algorithm that the image-spec registers (descriptor.md, "Registered Algorithms").
func digestBy(algorithm string, b []byte) (v1.Hash, error) {
	h, err := v1.Hasher(algorithm)
	if err != nil {
		return v1.Hash{}, err
	}
	h.Write(b)
	return v1.Hash{Algorithm: algorithm, Hex: hex.EncodeToString(h.Sum(nil))}, nil
}

// DigestOf is the SHA-256 digest of content.
func DigestOf(b []byte) v1.Hash {
	sum := sha256.Sum256(b)
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}
