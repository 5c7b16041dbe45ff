package journal

import (
	"context"
	"log/slog"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/reference"
)

// Origin is a repository of a registry that had a blob.
type Origin struct {
	Host, Repository string
	Digest           v1.Hash
}

func (o Origin) line() string { return o.Host + " " + o.Repository + " " + o.Digest.String() }

// parseOrigin reads a line; whoever wrote it may have meant something else.
func parseOrigin(line string, matters func(host string) bool) (o Origin, ok bool) {
	host, rest, _ := strings.Cut(line, " ")
	repository, digest, ok := strings.Cut(rest, " ")
	if !ok || !matters(host) || reference.CheckRepository(host, repository) != nil {
		return o, false
	}
	hash, err := v1.NewHash(digest)
	return Origin{host, repository, hash}, err == nil
}

// Exchange is where the processes that carry out one set tell each other of origins. It has one owner, who asks it in turn; only Tell
// may be called beside Hear.
type Exchange interface {
	// Open begins it, and gives what the process itself told in earlier runs, and what others have told so far.
	Open(ctx context.Context, matters func(host string) bool) (own, others []Origin)
	// Hear gives what others have told since.
	Hear(ctx context.Context) []Origin
	// Tell tells them. It doesn't wait for them.
	Tell(origins []Origin)
	// Close ends it, and may send what is left to tell.
	Close(ctx context.Context)
}

// Origins remembers which repository has which blob: a line `host repository digest` each, appended as blobs commit. It is safe for
// concurrent use.
type Origins struct {
	file     file
	exchange Exchange // nil: none

	mu   sync.Mutex
	seen map[Origin]bool
	told map[Origin]bool
}

// NewOrigins has them kept in a file, for later runs, and exchanged with other processes; an empty path keeps nothing, and the exchange
// may be nil.
func NewOrigins(path string, exchange Exchange, log *slog.Logger) *Origins {
	return &Origins{file: file{kind: ofLaterRuns, path: path, log: log}, exchange: exchange, seen: map[Origin]bool{}, told: map[Origin]bool{}}
}

// Load gives what earlier runs noted of the hosts that matter, newest first, and what others have told.
func (o *Origins) Load(ctx context.Context, matters func(host string) bool) (origins []Origin) {
	o.mu.Lock()
	defer o.mu.Unlock()
	lines := o.file.load()
	for i := len(lines) - 1; i >= 0; i-- {
		if origin, ok := parseOrigin(lines[i], matters); ok {
			o.seen[origin] = true
			origins = append(origins, origin)
		}
	}
	if o.exchange != nil {
		own, others := o.exchange.Open(ctx, matters)
		for _, origin := range own {
			o.told[origin] = true
		}
		origins = append(append(origins, own...), others...)
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

// Tell tells other processes what can be mounted from, once each.
func (o *Origins) Tell(origins ...Origin) {
	if o.exchange == nil {
		return
	}
	o.mu.Lock()
	var news []Origin
	for _, origin := range origins {
		if !o.told[origin] {
			o.told[origin] = true
			news = append(news, origin)
		}
	}
	o.mu.Unlock()
	if len(news) > 0 {
		o.exchange.Tell(news)
	}
}

// Hear gives what other processes have told since it was last asked, or loaded.
func (o *Origins) Hear(ctx context.Context) []Origin { return o.exchange.Hear(ctx) }

// Close ends the run's notes.
func (o *Origins) Close(ctx context.Context) {
	o.file.close()
	if o.exchange != nil {
		o.exchange.Close(ctx)
	}
}
