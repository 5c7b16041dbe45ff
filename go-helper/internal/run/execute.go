package run

import (
	"context"
	"fmt"
	"slices"
	"time"

	"docker-mirror/go-helper/internal/auth"
	"docker-mirror/go-helper/internal/auth/cloud"
	"docker-mirror/go-helper/internal/engine"
	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/registry"
	"docker-mirror/go-helper/internal/report"
)

// patienceAfterInterrupt is how long the engine may take to return after a cancellation. Whoever started us may kill us
// soon (Pants does after 3 s), and the report must be written before.
const patienceAfterInterrupt = 1200 * time.Millisecond

// copyTargets copies what the targets want in one engine run, and calls ended for each target as its last copy ends; the
// calls don't overlap. It leaves the copies in the report. The set rules hold for those that are done before, too.
func (s *session) copyTargets(ctx context.Context, targets, done []*target, ended func(*target)) {
	entries := checkSet(targets, done)
	s.report.Copies = append(s.report.Copies, s.broken(targets)...)
	entries = s.take(entries)
	pool, err := registry.NewPool(s.poolOptions())
	if err != nil { // our own options: a defect
		s.refuse(targets, err)
		return
	}
	defer pool.Close()
	judging, err := s.judgeBy(ctx, pool)
	if err != nil {
		s.refuse(targets, err)
		return
	}
	defer judging.close()
	s.console.Follow()

	outer := ctx
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	entries = s.expand(ctx, pool, entries)
	entries = s.layouts.gather(merge(entries))

	w := s.work(entries, judging, ended)
	s.openJournal(w.entries)
	defer s.closeJournal()
	w.tellSettled(targets)
	s.console.Expect(w.copies)
	for _, e := range entries {
		if s.StopOnError && failing(e.copy.Status) { // found while planning
			stop()
		}
	}
	if s.ReportMoved {
		s.reportMoved(ctx, pool, w.jobs)
	}
	s.runEngine(ctx, outer, pool, w, func(index int, result engine.Result) {
		if w.finish(ctx, outer, index, result) {
			stop()
		}
	})
	if ctx.Err() == nil {
		s.layouts.finish()
	}
	s.report.Copies = slices.Grow(s.report.Copies, len(entries))
	for _, e := range entries {
		s.report.Copies = append(s.report.Copies, e.copy)
	}
	s.accountFor(pool.Stats())
}

// refuse ends all targets before anything is sent for them.
func (s *session) refuse(targets []*target, err error) {
	lines := report.Lines(err)
	s.report.Errors = append(s.report.Errors, lines...)
	for _, t := range targets { // with whose failures it is said
		t.errs = append(t.errs, lines...)
	}
}

// runEngine runs the engine and calls finish once a copy, in this goroutine. The user interrupts by outer.
func (s *session) runEngine(ctx, outer context.Context, pool *registry.Pool, w *work, finish func(int, engine.Result)) {
	copies := w.copies
	ends := newEndQueue()
	results := make(chan []engine.Result, 1)
	opts := s.layouts.options(s.engineOptions(pool))
	opts.Admit = w.judging.admit(w.jobs)
	s.layouts.readElsewhere(pool, copies)
	opts.Observe = func(event engine.Event) {
		s.console.Observe(event)
		if e, ok := event.(engine.CopyEnded); ok {
			ends.add(e)
		}
	}
	go func() { results <- s.engine(ctx, copies, opts) }()

	interrupt := ctx.Done()
	var giveUp <-chan time.Time
	for {
		select {
		case <-ends.more:
			for _, e := range ends.take() {
				finish(e.Index, e.Result)
			}
		case all := <-results:
			for i, result := range all {
				finish(i, result) // does nothing for those that ended before
			}
			return
		case <-interrupt:
			interrupt = nil
			if outer.Err() == nil {
				s.console.Notice("a copy failed: ending what is under way")
			} else {
				s.console.Notice("interrupted: ending what is under way (once more to stop at once)")
			}
			timer := time.NewTimer(patienceAfterInterrupt)
			defer timer.Stop()
			giveUp = timer.C
		case <-giveUp:
			s.log.Warn("the copies under way did not end in time")
			for _, e := range ends.take() {
				finish(e.Index, e.Result)
			}
			for i := range copies { // does nothing for those that ended
				finish(i, engine.Result{Status: engine.StatusFailed, Err: fmt.Errorf("%w before it was done", engine.ErrInterrupted)})
			}
			return
		}
	}
}

func (s *session) engineOptions(pool *registry.Pool) engine.Options {
	share, _ := s.Part.share() // which was checked
	return engine.Options{
		Pool:        pool,
		Concurrency: s.Concurrency,
		Logger:      s.log,
		DryRun:      s.DryRun, Force: s.Force, Verify: s.Verify, VerifyDeep: s.VerifyDeep,
		CheckReferrers: s.Referrers == referrersAlways,
		ForeignLayers:  s.ForeignLayers == foreignCopied,
		CheckPlatforms: s.CheckPlatforms,
		SkipMissing:    s.Missing == missingSkipped,
		CachePath:      cacheFile("blob-origins"),
		SparsePath:     cacheFile("sparse-indexes"),
		Share:          share,
	}
}

func (s *session) poolOptions() registry.Options {
	return registry.Options{
		Keychain:  auth.Chain{auth.NewConfigKeychain(s.log), cloud.New(s.log)},
		Host:      s.host,
		PlainHTTP: s.config.plainHTTP,
		Logger:    s.log,
		UserAgent: "docker-mirror/" + s.Version,
		OnPause: func(host string, d time.Duration, reason string) {
			s.console.Observe(engine.RegistryPaused{Registry: host, For: d, Reason: reason})
		},
		OnDate:   s.dates.heard,
		OnCreate: func(host, repository string) { s.console.Notice("created repository " + host + "/" + repository) },
		OnRetry: func(r registry.Retry) {
			s.console.Observe(engine.Retried{
				Registry: r.Host, What: r.What, Err: r.Err, Why: registry.Why(r.Err), Wait: r.Wait, Try: r.Try, Tries: r.Tries,
				TimedOut: registry.TimedOut(r.Err),
			})
		},
	}
}

// accountFor puts what was asked of the registries into the report.
func (s *session) accountFor(all map[string]registry.Stats) {
	s.report.Registries = map[string]report.Registry{}
	for host, stats := range all {
		r := report.Registry{
			Requests: stats.Requests,
			Retries:  stats.Retries, Throttled: stats.Throttled,
			BytesDown: stats.BytesDown, BytesUp: stats.BytesUp,
		}
		if limit := stats.RateLimit; limit != nil {
			r.RateLimit = &report.RateLimit{
				Limit: int64(limit.Limit), Remaining: int64(limit.Remaining), WindowSeconds: int64(limit.Window / time.Second),
			}
		}
		s.report.Registries[host] = r
		if host == reference.DockerHub {
			hub := &report.DockerHub{PullsSpent: stats.Requests["manifest GET"]}
			if r.RateLimit != nil {
				hub.PullsLeft, hub.Limit = &r.RateLimit.Remaining, &r.RateLimit.Limit
			}
			if s.DryRun {
				hub.PullsPlanned = &hub.PullsSpent
			}
			s.report.DockerHub = hub
		}
	}
}
