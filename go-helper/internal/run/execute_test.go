package run

import (
	"context"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"docker-mirror/go-helper/internal/engine"
	"docker-mirror/go-helper/internal/plan"
	"docker-mirror/go-helper/internal/registry"
)

// newSession is one whose engine the test is.
func newSession(t *testing.T, run engineRun) *session {
	t.Helper()
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	s, err := Settings{
		Streams:     Streams{Out: io.Discard, Err: io.Discard},
		Concurrency: 1,
		Report:      filepath.Join(t.TempDir(), "report.json"),
	}.open()
	if err != nil {
		t.Fatal(err)
	}
	s.engine = run
	return s
}

func TestAnEngineThatDoesntReturnIsLeftBehind(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	s := newSession(t, func(_ context.Context, copies []engine.Copy, opts engine.Options) []engine.Result {
		opts.Observe(engine.RunStarted{Copies: len(copies)})
		opts.Observe(engine.CopyEnded{Index: 1, Result: engine.Result{Status: engine.StatusCopied}})
		cancel()
		<-release // stuck
		return nil
	})
	a := &target{address: "a", plan: []plan.Copy{{Src: "s.example/a:1", Dst: "d.example/a:1"}, {Src: "s.example/b:1", Dst: "d.example/b:1"}}}
	b := &target{address: "b", plan: []plan.Copy{{Src: "s.example/b:1", Dst: "d.example/b:1"}}}
	var ended []string
	start := time.Now()
	s.copyTargets(ctx, []*target{a, b}, nil, func(t *target) { ended = append(ended, t.address) })
	code := s.close(CodeInterrupted)
	if took := time.Since(start); took > 1800*time.Millisecond {
		t.Errorf("took %v", took)
	}
	if len(ended) != 2 || ended[0] != "b" {
		t.Errorf("ended: %v", ended)
	}
	if code != CodeInterrupted || b.code() != CodeDone || a.code() != CodeInterrupted {
		t.Errorf("codes %d, b %d, a %d", code, b.code(), a.code())
	}
	if s.report.Copies[0].Status != engine.StatusFailed || s.report.Copies[1].Status != engine.StatusCopied {
		t.Errorf("copies %+v", s.report.Copies)
	}
}

func TestDockerHubPullsAreAccountedFor(t *testing.T) {
	s := newSession(t, nil)
	s.accountFor(map[string]registry.Stats{
		"docker.io": {
			Requests:  map[string]int64{"manifest GET": 7, "manifest HEAD": 40, "token": 1},
			RateLimit: &registry.RateLimit{Limit: 100, Remaining: 76, Window: 6 * time.Hour},
		},
		"ghcr.io": {Requests: map[string]int64{"manifest GET": 3}},
	})
	s.close(CodeDone)
	hub := s.report.DockerHub
	if hub == nil || hub.PullsSpent != 7 || *hub.PullsLeft != 76 || *hub.Limit != 100 {
		t.Errorf("Docker Hub: %+v", hub)
	}
	if limit := s.report.Registries["docker.io"].RateLimit; limit.WindowSeconds != 21600 {
		t.Errorf("limit %+v", limit)
	}
	if !strings.Contains(s.report.Summary(), "7 Docker Hub pulls, 76 left") {
		t.Errorf("summary %q", s.report.Summary())
	}
}

func TestADryRunTellsWhatPullsTheCopiesWouldTake(t *testing.T) {
	s := newSession(t, nil)
	stats := map[string]registry.Stats{"docker.io": {Requests: map[string]int64{"manifest GET": 7}}}
	s.accountFor(stats)
	if s.report.DockerHub.PullsPlanned != nil {
		t.Error("a run that copies plans nothing")
	}
	s.DryRun = true
	s.accountFor(stats)
	s.close(CodeDone)
	if hub := s.report.DockerHub; hub.PullsPlanned == nil || *hub.PullsPlanned != 7 {
		t.Errorf("Docker Hub: %+v", hub)
	}
}

func TestEachTargetIsToldOnce(t *testing.T) {
	s := newSession(t, func(_ context.Context, copies []engine.Copy, opts engine.Options) []engine.Result {
		results := make([]engine.Result, len(copies))
		for i := range copies {
			results[i] = engine.Result{Status: engine.StatusCopied}
			opts.Observe(engine.CopyEnded{Index: i, Result: results[i]})
			opts.Observe(engine.CopyEnded{Index: i, Result: results[i]}) // twice by mistake
		}
		return results
	})
	entry := plan.Copy{Src: "s.example/a:1", Dst: "d.example/a:1"}
	targets := []*target{{address: "a", plan: []plan.Copy{entry}}, {address: "b", plan: []plan.Copy{entry, entry}}, {address: "c"}, {address: "d", errs: []string{"unreadable"}}}
	ended := map[string]int{}
	s.copyTargets(t.Context(), targets, nil, func(t *target) { ended[t.address]++ })
	s.close(CodeDone)
	for _, target := range targets {
		if ended[target.address] != 1 {
			t.Errorf("%s ended %d times", target.address, ended[target.address])
		}
	}
	if s.report.Totals.Copied != 1 || len(s.report.Copies[0].AlsoAskedBy) != 2 {
		t.Errorf("report: %+v", s.report.Copies)
	}
}
