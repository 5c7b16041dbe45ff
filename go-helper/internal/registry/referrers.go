package registry

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/auth"
)

// maxReferrersPages bounds the list of what refers to one manifest.
const maxReferrersPages = 100

// Referrers lists the manifests of a repository whose subject is digest (distribution spec 1.1, "Listing
// Referrers"); where the registry has no such API, those that its referrers tag lists ("Referrers Tag Schema").
// None is an answer of the registry; a failure is always an error.
func (c *Client) Referrers(ctx context.Context, repository string, digest v1.Hash) ([]v1.Descriptor, error) {
	if !c.noReferrers.Load() {
		list, supported, err := c.referrersAPI(ctx, repository, digest)
		if supported || err != nil {
			return list, err
		}
	}
	m, err := c.GetManifest(ctx, repository, ReferrersTag(digest))
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	list, err := manifestsOf(m.Body)
	if err != nil {
		return nil, wrapTransport(ctx, "list referrers of", where(c.host, repository, digest.String()),
			permanentf("the tag %s is no index: %v", ReferrersTag(digest), err))
	}
	return list, nil
}

// ReferrersTag is the tag that lists what refers to digest where a registry has no referrers API.
func ReferrersTag(digest v1.Hash) string { return digest.Algorithm + "-" + digest.Hex }

func (c *Client) referrersAPI(ctx context.Context, repository string, digest v1.Hash) (list []v1.Descriptor, supported bool, err error) {
	r := &request{
		kind: "referrers GET", op: "list referrers of", method: http.MethodGet,
		url:        c.endpoint(repository, "referrers/"+digest.String(), nil),
		repository: repository, reference: digest.String(),
		scopes: []auth.Scope{auth.Pull(repository)},
		accept: []int{http.StatusOK},
		limit:  maxManifest,
	}
	for range maxReferrersPages {
		answer, err := c.do(ctx, r)
		var refused *Error
		if errors.As(err, &refused) && (refused.Status == http.StatusNotFound || refused.Status == http.StatusMethodNotAllowed) {
			// Of a repository or manifest that isn't there some say so instead of listing nothing: that tells
			// nothing about the next one.
			if !refused.HasCode("NAME_UNKNOWN") && !refused.HasCode("MANIFEST_UNKNOWN") {
				c.noReferrers.Store(true)
			}
			return nil, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		// Servers that answer every path with a page of their own have no API either.
		if !strings.HasPrefix(mediaType(answer.header), "application/") {
			c.noReferrers.Store(true)
			return nil, false, nil
		}
		page, err := manifestsOf(answer.body)
		if err != nil {
			return nil, false, wrapTransport(ctx, r.op, r.where(c), permanentf("the answer is no index: %v", err))
		}
		list = append(list, page...)
		next, err := nextPage(answer)
		if err != nil {
			return nil, false, wrapTransport(ctx, r.op, r.where(c), err)
		}
		if next == nil {
			return list, true, nil
		}
		if next.Host != r.url.Host || next.Scheme != r.url.Scheme {
			return nil, false, wrapTransport(ctx, r.op, r.where(c), permanentf("the list's next page is on another host, %s", next.Host))
		}
		following := *r
		following.url = next
		r = &following
	}
	return nil, false, wrapTransport(ctx, r.op, r.where(c), permanentf("the list has more than %d pages", maxReferrersPages))
}

func manifestsOf(index []byte) ([]v1.Descriptor, error) {
	var parsed struct {
		Manifests []v1.Descriptor `json:"manifests"`
	}
	err := json.Unmarshal(index, &parsed)
	return parsed.Manifests, err
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
