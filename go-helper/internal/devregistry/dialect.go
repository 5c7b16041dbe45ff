package devregistry

// Dialect is how a registry speaks where the specification leaves a choice or a service takes one. The zero value
// speaks as distribution does. The services named were not asked: each comment says whose documentation or whose
// users report the behaviour.
type Dialect struct {
	// Auth is who may do what; the zero value lets everyone in.
	Auth Auth

	// NoMounts answers 202 with an upload to every mount, as the specification allows ("Mounting a blob from another
	// repository") and Artifact Registry is reported to do.
	NoMounts bool
	// MountNeedsManifest mounts a blob only where a committed manifest of the origin repository refers to it: Amazon
	// ECR, "Blob mounting" in its user guide.
	MountNeedsManifest bool

	// NoPatch refuses PATCH with 405; uploads are one PUT (or POST). Reported of Artifact Registry.
	NoPatch bool
	// SinglePatch loses what earlier PATCHes of an upload brought when another comes, so that the digest is wrong at
	// the end. Reported of GHCR.
	SinglePatch bool
	// NoMonolithicPost ignores POST's digest parameter and answers 202, as distribution does and the specification allows.
	NoMonolithicPost bool
	// MaxUploadBody refuses bodies of PUT and PATCH beyond so many bytes with 413, so that larger blobs need chunks. Azure
	// Container Registry is reported to stop at about 20 MB. 0: no limit.
	MaxUploadBody int64
	// MinChunk is announced as OCI-Chunk-Min-Length ("Pushing a blob in chunks"); a shorter chunk that isn't followed by
	// the closing PUT is refused at the next PATCH. Amazon ECR's least part is 5 MiB. 0: none.
	MinChunk int64
	// DiscardPartial forgets the bytes of a broken request altogether; the acknowledged offset stays where the request
	// began. Object stores behind a registry take whole parts only.
	DiscardPartial bool
	// ZeroUploadStatus answers an upload's status with `0-0` whatever it has: the specification has no way to say "none"
	// or "one byte", and some services don't tell at all.
	ZeroUploadStatus bool
	// NoUploadStatus answers an upload's status with 404.
	NoUploadStatus bool

	// CreatedStatus is answered to a blob's or manifest's PUT where the specification wants 201. Registries that store behind a
	// queue, and gateways before object stores, are reported with 202, 200 and 204.
	CreatedStatus int
	// CancelStatus is answered to the DELETE of an upload, which the specification leaves out: 405 or 404 where a registry
	// hasn't got it. 0: it is cancelled.
	CancelStatus int
	// MountStatus is answered to every mount; plain uploads work. GitLab is reported with 500
	// (gitlab.com/gitlab-org/container-registry).
	MountStatus int
	// ReadOnly answers 405 with UNSUPPORTED to whatever writes: distribution, where storage.maintenance.readonly is set, and
	// pull-through caches.
	ReadOnly bool
	// DiskFull answers 500 to whatever writes content, with the operating system's reason in the error's detail, as
	// distribution does.
	DiskFull bool
	// RefuseMediaTypes answers 415 with MANIFEST_INVALID to manifests of these types: zot, which takes Docker's only where
	// http.compat has docker2s2.
	RefuseMediaTypes []string
	// MissingBlobInvalid answers MANIFEST_INVALID, instead of MANIFEST_BLOB_UNKNOWN, where a layer is missing: Pulp.
	MissingBlobInvalid bool

	// RelativeLocation answers with paths instead of URLs, as the specification allows ("Location … MAY be relative") and
	// zot and GHCR do.
	RelativeLocation bool
	// PlainLocation leaves the state out of an upload's Location: no query, the same for the upload's whole life, and no
	// check that the client took the newest. Harbor and distribution have the state; zot hasn't.
	PlainLocation bool
	// LocationQuery is added to an upload's Location; whoever drops it is refused. Quay and GitLab keep a session's state
	// in several parameters.
	LocationQuery string
	// UploadElsewhere puts an upload's Location on another host and port, which takes no Authorization header: the URL is all
	// that is needed there. The specification allows any URL ("Location: <location>").
	UploadElsewhere bool

	// NoDigestOnHead leaves Docker-Content-Digest out of the answer to a HEAD for a manifest: a SHOULD in the
	// specification that old Artifactory versions leave out.
	NoDigestOnHead bool
	// MissingStatus is answered for a manifest that isn't there; 0 is 404. Artifactory is reported with 403 where the user may
	// not browse.
	MissingStatus int
	// HeadDigest overrides the digest of the answer to a HEAD for a manifest; "" keeps it. Docker Hub is reported to
	// answer HEAD and GET of old images differently.
	HeadDigest func(repository, reference string) string
	// ManifestContentType is sent instead of a manifest's own type. Static file servers and old Nexus versions send
	// application/json or text/plain.
	ManifestContentType string
	// NoRange ignores Range headers: 200 with the whole blob.
	NoRange bool
	// RangesRefused answers 416 to a GET with a Range header, as some caches do for what they haven't got whole.
	RangesRefused bool
	// RedirectBlobs answers a GET of a blob with 307 to another host and port, which refuses requests that carry an
	// Authorization header, as S3 and other object stores do with signed URLs.
	RedirectBlobs bool

	// TagsPageSize is the most tags in one answer, whatever n asks for. 0: no limit. Docker Hub and ECR have 100 and 1000.
	TagsPageSize int
	// MaxTagsPage answers 400 with PAGINATION_NUMBER_INVALID to a larger n. 0: no limit.
	MaxTagsPage int
	// OpaqueLast answers 405 to a tag list that goes on from anything but what a Link of ours said: Amazon ECR reads last as
	// its own token.
	OpaqueLast bool
	// InternalLink names a host in the tag list's Link that is none of ours: a registry that doesn't know under which name a
	// proxy before it is reached.
	InternalLink string
	// AbsoluteLink makes the Link header of tags/list an absolute URL; RFC 5988 allows both.
	AbsoluteLink bool
	// NoLink leaves the Link header out, so that a client must go on with last=.
	NoLink bool
	// NoReferrers has no referrers API: 404, so that clients fall back to the tag schema, as with distribution.
	NoReferrers bool

	// RefuseForeignLayers answers 500 with several errors to a manifest whose layers have urls, as distribution does where
	// its validation.manifests.urls.allow isn't configured.
	RefuseForeignLayers bool
	// KeepBlobs drops an upload of what is in the storage already, whole or not, and a manifest as well: distribution
	// (registry/storage/blobwriter.go, moveBlob; blobstore.go, Put).
	KeepBlobs bool
	// ManifestsOnlyInIndexes refuses an index that names blobs, as BuildKit's caches do: distribution 3.
	ManifestsOnlyInIndexes bool
	// SparseIndexes takes an index although manifests that it names aren't there, but for those of RequiredPlatforms
	// (`os/arch`): distribution, where its validation.manifests.indexes.platforms is `none`, or `list`.
	SparseIndexes     bool
	RequiredPlatforms []string
	// ImmutableTags refuses to move a tag: 400 with TAG_INVALID, as users of Amazon ECR report
	// (github.com/moby/buildkit/issues/3776). The same digest again is fine.
	ImmutableTags bool
	// ImmutableTagsStrict refuses any write to a tag that is there, of its own digest as well, with 412: Harbor
	// (src/server/middleware/immutable/pushmf.go).
	ImmutableTagsStrict bool
	// RepositoriesMustExist answers NAME_UNKNOWN to a push into a repository that CreateRepository hasn't made, as Amazon
	// ECR does ("Pushing a Docker image to an Amazon ECR private repository": it must exist before you push).
	RepositoriesMustExist bool
	// ProjectsMustExist answers 401 without a challenge to whoever asks for a repository in a project that CreateProject hasn't
	// made, whatever the method: Harbor (src/server/middleware/v2auth/auth.go). The project is the name's first component.
	ProjectsMustExist bool
	// PullLimit is how many GETs of manifests are let through within PullWindow; HEADs are free. Each answer has Docker
	// Hub's ratelimit-limit and ratelimit-remaining headers, beyond it comes 429. 0: no limit.
	PullLimit int
}

