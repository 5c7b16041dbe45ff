package auth

import (
	"context"
	"sync"
	"time"
)

// Memory remembers what is slow to find out, by key, until it expires. One caller at a time finds out, the others
// wait for it, each no longer than its context. The zero value is ready to use.
type Memory[K comparable, V any] struct {
	mu      sync.Mutex
	entries map[K]*memoryEntry[V]
}

type memoryEntry[V any] struct {
	turn  chan struct{} // holds the one token of who may look and find
	value V
	err   error
	until time.Time
}

// Get returns what is remembered, failures too, or what find says, and until when it is good.
func (m *Memory[K, V]) Get(ctx context.Context, key K, find func(context.Context) (V, time.Time, error)) (V, error) {
	m.mu.Lock()
	if m.entries == nil {
		m.entries = map[K]*memoryEntry[V]{}
	}
	entry := m.entries[key]
	if entry == nil {
		entry = &memoryEntry[V]{turn: make(chan struct{}, 1)}
		m.entries[key] = entry
	}
	m.mu.Unlock()
	select {
	case entry.turn <- struct{}{}:
		defer func() { <-entry.turn }()
	case <-ctx.Done():
		var none V
		return none, ctx.Err()
	}
	if time.Now().Before(entry.until) {
		return entry.value, entry.err
	}
	value, until, err := find(ctx)
	if ctx.Err() == nil { // interrupted: that was no answer
		entry.value, entry.until, entry.err = value, until, err
	}
	return value, err
}

// Forget drops what is remembered under the keys that match.
func (m *Memory[K, V]) Forget(match func(K) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key := range m.entries {
		if match(key) {
			delete(m.entries, key)
		}
	}
}
