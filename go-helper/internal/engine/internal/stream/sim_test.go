package stream

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/devregistry"
	"docker-mirror/go-helper/internal/registry"
)

// simWorld plays a case: real registries, real transfers, and a clock that jumps to whatever is next.
type simWorld struct {
	simCase
	content []byte
	digest  v1.Hash
	began   time.Time
	read    int64        // bytes of the source
	busy    atomic.Int64 // times that a registry was said to have too much to do

	sources, sinks []*simHost
}

// simHost is a registry at its work.
type simHost struct {
	simSite
	*devregistry.Registry
	world *simWorld
	name  string

	mu     sync.Mutex
	bodies int           // requests with a blob's body so far
	got    time.Duration // when the blob was there
	met    []mishap
	final  bool            // one of them is for good
	lost   map[string]bool // sessions, by their paths
}

type mishapKey struct{}

func (h *simHost) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	lost := h.lost[r.URL.Path]
	h.mu.Unlock()
	if lost {
		http.Error(w, `{"errors": [{"code": "BLOB_UPLOAD_UNKNOWN"}]}`, http.StatusNotFound)
		return
	}
	upload := r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/blobs/uploads/")
	if upload || r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, h.world.digest.String()) {
		h.mu.Lock()
		if h.bodies++; h.bodies <= len(h.mishaps) {
			m := h.mishaps[h.bodies-1]
			r = r.WithContext(context.WithValue(r.Context(), mishapKey{}, m))
			h.met = append(h.met, m)
			if m.what == "session lost" {
				h.lost[r.URL.Path] = true
			}
			h.final = h.final || m.final() && (m.what != wrongDigest || r.Header.Get("Content-Range") == "")
			if upload && len(m.pauses) > 0 {
				r.Body = &pausingBody{ReadCloser: r.Body, pauses: m.pauses}
			}
		}
		h.mu.Unlock()
	}
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if upload && h.got == 0 && h.HasBlob("x", h.world.digest) {
			h.got = time.Since(h.world.began)
		}
	}()
	h.Registry.ServeHTTP(w, r)
}

func (h *simHost) intercept(r devregistry.Request) *devregistry.Fault {
	if m, ok := r.HTTP.Context().Value(mishapKey{}).(mishap); ok {
		return &m.Fault
	}
	return nil
}

// pausingBody is read by a registry that stands still at times.
type pausingBody struct {
	io.ReadCloser
	pauses []pause
	read   int64
}

func (b *pausingBody) Read(p []byte) (int, error) {
	if len(b.pauses) > 0 {
		next := b.pauses[0]
		if left := next.at - b.read; left > 0 {
			p = p[:min(int64(len(p)), left)]
		} else {
			b.pauses = b.pauses[1:]
			time.Sleep(next.d)
		}
	}
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	return n, err
}

// Watcher
func (w *simWorld) Started(Source)       {}
func (w *simWorld) Overloaded(time.Time) { w.busy.Add(1) }
func (w *simWorld) Ended(error)          {}
func (w *simWorld) Read(n int64)         { w.read += n }

func (w *simWorld) host(net *simNet, name string, site simSite) (*simHost, error) {
	r, err := devregistry.New(devregistry.Options{Dialect: site.dialect})
	if err != nil {
		return nil, err
	}
	h := &simHost{simSite: site, Registry: r, world: w, name: name, lost: map[string]bool{}}
	r.SetFaults(devregistry.Faults{Intercept: h.intercept})
	net.serve(name, h)
	return h, nil
}

// run brings the blob to all sinks, as the scheduler would have it done, and says what is wrong with how that went.
func (w *simWorld) run(ctx context.Context) error {
	net := newSimNet()
	defer net.close()
	pool, err := net.pool()
	if err != nil {
		return err
	}
	defer pool.Close()
	t := &Transfer{Digest: w.digest, Size: w.size, Chunks: &Chunks{}, Watcher: w}
	for i, site := range w.simCase.sources {
		h, err := w.host(net, fmt.Sprint("source", i), site)
		if err != nil {
			return err
		}
		if !site.gone {
			if err := h.PlantBlob("x", w.digest, w.content); err != nil {
				return err
			}
		}
		w.sources = append(w.sources, h)
		t.Sources = append(t.Sources, Source{Client: pool.Client(h.name), Repository: "x"})
	}
	for i, site := range w.simCase.sinks {
		h, err := w.host(net, fmt.Sprint("sink", i), site)
		if err != nil {
			return err
		}
		w.sinks = append(w.sinks, h)
	}
	w.began = time.Now()
	return w.judge(w.send(ctx, t, pool))
}

// send gives each sink turns until it has the blob, or can't get it: one at a time that goes on in the middle, else all that are left.
func (w *simWorld) send(ctx context.Context, t *Transfer, pool *registry.Pool) (outcomes []Outcome, turns int) {
	outcomes = make([]Outcome, len(w.sinks))
	sessions := make([]*Session, len(w.sinks))
	for i := range w.sinks {
		outcomes[i].End = Restart
	}
	for ; turns < 24; turns++ {
		var turn []int
		for i, o := range outcomes {
			switch {
			case o.End == Resume:
				turn = []int{i}
			case o.End == Restart && (len(turn) == 0 || outcomes[turn[0]].End == Restart):
				turn = append(turn, i)
			}
			if o.End == Resume {
				break
			}
		}
		if len(turn) == 0 {
			break
		}
		t.Sinks = nil
		var started []int
		for _, i := range turn {
			if outcomes[i].End == Restart {
				session, err := Start(ctx, pool.Client(w.sinks[i].name), "x", w.digest, "", sessions[i])
				if err != nil {
					outcomes[i] = Outcome{End: Failed, Err: err}
					continue
				}
				sessions[i] = session
			}
			started = append(started, i)
			t.Sinks = append(t.Sinks, Sink{sessions[i], outcomes[i].Offset})
		}
		if len(started) == 0 {
			continue
		}
		for j, o := range t.Run(ctx) {
			if o.End == Restart && o.Offset != 0 {
				o.Err = fmt.Errorf("is to begin anew at %d: %w", o.Offset, o.Err)
				o.End = Failed
			}
			outcomes[started[j]] = o
		}
	}
	for i, s := range sessions {
		if outcomes[i].End != Sent {
			_ = s.Cancel(ctx)
		}
	}
	return outcomes, turns
}

// Whatever befalls a blob on its way: each repository gets it or fails for a true reason, none keeps the others for long, and no byte
// is moved again without a reason. SIMULATIONS and SIMULATIONS_FROM say how many cases are played.
func TestTransferSimulation(t *testing.T) {
	from, n := uint64(0), uint64(400)
	for name, value := range map[string]*uint64{"SIMULATIONS": &n, "SIMULATIONS_FROM": &from} {
		if s := os.Getenv(name); s != "" {
			var err error
			if *value, err = strconv.ParseUint(s, 10, 64); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	if testing.Short() {
		n = min(n, 50)
	}
	for seed := from; seed < from+n; seed++ {
		if !t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { playSeed(t, seed) }) {
			t.FailNow()
		}
	}
}

func playSeed(t *testing.T, seed uint64) {
	c := newSimCase(seed)
	content := pattern(int(c.size))
	digest, _, err := v1.SHA256(strings.NewReader(string(content)))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := &simWorld{simCase: c, content: content, digest: digest}
		if err := w.run(t.Context()); err != nil {
			t.Errorf("%v\n%v", err, c)
		}
	})
}
