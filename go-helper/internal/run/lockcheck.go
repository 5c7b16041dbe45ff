package run

import (
	"context"
	"errors"
	"fmt"

	"docker-mirror/go-helper/internal/lint"
	"docker-mirror/go-helper/internal/lock"
	"docker-mirror/go-helper/internal/plan"
	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/registry"
	"docker-mirror/go-helper/internal/report"
	"docker-mirror/go-helper/internal/spec"
)

// checkLocks says what is not so with lists and their locks, offline, and with online what has become of what they name.
func (s *session) checkLocks(ctx context.Context, lists []*lockedList, l Locking) Code {
	rules := lint.Defaults()
	rules[lint.Unlocked] = lint.Error // who checks locks wants them
	var checked []lint.Locked
	applied := make([][]spec.Image, len(lists)) // of locks that fit
	for i, list := range lists {
		locked := lint.Locked{List: list.called()}
		if list.bytes != nil {
			locked.Lock = list.old
			if applied[i], locked.Problems = list.old.Apply(list.images); len(locked.Problems) > 0 {
				applied[i] = nil
			}
		}
		checked = append(checked, locked)
	}
	code := CodeDone
	findings := lint.CheckLocks(checked, rules)
	if s.policy != nil && l.Base == "" {
		findings = append(findings, lint.CheckPolicy(checked, s.policy, l.now(), rules)...)
	}
	for _, finding := range findings {
		code = s.tellFinding(finding, code)
	}
	for i, list := range lists {
		for _, settings := range list.settings {
			missing, err := plan.CheckLimits(applied[i], settings)
			if err != nil {
				return say(s.console, err)
			}
			for _, problem := range missing {
				var at *spec.Error
				errors.As(problem, &at)
				code = s.tellFinding(lint.Finding{Place: spec.Image{File: at.File, Line: at.Line}.Place(), Level: lint.Error, Rule: lint.Stale, Msg: at.Msg}, code)
			}
		}
	}
	if code == CodeDone {
		code = s.pinLists(lists, true)
	}
	if l.Base != "" {
		since, err := s.checkBase(ctx, lists, l)
		if err != nil {
			return say(s.console, err)
		}
		code = max(code, since)
	}
	if !l.Online {
		return code
	}
	code = max(code, s.checkSources(ctx, lists, applied))
	if err := s.dates.check(s.policy, l); err != nil {
		return say(s.console, err)
	}
	return code
}

func (s *session) tellFinding(finding lint.Finding, code Code) Code {
	fmt.Fprintln(s.Out, report.Clean(finding.String()))
	if finding.Level == lint.Error {
		return CodeFailed
	}
	return code
}

// The rules that only asking the sources can tell. A tag that has moved is what locks are for, and no failure.
const (
	sourceMoved lint.Rule = "moved"
	sourceGone  lint.Rule = "gone"
)

// lockedSource is a locked image whose source is asked for it.
type lockedSource struct {
	place   string
	image   *lock.Image
	wanted  wantedPlatforms
	finding *lint.Finding
	err     error
}

// sourcesOf are those of all locks, each digest under its name once.
func sourcesOf(lists []*lockedList, applied [][]spec.Image) ([]*lockedSource, error) {
	var all []*lockedSource
	byWhat := map[string]*lockedSource{}
	for i, list := range lists {
		wanted, err := list.platformsWanted(applied[i])
		if err != nil {
			return nil, err
		}
		for i := range list.old.Images {
			image := &list.old.Images[i]
			what := image.Source + " " + image.Digest.String()
			if image.Waiting() {
				continue
			}
			if byWhat[what] == nil {
				byWhat[what] = &lockedSource{place: spec.Image{File: list.old.Name, Line: image.Line}.Place(), image: image}
				all = append(all, byWhat[what])
			}
			if known := wanted[image.Source]; known != nil && !known.all {
				byWhat[what].wanted.add(known.platforms)
			} else {
				byWhat[what].wanted.all = true
			}
		}
	}
	return all, nil
}

// checkSources asks for the tags of all locked images, or of the session's part of them, for the digests that no tag names any longer, and for what indexes name.
func (s *session) checkSources(ctx context.Context, lists []*lockedList, applied [][]spec.Image) Code {
	pool, err := registry.NewPool(s.poolOptions())
	if err != nil {
		return say(s.console, err)
	}
	defer pool.Close()
	s.console.Follow()
	r := &lockResolver{pool: pool, from: s.config.source}
	all, err := sourcesOf(lists, applied)
	if err != nil {
		return say(s.console, err)
	}
	all = s.sourcesPart(all)
	each(len(all), func(i int) {
		a := all[i]
		var rule lint.Rule
		var msg string
		if rule, msg, a.err = r.checkSource(ctx, a.image); rule != "" {
			level := lint.Warning
			if rule == sourceGone {
				level = lint.Error
			}
			a.finding = &lint.Finding{Place: a.place, Level: level, Rule: rule, Msg: msg}
		}
	})
	if ctx.Err() != nil {
		return CodeInterrupted
	}
	code := CodeDone
	var indexes []*lockedSource
	for _, a := range all {
		switch {
		case a.err != nil:
			code = s.tellUnasked(a.place, a.image, a.err)
			continue
		case a.finding != nil:
			code = s.tellFinding(*a.finding, code)
		}
		if a.image.IsIndex() && (a.finding == nil || a.finding.Rule != sourceGone) {
			indexes = append(indexes, a)
		}
	}
	return max(code, s.checkIndexes(ctx, pool, indexes), s.checkSignatures(ctx, pool, all))
}

func (s *session) tellUnasked(place string, image *lock.Image, err error) Code {
	s.console.Error(fmt.Sprintf("%s: %s could not be asked for: %s", place, image.Source, report.Clean(err.Error())))
	return CodeFailed
}

// checkSource tells how a locked image differs from its source.
func (r *lockResolver) checkSource(ctx context.Context, image *lock.Image) (lint.Rule, string, error) {
	ref, err := reference.Parse(image.Source)
	if err != nil {
		return "", "", err
	}
	from := r.from(ref)
	client := r.pool.Client(from.Registry)
	names := "its tag is gone"
	if ref.Tag != "" {
		there, err := client.HeadManifest(ctx, from.Repository, from.Tag)
		switch {
		case err == nil && there.Digest == image.Digest:
			return "", "", nil
		case err == nil:
			names = "it names " + there.Digest.String() + " now"
		case !errors.Is(err, registry.ErrNotFound):
			return "", "", err
		}
	}
	_, err = client.HeadManifest(ctx, from.Repository, image.Digest.String())
	switch {
	case errors.Is(err, registry.ErrNotFound):
		return sourceGone, fmt.Sprintf("%s is locked to %s, which its source no longer has", image.Source, image.Digest), nil
	case err != nil:
		return "", "", err
	case ref.Tag == "":
		return "", "", nil
	}
	return sourceMoved, fmt.Sprintf("%s is locked to %s, and %s", image.Source, image.Digest, names), nil
}