// The services whose behaviour is documented or reported; see the fields for what each means.
var (
	// Distribution is the zero value but for what our own registry has beyond it. Its RefuseForeignLayers is a matter of
	// configuration.
	Distribution = Dialect{NoMonolithicPost: true, NoReferrers: true, ManifestsOnlyInIndexes: true, KeepBlobs: true}
	// ECR is Amazon's. RepositoriesMustExist and ImmutableTags are true of it where nothing else is configured and where
	// they are; a test that is about them sets them.
	ECR = Dialect{MountNeedsManifest: true, MinChunk: 5 << 20, TagsPageSize: 1000}
	// ArtifactRegistry is Google's.
	ArtifactRegistry = Dialect{NoMounts: true, NoPatch: true}
	// ACR is Azure's.
	ACR = Dialect{MaxUploadBody: 20 << 20, RelativeLocation: true, RedirectBlobs: true}
	// GHCR is GitHub's.
	GHCR = Dialect{SinglePatch: true, RelativeLocation: true, RedirectBlobs: true, NoReferrers: true}
	// Harbor is the CNCF's. A test that is about immutable tags sets ImmutableTagsStrict.
	Harbor = Dialect{ProjectsMustExist: true, RelativeLocation: true}
	// DockerHub is Docker's.
	DockerHub = Dialect{RedirectBlobs: true, TagsPageSize: 100, NoReferrers: true, PullLimit: 100}
)
