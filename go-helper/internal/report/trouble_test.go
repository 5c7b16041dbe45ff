package report

import (
	"errors"
	"slices"
	"testing"
	"time"

	"docker-mirror/go-helper/internal/engine"
	"docker-mirror/go-helper/internal/reference"
)

func TestTroublesSayWhoWaitsForWhatAndHowLong(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	refused := func(try int, wait time.Duration) engine.Retried {
		return engine.Retried{Registry: "d", Err: errors.New("in full"), Why: "connection refused", Wait: wait, Try: try, Tries: 8}
	}
	silent := refused(1, 75*time.Millisecond)
	silent.Why, silent.TimedOut = "no answer", true
	paused := engine.RegistryPaused{Registry: "d", For: 30 * time.Second, Reason: "429"}
	ended := engine.CopyEnded{Index: 1}
	for name, tt := range map[string]struct {
		events []engine.Event
		after  time.Duration
		want   []string
	}{
		"a retry":                {[]engine.Event{refused(3, 4*time.Second)}, 0, []string{"d: connection refused, try 3 of 8; next in 4.0s; 2 images wait"}},
		"time passes":            {[]engine.Event{refused(3, 4*time.Second)}, time.Second, []string{"d: connection refused, try 3 of 8; next in 3.0s; 2 images wait"}},
		"it is over":             {[]engine.Event{refused(3, 4*time.Second)}, 4 * time.Second, nil},
		"too short to tell":      {[]engine.Event{refused(1, 75*time.Millisecond)}, 0, nil},
		"a long try":             {[]engine.Event{silent}, 0, []string{"d: no answer, try 1 of 8; the next is under way; 2 images wait"}},
		"long ago":               {[]engine.Event{silent}, time.Minute, nil},
		"a wait after it":        {[]engine.Event{silent, refused(2, 4*time.Second)}, 0, []string{"d: connection refused, try 2 of 8; next in 4.0s; 2 images wait"}},
		"a pause":                {[]engine.Event{paused}, 0, []string{"d: 429; left alone for 30s; 2 images wait"}},
		"the longer wait counts": {[]engine.Event{paused, refused(3, 4*time.Second)}, 0, []string{"d: 429; left alone for 30s; 2 images wait"}},
		"one copy ends, twice":   {[]engine.Event{ended, ended, paused}, 0, []string{"d: 429; left alone for 30s; 1 image waits"}},
		"several registries": {
			[]engine.Event{paused, engine.RegistryPaused{Registry: "a\x1b[2J", For: time.Minute, Reason: "503"}},
			0,
			[]string{`a\x1b[2J: 503; left alone for 1m00s`, "d: 429; left alone for 30s; 2 images wait"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			troubles := newTroubles()
			image := func(registry string) reference.Reference {
				return reference.Reference{Registry: registry, Repository: "app"}
			}
			troubles.expect([]engine.Copy{{Source: image("s"), Destination: image("d")}, {Source: image("d"), Destination: image("d")}, {Source: image("s"), Destination: image("e")}})
			for _, e := range tt.events {
				troubles.observe(e, now)
			}
			if got := troubles.texts(now.Add(tt.after)); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestSnapshotsTellHowLongNothingMoved(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	tally := NewTally(now)
	tally.Observe(engine.RunStarted{Copies: 2})
	tally.Snapshot(now)
	if idle := tally.Snapshot(now.Add(6 * time.Second)).Idle; idle != 6*time.Second {
		t.Errorf("idle for %s", idle)
	}
	if text := snapshotText(tally.Snapshot(now.Add(7 * time.Second))); text != "0/2 images · nothing moved for 7.0s · 7.0s" {
		t.Errorf("text %q", text)
	}
	tally.Observe(engine.CopyEnded{Index: 0})
	if idle := tally.Snapshot(now.Add(8 * time.Second)).Idle; idle != 0 {
		t.Errorf("idle for %s after a copy ended", idle)
	}
}
