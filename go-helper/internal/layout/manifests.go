package layout

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// maxManifest is what registries take, too.
const maxManifest = 4 << 20

func (l *Layout) serveManifest(req *http.Request, repository, reference string) (answer, error) {
	switch req.Method {
	case http.MethodGet, http.MethodHead:
		return l.getManifest(repository, reference)
	case http.MethodPut:
		return l.putManifest(req, repository, reference)
	}
	return answer{}, refuse(http.StatusMethodNotAllowed, "UNSUPPORTED", "no such request")
}

func (l *Layout) getManifest(repository, reference string) (answer, error) {
	l.mu.Lock()
	d, named := l.index.named[repository][reference]
	l.mu.Unlock()
	if !named {
		digest, err := v1.NewHash(reference)
		if err != nil {
			return answer{}, refuse(http.StatusNotFound, "MANIFEST_UNKNOWN", "the layout has no image of the name %s", fullName(repository, reference))
		}
		d.Digest = digest
	}
	body, err := readAll(l.files, blobName(d.Digest), maxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		return answer{}, refuse(http.StatusNotFound, "MANIFEST_UNKNOWN", "the manifest %s isn't in the layout", d.Digest)
	}
	if err != nil {
		return answer{}, err
	}
	if d.MediaType == "" {
		m, err := parseManifest(body)
		if err != nil {
			return answer{}, refuse(http.StatusNotFound, "MANIFEST_UNKNOWN", "%v", err)
		}
		d.MediaType = m.MediaType
	}
	a := content200(body, string(d.MediaType))
	a.header.Set("Docker-Content-Digest", d.Digest.String())
	return a, nil
}

// putManifest takes a manifest. Its name goes into the index: those of attachments and of platforms have none.
func (l *Layout) putManifest(req *http.Request, repository, reference string) (answer, error) {
	body, err := io.ReadAll(io.LimitReader(req.Body, maxManifest+1))
	if err != nil {
		return answer{}, err
	}
	m, parseErr := parseManifest(body)
	if parseErr != nil || len(body) > maxManifest {
		return answer{}, refuse(http.StatusBadRequest, "MANIFEST_INVALID", "it is no manifest of up to 4 MiB")
	}
	digest, err := v1.NewHash(reference)
	tagged := err != nil
	if tagged {
		digest = v1.Hash{Algorithm: "sha256"}
	}
	hasher, err := v1.Hasher(digest.Algorithm)
	if err != nil {
		return answer{}, refuse(http.StatusBadRequest, "DIGEST_INVALID", "%v", err)
	}
	hasher.Write(body)
	got := v1.Hash{Algorithm: digest.Algorithm, Hex: hex.EncodeToString(hasher.Sum(nil))}
	if !tagged && got != digest {
		return answer{}, refuse(http.StatusBadRequest, "DIGEST_INVALID", "the content has %s", got)
	}
	d := v1.Descriptor{MediaType: types.MediaType(req.Header.Get("Content-Type")), Digest: got, Size: int64(len(body))}
	if d.MediaType == "" {
		d.MediaType = m.MediaType
	}
	if err := l.keep(repository, reference, tagged, d, m, body); err != nil {
		return answer{}, err
	}
	a := created(repository, "manifests", got)
	if m.Subject != nil {
		a.header.Set("OCI-Subject", m.Subject.Digest.String())
	}
	return a, nil
}

// keep writes a manifest, and its entry.
func (l *Layout) keep(repository, reference string, tagged bool, d v1.Descriptor, m manifest, body []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.root == nil {
		return refuse(http.StatusMethodNotAllowed, "UNSUPPORTED", "this layout is only read")
	}
	if err := l.begun(); err != nil {
		return err
	}
	if old, err := readAll(l.files, blobName(d.Digest), maxManifest); err != nil || !bytes.Equal(old, body) {
		if err := l.replace(blobName(d.Digest), body); errors.Is(err, fs.ErrNotExist) {
			err = l.root.MkdirAll(blobsDir+"/"+d.Digest.Algorithm, 0o777)
			if err = errors.Join(err, l.replace(blobName(d.Digest), body)); err != nil {
				return err
			}
		} else if err != nil {
			return err
		}
	}
	_, pinned := l.wanted[fullName(repository, reference)]
	switch {
	case tagged || pinned:
		l.index.set(repository, reference, l.describe(repository, reference, d))
	case m.Subject != nil:
		l.index.other[otherKey(d)] = d
	default:
		return nil
	}
	l.dirty = true
	if m.Subject != nil && l.subjects != nil {
		l.refer(m, d)
	}
	if time.Since(l.flushed) < flushEvery {
		return nil
	}
	return l.flush()
}

func (l *Layout) listTags(repository, last string) (answer, error) {
	l.mu.Lock()
	names := l.index.named[repository]
	tags := []string{}
	for _, tag := range slices.Sorted(maps.Keys(names)) {
		if _, err := v1.NewHash(tag); err != nil && tag > last {
			tags = append(tags, tag)
		}
	}
	l.mu.Unlock()
	if names == nil {
		return answer{}, refuse(http.StatusNotFound, "NAME_UNKNOWN", "the layout has no image of %s", repository)
	}
	body, err := json.Marshal(map[string]any{"name": repository, "tags": tags})
	return content200(body, "application/json"), err
}

// listReferrers answers which entries have a subject.
func (l *Layout) listReferrers(rest string) (answer, error) {
	digest, err := v1.NewHash(rest)
	if err != nil {
		return answer{}, refuse(http.StatusBadRequest, "DIGEST_INVALID", "%v", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.readSubjects(); err != nil {
		return answer{}, err
	}
	list := l.subjects[digest]
	if list == nil {
		list = []v1.Descriptor{}
	}
	body, err := json.Marshal(v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: list})
	return content200(body, string(types.OCIImageIndex)), err
}

// readSubjects finds out once what refers to what.
func (l *Layout) readSubjects() error {
	if l.subjects != nil {
		return nil
	}
	l.subjects = map[v1.Hash][]v1.Descriptor{}
	for _, d := range l.index.all() {
		body, err := readAll(l.files, blobName(d.Digest), maxManifest)
		if errors.Is(err, fs.ErrNotExist) {
			continue // whoever asks for the image is told
		}
		if err != nil {
			return err
		}
		if m, err := parseManifest(body); err == nil && m.Subject != nil {
			l.refer(m, d)
		}
	}
	return nil
}

func (l *Layout) refer(m manifest, d v1.Descriptor) {
	d.Annotations, d.ArtifactType = m.Annotations, m.ArtifactType
	if d.ArtifactType == "" && m.Config != nil {
		d.ArtifactType = string(m.Config.MediaType)
	}
	subject := m.Subject.Digest
	if !slices.ContainsFunc(l.subjects[subject], func(have v1.Descriptor) bool { return have.Digest == d.Digest }) {
		l.subjects[subject] = append(l.subjects[subject], d)
	}
}
