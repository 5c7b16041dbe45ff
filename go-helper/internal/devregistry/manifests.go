package devregistry

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// maxManifestSize is the specification's least upper bound ("Pushing Manifests"), which distribution has too.
const maxManifestSize = 4 << 20

// manifest is a stored manifest or index: its bytes as they came, and what they refer to.
type manifest struct {
	digest       v1.Hash
	mediaType    string
	body         []byte
	blobs        []v1.Hash // config and layers; without foreign layers
	foreign      []v1.Hash // layers whose content stays where their urls point
	children     []v1.Hash // of an index
	platforms    []string  // `os/arch` of each child; empty where the index doesn't say
	subject      v1.Hash
	artifactType string
	annotations  map[string]string
}

type manifestJSON struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	ArtifactType  string            `json:"artifactType"`
	Config        *v1.Descriptor    `json:"config"`
	Layers        []v1.Descriptor   `json:"layers"`
	Manifests     []v1.Descriptor   `json:"manifests"`
	Subject       *v1.Descriptor    `json:"subject"`
	Annotations   map[string]string `json:"annotations"`
}

// parseManifest checks what a registry checks: a known media type, the same inside and outside, schema 2.
func parseManifest(h v1.Hash, mediaType string, body []byte) (*manifest, error) {
	var doc manifestJSON
	if err := json.Unmarshal(body, &doc); err != nil {
		return nil, fail(http.StatusBadRequest, CodeManifestInvalid, "manifest is not valid JSON: %v", err)
	}
	if doc.SchemaVersion != 2 {
		return nil, fail(http.StatusBadRequest, CodeManifestInvalid, "unrecognized manifest schema version %d", doc.SchemaVersion)
	}
	if doc.MediaType != "" && doc.MediaType != mediaType {
		return nil, fail(http.StatusBadRequest, CodeManifestInvalid, "Content-Type is %q, mediaType is %q", mediaType, doc.MediaType)
	}
	m := &manifest{digest: h, mediaType: mediaType, body: body, artifactType: doc.ArtifactType, annotations: doc.Annotations}
	if doc.Subject != nil {
		m.subject = doc.Subject.Digest
	}
	switch types.MediaType(mediaType) {
	case types.OCIManifestSchema1, types.DockerManifestSchema2:
		if doc.Config == nil {
			return nil, fail(http.StatusBadRequest, CodeManifestInvalid, "manifest has no config")
		}
		if doc.Manifests != nil { // CVE-2021-41190: a document that is both
			return nil, fail(http.StatusBadRequest, CodeManifestInvalid, "an image manifest has the manifests of an index")
		}
		if m.artifactType == "" {
			m.artifactType = string(doc.Config.MediaType)
		}
		m.blobs = append(m.blobs, doc.Config.Digest)
		for _, layer := range doc.Layers {
			if !layer.MediaType.IsDistributable() && len(layer.URLs) > 0 {
				m.foreign = append(m.foreign, layer.Digest)
				continue
			}
			m.blobs = append(m.blobs, layer.Digest)
		}
	case types.OCIImageIndex, types.DockerManifestList:
		if doc.Config != nil || doc.Layers != nil {
			return nil, fail(http.StatusBadRequest, CodeManifestInvalid, "an index has the config or layers of an image manifest")
		}
		for _, child := range doc.Manifests {
			m.children = append(m.children, child.Digest)
			platform := ""
			if p := child.Platform; p != nil {
				platform = p.OS + "/" + p.Architecture
			}
			m.platforms = append(m.platforms, platform)
		}
	default:
		return nil, fail(http.StatusBadRequest, CodeManifestInvalid, "unsupported manifest media type %q", mediaType)
	}
	return m, nil
}

