package devregistry

import (
	"sync"
	"sync/atomic"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Entry is one request as the registry saw it.
type Entry struct {
	// Number counts from 1 since the registry was made; Reset doesn't start it again.
	Number     int64
	Start      time.Time
	Duration   time.Duration
	Method     string
	Path       string // with its query
	Kind       Kind
	Repository string
	Reference  string
	// Digest is the blob or manifest that path or query names.
	Digest v1.Hash
	// From is a mount's origin.
	From string
	// Status is 0 where nothing was answered.
	Status int
	// Down and Up are bytes of bodies.
	Down, Up int64
	// Mounted: the POST linked a blob from elsewhere.
	Mounted bool
	// Stored: the request completed an upload.
	Stored bool
	// Broken: the connection was cut or reset, by a fault or by the client.
	Broken bool
	// Authorization is the scheme that the request's header named, never a credential.
	Authorization string
	// Scopes are what a token was asked for.
	Scopes []string
}

type scopeList struct{ scopes []string }

// RepoBlob is a blob in a repository.
type RepoBlob struct {
	Repository string
	Digest     v1.Hash
}

// maxEntries bounds the log of a registry that runs for long; the oldest entries go first.
const maxEntries = 1 << 17

// record is an entry in the making.
type record struct {
	entry            Entry // all but what the fields below hold
	status, down, up atomic.Int64
	mounted, stored  atomic.Bool
	broken           atomic.Bool
	duration         atomic.Int64
	scopes           atomic.Pointer[scopeList]
	done             atomic.Bool
}

func (r *record) snapshot() Entry {
	e := r.entry
	e.Status, e.Down, e.Up = int(r.status.Load()), r.down.Load(), r.up.Load()
	e.Mounted, e.Stored, e.Broken = r.mounted.Load(), r.stored.Load(), r.broken.Load()
	e.Duration = time.Duration(r.duration.Load())
	if list := r.scopes.Load(); list != nil {
		e.Scopes = list.scopes
	}
	return e
}

func (r *record) finish() {
	r.duration.Store(int64(time.Since(r.entry.Start)))
	r.done.Store(true)
}

// Log remembers requests, in the order in which they came. It is safe for concurrent use.
type Log struct {
	mu      sync.Mutex
	number  int64
	records []*record
}

func (l *Log) begin(e Entry) *record {
	rec := &record{entry: e}
	rec.entry.Start = time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.number++
	rec.entry.Number = l.number
	if len(l.records) >= maxEntries {
		l.records = append(l.records[:0], l.records[maxEntries/2:]...)
	}
	l.records = append(l.records, rec)
	return rec
}

// Reset forgets everything.
func (l *Log) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = nil
}

// Entries gives all requests since the last Reset. An answer may reach its client a moment before the registry has
// counted its bytes, so requests that are being answered are waited for, briefly.
func (l *Log) Entries() []Entry {
	l.mu.Lock()
	records := append([]*record(nil), l.records...)
	l.mu.Unlock()
	const settle = 50 * time.Millisecond
	deadline := time.Now().Add(settle)
	entries := make([]Entry, 0, len(records))
	for _, rec := range records {
		for rec.status.Load() != 0 && !rec.done.Load() && time.Now().Before(deadline) {
			time.Sleep(time.Millisecond)
		}
		entries = append(entries, rec.snapshot())
	}
	return entries
}

// Select gives the entries that match.
func (l *Log) Select(match func(Entry) bool) []Entry {
	var selected []Entry
	for _, e := range l.Entries() {
		if match(e) {
			selected = append(selected, e)
		}
	}
	return selected
}

// Counts tells how many requests of each kind there were, however they ended.
func (l *Log) Counts() map[Kind]int {
	counts := map[Kind]int{}
	for _, e := range l.Entries() {
		counts[e.Kind]++
	}
	return counts
}

// Total is the number of all requests.
func (l *Log) Total() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.records)
}

// Downloads tells how many GETs of each blob were answered with a body, whole or in part.
func (l *Log) Downloads() map[v1.Hash]int {
	downloads := map[v1.Hash]int{}
	for _, e := range l.Entries() {
		if (e.Kind == KindBlobGet || e.Kind == KindCDN) && e.Status/100 == 2 {
			downloads[e.Digest]++
		}
	}
	return downloads
}

// DownloadedBytes sums the blob bytes that went out.
func (l *Log) DownloadedBytes() int64 {
	var sum int64
	for _, e := range l.Entries() {
		if (e.Kind == KindBlobGet || e.Kind == KindCDN) && e.Status/100 == 2 {
			sum += e.Down
		}
	}
	return sum
}

// Uploads tells how often each blob was completed by upload in each repository; mounts don't count.
func (l *Log) Uploads() map[RepoBlob]int {
	uploads := map[RepoBlob]int{}
	for _, e := range l.Entries() {
		if e.Stored {
			uploads[RepoBlob{e.Repository, e.Digest}]++
		}
	}
	return uploads
}

// UploadedBytes sums the bytes of uploads that came in, those of broken requests as well.
func (l *Log) UploadedBytes() int64 {
	var sum int64
	for _, e := range l.Entries() {
		switch e.Kind {
		case KindUploadPut, KindUploadPatch, KindUploadStart, KindMount:
			sum += e.Up
		}
	}
	return sum
}

// Mounts tells from where each blob was mounted into each repository.
func (l *Log) Mounts() map[RepoBlob]string {
	mounts := map[RepoBlob]string{}
	for _, e := range l.Entries() {
		if e.Mounted {
			mounts[RepoBlob{e.Repository, e.Digest}] = e.From
		}
	}
	return mounts
}
