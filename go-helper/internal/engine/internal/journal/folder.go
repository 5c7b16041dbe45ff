package journal

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	// sharedHead names what a file is, and the version of its lines. What doesn't begin with it is left alone.
	sharedHead   = "# docker-mirror origins, version 1"
	sharedEnding = ".origins"
	// maxShared bounds the files that are read, and maxLine a line of them: a host, a repository and a digest have at most 400 bytes.
	maxShared = 1024
	maxLine   = 1024
)

// Folder is an exchange by files: each process appends to one of its own, and reads what others append to theirs.
type Folder struct {
	dir     string
	own     file
	log     *slog.Logger
	matters func(host string) bool
	others  map[string]*heard // by file name
	left    int64             // bytes that may still be read
	names   map[string]string // hosts and repositories, each of which many lines have
	full    bool              // it was said that no more is read
}

// heard is how far a file of another process has been read.
type heard struct {
	info    fs.FileInfo
	offset  int64 // of the first line that isn't read, as it isn't whole
	foreign bool  // it isn't ours
}

var _ Exchange = (*Folder)(nil)

// NewFolder makes an exchange of a folder that all processes have, in which this one has a name.
func NewFolder(dir, name string, log *slog.Logger) *Folder {
	return &Folder{
		dir: dir, own: file{kind: ofOthers, path: filepath.Join(dir, name+sharedEnding), log: log}, log: log,
		others: map[string]*heard{}, left: maxRead, names: map[string]string{},
	}
}

// Open implements [Exchange].
func (f *Folder) Open(ctx context.Context, matters func(host string) bool) (own, others []Origin) {
	f.matters = matters
	for _, line := range f.own.load() {
		if o, ok := f.parse([]byte(line)); ok {
			own = append(own, o)
		}
	}
	return own, f.Hear(ctx)
}

// Tell implements [Exchange].
func (f *Folder) Tell(origins []Origin) {
	lines := make([]string, len(origins))
	for i, o := range origins {
		lines[i] = o.line()
	}
	f.own.add(lines...)
}

// Close implements [Exchange].
func (f *Folder) Close(context.Context) { f.own.close() }

// Hear implements [Exchange].
func (f *Folder) Hear(context.Context) (origins []Origin) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		f.log.Debug("nothing is heard of other processes", "folder", f.dir, "error", err)
	}
	for _, entry := range entries {
		name := entry.Name()
		if !strings.HasSuffix(name, sharedEnding) || name == filepath.Base(f.own.path) || f.others[name] == nil && len(f.others) == maxShared {
			continue
		}
		info, err := entry.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		h := f.others[name]
		if h == nil || !os.SameFile(h.info, info) || info.Size() < h.offset { // new, or begun anew
			h = &heard{}
			f.others[name] = h
		}
		h.info = info
		if h.foreign || info.Size() == h.offset {
			continue
		}
		news, err := f.tail(filepath.Join(f.dir, name), h)
		if err != nil {
			f.log.Debug("can't read what another process tells", "file", name, "error", err)
		}
		origins = append(origins, news...)
	}
	return origins
}

// tail reads the lines that have come to a file. One that is being written is left for the next time.
func (f *Folder) tail(path string, h *heard) (origins []Origin, err error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // it may have become a pipe
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if _, err := file.Seek(h.offset, 0); err != nil {
		return nil, err
	}
	lines := bufio.NewReaderSize(file, maxLine)
	for f.left > 0 {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) || err == nil && h.offset == 0 && string(line) != sharedHead+"\n" {
			h.foreign = true
			return origins, errors.New("it is no file of this version's")
		}
		if err != nil {
			return origins, nil
		}
		h.offset += int64(len(line))
		f.left -= int64(len(line))
		if o, ok := f.parse(line[:len(line)-1]); ok {
			origins = append(origins, o)
		}
	}
	if !f.full {
		f.full = true
		f.log.Warn("other processes tell more than is read", "folder", f.dir, "bytes", maxRead)
	}
	return origins, nil
}

// parse reads a line without keeping more of it than its digest.
func (f *Folder) parse(line []byte) (Origin, bool) {
	o, ok := parseOrigin(string(line), f.matters)
	if ok {
		o.Host, o.Repository = f.name(o.Host), f.name(o.Repository)
		o.Digest.Algorithm, o.Digest.Hex = f.name(o.Digest.Algorithm), strings.Clone(o.Digest.Hex)
	}
	return o, ok
}

func (f *Folder) name(s string) string {
	known, ok := f.names[s]
	if !ok {
		known = strings.Clone(s)
		f.names[known] = known
	}
	return known
}