// mustExist lists the children that an index is refused without.
func (d Dialect) mustExist(m *manifest) []v1.Hash {
	if !d.SparseIndexes {
		return m.children
	}
	var required []v1.Hash
	for i, h := range m.children {
		if slices.Contains(d.RequiredPlatforms, m.platforms[i]) {
			required = append(required, h)
		}
	}
	return required
}

func errImmutableTag(repository, tag string) error {
	return fail(http.StatusBadRequest, CodeTagInvalid, "The image tag '%s' already exists in the '%s' repository and cannot be overwritten because the tag is immutable.", tag, repository)
}

func errStrictlyImmutableTag(repository, tag string) error {
	return fail(http.StatusPreconditionFailed, "PRECONDITION", "Failed to process request due to '%s:%s' configured as immutable.", repository, tag)
}

func (c *call) putManifest() error {
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxManifestSize))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return fail(http.StatusRequestEntityTooLarge, CodeManifestInvalid, "manifest is larger than %d bytes", maxManifestSize)
		}
		return abortUpload{err}
	}
	h, err := digestOf(body, cmp.Or(c.digest.Algorithm, usualAlgorithm))
	if err != nil {
		return err
	}
	if c.digest != (v1.Hash{}) && c.digest != h {
		return fail(http.StatusBadRequest, CodeDigestInvalid, "manifest's digest is %s, not %s", h, c.digest)
	}
	mediaType, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil {
		return fail(http.StatusBadRequest, CodeManifestInvalid, "Content-Type: %v", err)
	}
	if slices.Contains(c.dialect.RefuseMediaTypes, mediaType) {
		return fail(http.StatusUnsupportedMediaType, CodeManifestInvalid, "manifest invalid").with(map[string]string{"mediaType": mediaType})
	}
	m, err := parseManifest(h, mediaType, body)
	if err != nil {
		return err
	}
	repo, err := c.pushTo()
	if err != nil {
		return err
	}
	var lacking []error
	if c.dialect.RefuseForeignLayers && len(m.foreign) > 0 {
		lacking = append(lacking, fail(http.StatusInternalServerError, CodeUnknown, "unknown error").with("invalid URL on layer"))
		for _, h := range m.foreign {
			lacking = append(lacking, fail(http.StatusBadRequest, CodeManifestBlobUnknown, "blob unknown to registry").with(h))
		}
	}
	for _, h := range repo.missing(m, c.dialect.mustExist(m), c.dialect.ManifestsOnlyInIndexes) {
		if c.dialect.MissingBlobInvalid {
			return fail(http.StatusBadRequest, CodeManifestInvalid, "Manifest is invalid.")
		}
		lacking = append(lacking, fail(http.StatusBadRequest, CodeManifestBlobUnknown, "manifest refers to something unknown to the repository").with(h))
	}
	if err := errors.Join(lacking...); err != nil {
		return err
	}
	tag := ""
	if c.digest == (v1.Hash{}) {
		tag = c.reference
	}
	if _, exists := repo.resolve(route{reference: tag}); exists && tag != "" && c.dialect.ImmutableTagsStrict {
		return errStrictlyImmutableTag(c.repository, tag)
	}
	if err := repo.putManifest(m, tag, c.dialect.ImmutableTags, c.dialect.KeepBlobs); err != nil {
		return err
	}
	header := c.w.Header()
	header.Set("Location", c.url("/v2/"+c.repository+"/manifests/"+h.String()))
	header.Set("Docker-Content-Digest", h.String())
	if m.subject != (v1.Hash{}) && !c.dialect.NoReferrers {
		// Tells the client that it need not keep the referrers tag up to date.
		header.Set("OCI-Subject", m.subject.String())
	}
	status := c.createdStatus()
	if status != http.StatusNoContent {
		header.Set("Content-Length", "0")
	}
	c.w.WriteHeader(status)
	return nil
}

func digestOf(body []byte, algorithm string) (v1.Hash, error) {
	sum, err := v1.Hasher(algorithm)
	if err != nil {
		return v1.Hash{}, err
	}
	sum.Write(body)
	return v1.Hash{Algorithm: algorithm, Hex: hex.EncodeToString(sum.Sum(nil))}, nil
}

