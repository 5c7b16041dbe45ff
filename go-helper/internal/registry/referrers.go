package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"docker-mirror/go-helper/internal/auth"
)

// maxReferrersPages bounds the list of what refers to one manifest.
const maxReferrersPages = 100

// Referrers lists the manifests of a repository whose subject is digest (distribution spec 1.1, "Listing
// Referrers"); where the registry has no such API, those that its referrers tag lists ("Referrers Tag Schema").
// None is an answer of the registry; a failure is always an error.
func (c *Client) Referrers(ctx context.Context, repository string, digest v1.Hash) ([]v1.Descriptor, error) {
	return c.referrers(ctx, repository, digest, c.noReferrers.Load())
}

// AllReferrers is [Client.Referrers] for who must not miss any: the API is asked though another repository of the registry had
// none. Hosts have repositories of several kinds, and one wrong answer of a proxy would hold for all.
func (c *Client) AllReferrers(ctx context.Context, repository string, digest v1.Hash) ([]v1.Descriptor, error) {
	return c.referrers(ctx, repository, digest, false)
}

func (c *Client) referrers(ctx context.Context, repository string, digest v1.Hash, byTag bool) ([]v1.Descriptor, error) {
	var unlisted *NoListError
	var noList error
	if !byTag {
		list, supported, err := c.referrersAPI(ctx, repository, digest)
		if errors.As(err, &unlisted) {
			noList = err
		} else if supported || err != nil {
			return list, err
		}
	}
	m, err := c.ReferrersIndex(ctx, repository, digest)
	switch {
	case noList != nil && (m == nil || err != nil):
		return nil, noList // that there is no such tag isn't an answer: there may be an API behind what has answered
	case m == nil || err != nil:
		return nil, err
	}
	return manifestsOf(m.Body)
}

// ReferrersIndex reads the index that the referrers tag of a manifest names; nil where there is none. It is asked for by HEAD
// first: most manifests have none, and a HEAD is never counted as a pull.
func (c *Client) ReferrersIndex(ctx context.Context, repository string, digest v1.Hash) (*Manifest, error) {
	tag := ReferrersTag(digest)
	there, err := c.HeadManifest(ctx, repository, tag)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case there.Digest == digest:
		return nil, nil // GitLab takes `sha256-<hex>` for the digest itself
	}
	m, err := c.GetManifest(ctx, repository, tag) // where this isn't there, it was a moment ago: that is no list without entries
	if err != nil {
		return nil, err
	}
	if m.Is(digest) {
		return nil, nil
	}
	if _, err := manifestsOf(m.Body); err != nil {
		return nil, fmt.Errorf("list referrers of %s: %w", where(c.host, repository, digest.String()), &NoIndexError{Tag: tag, Err: err})
	}
	return m, nil
}

// NoListError tells that referrers were asked for, and something else than a list was answered with 200: a login page of a proxy, or a
// page of a site that has one for every path. Neither says whether there are any.
type NoListError struct {
	Type string // its Content-Type
	Err  error
}

func (e *NoListError) Error() string {
	return fmt.Sprintf("the answer is no index but %s, so whether there are any isn't known: %v", cmp.Or(e.Type, "of no type"), e.Err)
}

func (e *NoListError) Unwrap() error { return e.Err }

// NoIndexError tells that a referrers tag names something else than an index.
type NoIndexError struct {
	Tag string
	Err error
}

func (e *NoIndexError) Error() string { return "the tag " + e.Tag + " is no index: " + e.Err.Error() }
func (e *NoIndexError) Unwrap() error { return e.Err }

// ReferrersTag is the tag that lists what refers to digest where a registry has no referrers API.
func ReferrersTag(digest v1.Hash) string { return digest.Algorithm + "-" + digest.Hex }

// noSuchAPI is what registries without the referrers API answer: the specification has 404, Artifactory 406, others what they
// have for any address that they don't know.
var noSuchAPI = []int{
	http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusNotImplemented,
}

// ofThisManifest are the codes of answers that tell nothing about the next manifest.
var ofThisManifest = []string{"NAME_UNKNOWN", "MANIFEST_UNKNOWN", "NAME_INVALID", "DIGEST_INVALID"}

func (c *Client) referrersAPI(ctx context.Context, repository string, digest v1.Hash) (list []v1.Descriptor, supported bool, err error) {
	r := &request{
		kind: "referrers GET", op: "list referrers of", method: http.MethodGet,
		url:        c.endpoint(repository, "referrers/"+digest.String(), nil),
		header:     http.Header{"Accept": {string(types.OCIImageIndex)}},
		repository: repository, reference: digest.String(),
		scopes: []auth.Scope{c.reading(repository)},
		accept: []int{http.StatusOK},
		limit:  maxManifest,
	}
	for page := range maxReferrersPages {
		answer, err := c.do(ctx, r)
		var refused *Error
		if page == 0 && errors.As(err, &refused) && slices.Contains(noSuchAPI, refused.Status) {
			if !slices.ContainsFunc(ofThisManifest, refused.HasCode) {
				c.noReferrers.Store(true)
			}
			return nil, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		// Some registries name another type than the specification's: what the answer says counts.
		listed, err := manifestsOf(answer.body)
		if err != nil {
			return nil, false, wrapTransport(ctx, r.op, r.where(c), &NoListError{Type: clip(mediaType(answer.header), 64), Err: permanentf("%v", err)})
		}
		list = append(list, listed...)
		next, err := c.nextPage(answer, r)
		if err != nil {
			return nil, false, wrapTransport(ctx, r.op, r.where(c), err)
		}
		if next == nil {
			return list, true, nil
		}
		following := *r
		following.url = next
		r = &following
	}
	return nil, false, wrapTransport(ctx, r.op, r.where(c), permanentf("the list has more than %d pages", maxReferrersPages))
}

// manifestsOf gives the entries of an index. Some registries leave out an empty list.
func manifestsOf(index []byte) ([]v1.Descriptor, error) {
	var parsed struct {
		MediaType types.MediaType `json:"mediaType"`
		Manifests []v1.Descriptor `json:"manifests"`
		Config    json.RawMessage `json:"config"`
		Layers    json.RawMessage `json:"layers"`
	}
	err := json.Unmarshal(index, &parsed)
	switch {
	case err != nil:
		return nil, err
	case parsed.Config != nil || parsed.Layers != nil:
		return nil, permanentf("it has the config or layers of an image")
	case parsed.Manifests == nil && !parsed.MediaType.IsIndex():
		return nil, permanentf("it has no manifests")
	}
	for _, d := range parsed.Manifests {
		if d.Digest == (v1.Hash{}) {
			return nil, permanentf("an entry has no digest")
		}
	}
	return parsed.Manifests, nil
}

// PutReferrer writes a manifest that has a subject, under its digest, and tells whether the registry lists it
// with the subject's referrers by itself ("Pushing Manifests with Subject": it answers with OCI-Subject).
// Where it doesn't, the referrers tag is the client's to keep.
func (c *Client) PutReferrer(ctx context.Context, repository string, m *Manifest) (listed bool, err error) {
	answer, err := c.putManifest(ctx, repository, m.Digest.String(), m)
	if err != nil {
		return false, err
	}
	return answer.header.Get("OCI-Subject") != "", nil
}
