package engine

import (
	"log/slog"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/engine/internal/schedule"
)

// originCache remembers over runs which repository has which blob: a line `host repository digest` each, appended as
// blobs commit. What it says is only ever tried as a mount origin.
type originCache struct {
	notes notes

	mu   sync.Mutex
	seen map[string]bool
}

func newOriginCache(path string, log *slog.Logger) *originCache {
	return &originCache{notes: notes{path: path, log: log}, seen: map[string]bool{}}
}

// load tells the destinations what earlier runs knew, newest first.
func (c *originCache) load(destinations map[string]*destination) {
	lines := c.notes.open()
	for i := len(lines) - 1; i >= 0; i-- {
		host, rest, _ := strings.Cut(lines[i], " ")
		d := destinations[host]
		repository, digest, ok := strings.Cut(rest, " ")
		if d == nil || !ok || repository == "" {
			continue
		}
		if hash, err := v1.NewHash(digest); err == nil {
			d.remembered = append(d.remembered, schedule.Origin{Repository: repository, Digest: hash})
			c.seen[lines[i]] = true
		}
	}
}

// add notes what a repository has got.
func (c *originCache) add(host, repository string, digest v1.Hash) {
	line := host + " " + repository + " " + digest.String()
	c.mu.Lock()
	known := c.seen[line]
	c.seen[line] = true
	c.mu.Unlock()
	if !known {
		c.notes.add(line)
	}
}

func (c *originCache) close() { c.notes.close() }
