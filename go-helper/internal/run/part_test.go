package run

import (
	"os"
	"path/filepath"
	"testing"

	"docker-mirror/go-helper/internal/shard"
)

// Limits are those of all processes together.
func TestLimitsAreShared(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(file, []byte("[registries.\"r.example\"]\nrequests_at_once = 10\nrequests_per_second = 6\n[registries.\"free.example\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		part   Part
		window int
		rate   float64
	}{
		{Part{}, 10, 6},
		{Part{Shard: shard.Shard{Index: 0, Count: 1}}, 10, 6},
		{Part{Shard: shard.Shard{Index: 1, Count: 4}}, 2, 1.5},
		{Part{Shard: shard.Shard{Index: 1, Count: 16}, AtOnce: 2}, 5, 3},
		{Part{Shard: shard.Shard{Index: 1, Count: 2}, AtOnce: 8}, 5, 3}, // no more than there are
		{Part{Shard: shard.Shard{Index: 1, Count: 24}}, 1, 0.25},        // never none
	} {
		s, err := Settings{Config: file, Part: c.part, Concurrency: 1, Streams: Streams{Err: os.Stderr}}.open()
		if err != nil {
			t.Fatal(err)
		}
		got := s.config.host("r.example")
		if got.MaxWindow != c.window || got.MaxRate != c.rate {
			t.Errorf("%+v: %d at once, %v a second", c.part, got.MaxWindow, got.MaxRate)
		}
		if free := s.config.host("free.example"); free.MaxWindow != 0 || free.MaxRate != 0 {
			t.Errorf("%+v: limits where none is set: %+v", c.part, free)
		}
		s.console.Close()
	}
}
