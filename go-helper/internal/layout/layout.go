// Package layout is an OCI image layout (image-spec, image-layout.md) as a registry: it answers the requests of the
// distribution API in this process, so that whoever speaks to registries reads and writes it as one of them.
//
// A repository of it is named in full, with the registry that the images are from: `docker.io/library/alpine`. Its tags
// are the names of index.json, in org.opencontainers.image.ref.name. Blobs belong to no repository.
package layout

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/gofrs/flock"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// The files of a layout. [BundleFile] is ours: tools that don't know it pass it by.
const (
	markerFile = "oci-layout"
	indexFile  = "index.json"
	blobsDir   = "blobs"
	workDir    = ".docker-mirror" // unfinished blobs, and the lock
	marker     = `{"imageLayoutVersion":"1.0.0"}`
	// unfinishedFile is there while a run writes, and stays where it is interrupted or killed.
	unfinishedFile = workDir + "/unfinished"
)

// Layout is one layout, or several that are read as one. It is safe for concurrent use.
type Layout struct {
	files files    // to read
	root  *os.Root // to write; nil: it is only read
	lock  *flock.Flock

	mu       sync.Mutex
	index    *index
	dirty    bool // the index on disk is older
	started  bool // something was written
	finished bool // all that was to be written was tried
	failed   bool // something couldn't be written: the disk is full, say
	flushed  time.Time
	uploads  map[string]*upload
	uploaded int               // sessions so far
	wanted   map[string]wanted // by name
	bases    map[v1.Hash]Blob  // what is elsewhere, and needn't be here
	baseIDs  []string          // of the bundles that have it
	readable []*Layout         // those of the bases that can be read
	other    ElsewhereReader   // reads what is elsewhere
	needs    map[v1.Hash]Blob  // what a bundle that is read has elsewhere
	subjects map[v1.Hash][]v1.Descriptor
}

// wanted is what is known of a name before it is written.
type wanted struct{ platforms []string }

// ErrUnfinished tells that a layout may lack images without a trace.
var ErrUnfinished = errors.New("the run that wrote it was interrupted or couldn't write, or isn't over, so that images may be missing: run it again")

// ErrInUse tells that another process writes the layout.
var ErrInUse = errors.New("another process is writing this layout")

// Create opens the layout in dir to write, and makes it where there is none. A folder that holds something else is refused.
func Create(dir string) (*Layout, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	l, err := create(root, dir)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", dir, err), root.Close())
	}
	return l, nil
}

func create(root *os.Root, dir string) (*Layout, error) {
	switch _, err := root.Stat(markerFile); {
	case errors.Is(err, fs.ErrNotExist):
		if err := empty(dir); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	}
	if err := root.MkdirAll(workDir, 0o777); err != nil {
		return nil, err
	}
	lock := flock.New(filepath.Join(dir, workDir, "lock"))
	if locked, err := lock.TryLock(); err != nil || !locked {
		return nil, errors.Join(err, ErrInUse)
	}
	l := newLayout(&folder{root})
	l.root, l.lock = root, lock
	if err := l.begin(); err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	return l, nil
}

// empty makes sure that a folder without a layout has nothing in it; what an earlier run had begun may be.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !slices.Contains([]string{workDir, blobsDir, indexFile, BundleFile}, e.Name()) {
			return fmt.Errorf("it is no OCI layout, and has something in it: %s", e.Name())
		}
	}
	return nil
}

// begin reads what is there, and clears what a killed run left.
func (l *Layout) begin() error {
	leftovers, err := fs.Glob(l.root.FS(), workDir+"/upload-*")
	if err != nil {
		return err
	}
	for _, name := range leftovers {
		if err := l.root.Remove(name); err != nil {
			return err
		}
	}
	if _, err := l.root.Stat(indexFile); errors.Is(err, fs.ErrNotExist) {
		if err := l.begun(); err != nil {
			return err
		}
		l.dirty = true
		if err := l.flush(); err != nil {
			return err
		}
	}
	if err := l.replace(markerFile, []byte(marker)); err != nil {
		return err
	}
	return l.read()
}

// Open opens layouts to read, each a folder or a part of an archive; nothing of them is written. Parts belong together
// and may be named in any order.
func Open(paths ...string) (*Layout, error) {
	opened, err := openFiles(paths)
	if err != nil {
		return nil, err
	}
	l := newLayout(opened)
	if err := l.read(); err != nil {
		return nil, errors.Join(errors.Join(append(l.Damages(), err)...), opened.close())
	}
	return l, nil
}

// Empty is a layout without anything, for what a run would write.
func Empty() *Layout { return newLayout(nothing{}) }

func newLayout(files files) *Layout {
	return &Layout{files: files, index: newIndex(), uploads: map[string]*upload{}, wanted: map[string]wanted{}, bases: map[v1.Hash]Blob{}}
}

// read takes in index.json, and what the bundle says of itself.
func (l *Layout) read() error {
	data, err := readAll(l.files, indexFile, maxIndex)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no %s: it is no OCI layout, or its first part is missing", indexFile)
	}
	if err != nil {
		return err
	}
	if l.index, err = parseIndex(data); err != nil {
		return fmt.Errorf("%s: %w", indexFile, err)
	}
	bundle, err := readBundle(l.files)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	l.needs = map[v1.Hash]Blob{}
	for _, blob := range bundle.Elsewhere {
		l.needs[blob.Digest] = blob
	}
	l.baseIDs = bundle.Bases
	for digest, blob := range l.needs {
		l.bases[digest] = blob
	}
	return nil
}

// Want says that a name will be written, and to which platforms it is limited. An image that has only a digest is named so.
func (l *Layout) Want(name string, platforms []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wanted[name] = wanted{platforms}
}

// begun notes that something is written, before it is. It needs the lock.
func (l *Layout) begun() error {
	if l.started {
		return nil
	}
	l.started = true
	return l.root.WriteFile(unfinishedFile, nil, 0o666)
}

// Finish says that all which was to be written was tried: whoever reads the layout needn't ask for more.
func (l *Layout) Finish() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.finished = true
}

// Unfinished is [ErrUnfinished] where a run has not come to its end; nil where it has, or another tool wrote the layout.
func (l *Layout) Unfinished() error {
	if l.files.where(unfinishedFile) == "" {
		return nil
	}
	return ErrUnfinished
}

// Close writes what is not yet written, and lets others write.
func (l *Layout) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	if l.root != nil {
		errs = append(errs, l.flush(), l.writeBundle())
		if l.finished && !l.failed && errors.Join(errs...) == nil {
			if err := l.root.Remove(unfinishedFile); !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, err)
			}
		}
		errs = append(errs, l.lock.Unlock())
		l.root, l.uploads = nil, nil
	}
	for _, base := range l.readable {
		errs = append(errs, base.Close())
	}
	l.readable = nil
	return errors.Join(append(errs, l.files.close())...)
}

// flushEvery is how much of the index a killed run loses. What it had named is read again, not loaded again.
const flushEvery = 2 * time.Second

// flush writes index.json where it has changed.
func (l *Layout) flush() error {
	if !l.dirty {
		return nil
	}
	if err := l.replace(indexFile, l.index.bytes()); err != nil {
		return err
	}
	l.dirty, l.flushed = false, time.Now()
	return nil
}

// replace writes a file so that readers, and whoever comes after a crash, find the old content or the new.
func (l *Layout) replace(name string, data []byte) error {
	temporary := filepath.ToSlash(filepath.Join(workDir, "upload-"+filepath.Base(name)))
	f, err := l.root.Create(temporary)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, l.root.Remove(temporary))
	}
	return l.root.Rename(temporary, name)
}
