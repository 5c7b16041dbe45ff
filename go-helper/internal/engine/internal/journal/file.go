package journal

import (
	"bufio"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// maxFileBytes bounds a file; past it the older half goes. About 100 bytes a line.
const maxFileBytes = 4 << 20

// file has lines that runs append and later runs read.
type file struct {
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
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		f.log.Debug("nothing is kept for later runs", "file", f.path, "error", err)
		return lines
	}
	if f.open, err = os.OpenFile(f.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		f.log.Debug("nothing is kept for later runs", "file", f.path, "error", err)
		f.open = nil
	}
	return lines
}

func (f *file) read() ([]string, error) {
	earlier, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	defer earlier.Close()
	info, err := earlier.Stat()
	if err != nil {
		return nil, err
	}
	var lines []string
	scanner := bufio.NewScanner(earlier)
	for scanner.Scan() {
		lines = append(lines, scanner.Text())
	}
	if err := scanner.Err(); err != nil {
		return lines, err
	}
	if info.Size() > maxFileBytes {
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
	_, err = next.WriteString(strings.Join(lines, "\n") + "\n")
	if err = errors.Join(err, next.Close()); err != nil {
		return errors.Join(err, os.Remove(next.Name()))
	}
	return os.Rename(next.Name(), f.path)
}

// add appends a line; one short write, which the system does not mix with another's.
func (f *file) add(line string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open == nil {
		return
	}
	if _, err := f.open.WriteString(line + "\n"); err != nil {
		f.log.Debug("nothing is kept for later runs", "file", f.path, "error", err)
		f.open.Close()
		f.open = nil
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
