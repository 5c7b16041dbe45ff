package report

import (
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/engine"
)

func hash(hex byte) v1.Hash {
	text := make([]byte, 64)
	for i := range text {
		text[i] = hex
	}
	return v1.Hash{Algorithm: "sha256", Hex: string(text)}
}

func TestTallyFollowsABlobToTwoRegistries(t *testing.T) {
	t.Parallel()
	start := time.Unix(0, 0)
	tally := NewTally(start)
	for _, e := range []engine.Event{
		engine.RunStarted{Copies: 3},
		engine.BlobQueued{Registry: "r1", Digest: hash('a'), Size: 1000},
		engine.BlobQueued{Registry: "r2", Digest: hash('a'), Size: 1000},
		engine.BlobQueued{Registry: "r2", Digest: hash('a'), Size: 1000}, // asked for by a second image
		engine.BlobQueued{Registry: "r1", Digest: hash('b'), Size: 500},
		engine.BlobStarted{Digest: hash('a'), Size: 1000, Source: "src/app"},
		engine.BlobRead{Digest: hash('a'), Bytes: 400},
	} {
		tally.Observe(e)
	}
	s := tally.Snapshot(start)
	if s.BytesQueued != 2500 || s.BytesDone != 800 || s.Downloaded != 400 {
		t.Errorf("in flight: queued %d, done %d, downloaded %d", s.BytesQueued, s.BytesDone, s.Downloaded)
	}
	if s.Left >= 0 {
		t.Errorf("time left is known from one look: %v", s.Left)
	}
	if len(s.InFlight) != 1 || s.InFlight[0] != (Flight{hash('a'), "src/app", 400, 1000}) {
		t.Errorf("flights %+v", s.InFlight)
	}

	for _, e := range []engine.Event{
		engine.BlobRead{Digest: hash('a'), Bytes: 600},
		engine.BlobUploaded{Registry: "r1", Repository: "app", Digest: hash('a'), Size: 1000},
		engine.BlobEnded{Digest: hash('a')},
		engine.BlobMounted{Registry: "r1", Repository: "other", From: "app", Digest: hash('a'), Size: 1000}, // not queued
		engine.BlobMounted{Registry: "r1", Repository: "app", Digest: hash('b'), Size: 500},                 // was there
		engine.CopyEnded{Index: 1, Result: engine.Result{Status: engine.StatusFailed}},
	} {
		tally.Observe(e)
	}
	s = tally.Snapshot(start.Add(2 * time.Second))
	if s.BytesDone != 1500 || s.Downloaded != 1000 || len(s.InFlight) != 0 {
		t.Errorf("later: done %d, downloaded %d, flights %v", s.BytesDone, s.Downloaded, s.InFlight)
	}
	if s.Rate != 300 { // 600 bytes in 2 s
		t.Errorf("rate %v", s.Rate)
	}
	if want := 2857 * time.Millisecond; s.Left.Truncate(time.Millisecond) != want { // 700 done in 2 s, 1000 to go
		t.Errorf("left %v, want %v", s.Left, want)
	}
	if s.Copies != 3 || s.Ended != 1 || s.Failed != 1 {
		t.Errorf("copies %d, ended %d, failed %d", s.Copies, s.Ended, s.Failed)
	}
}

func TestTallyStartsADownloadOver(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	tally := NewTally(now)
	for _, e := range []engine.Event{
		engine.BlobQueued{Registry: "r", Digest: hash('a'), Size: 100},
		engine.BlobStarted{Digest: hash('a'), Size: 100},
		engine.BlobRead{Digest: hash('a'), Bytes: 90},
		engine.BlobEnded{Digest: hash('a')},
		engine.BlobStarted{Digest: hash('a'), Size: 100},
		engine.BlobRead{Digest: hash('a'), Bytes: 10},
	} {
		tally.Observe(e)
	}
	if s := tally.Snapshot(now); s.BytesDone != 10 || s.Downloaded != 100 {
		t.Errorf("done %d, downloaded %d", s.BytesDone, s.Downloaded)
	}
}

func TestTallyIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	now := time.Now()
	tally := NewTally(now)
	tally.Observe(engine.BlobQueued{Registry: "r", Digest: hash('a'), Size: 8000})
	tally.Observe(engine.BlobStarted{Digest: hash('a'), Size: 8000})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 1000 {
				tally.Observe(engine.BlobRead{Digest: hash('a'), Bytes: 1})
				tally.Snapshot(now)
			}
			tally.Observe(engine.CopyEnded{Index: i, Result: engine.Result{Status: engine.StatusCopied}})
		}()
	}
	wg.Wait()
	if s := tally.Snapshot(now); s.Downloaded != 8000 || s.Ended != 8 {
		t.Errorf("%+v", s)
	}
}

func TestMeterForgetsTheOldPace(t *testing.T) {
	t.Parallel()
	var m meter
	start := time.Unix(0, 0)
	for second := range 61 {
		count := int64(second) * 100
		if second > 30 { // stalled for 30 s
			count = 3000
		}
		m.add(start.Add(time.Duration(second)*time.Second), count)
		if second == 30 && m.perSecond() != 100 {
			t.Errorf("pace %v after 30 s", m.perSecond())
		}
	}
	if m.perSecond() != 0 {
		t.Errorf("pace %v while stalled", m.perSecond())
	}
	if len(m.samples) > 12 {
		t.Errorf("%d samples kept", len(m.samples))
	}
}

func BenchmarkTallyBlobRead(b *testing.B) {
	tally := NewTally(time.Now())
	tally.Observe(engine.BlobStarted{Digest: hash('a'), Size: 1 << 40})
	var event engine.Event = engine.BlobRead{Digest: hash('a'), Bytes: 32 << 10}
	b.ReportAllocs()
	for b.Loop() {
		tally.Observe(event)
	}
}
