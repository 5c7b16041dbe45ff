package report

import (
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"docker-mirror/go-helper/internal/engine"
)

// Console owns standard error during a run: progress, log lines, notices and failures all go through it, so that
// none tears another apart. What is handed to it is queued and written by a goroutine of its own; nobody who
// reports an event waits for a slow terminal. Safe for concurrent use.
type Console struct {
	tally    *Tally
	troubles *troubles
	renderer renderer
	verbose  bool
	now      func() time.Time

	mu        sync.Mutex
	queue     []func() // what is still to be written, in order
	following bool
	closed    bool
	told      map[string]time.Time // when trouble with this registry was last told
	wake      chan struct{}        // one slot
	done      chan struct{}
}

// renderer puts things on the screen. Only the console's goroutine calls it.
type renderer interface {
	// interval is how often a snapshot is wanted, delay when the first; a run that is over before stays quiet.
	interval() (delay, every time.Duration)
	expect([]engine.Copy)
	snapshot(Snapshot)
	event(engine.Event)
	// tellsTrouble is true where event or snapshot shows by itself which registries hold the run up.
	tellsTrouble() bool
	line(kind lineKind, text string)
	// rest ends the drawing; lines may still come.
	rest()
}

type lineKind string

const (
	lineError   lineKind = "error"
	lineNotice  lineKind = "notice"
	lineSummary lineKind = "summary"
	lineLog     lineKind = "log"
)

// NewConsole starts a console on stderr. Verbose adds a line a retry. [Console.Close] must be called.
func NewConsole(mode Mode, stderr io.Writer, verbose bool) *Console {
	mode = mode.resolve(stderr, os.Getenv)
	var r renderer
	switch mode {
	case modeTerminal:
		r = newTerminal(stderr)
	case ModeJSON:
		r = newJSONLines(stderr, time.Now)
	case ModeNone:
		r = &plain{w: stderr, silent: true}
	default:
		r = &plain{w: stderr}
	}
	return newConsole(r, verbose, time.Now)
}

func newConsole(r renderer, verbose bool, now func() time.Time) *Console {
	c := &Console{
		tally:    NewTally(now()),
		renderer: r,
		verbose:  verbose,
		now:      now,
		told:     map[string]time.Time{},
		troubles: newTroubles(),
		wake:     make(chan struct{}, 1),
		done:     make(chan struct{}),
	}
	go c.run()
	return c
}

// Follow starts showing progress.
func (c *Console) Follow() {
	c.mu.Lock()
	c.following = true
	c.mu.Unlock()
	c.signal()
}

// Expect tells which copies the engine will run: events know them by their index.
func (c *Console) Expect(copies []engine.Copy) {
	c.troubles.expect(copies)
	c.enqueue(func() { c.renderer.expect(copies) })
}

// Rest ends the showing of progress and returns when everything is written and the bars are gone, so that standard
// output, which may be the same terminal, can be written to.
func (c *Console) Rest() {
	c.mu.Lock()
	c.following = false
	c.mu.Unlock()
	c.await(c.renderer.rest)
}

// Flush returns when everything is written, for what follows on standard output to come after it.
func (c *Console) Flush() { c.await(func() {}) }

func (c *Console) await(last func()) {
	done := make(chan struct{})
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.queue = append(c.queue, func() {
		last()
		close(done)
	})
	c.mu.Unlock()
	c.signal()
	<-done
}

// Observe takes in one event; it is an [engine.Observer].
func (c *Console) Observe(event engine.Event) {
	c.tally.Observe(event)
	switch e := event.(type) {
	case engine.BlobRead, engine.BlobQueued:
		return // far too many to be shown one by one; snapshots have their sums
	case engine.Retried:
		if _, structured := c.renderer.(*jsonLines); c.verbose && !structured {
			c.Notice(e.Registry + ": " + e.What + ": " + e.Err.Error() + "; next try in " + durationText(e.Wait))
		}
	}
	now := c.now()
	if registry := c.troubles.observe(event, now); registry != "" && !c.renderer.tellsTrouble() && c.tellTrouble(registry, now) {
		c.Notice(c.troubles.text(registry, now))
	}
	c.enqueue(func() { c.renderer.event(event) })
}

// tellTrouble is true once in a while for a registry: a line of a log stays.
func (c *Console) tellTrouble(registry string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if last, told := c.told[registry]; told && now.Sub(last) < troubleEvery {
		return false
	}
	c.told[registry] = now
	return true
}

// Error shows one line of a failure.
func (c *Console) Error(text string) { c.put(lineError, text) }

// Notice shows one line that a user should see.
func (c *Console) Notice(text string) { c.put(lineNotice, text) }

// Warn shows one line that no mode leaves out.
func (c *Console) Warn(text string) { c.put(lineLog, text) }

// Summary shows the line that sums a run up; no mode leaves it out.
func (c *Console) Summary(text string) { c.put(lineSummary, text) }

// Write takes whole lines of a log.
func (c *Console) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		c.put(lineLog, strings.TrimSuffix(line, "\n"))
	}
	return len(p), nil
}

func (c *Console) put(kind lineKind, text string) {
	text = Clean(text)
	c.enqueue(func() { c.renderer.line(kind, text) })
}

func (c *Console) enqueue(write func()) {
	c.mu.Lock()
	c.queue = append(c.queue, write)
	c.mu.Unlock()
	c.signal()
}

func (c *Console) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Close writes what is left and ends the console's goroutine. More calls do nothing.
func (c *Console) Close() {
	c.mu.Lock()
	if !c.closed {
		c.closed, c.following = true, false
		c.queue = append(c.queue, c.renderer.rest)
	}
	c.mu.Unlock()
	c.signal()
	<-c.done
}

func (c *Console) run() {
	defer close(c.done)
	delay, every := c.renderer.interval()
	var tick <-chan time.Time
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-c.wake:
		case <-tick:
			now := c.now()
			snapshot := c.tally.Snapshot(now)
			snapshot.Waiting = c.troubles.texts(now)
			c.renderer.snapshot(snapshot)
			timer.Reset(every)
		}
		c.mu.Lock()
		queue, following, closed := c.queue, c.following, c.closed
		c.queue = nil
		c.mu.Unlock()
		for _, write := range queue {
			write()
		}
		switch {
		case closed:
			return
		case following && tick == nil && every > 0:
			tick = timer.C
			c.tally.Snapshot(c.now()) // the rate's first sample
			timer.Reset(delay)
		case !following:
			tick = nil
		}
	}
}
