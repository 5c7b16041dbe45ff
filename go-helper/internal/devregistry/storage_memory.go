package devregistry

import (
	"bytes"
	"io"
	"io/fs"
	"slices"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// maxPreallocated bounds what a Content-Length alone makes us set aside.
const maxPreallocated = 64 << 20

// memoryStorage keeps everything in memory; the repositories' own maps are all there is of the links.
type memoryStorage struct {
	content sync.Map // v1.Hash -> []byte
}

var _ storage = (*memoryStorage)(nil)

func newMemoryStorage() *memoryStorage { return &memoryStorage{} }

type readSeekNopCloser struct{ *bytes.Reader }

func (readSeekNopCloser) Close() error { return nil }

func (s *memoryStorage) open(h v1.Hash) (io.ReadSeekCloser, int64, error) {
	body, ok := s.content.Load(h)
	if !ok {
		return nil, 0, fs.ErrNotExist
	}
	b := body.([]byte)
	return readSeekNopCloser{bytes.NewReader(b)}, int64(len(b)), nil
}

func (s *memoryStorage) create() (contentWriter, error) { return &memoryWriter{storage: s}, nil }

func (*memoryStorage) linkBlob(string, v1.Hash) error       { return nil }
func (*memoryStorage) unlinkBlob(string, v1.Hash) error     { return nil }
func (*memoryStorage) putManifest(string, *manifest) error  { return nil }
func (*memoryStorage) deleteManifest(string, v1.Hash) error { return nil }
func (*memoryStorage) putTag(_, _ string, _ v1.Hash) error  { return nil }
func (*memoryStorage) deleteTag(_, _ string) error          { return nil }
func (*memoryStorage) load(loader) error                    { return nil }
func (*memoryStorage) close() error                         { return nil }

type memoryWriter struct {
	storage *memoryStorage
	buf     []byte
}

func (w *memoryWriter) Write(p []byte) (int, error) {
	w.buf = append(w.buf, p...)
	return len(p), nil
}

func (w *memoryWriter) reserve(n int64) {
	if n > 0 {
		w.buf = slices.Grow(w.buf, int(min(n, maxPreallocated)))
	}
}

func (w *memoryWriter) truncate(n int64) error {
	w.buf = w.buf[:n]
	return nil
}

func (w *memoryWriter) writeTo(to io.Writer) error {
	_, err := to.Write(w.buf)
	return err
}

func (w *memoryWriter) commit(h v1.Hash) error {
	w.storage.content.Store(h, w.buf)
	w.buf = nil
	return nil
}

func (w *memoryWriter) discard() error {
	w.buf = nil
	return nil
}
