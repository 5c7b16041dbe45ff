package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"docker-mirror/go-helper/internal/engine"
)

const (
	// troubleFrom is the shortest wait for a registry that is shown: shorter ones are over before they are read.
	troubleFrom = time.Second
	// troubleAfter is how long it is shown that a registry gave no answer in time, which was a long wait already.
	troubleAfter = 30 * time.Second
	// troubleEvery is how long one registry's trouble is told only once where lines stay.
	troubleEvery = 30 * time.Second
)

// troubles knows which registries hold a run up at a moment, and how many copies wait for each. It is safe for
// concurrent use.
type troubles struct {
	mu      sync.Mutex
	now     map[string]trouble // by registry
	copies  []engine.Copy
	waiting map[string]int // copies that have not ended and that read from or write to a registry
	ended   map[int]bool
}

type trouble struct {
	why        string
	try, tries int
	until      time.Time
	wait       time.Duration
	slow       bool // no answer came in time, and the next try is under way
}

func newTroubles() *troubles {
	return &troubles{now: map[string]trouble{}, waiting: map[string]int{}, ended: map[int]bool{}}
}

// expect counts the copies that wait for each registry; events know them by their index.
func (t *troubles) expect(copies []engine.Copy) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.copies = copies
	for i := range copies {
		t.count(i, 1)
	}
}

func (t *troubles) count(index, by int) {
	c := &t.copies[index]
	t.waiting[c.Source.Registry] += by
	if c.Destination.Registry != c.Source.Registry {
		t.waiting[c.Destination.Registry] += by
	}
}

// observe takes in one event. It tells of which registry there is news, if of any.
func (t *troubles) observe(event engine.Event, now time.Time) (registry string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var found trouble
	switch e := event.(type) {
	case engine.CopyEnded:
		if e.Index < len(t.copies) && !t.ended[e.Index] {
			t.ended[e.Index] = true
			t.count(e.Index, -1)
		}
		return ""
	case engine.RegistryPaused:
		registry, found = e.Registry, trouble{why: e.Reason, wait: e.For}
	case engine.Retried:
		registry, found = e.Registry, trouble{why: e.Why, try: e.Try, tries: e.Tries, wait: e.Wait}
		if e.TimedOut && e.Try > 0 && e.Wait < troubleFrom {
			found.wait, found.slow = troubleAfter, true
		}
	default:
		return ""
	}
	if found.until = now.Add(found.wait); found.wait < troubleFrom || !t.now[registry].slow && found.until.Before(t.now[registry].until) {
		return ""
	}
	t.now[registry] = found
	return registry
}

// text is the trouble with one registry in a line: "registry.example: connection refused, try 3 of 8; next in 4.0s;
// 38 images wait". It is empty where there is none.
func (t *troubles) text(registry string, now time.Time) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	found := t.now[registry]
	left := found.until.Sub(now)
	if left <= 0 {
		return ""
	}
	text := registry + ": " + found.why
	if found.slow {
		text += fmt.Sprintf(", try %d of %d; the next is under way", found.try, found.tries)
	} else if found.try > 0 {
		text += fmt.Sprintf(", try %d of %d; next in %s", found.try, found.tries, durationText(left))
	} else {
		text += "; left alone for " + durationText(left)
	}
	switch n := t.waiting[registry]; n {
	case 0:
		return text
	case 1:
		return text + "; 1 image waits"
	default:
		return text + fmt.Sprintf("; %d images wait", n)
	}
}

// texts are all troubles, by registry.
func (t *troubles) texts(now time.Time) []string {
	t.mu.Lock()
	registries := slices.Sorted(maps.Keys(t.now))
	t.mu.Unlock()
	var texts []string
	for _, registry := range registries {
		if text := t.text(registry, now); text != "" {
			texts = append(texts, Clean(text))
		}
	}
	return texts
}

func troubleText(s Snapshot) string { return strings.Join(s.Waiting, " · ") }
