package journal

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"docker-mirror/go-helper/internal/registry"
)

const (
	sharedArtifact   = "application/vnd.docker-mirror.origins.v1"
	sharedAnnotation = "io.github.docker-mirror.origins" // of its manifest: the text that a file would have, gzip, base64
	// maxSharedLines bounds what a process tells in all, as registries take manifests of 4 MiB; past it the older half goes. A digest
	// can't be compressed, so a line takes some 60 bytes.
	maxSharedLines = 50_000
	// lastWord is how long the end of a run waits for what it tells last.
	lastWord = 10 * time.Second
)

// Repository is an exchange by manifests of a repository: each process writes a tag of its own, and reads those of the others. A
// manifest has everything that its process has told.
type Repository struct {
	client     *registry.Client
	repository string
	index      int
	count      int
	log        *slog.Logger
	matters    func(host string) bool
	others     []told
	ready      bool // it has the empty blob that its manifests refer to
	warned     bool

	mu    sync.Mutex
	lines []string
	news  bool
}

// told is what has been read of another process.
type told struct {
	digest v1.Hash
	lines  int
}

var _ Exchange = (*Repository)(nil)

// NewRepository makes an exchange of a repository that all of count processes can write to.
func NewRepository(client *registry.Client, repository string, index, count int, log *slog.Logger) *Repository {
	return &Repository{client: client, repository: repository, index: index, count: count, log: log, others: make([]told, count)}
}

func (r *Repository) tag(index int) string { return fmt.Sprintf("origins-%d", index) }

// Open implements [Exchange].
func (r *Repository) Open(ctx context.Context, matters func(host string) bool) (own, others []Origin) {
	r.matters = matters
	r.client.WillPush(r.repository)
	own = r.read(ctx, r.index)
	for _, o := range own {
		r.lines = append(r.lines, o.line())
	}
	return own, r.hear(ctx)
}

// Hear implements [Exchange]. It also sends what the process itself has to tell.
func (r *Repository) Hear(ctx context.Context) []Origin {
	r.publish(ctx)
	return r.hear(ctx)
}

func (r *Repository) hear(ctx context.Context) (origins []Origin) {
	for i := range r.count {
		if i != r.index && ctx.Err() == nil {
			origins = append(origins, r.read(ctx, i)...)
		}
	}
	return origins
}

// Tell implements [Exchange].
func (r *Repository) Tell(origins []Origin) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range origins {
		r.lines = append(r.lines, o.line())
	}
	if len(r.lines) > maxSharedLines {
		r.lines = append([]string(nil), r.lines[len(r.lines)/2:]...)
	}
	r.news = true
}

// Close implements [Exchange].
func (r *Repository) Close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lastWord)
	defer cancel()
	r.publish(ctx)
}

// fail tells the user once that something is not told or heard.
func (r *Repository) fail(ctx context.Context, what string, err error) {
	level := slog.LevelWarn
	if r.warned || ctx.Err() != nil {
		level = slog.LevelDebug
	}
	r.warned = r.warned || level == slog.LevelWarn
	r.log.Log(ctx, level, what, "repository", r.client.Host()+"/"+r.repository, "error", err)
}

// read gives what a process has told since it was last read.
func (r *Repository) read(ctx context.Context, index int) []Origin {
	there, err := r.client.HeadManifest(ctx, r.repository, r.tag(index))
	switch {
	case errors.Is(err, registry.ErrNotFound):
		return nil
	case err != nil:
		r.fail(ctx, "nothing is heard of other processes", err)
		return nil
	}
	before := &r.others[index]
	if there.Digest == before.digest {
		return nil
	}
	m, err := r.client.GetManifest(ctx, r.repository, there.Digest.String())
	if err != nil {
		r.fail(ctx, "nothing is heard of another process", err)
		return nil
	}
	before.digest = there.Digest
	lines, err := unpack(m.Body)
	if err != nil {
		r.log.Debug("what another process tells isn't ours", "tag", r.tag(index), "error", err)
		return nil
	}
	if len(lines) < before.lines { // it was begun anew
		before.lines = 0
	}
	var origins []Origin
	for _, line := range lines[before.lines:] {
		if o, ok := parseOrigin(line, r.matters); ok {
			origins = append(origins, o)
		}
	}
	before.lines = len(lines)
	return origins
}

