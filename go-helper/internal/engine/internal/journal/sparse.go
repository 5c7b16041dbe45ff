package journal

import (
	"log/slog"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// SparseIndexes remembers which indexes were written sparse, so that a run that wants all of one doesn't take its digest for an answer:
// a line `sparse host repository digest` each, or `whole …` once it isn't any more. It is safe for concurrent use.
type SparseIndexes struct {
	file file

	mu    sync.Mutex
	known map[string]bool // by host, repository and digest
}

// NewSparseIndexes has them kept in a file; an empty path keeps nothing.
func NewSparseIndexes(path string, log *slog.Logger) *SparseIndexes {
	return &SparseIndexes{file: file{kind: ofLaterRuns, path: path, log: log}, known: map[string]bool{}}
}

const (
	notedSparse = "sparse"
	notedWhole  = "whole"
)

// Load reads what earlier runs noted.
func (s *SparseIndexes) Load() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range s.file.load() { // the last one counts
		switch state, key, _ := strings.Cut(line, " "); state {
		case notedSparse:
			s.known[key] = true
		case notedWhole:
			delete(s.known, key)
		}
	}
}

// Knows tells whether an index was written sparse, as far as is known.
func (s *SparseIndexes) Knows(host, repository string, digest v1.Hash) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known[sparseKey(host, repository, digest)]
}

// Note tells that an index is sparse, or whole, now.
func (s *SparseIndexes) Note(host, repository string, digest v1.Hash, sparse bool) {
	key := sparseKey(host, repository, digest)
	s.mu.Lock()
	news := s.known[key] != sparse
	s.known[key] = sparse
	s.mu.Unlock()
	switch {
	case news && sparse:
		s.file.add(notedSparse + " " + key)
	case news:
		s.file.add(notedWhole + " " + key)
	}
}

func sparseKey(host, repository string, digest v1.Hash) string {
	return host + " " + repository + " " + digest.String()
}

// Close ends the run's notes.
func (s *SparseIndexes) Close() { s.file.close() }
