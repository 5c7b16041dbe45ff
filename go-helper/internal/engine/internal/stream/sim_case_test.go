package stream

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"docker-mirror/go-helper/internal/devregistry"
)

// simCase is a blob, the repositories that it is read from and sent to, and what befalls each.
type simCase struct {
	size    int64
	sources []simSite
	sinks   []simSite
}

// simSite is a registry. Its first requests with a blob's body have a mishap each; those after them have none.
type simSite struct {
	mishaps []mishap
	gone    bool // the blob
	// hopeless: the same mishap comes again and again.
	hopeless bool
	dialect  devregistry.Dialect
}

func (c simCase) String() string {
	s := fmt.Sprintf("%d bytes", c.size)
	for _, site := range c.sources {
		s += fmt.Sprintf("\nfrom %v, gone: %t, no ranges: %t", site.mishaps, site.gone, site.dialect.NoRange)
	}
	for _, site := range c.sinks {
		d := site.dialect
		s += fmt.Sprintf("\nto   %v, %t %t %t", site.mishaps[:min(3, len(site.mishaps))], d.ZeroUploadStatus, d.DiscardPartial, d.NoUploadStatus)
	}
	return s
}

// mishap is what befalls one body.
type mishap struct {
	devregistry.Fault
	what   string
	pauses []pause // of the reader, on the way
	at     int64
}

type pause struct {
	at int64
	d  time.Duration
}

func (m mishap) String() string { return fmt.Sprintf("%s at %d %v", m.what, m.at, m.pauses) }

// final tells whether no other try mends it.
func (m mishap) final() bool {
	return m.what == "denied" || m.what == "corrupt" || m.what == wrongDigest
}

// overload tells whether the registry said that it has too much to do.
func (m mishap) overload() bool {
	return m.Status == http.StatusTooManyRequests || m.Status == http.StatusServiceUnavailable
}

// wrongDigest is said of an upload: for good, unless it went on in the middle.
const wrongDigest = "digest invalid"

func newSimCase(seed uint64) simCase {
	r := rand.New(rand.NewPCG(seed, 3))
	c := simCase{size: []int64{0, 1, 1000, 100_000, windowAhead + chunkSize, 1_500_000, 3_000_000}[r.IntN(7)]}
	for range 1 + r.IntN(2) {
		s := simSite{gone: r.IntN(12) == 0, dialect: devregistry.Dialect{NoRange: r.IntN(6) == 0}}
		if r.IntN(15) == 0 { // a bad line, on which each try gets further
			for range 10 {
				s.mishaps = append(s.mishaps, mishap{what: "cut", at: 250_000, Fault: devregistry.Fault{CutDownload: devregistry.AfterBytes(250_000)}})
			}
			s.dialect.NoRange = false
		}
		for range few(r) {
			s.mishaps = append(s.mishaps, c.ofSource(r))
		}
		c.sources = append(c.sources, s)
	}
	for range 1 + r.IntN(4) {
		s := simSite{dialect: devregistry.Dialect{
			ZeroUploadStatus: r.IntN(8) == 0, DiscardPartial: r.IntN(8) == 0, NoUploadStatus: r.IntN(8) == 0,
		}}
		for range few(r) {
			s.mishaps = append(s.mishaps, c.ofSink(r))
		}
		if r.IntN(20) == 0 {
			s.hopeless = true
			s.mishaps = slices.Repeat([]mishap{c.ofSink(r)}, 100)
		}
		c.sinks = append(c.sinks, s)
	}
	return c
}

// few is how many mishaps a registry has: most have none, and none more than three.
func few(r *rand.Rand) int { return max(0, r.IntN(7)-3) }

func (c simCase) ofSource(r *rand.Rand) mishap {
	m := mishap{at: r.Int64N(c.size + 1)}
	switch n := r.IntN(40); {
	case n < 15:
		m.what, m.CutDownload = "cut", devregistry.AfterBytes(m.at)
	case n < 25:
		m.at = min(m.at, max(c.size-1, 0)) // after all of it only the next request would wait, for an answer
		m.what, m.StallDownload, m.StallFor = "stall", devregistry.AfterBytes(m.at), seconds(r, 100)
		m.pauses = []pause{{m.at, m.StallFor}}
	case n < 39:
		m.what, m.Status = "refused", []int{500, 502, 503, 504}[r.IntN(4)]
	default:
		m.what, m.Corrupt = "corrupt", true
	}
	return m
}

func (c simCase) ofSink(r *rand.Rand) mishap {
	m := mishap{at: r.Int64N(c.size + 1)}
	switch n := r.IntN(40); {
	case n < 8:
		m.what, m.CutUpload = "cut", devregistry.AfterBytes(m.at)
	case n < 18:
		m.what = "pause"
		at := r.Int64N(c.size/2 + 1)
		for range 1 + r.IntN(3) { // one that moves a little between two of them trickles
			m.pauses = append(m.pauses, pause{at, seconds(r, []int{2, 5, 1000}[r.IntN(3)])})
			at += 1 + r.Int64N(40_000)
		}
	case n < 23:
		m.what, m.LoseAnswer = "answer lost", true
	case n < 28:
		m.what, m.Status = "refused", []int{500, 502, 503, 504, 429}[r.IntN(5)]
	case n < 30: // in the middle of a body
		m.what, m.CutUpload = "session lost", devregistry.AfterBytes(m.at)
	case n < 32:
		m.what, m.Status, m.Code = "session lost", 404, "BLOB_UPLOAD_UNKNOWN"
	case n < 35:
		m.what, m.Reset = "reset", true
	case n < 38:
		m.what, m.Status, m.Code = wrongDigest, 400, "DIGEST_INVALID"
	default:
		m.what, m.Status, m.Code = "denied", 403, "DENIED"
	}
	return m
}

func seconds(r *rand.Rand, most int) time.Duration {
	return time.Duration(1+r.IntN(most*1000)) * time.Millisecond
}

// holdUp is how long the mishaps of one upload may keep others of its download: as long as it moves, and detachPatience after that.
func (s simSite) holdUp() (sum time.Duration) {
	for _, m := range s.mishaps {
		sum += detachPatience
		for _, p := range m.pauses {
			sum += min(p.d, detachPatience)
		}
	}
	return sum
}

// How long a registry is waited for by default: while a body is on its way, and once it is out.
const stallTimeout, answerTimeout = time.Minute, 5 * time.Minute

// takes is how long the mishaps keep the registry itself, with all waits that follow them.
func (s simSite) takes(timeout time.Duration) (sum time.Duration) {
	for _, m := range s.mishaps {
		sum += 5 * time.Second
		for _, p := range m.pauses {
			sum += min(p.d, timeout)
		}
	}
	return sum
}
