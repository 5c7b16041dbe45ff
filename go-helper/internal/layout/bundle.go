package layout

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"slices"
	"sort"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// BundleFile says what a layout has, so that a later one can leave that out. It alone is enough for that.
const BundleFile = "bundle.json"

// Bundle is that file. It follows from the images alone: the same ones give the same file.
type Bundle struct {
	// ID is the SHA-256 of all the rest.
	ID string `json:"id"`
	// Bases are the bundles that have what is elsewhere.
	Bases  []string `json:"bases,omitempty"`
	Images []Name   `json:"images"`
	// Blobs are here, configs and layers; manifests always are.
	Blobs     []Blob `json:"blobs"`
	Elsewhere []Blob `json:"elsewhere,omitempty"`
}

// Blob is one, and the repositories whose images have it.
type Blob struct {
	Digest       v1.Hash  `json:"digest"`
	Size         int64    `json:"size"`
	Repositories []string `json:"repositories,omitempty"`
}

func (b *Bundle) seal() error {
	b.ID = ""
	data, err := json.Marshal(b)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	b.ID = hex.EncodeToString(sum[:])
	return nil
}

func readBundle(files files) (*Bundle, error) {
	data, err := readAll(files, BundleFile, maxIndex)
	if err != nil {
		return nil, err
	}
	return parseBundle(data)
}

func parseBundle(data []byte) (*Bundle, error) {
	var b Bundle
	if err := json.Unmarshal(data, &b); err != nil {
		return nil, fmt.Errorf("%s: %w", BundleFile, err)
	}
	id := b.ID
	if err := b.seal(); err != nil || b.ID != id {
		return nil, errors.Join(fmt.Errorf("%s is no bundle's, or was changed: its id isn't its content's", BundleFile), err)
	}
	return &b, nil
}

// Base leaves out of what is written from now on what another bundle has: path is its folder, or its bundle.json alone.
func (l *Layout) Base(path string) error {
	bundle, base, err := readBase(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if base != nil {
		l.readable = append(l.readable, base)
	}
	if !slices.Contains(l.baseIDs, bundle.ID) {
		l.baseIDs = append(l.baseIDs, bundle.ID)
		sort.Strings(l.baseIDs)
	}
	for _, blob := range slices.Concat(bundle.Blobs, bundle.Elsewhere) {
		l.bases[blob.Digest] = blob
	}
	return nil
}

func readBase(path string) (*Bundle, *Layout, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if !info.IsDir() {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, nil, err
		}
		bundle, err := parseBundle(data)
		return bundle, nil, err
	}
	base, err := Open(path)
	if err != nil {
		return nil, nil, err
	}
	bundle, err := base.describeBundle() // as it is now, whoever wrote it
	if err != nil {
		return nil, nil, errors.Join(err, base.Close())
	}
	return bundle, base, nil
}

// ElsewhereReader reads a blob that a bundle leaves out from where an earlier one has brought it.
type ElsewhereReader func(ctx context.Context, blob Blob, offset int64) (io.ReadCloser, error)

// ReadElsewhere says how.
func (l *Layout) ReadElsewhere(read ElsewhereReader) { l.other = read }

// serveElsewhere answers for a blob that isn't here.
func (l *Layout) serveElsewhere(req *http.Request, digest v1.Hash, offset int64) (answer, error) {
	blob, based := l.bases[digest]
	if based && req.Method == http.MethodHead {
		return answer{status: http.StatusOK, length: blob.Size}, nil
	}
	for _, base := range l.readable {
		if f, err := base.files.open(blobName(digest)); err == nil {
			return blobFrom(f, offset)
		}
	}
	needed, ok := l.needs[digest]
	if !ok || l.other == nil || req.Method == http.MethodHead {
		return answer{}, l.missing(digest)
	}
	body, err := l.other(req.Context(), needed, offset)
	if err != nil {
		return answer{}, errors.Join(l.missing(digest), err)
	}
	a := answer{status: http.StatusOK, header: http.Header{"Content-Type": {"application/octet-stream"}}, body: body, length: needed.Size - offset}
	if offset > 0 {
		a.status = http.StatusPartialContent
		a.header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", offset, needed.Size-1, needed.Size))
	}
	return a, nil
}

