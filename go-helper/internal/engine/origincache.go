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

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// maxCacheBytes bounds the origin cache; past it the older half goes. About 100 bytes a line.
const maxCacheBytes = 4 << 20

// originCache remembers over runs which repository has which blob: a line `host repository digest` each,
// appended as blobs commit, so that a killed run leaves what it knew. It is advice: what it says is only ever
// tried as a mount origin, and its own failures stop nothing.
type originCache struct {
	path string
	log  *slog.Logger

	mu   sync.Mutex
	file *os.File
	seen map[string]bool
}

func newOriginCache(path string, log *slog.Logger) *originCache {
	return &originCache{path: path, log: log, seen: map[string]bool{}}
}

// load tells the destinations what earlier runs knew, newest first.
func (c *originCache) load(destinations map[string]*destination) {
	if c.path == "" {
		return
	}
	lines, err := c.read()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.log.Debug("no mount origins from earlier runs", "error", err)
	}
	for i := len(lines) - 1; i >= 0; i-- {
		host, rest, _ := strings.Cut(lines[i], " ")
		d := destinations[host]
		repository, digest, ok := strings.Cut(rest, " ")
		if d == nil || !ok || repository == "" {
			continue
		}
		if hash, err := v1.NewHash(digest); err == nil {
			d.addOrigin(hash, repository)
			c.seen[lines[i]] = true
		}
	}
	if err := os.MkdirAll(filepath.Dir(c.path), 0o700); err != nil {
		c.log.Debug("mount origins are not kept", "error", err)
		return
	}
	c.file, err = os.OpenFile(c.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		c.log.Debug("mount origins are not kept", "error", err)
	}
}

func (c *originCache) read() ([]string, error) {
	f, err := os.Open(c.path)
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
	if info.Size() > maxCacheBytes {
		lines = lines[len(lines)/2:]
		return lines, c.rewrite(lines)
	}
	return lines, nil
}

// rewrite replaces the file; another run that appends to the old one meanwhile loses its lines, no more.
func (c *originCache) rewrite(lines []string) error {
	f, err := os.CreateTemp(filepath.Dir(c.path), filepath.Base(c.path)+".*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(strings.Join(lines, "\n") + "\n")
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return os.Rename(f.Name(), c.path)
}

// add appends what a repository has got; one short write, which the system does not mix with another's.
func (c *originCache) add(host, repository string, digest v1.Hash) {
	line := host + " " + repository + " " + digest.String()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file == nil || c.seen[line] {
		return
	}
	c.seen[line] = true
	if _, err := c.file.WriteString(line + "\n"); err != nil {
		c.log.Debug("mount origins are not kept", "error", err)
		c.file.Close()
		c.file = nil
	}
}

func (c *originCache) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file != nil {
		c.file.Close()
		c.file = nil
	}
}
