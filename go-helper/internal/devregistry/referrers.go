package devregistry

import (
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// referrersIndex is the answer to "Listing Referrers": an index whose manifests are never null.
type referrersIndex struct {
	SchemaVersion int             `json:"schemaVersion"`
	MediaType     types.MediaType `json:"mediaType"`
	Manifests     []v1.Descriptor `json:"manifests"`
}

// listReferrers answers the referrers API: an empty index where there is none, never a 404.
func (c *call) listReferrers() error {
	if c.dialect.NoReferrers {
		return errNoSuchPage
	}
	index := referrersIndex{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{}}
	filter := c.r.URL.Query().Get("artifactType")
	if repo, ok := c.registry.lookup(c.repository); ok {
		for _, m := range repo.referrers(c.digest) {
			if filter != "" && filter != m.artifactType {
				continue
			}
			index.Manifests = append(index.Manifests, v1.Descriptor{
				MediaType: types.MediaType(m.mediaType), Digest: m.digest, Size: int64(len(m.body)),
				ArtifactType: m.artifactType, Annotations: m.annotations,
			})
		}
	}
	if filter != "" {
		c.w.Header().Set("OCI-Filters-Applied", "artifactType")
	}
	return c.writeJSON(string(types.OCIImageIndex), index)
}
