package devregistry

import (
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/gofrs/flock"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// diskStorage keeps everything below one folder:
//
//	content/<first two of hex>/<hex>             blobs and manifests, once each
//	repositories/<name>/_blobs/<hex>             an empty file: the repository has this blob
//	repositories/<name>/_manifests/<hex>         holds the media type
//	repositories/<name>/_tags/<tag>              holds the manifest's digest
//	tmp/                                         what isn't finished; emptied at start
//	lock                                         locked while a registry uses the folder
//
// Everything gets its name by rename when it is whole, so that a killed process leaves nothing half-written. There
// is no fsync: a registry for tests needn't outlive a power cut. A repository's name can't hold a component that
// starts with an underscore, so the folders of one never meet another's.
type diskStorage struct {
	root string
	lock *flock.Flock
	// folders remembers which folders exist, so that a link costs one system call.
	folders sync.Map
}

var _ storage = (*diskStorage)(nil)

const (
	blobsFolder     = "_blobs"
	manifestsFolder = "_manifests"
	tagsFolder      = "_tags"
)

func newDiskStorage(root string) (*diskStorage, error) {
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, err
	}
	s := &diskStorage{root: root, lock: flock.New(filepath.Join(root, "lock"))}
	locked, err := s.lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("locking the folder: %w", err)
	}
	if !locked {
		return nil, errors.New("another registry uses this folder")
	}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(err, s.lock.Close())
	}
	return s, nil
}

func (s *diskStorage) prepare() error {
	if err := os.RemoveAll(s.tmp()); err != nil {
		return fmt.Errorf("emptying the upload folder: %w", err)
	}
	for _, dir := range []string{s.tmp(), filepath.Join(s.root, "content"), s.repositories()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return nil
}

func (s *diskStorage) tmp() string          { return filepath.Join(s.root, "tmp") }
func (s *diskStorage) repositories() string { return filepath.Join(s.root, "repositories") }

func (s *diskStorage) contentPath(h v1.Hash) string {
	return filepath.Join(s.root, "content", h.Hex[:2], h.Hex)
}

func (s *diskStorage) linkPath(repository, folder, name string) string {
	return filepath.Join(s.repositories(), filepath.FromSlash(repository), folder, name)
}

func (s *diskStorage) folder(path string) error {
	if _, ok := s.folders.Load(path); ok {
		return nil
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	s.folders.Store(path, struct{}{})
	return nil
}

func (s *diskStorage) open(h v1.Hash) (io.ReadSeekCloser, int64, error) {
	f, err := os.Open(s.contentPath(h))
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

func (s *diskStorage) create() (contentWriter, error) {
	f, err := os.CreateTemp(s.tmp(), "upload-")
	if err != nil {
		return nil, err
	}
	return &diskWriter{storage: s, file: f}, nil
}

// place writes a small file by rename.
func (s *diskStorage) place(path, content string) error {
	if err := s.folder(filepath.Dir(path)); err != nil {
		return err
	}
	f, err := os.CreateTemp(s.tmp(), "link-")
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (s *diskStorage) linkBlob(repository string, h v1.Hash) error {
	path := s.linkPath(repository, blobsFolder, h.Hex)
	if err := s.folder(filepath.Dir(path)); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}

func (s *diskStorage) unlinkBlob(repository string, h v1.Hash) error {
	return remove(s.linkPath(repository, blobsFolder, h.Hex))
}

func (s *diskStorage) putManifest(repository string, m *manifest) error {
	w, err := s.create()
	if err != nil {
		return err
	}
	if _, err := w.Write(m.body); err != nil {
		return errors.Join(err, w.discard())
	}
	if err := w.commit(m.digest); err != nil {
		return err
	}
	return s.place(s.linkPath(repository, manifestsFolder, m.digest.Hex), m.mediaType)
}

func (s *diskStorage) deleteManifest(repository string, h v1.Hash) error {
	return remove(s.linkPath(repository, manifestsFolder, h.Hex))
}

func (s *diskStorage) putTag(repository, tag string, h v1.Hash) error {
	return s.place(s.linkPath(repository, tagsFolder, tag), h.String())
}

func (s *diskStorage) deleteTag(repository, tag string) error {
	return remove(s.linkPath(repository, tagsFolder, tag))
}

func (s *diskStorage) load(into loader) error {
	return filepath.WalkDir(s.repositories(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		rel, err := filepath.Rel(s.repositories(), path)
		if err != nil {
			return err
		}
		dir, name := filepath.Split(filepath.ToSlash(rel))
		repository, folder, ok := cutLast(strings.TrimSuffix(dir, "/"), "/")
		if !ok {
			return fmt.Errorf("%s doesn't belong to a registry's folder", path)
		}
		switch folder {
		case blobsFolder:
			h, err := hashNamed(name)
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			into.loadBlob(repository, h)
		case manifestsFolder:
			h, err := hashNamed(name)
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			mediaType, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			body, err := os.ReadFile(s.contentPath(h))
			if err != nil {
				return err
			}
			return into.loadManifest(repository, h, string(mediaType), body)
		case tagsFolder:
			body, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			h, err := v1.NewHash(string(body))
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			into.loadTag(repository, name, h)
		default:
			return fmt.Errorf("%s doesn't belong to a registry's folder", path)
		}
		return nil
	})
}

// hashNamed gives the digest whose hex digits are a file's name: their number tells the algorithm.
func hashNamed(name string) (v1.Hash, error) {
	if len(name) == hex.EncodedLen(sha512.Size) {
		return v1.NewHash("sha512:" + name)
	}
	return v1.NewHash(usualAlgorithm + ":" + name)
}

func (s *diskStorage) close() error { return errors.Join(os.RemoveAll(s.tmp()), s.lock.Close()) }

type diskWriter struct {
	storage *diskStorage
	file    *os.File
}

func (w *diskWriter) Write(p []byte) (int, error) { return w.file.Write(p) }

func (*diskWriter) reserve(int64) {}

func (w *diskWriter) truncate(n int64) error {
	if err := w.file.Truncate(n); err != nil {
		return err
	}
	_, err := w.file.Seek(n, io.SeekStart)
	return err
}

func (w *diskWriter) writeTo(to io.Writer) error {
	size, err := w.file.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, io.NewSectionReader(w.file, 0, size))
	return err
}

func (w *diskWriter) commit(h v1.Hash) error {
	path := w.storage.contentPath(h)
	err := w.file.Close()
	if err == nil {
		err = w.storage.folder(filepath.Dir(path))
	}
	if err == nil {
		err = os.Rename(w.file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(w.file.Name())
	}
	return err
}

func (w *diskWriter) discard() error {
	return errors.Join(w.file.Close(), remove(w.file.Name()))
}