func (c *call) getManifest() error {
	repo, ok := c.registry.lookup(c.repository)
	if !ok {
		repo = newRepository(c.repository, c.registry.storage) // an empty one
	}
	m, ok := repo.resolve(c.route)
	if !ok && c.dialect.MissingStatus != 0 {
		return fail(c.dialect.MissingStatus, CodeDenied, "The client does not have permission for manifest")
	}
	if !ok {
		return fail(http.StatusNotFound, CodeManifestUnknown, "manifest %s of %s is unknown", c.reference, c.repository)
	}
	m, err := c.negotiate(repo, m)
	if err != nil {
		return err
	}
	header := c.w.Header()
	header.Set("Content-Type", m.mediaType)
	if c.dialect.ManifestContentType != "" {
		header.Set("Content-Type", c.dialect.ManifestContentType)
	}
	header.Set("Etag", strconv.Quote(m.digest.String()))
	if c.r.Method == http.MethodGet || !c.dialect.NoDigestOnHead {
		header.Set("Docker-Content-Digest", m.digest.String())
	}
	header.Set("Content-Length", strconv.Itoa(len(m.body)))
	if c.r.Method == http.MethodHead {
		if c.dialect.HeadDigest != nil {
			if h := c.dialect.HeadDigest(c.repository, c.reference); h != "" {
				header.Set("Docker-Content-Digest", h)
			}
		}
		c.w.WriteHeader(http.StatusOK)
		return nil
	}
	_, err = c.w.Write(m.body)
	return ignoreWriteError(err)
}

// negotiate looks at Accept as distribution does: an OCI manifest only where it is named (`*/*` is not enough), an OCI
// index always, and for a Docker manifest list that isn't asked for, its linux/amd64 image.
func (c *call) negotiate(repo *repository, m *manifest) (*manifest, error) {
	switch types.MediaType(m.mediaType) {
	case types.OCIManifestSchema1:
		if !accepts(c.r, m.mediaType) {
			return nil, fail(http.StatusNotFound, CodeManifestUnknown, "%s found, but the Accept header doesn't name it", m.mediaType)
		}
	case types.DockerManifestList:
		if c.digest != (v1.Hash{}) || accepts(c.r, m.mediaType) {
			return m, nil
		}
		var list v1.IndexManifest
		if err := json.Unmarshal(m.body, &list); err != nil {
			return nil, err
		}
		for _, child := range list.Manifests {
			if p := child.Platform; p != nil && p.OS == "linux" && p.Architecture == "amd64" {
				if found, ok := repo.resolve(route{digest: child.Digest}); ok {
					return found, nil
				}
			}
		}
		return nil, fail(http.StatusNotFound, CodeManifestUnknown, "the list has no linux/amd64 image")
	}
	return m, nil
}

func accepts(r *http.Request, mediaType string) bool {
	for _, line := range r.Header.Values("Accept") {
		for item := range strings.SplitSeq(line, ",") {
			if t, _, err := mime.ParseMediaType(item); err == nil && t == mediaType {
				return true
			}
		}
	}
	return false
}

func (c *call) deleteManifest() error {
	repo, ok := c.registry.lookup(c.repository)
	var err error
	if ok {
		if c.digest == (v1.Hash{}) {
			ok, err = repo.deleteTag(c.reference)
		} else {
			ok, err = repo.deleteManifest(c.digest)
		}
	}
	if err != nil {
		return fmt.Errorf("deleting manifest %s of %s: %w", c.reference, c.repository, err)
	}
	if !ok {
		return fail(http.StatusNotFound, CodeManifestUnknown, "manifest %s of %s is unknown", c.reference, c.repository)
	}
	c.w.WriteHeader(http.StatusAccepted)
	return nil
}
