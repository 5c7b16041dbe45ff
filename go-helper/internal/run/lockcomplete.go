package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/lint"
	"docker-mirror/go-helper/internal/lock"
	"docker-mirror/go-helper/internal/plan"
	"docker-mirror/go-helper/internal/platform"
	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/registry"
	"docker-mirror/go-helper/internal/spec"
)

// sourceIncomplete is that a locked index names what its source doesn't have: it can't be copied as it is.
const sourceIncomplete lint.Rule = "incomplete"

// wantedPlatforms are those that lists want of a locked image.
type wantedPlatforms struct {
	all       bool
	platforms []v1.Platform
}

func (w *wantedPlatforms) add(platforms []v1.Platform) {
	w.all = w.all || len(platforms) == 0
	w.platforms = append(w.platforms, platforms...)
}

// wants tells whether what a lock has of an index is wanted. Nobody knows of one that has no proper name.
func (w *wantedPlatforms) wants(m lock.Manifest) bool {
	have, err := v1.ParsePlatform(m.Platform)
	return w.all || err != nil || slices.ContainsFunc(w.platforms, func(want v1.Platform) bool { return platform.Match(want, *have) })
}

// platformsWanted tells which platforms the list's targets want of the images that its lock has, by their sources there; of
// images that aren't known to be asked for, all.
func (list *lockedList) platformsWanted(applied []spec.Image) (map[string]*wantedPlatforms, error) {
	wanted := map[string]*wantedPlatforms{}
	for _, settings := range list.settings {
		platforms, err := plan.Platforms(applied, settings)
		if err != nil {
			return nil, err
		}
		for i, image := range applied {
			key := lock.Key(image)
			if wanted[key] == nil {
				wanted[key] = &wantedPlatforms{}
			}
			wanted[key].add(platforms[i])
		}
	}
	return wanted, nil
}

// checkIndexes asks for what locked indexes name, as far as that is wanted: a HEAD for each platform, once a repository. A lock
// doesn't have attestations.
func (s *session) checkIndexes(ctx context.Context, pool *registry.Pool, indexes []*lockedSource) Code {
	type asked struct {
		from   reference.Reference
		digest v1.Hash
		err    error
	}
	var all []*asked
	byDigest := map[digestKey]*asked{}
	for _, index := range indexes {
		from := s.sourceOf(index.image)
		for _, m := range index.image.Platforms {
			key := digestKey{from.Name(), m.Digest}
			if byDigest[key] == nil && index.wanted.wants(m) {
				byDigest[key] = &asked{from: from, digest: m.Digest}
				all = append(all, byDigest[key])
			}
		}
	}
	each(len(all), func(i int) {
		a := all[i]
		_, a.err = pool.Client(a.from.Registry).HeadManifest(ctx, a.from.Repository, a.digest.String())
	})
	if ctx.Err() != nil {
		return CodeInterrupted
	}
	code := CodeDone
	for _, index := range indexes {
		var missing []string
		var failed error
		for _, m := range index.image.Platforms {
			a := byDigest[digestKey{s.sourceOf(index.image).Name(), m.Digest}]
			switch {
			case a == nil || a.err == nil || !index.wanted.wants(m):
			case errors.Is(a.err, registry.ErrNotFound):
				missing = append(missing, m.Platform+" "+m.Digest.String())
			default:
				failed = fmt.Errorf("%s: %w", m.Platform, a.err)
			}
		}
		if failed != nil {
			code = s.tellUnasked(index.place, index.image, failed)
		}
		if len(missing) > 0 {
			code = max(code, s.tellFinding(s.incomplete(index, missing), code))
		}
	}
	return code
}

// incomplete is an error where a copy fails, too.
func (s *session) incomplete(index *lockedSource, missing []string) lint.Finding {
	msg := fmt.Sprintf("%s is locked to %s, an index that names what its source doesn't have: %s", index.image.Source, index.image.Digest, strings.Join(missing, ", "))
	if s.Missing == missingSkipped {
		return lint.Finding{Place: index.place, Level: lint.Warning, Rule: sourceIncomplete, Msg: msg + "; the rest is copied"}
	}
	return lint.Finding{Place: index.place, Level: lint.Error, Rule: sourceIncomplete, Msg: msg + "; name the platforms that are wanted, or let --missing=skip leave out what isn't there"}
}

// sourceOf is where a locked image is read.
func (s *session) sourceOf(image *lock.Image) reference.Reference {
	ref, _ := reference.Parse(image.Source) // it was parsed before it was asked for
	return s.config.source(ref)
}