// writeBundle writes the bundle's file; not where a manifest is missing, which only a run that failed leaves.
func (l *Layout) writeBundle() error {
	bundle, err := l.describeBundle()
	if err != nil {
		return err
	}
	data, err := bundle.bytes()
	if err != nil {
		return err
	}
	return l.replace(BundleFile, data)
}

func (b *Bundle) bytes() ([]byte, error) {
	data, err := json.MarshalIndent(b, "", " ")
	return append(data, '\n'), err
}

// describeBundle looks at all images.
func (l *Layout) describeBundle() (*Bundle, error) {
	blobs, err := l.owners()
	if err != nil {
		return nil, err
	}
	bundle := &Bundle{Images: l.index.images(), Blobs: []Blob{}}
	for digest, o := range blobs {
		blob := Blob{Digest: digest, Size: o.size, Repositories: o.names()}
		f, err := l.files.open(blobName(digest))
		based, leftOut := l.bases[digest]
		switch {
		case err == nil:
			_ = f.close() // only looked at
			bundle.Blobs = append(bundle.Blobs, blob)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		case leftOut:
			blob.Repositories = slices.Compact(slices.Sorted(slices.Values(slices.Concat(blob.Repositories, based.Repositories))))
			bundle.Elsewhere = append(bundle.Elsewhere, blob)
		}
	}
	if len(bundle.Elsewhere) > 0 {
		bundle.Bases = l.baseIDs
	}
	byDigest := func(list []Blob) func(i, k int) bool {
		return func(i, k int) bool { return list[i].Digest.String() < list[k].Digest.String() }
	}
	sort.Slice(bundle.Blobs, byDigest(bundle.Blobs))
	sort.Slice(bundle.Elsewhere, byDigest(bundle.Elsewhere))
	return bundle, bundle.seal()
}

// owners are the repositories of a blob.
type owners struct {
	size         int64
	repositories map[string]bool
}

// owners finds out which repositories' images have which blobs. An attachment's are those of what it is attached to.
func (l *Layout) owners() (map[v1.Hash]*owners, error) {
	blobs := map[v1.Hash]*owners{}
	manifests := map[v1.Hash]map[string]bool{}
	w := walker{
		files: l.files,
		seen: func(repository string, d v1.Descriptor) {
			if manifests[d.Digest] == nil {
				manifests[d.Digest] = map[string]bool{}
			}
			manifests[d.Digest][repository] = true
		},
		blob: func(repository string, d v1.Descriptor) {
			o := blobs[d.Digest]
			if o == nil {
				o = &owners{size: d.Size, repositories: map[string]bool{}}
				blobs[d.Digest] = o
			}
			o.repositories[repository] = true
		},
	}
	var attached []v1.Descriptor
	for _, d := range l.index.all() {
		repository, _, ok := splitName(d.Annotations[refName])
		if !ok {
			attached = append(attached, d)
			continue
		}
		if err := w.walk(repository, d); err != nil {
			return nil, err
		}
	}
	if err := l.readSubjects(); err != nil {
		return nil, err
	}
	return blobs, l.walkAttached(&w, attached, manifests)
}

// walkAttached looks at attachments, as of the repositories that have what they are attached to.
func (l *Layout) walkAttached(w *walker, attached []v1.Descriptor, manifests map[v1.Hash]map[string]bool) error {
	subjectOf := map[v1.Hash]v1.Hash{}
	for subject, list := range l.subjects {
		for _, d := range list {
			subjectOf[d.Digest] = subject
		}
	}
	for len(attached) > 0 {
		var later []v1.Descriptor // attached to something that is attached
		for _, d := range attached {
			repositories := manifests[subjectOf[d.Digest]]
			for repository := range repositories {
				if err := w.walk(repository, d); err != nil {
					return err
				}
			}
			if len(repositories) == 0 {
				later = append(later, d)
			}
		}
		if len(later) == len(attached) { // to nothing that is here
			for _, d := range later {
				if err := w.walk("", d); err != nil {
					return err
				}
			}
			return nil
		}
		attached = later
	}
	return nil
}

func (o *owners) names() []string {
	delete(o.repositories, "")
	return slices.Sorted(maps.Keys(o.repositories))
}
