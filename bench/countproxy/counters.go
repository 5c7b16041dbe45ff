package main

import (
	"maps"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Moment is one tag written: how much had been uploaded when it was.
type Moment struct {
	Seconds float64 `json:"seconds"` // since the first request
	BodyUp  int64   `json:"body_up"` // bytes of blobs and manifests by then
	Tags    int     `json:"tags"`    // tags written by then, this one counted
}

// Snapshot is what the counters say at one moment. Bytes are bytes of bodies, but for the wire's.
type Snapshot struct {
	Requests           int64            `json:"requests"`
	Kinds              map[string]int64 `json:"kinds"`
	Status             map[string]int64 `json:"status"` // by group and status code, such as "blob 200"
	BodyDown           int64            `json:"body_down"`
	BodyUp             int64            `json:"body_up"`
	BlobDown           int64            `json:"blob_down"`
	BlobUp             int64            `json:"blob_up"`
	WireFromClient     int64            `json:"wire_from_client"` // with headers
	WireToClient       int64            `json:"wire_to_client"`
	Connections        int64            `json:"connections"`
	PeakConcurrent     int64            `json:"peak_concurrent"` // requests at once
	Injected429        int64            `json:"injected_429"`
	Injected503        int64            `json:"injected_503"`
	InjectedCut        int64            `json:"injected_cut"`
	Unauthorized       int64            `json:"unauthorized"`
	BlobsDownloaded    int64            `json:"blobs_downloaded"`     // distinct ones
	BlobDownloadsAgain int64            `json:"blob_downloads_again"` // GETs of one that was downloaded before
	Timeline           []Moment         `json:"timeline"`
	Seconds            float64          `json:"seconds"` // from the first request to the end of the last
}

// counters counts what passes the proxy.
type counters struct {
	mu      sync.Mutex
	now     Snapshot
	current int64 // requests being served
	gets    map[string]int64
	first   time.Time
	last    time.Time
}

func newCounters() *counters {
	c := &counters{}
	c.reset()
	return c
}

func (c *counters) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = Snapshot{Kinds: map[string]int64{}, Status: map[string]int64{}, Timeline: []Moment{}}
	c.gets = map[string]int64{}
	c.first, c.last = time.Time{}, time.Time{}
}

func (c *counters) snapshot() Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.now
	s.Kinds, s.Status = maps.Clone(s.Kinds), maps.Clone(s.Status)
	s.Timeline = append([]Moment{}, s.Timeline...)
	for _, n := range c.gets {
		s.BlobsDownloaded++
		s.BlobDownloadsAgain += n - 1
	}
	if !c.first.IsZero() {
		s.Seconds = c.last.Sub(c.first).Seconds()
	}
	return s
}

// add changes a number under the lock.
func (c *counters) add(change func(*Snapshot)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.now)
}

func (c *counters) requestStarted(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.first.IsZero() {
		c.first = at
	}
	c.now.Requests++
	c.current++
	c.now.PeakConcurrent = max(c.now.PeakConcurrent, c.current)
}

// requestEnded counts a request by its kind and answer; down is the answer's body as far as it was sent.
func (c *counters) requestEnded(k kind, method string, status int, down int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current--
	c.last = time.Now()
	c.now.Kinds[k.name]++
	c.now.Status[string(k.group)+" "+strconv.Itoa(status)]++
	switch {
	case k.mount && status == http.StatusCreated:
		c.now.Kinds["mount ok"]++
	case k.mount && status == http.StatusAccepted:
		c.now.Kinds["mount refused"]++
	case k.mount:
		c.now.Kinds["mount other"]++
	case k.group == groupBlob && method == http.MethodGet && down > 0:
		c.gets[k.reference]++
	case k.name == "manifest PUT tag" && status == http.StatusCreated:
		c.now.Timeline = append(c.now.Timeline, Moment{
			Seconds: c.last.Sub(c.first).Seconds(),
			BodyUp:  c.now.BodyUp,
			Tags:    len(c.now.Timeline) + 1,
		})
	}
}

func (c *counters) bytesDown(k kind, n int64) {
	c.add(func(s *Snapshot) {
		s.BodyDown += n
		if k.group == groupBlob {
			s.BlobDown += n
		}
	})
}

func (c *counters) bytesUp(k kind, n int64) {
	c.add(func(s *Snapshot) {
		s.BodyUp += n
		if k.group == groupUpload {
			s.BlobUp += n
		}
	})
}
