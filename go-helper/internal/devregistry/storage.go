package devregistry

import (
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// storage keeps content once, by digest, and makes the repositories' links last as long as it does itself.
// What a repository has is held in memory by repository; storage only has to bring it back.
type storage interface {
	// open reads content; the error is fs.ErrNotExist where there is none.
	open(h v1.Hash) (io.ReadSeekCloser, int64, error)
	// create starts new content.
	create() (contentWriter, error)

	linkBlob(repository string, h v1.Hash) error
	unlinkBlob(repository string, h v1.Hash) error
	putManifest(repository string, m *manifest) error
	deleteManifest(repository string, h v1.Hash) error
	putTag(repository, tag string, h v1.Hash) error
	deleteTag(repository, tag string) error

	// load calls back for everything that is there.
	load(into loader) error
	close() error
}

// loader takes what a storage has from before.
type loader interface {
	loadBlob(repository string, h v1.Hash)
	loadManifest(repository string, h v1.Hash, mediaType string, body []byte) error
	loadTag(repository, tag string, h v1.Hash)
}

// contentWriter is content that has no digest yet.
type contentWriter interface {
	io.Writer
	// reserve makes room for n more bytes, where that saves work.
	reserve(n int64)
	// truncate drops what came after the first n bytes.
	truncate(n int64) error
	// writeTo copies what was written so far.
	writeTo(io.Writer) error
	// commit files it under its digest, which the caller has checked. Nothing else may be called after it.
	commit(h v1.Hash) error
	discard() error
}
