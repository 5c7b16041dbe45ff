package layout

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// files is where the files of a layout are read.
type files interface {
	// open opens a file by its name in the layout, `blobs/sha256/…`; [fs.ErrNotExist] where it isn't there.
	open(name string) (*content, error)
	// blobs lists the names of all blobs.
	blobs() ([]string, error)
	// where names what holds the file; empty where nothing does.
	where(name string) string
	close() error
}

// content is an open file.
type content struct {
	io.ReaderAt
	size  int64
	close func() error
}

// from reads the content from offset on, and closes it.
func (c *content) from(offset int64) io.ReadCloser {
	return readCloser{io.NewSectionReader(c, offset, c.size-offset), c.close}
}

type readCloser struct {
	io.Reader
	close func() error
}

func (r readCloser) Close() error { return r.close() }

func blobName(h v1.Hash) string { return blobsDir + "/" + h.Algorithm + "/" + h.Hex }

// readAll reads a small file.
func readAll(files files, name string, limit int64) ([]byte, error) {
	f, err := files.open(name)
	if err != nil {
		return nil, err
	}
	if f.size > limit {
		return nil, errors.Join(fmt.Errorf("%s has %d bytes, more than the %d allowed", name, f.size, limit), f.close())
	}
	r := f.from(0)
	data, err := io.ReadAll(r)
	return data, errors.Join(err, r.Close())
}

// folder is a layout in a folder. Links in it lead nowhere outside.
type folder struct{ root *os.Root }

func (f *folder) open(name string) (*content, error) {
	file, err := f.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe would be waited for
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file", name)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &content{file, info.Size(), file.Close}, nil
}

func (f *folder) blobs() ([]string, error) { return fs.Glob(f.root.FS(), blobsDir+"/*/*") }

func (f *folder) where(name string) string {
	if _, err := f.root.Stat(name); err != nil {
		return ""
	}
	return f.root.Name()
}

func (f *folder) close() error { return f.root.Close() }

// nothing holds no files.
type nothing struct{}

func (nothing) open(name string) (*content, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}
func (nothing) blobs() ([]string, error) { return nil, nil }
func (nothing) where(string) string      { return "" }
func (nothing) close() error             { return nil }