// publish writes all that the process has told where there is news.
func (r *Repository) publish(ctx context.Context) {
	r.mu.Lock()
	news, lines := r.news, r.lines[:len(r.lines):len(r.lines)]
	r.news = false
	r.mu.Unlock()
	if !news || ctx.Err() != nil {
		return
	}
	err := r.prepare(ctx)
	if err == nil {
		var m *registry.Manifest
		if m, err = pack(lines); err == nil {
			err = r.client.PutManifest(ctx, r.repository, r.tag(r.index), m)
		}
	}
	if err != nil {
		r.mu.Lock()
		r.news = true // to be tried again
		r.mu.Unlock()
		r.fail(ctx, "other processes are told nothing of what this one brings", err)
	}
}

// empty is the blob that OCI has manifests refer to which have none of their own.
const empty = "{}"

func emptyBlob() v1.Descriptor {
	return v1.Descriptor{MediaType: "application/vnd.oci.empty.v1+json", Size: int64(len(empty)), Digest: registry.DigestOf([]byte(empty))}
}

// prepare uploads that blob.
func (r *Repository) prepare(ctx context.Context) error {
	if r.ready {
		return nil
	}
	blob := emptyBlob()
	upload, err := r.client.StartUpload(ctx, r.repository, blob.Digest, r.repository)
	if err == nil && upload != nil {
		err = upload.Put(ctx, blob.Digest, blob.Size, strings.NewReader(empty), 0)
	}
	r.ready = err == nil
	return err
}

// shared is the manifest by which a process tells.
type shared struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     types.MediaType   `json:"mediaType"`
	ArtifactType  string            `json:"artifactType"`
	Config        v1.Descriptor     `json:"config"`
	Layers        []v1.Descriptor   `json:"layers"`
	Annotations   map[string]string `json:"annotations"`
}

// pack makes a manifest of lines.
func pack(lines []string) (*registry.Manifest, error) {
	var text bytes.Buffer
	packed := gzip.NewWriter(&text)
	_, err := io.WriteString(packed, sharedHead+"\n"+strings.Join(lines, "\n")+"\n")
	if err = errors.Join(err, packed.Close()); err != nil {
		return nil, err
	}
	body, err := json.Marshal(shared{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: sharedArtifact,
		Config: emptyBlob(), Layers: []v1.Descriptor{emptyBlob()},
		Annotations: map[string]string{sharedAnnotation: base64.StdEncoding.EncodeToString(text.Bytes())},
	})
	return &registry.Manifest{MediaType: string(types.OCIManifestSchema1), Digest: registry.DigestOf(body), Body: body}, err
}

// unpack gives the lines of a manifest.
func unpack(body []byte) ([]string, error) {
	var m struct { // all that counts of it
		ArtifactType string            `json:"artifactType"`
		Annotations  map[string]string `json:"annotations"`
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, err
	}
	if m.ArtifactType != sharedArtifact {
		return nil, fmt.Errorf("its type is %.100q", m.ArtifactType)
	}
	packed, err := base64.StdEncoding.DecodeString(m.Annotations[sharedAnnotation])
	if err != nil {
		return nil, err
	}
	reader, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(reader, maxSharedBytes))
	if err != nil {
		return nil, err
	}
	head, rest, _ := strings.Cut(string(text), "\n")
	if head != sharedHead {
		return nil, errors.New("it is of another version")
	}
	return strings.Split(strings.TrimSuffix(rest, "\n"), "\n"), nil // lines that are cut off are none
}
