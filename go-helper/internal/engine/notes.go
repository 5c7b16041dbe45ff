package engine

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

// maxNotesBytes bounds a file of notes; past it the older half goes. About 100 bytes a line.
const maxNotesBytes = 4 << 20

// notes is a file of lines that runs append to and later runs read, so that a killed run leaves what it knew. It is
// advice, and its own failures stop nothing.
type notes struct {
	path string // empty: nothing is kept
	log  *slog.Logger

	mu   sync.Mutex
	file *os.File
}

// open gives what earlier runs noted, oldest first.
func (n *notes) open() []string {
	if n.path == "" {
		return nil
	}
	lines, err := n.read()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		n.log.Debug("nothing is known from earlier runs", "file", n.path, "error", err)
	}
	if err := os.MkdirAll(filepath.Dir(n.path), 0o700); err != nil {
		n.log.Debug("nothing is kept for later runs", "file", n.path, "error", err)
		return lines
	}
	if n.file, err = os.OpenFile(n.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		n.log.Debug("nothing is kept for later runs", "file", n.path, "error", err)
		n.file = nil
	}
	return lines
}

func (n *notes) read() ([]string, error) {
	f, err := os.Open(n.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	var lines []string
	scanner := bufio.NewScanner(f)
	for scanner.Scan() {
		lines = append(lines, scanner.Text())
	}
	if err := scanner.Err(); err != nil {
		return lines, err
	}
	if info.Size() > maxNotesBytes {
		lines = lines[len(lines)/2:]
		return lines, n.rewrite(lines)
	}
	return lines, nil
}

// rewrite replaces the file; another run that appends to the old one meanwhile loses its lines, no more.
func (n *notes) rewrite(lines []string) error {
	f, err := os.CreateTemp(filepath.Dir(n.path), filepath.Base(n.path)+".*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(strings.Join(lines, "\n") + "\n")
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return os.Rename(f.Name(), n.path)
}

// add appends a line; one short write, which the system does not mix with another's.
func (n *notes) add(line string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.file == nil {
		return
	}
	if _, err := n.file.WriteString(line + "\n"); err != nil {
		n.log.Debug("nothing is kept for later runs", "file", n.path, "error", err)
		n.file.Close()
		n.file = nil
	}
}

func (n *notes) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.file != nil {
		n.file.Close()
		n.file = nil
	}
}
