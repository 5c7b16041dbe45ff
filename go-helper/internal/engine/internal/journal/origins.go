package journal

import (
	"log/slog"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Origin is a repository of a registry that had a blob.
type Origin struct {
	Host, Repository string
	Digest           v1.Hash
}

func (o Origin) line() string { return o.Host + " " + o.Repository + " " + o.Digest.String() }

// Origins remembers which repository has which blob: a line `host repository digest` each, appended as blobs commit. It is safe for
// concurrent use.
type Origins struct {
	file file

	mu   sync.Mutex
	seen map[Origin]bool
}

// NewOrigins has them kept in a file; an empty path keeps nothing.
func NewOrigins(path string, log *slog.Logger) *Origins {
	return &Origins{file: file{path: path, log: log}, seen: map[Origin]bool{}}
}

// Load gives what earlier runs noted of the hosts that matter, newest first.
func (o *Origins) Load(matters func(host string) bool) (origins []Origin) {
	o.mu.Lock()
	defer o.mu.Unlock()
	lines := o.file.load()
	for i := len(lines) - 1; i >= 0; i-- {
		host, rest, _ := strings.Cut(lines[i], " ")
		repository, digest, ok := strings.Cut(rest, " ")
		if !ok || repository == "" || !matters(host) {
			continue
		}
		if hash, err := v1.NewHash(digest); err == nil {
			origin := Origin{host, repository, hash}
			o.seen[origin] = true
			origins = append(origins, origin)
		}
	}
	return origins
}

// Add notes what a repository has got.
func (o *Origins) Add(origin Origin) {
	o.mu.Lock()
	known := o.seen[origin]
	o.seen[origin] = true
	o.mu.Unlock()
	if !known {
		o.file.add(origin.line())
	}
}

// Close ends the run's notes.
func (o *Origins) Close() { o.file.close() }
