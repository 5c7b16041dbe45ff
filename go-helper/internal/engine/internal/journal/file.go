package journal

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
)

const (
	// maxFileBytes bounds a file; past it the older half goes. About 100 bytes a line.
	maxFileBytes = 4 << 20
	// maxSharedBytes is for what processes share with each other: they have the larger sets.
	maxSharedBytes = 16 << 20
	// maxRead bounds what is read of files that others may have written.
	maxRead = 64 << 20
)

// kind is what a file is for.
type kind struct {
	head      string // the first line, by which others know what the file is; one that begins otherwise is begun anew. Empty: none
	max       int64  // bytes
	dir, mode fs.FileMode
	lost      string // what it means that it can't be written to
	level     slog.Level
}

var (
	ofLaterRuns = kind{max: maxFileBytes, dir: 0o700, mode: 0o600, lost: "nothing is kept for later runs", level: slog.LevelDebug}
	ofOthers    = kind{
		head: sharedHead, max: maxSharedBytes, dir: 0o777, mode: 0o666, lost: "other processes are told nothing of what this one brings", level: slog.LevelWarn,
	}
)

// file has lines that runs append and later runs read.
type file struct {
	kind
	path string // empty: nothing is kept
	log  *slog.Logger

	mu   sync.Mutex
	open *os.File // nil where it can't be written to
}

// load gives what earlier runs noted, oldest first.
func (f *file) load() []string {
	if f.path == "" {
		return nil
	}
	lines, err := f.read()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.log.Debug("nothing is known from earlier runs", "file", f.path, "error", err)
	}
	if err := f.begin(); err != nil {
		f.fail(err)
	}
	return lines
}

// begin opens the file to be appended to.
func (f *file) begin() (err error) {
	if err := os.MkdirAll(filepath.Dir(f.path), f.dir); err != nil {
		return err
	}
	if f.open, err = os.OpenFile(f.path, os.O_CREATE|os.O_APPEND|os.O_RDWR, f.mode); err != nil {
		f.open = nil
		return err
	}
	info, err := f.open.Stat()
	if err != nil {
		return err
	}
	last, start := []byte("\n"), ""
	if size := info.Size(); size > 0 {
		_, err = f.open.ReadAt(last, size-1)
	} else if f.head != "" {
		start = f.head + "\n"
	}
	if last[0] != '\n' { // whoever wrote it was killed in the middle
		start = "\n"
	}
	if err == nil && start != "" {
		_, err = f.open.WriteString(start)
	}
	return err
}

// fail ends what is written.
func (f *file) fail(err error) {
	f.log.Log(context.Background(), f.level, f.lost, "file", f.path, "error", err)
	if f.open != nil {
		f.open.Close()
		f.open = nil
	}
}

func (f *file) read() ([]string, error) {
	earlier, err := os.OpenFile(f.path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe would be waited for
	if err != nil {
		return nil, err
	}
	defer earlier.Close()
	info, err := earlier.Stat()
	if err != nil {
		return nil, err
	}
	var lines []string
	scanner := bufio.NewScanner(io.LimitReader(earlier, maxRead))
	for scanner.Scan() {
		lines = append(lines, scanner.Text())
	}
	if f.head != "" {
		if len(lines) == 0 || lines[0] != f.head {
			return nil, f.rewrite(nil)
		}
		lines = lines[1:]
	}
	if err := scanner.Err(); err != nil {
		return lines, err
	}
	if info.Size() > f.max {
		lines = lines[len(lines)/2:]
		return lines, f.rewrite(lines)
	}
	return lines, nil
}

// rewrite replaces the file; another run that appends to the old one meanwhile loses its lines, no more.
func (f *file) rewrite(lines []string) error {
	next, err := os.CreateTemp(filepath.Dir(f.path), filepath.Base(f.path)+".*")
	if err != nil {
		return err
	}
	if f.head != "" {
		lines = slices.Insert(slices.Clone(lines), 0, f.head)
	}
	_, err = next.WriteString(strings.Join(lines, "\n") + "\n")
	if err = errors.Join(err, next.Chmod(f.mode&0o644), next.Close()); err != nil {
		return errors.Join(err, os.Remove(next.Name()))
	}
	return os.Rename(next.Name(), f.path)
}

// add appends lines; one short write, which the system does not mix with another's.
func (f *file) add(lines ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open == nil {
		return
	}
	if _, err := f.open.WriteString(strings.Join(lines, "\n") + "\n"); err != nil {
		f.fail(err)
	}
}

func (f *file) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open != nil {
		f.open.Close()
		f.open = nil
	}
}
