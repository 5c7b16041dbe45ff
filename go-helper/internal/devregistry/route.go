package devregistry

import (
	"net/http"
	"regexp"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Kind names what a request is about. The values are those that the helper's own client counts by.
type Kind string

// The kinds of requests.
const (
	KindPing           Kind = "ping"
	KindManifestHead   Kind = "manifest HEAD"
	KindManifestGet    Kind = "manifest GET"
	KindManifestPut    Kind = "manifest PUT"
	KindManifestDelete Kind = "manifest DELETE"
	KindBlobHead       Kind = "blob HEAD"
	KindBlobGet        Kind = "blob GET"
	KindBlobDelete     Kind = "blob DELETE"
	KindUploadStart    Kind = "upload POST"
	KindMount          Kind = "upload POST mount"
	KindUploadStatus   Kind = "upload GET"
	KindUploadPatch    Kind = "upload PATCH"
	KindUploadPut      Kind = "upload PUT"
	KindUploadCancel   Kind = "upload DELETE"
	KindTags           Kind = "tags GET"
	KindReferrers      Kind = "referrers GET"
	KindToken          Kind = "token"
	KindCDN            Kind = "cdn GET"
	KindOther          Kind = "other"
)

const (
	// maxNameLength is what distribution and Docker Hub accept for a repository's name.
	maxNameLength = 255
	// maxTagLength is the specification's.
	maxTagLength = 128
	apiPrefix    = "/v2/"
	tokenPath    = "/token"
	cdnPrefix    = "/cdn/"
)

// OCI distribution specification, "Pulling manifests": <name> and <reference>. Their lengths are checked apart: to compile
// {0,127} would take longer than all else before a run begins.
var (
	namePattern = regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$`)
	tagPattern  = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]*$`)
)

type resource int

const (
	resourceNone resource = iota
	resourcePing
	resourceManifest
	resourceBlob
	resourceUploads // the collection: POST starts an upload
	resourceUpload  // one upload session
	resourceTags
	resourceReferrers
	resourceToken
	resourceCDN
)

// route is a request's path taken apart.
type route struct {
	resource   resource
	repository string
	// reference is a manifest's tag or digest, or an upload's session id.
	reference string
	// digest is set where the path names one.
	digest v1.Hash
}

// parsePath takes a decoded URL path apart. A path outside the API is a 404, a bad name, tag or digest a 400.
func parsePath(path string) (route, error) {
	switch {
	case path == "/v2" || path == apiPrefix:
		return route{resource: resourcePing}, nil
	case path == tokenPath:
		return route{resource: resourceToken}, nil
	}
	if rest, ok := strings.CutPrefix(path, cdnPrefix); ok {
		name, digest, ok := cutLast(rest, "/")
		if !ok {
			return route{}, errNoSuchPage
		}
		return blobRoute(resourceCDN, name, digest)
	}
	rest, ok := strings.CutPrefix(path, apiPrefix)
	if !ok {
		return route{}, errNoSuchPage
	}
	// From the right: a repository's own name may contain "blobs" or "manifests" as a component.
	if name, ok := strings.CutSuffix(rest, "/tags/list"); ok {
		return named(route{resource: resourceTags, repository: name})
	}
	head, last, ok := cutLast(rest, "/")
	if !ok {
		return route{}, errNoSuchPage
	}
	if name, ok := strings.CutSuffix(head, "/blobs/uploads"); ok {
		if last == "" {
			return named(route{resource: resourceUploads, repository: name})
		}
		return named(route{resource: resourceUpload, repository: name, reference: last})
	}
	if name, ok := strings.CutSuffix(head, "/manifests"); ok {
		rt := route{resource: resourceManifest, repository: name, reference: last}
		if strings.Contains(last, ":") {
			h, err := parseDigest(last)
			if err != nil {
				return route{}, err
			}
			rt.digest = h
		} else if !validTag(last) {
			return route{}, fail(http.StatusBadRequest, CodeTagInvalid, "invalid tag %q", last)
		}
		return named(rt)
	}
	if name, ok := strings.CutSuffix(head, "/blobs"); ok {
		if last == "uploads" { // without the slash, as some clients send it
			return named(route{resource: resourceUploads, repository: name})
		}
		return blobRoute(resourceBlob, name, last)
	}
	if name, ok := strings.CutSuffix(head, "/referrers"); ok {
		return blobRoute(resourceReferrers, name, last)
	}
	return route{}, errNoSuchPage
}

var errNoSuchPage = fail(http.StatusNotFound, CodeUnsupported, "no such page")

func blobRoute(res resource, name, digest string) (route, error) {
	h, err := parseDigest(digest)
	if err != nil {
		return route{}, err
	}
	return named(route{resource: res, repository: name, reference: digest, digest: h})
}

func named(rt route) (route, error) {
	if !validName(rt.repository) {
		return route{}, fail(http.StatusBadRequest, CodeNameInvalid, "invalid repository name %q", rt.repository)
	}
	return rt, nil
}

func validName(name string) bool { return len(name) <= maxNameLength && namePattern.MatchString(name) }

func validTag(tag string) bool { return len(tag) <= maxTagLength && tagPattern.MatchString(tag) }

// usualAlgorithm is what content gets its digest by where nobody names another.
const usualAlgorithm = "sha256"

// parseDigest knows the algorithms that the image specification registers ("Registered algorithms"): SHA-256 and SHA-512.
func parseDigest(s string) (v1.Hash, error) {
	h, err := v1.NewHash(s)
	if err != nil {
		return v1.Hash{}, fail(http.StatusBadRequest, CodeDigestInvalid, "invalid digest %q", s)
	}
	return h, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// kindOf names the request for the log.
func kindOf(rt route, r *http.Request) Kind {
	var kinds map[string]Kind
	switch rt.resource {
	case resourcePing:
		return KindPing
	case resourceToken:
		return KindToken
	case resourceCDN:
		return KindCDN
	case resourceTags:
		kinds = tagsKinds
	case resourceReferrers:
		kinds = referrersKinds
	case resourceManifest:
		kinds = manifestKinds
	case resourceBlob:
		kinds = blobKinds
	case resourceUpload:
		kinds = uploadKinds
	case resourceUploads:
		if r.Method != http.MethodPost {
			return KindOther
		}
		if q := r.URL.Query(); q.Has("mount") {
			return KindMount
		}
		return KindUploadStart
	case resourceNone:
	}
	if kind, ok := kinds[r.Method]; ok {
		return kind
	}
	return KindOther
}

var (
	tagsKinds      = map[string]Kind{http.MethodGet: KindTags, http.MethodHead: KindTags}
	referrersKinds = map[string]Kind{http.MethodGet: KindReferrers, http.MethodHead: KindReferrers}
	manifestKinds  = map[string]Kind{
		http.MethodGet: KindManifestGet, http.MethodHead: KindManifestHead,
		http.MethodPut: KindManifestPut, http.MethodDelete: KindManifestDelete,
	}
	blobKinds   = map[string]Kind{http.MethodGet: KindBlobGet, http.MethodHead: KindBlobHead, http.MethodDelete: KindBlobDelete}
	uploadKinds = map[string]Kind{
		http.MethodGet: KindUploadStatus, http.MethodHead: KindUploadStatus, http.MethodPatch: KindUploadPatch,
		http.MethodPut: KindUploadPut, http.MethodDelete: KindUploadCancel,
	}
)
