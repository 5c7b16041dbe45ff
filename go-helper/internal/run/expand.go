package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"docker-mirror/go-helper/internal/engine"
	"docker-mirror/go-helper/internal/plan"
	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/registry"
	"docker-mirror/go-helper/internal/report"
	"docker-mirror/go-helper/internal/spec"
)

// expand puts copies in the place of entries with a tag policy, by listing the tags that there are now, and applies the
// set rules again: what conflicts only now fails the entries that take part, and nothing of theirs is written.
func (s *session) expand(ctx context.Context, pool *registry.Pool, entries []*entry) []*entry {
	type listed struct {
		copies []plan.Copy
		notice string
		err    error
	}
	lister := &tagLister{pool: pool, log: s.log, from: s.readFrom, to: s.layouts.tagsAt, lists: map[string]*tagList{}}
	found := make([]listed, len(entries))
	var wait sync.WaitGroup
	for i, e := range entries {
		if e.Select == nil || e.Skip != nil {
			continue
		}
		wait.Add(1)
		go func() { // the registry's own window bounds what that means there
			defer wait.Done()
			found[i].copies, found[i].notice, found[i].err = lister.expand(ctx, e.Copy)
		}()
	}
	wait.Wait()

	var all []*entry
	grown := false
	for i, e := range entries {
		if e.Select == nil || e.Skip != nil {
			all = append(all, e)
			continue
		}
		grown = true
		if err := found[i].err; err != nil {
			e.settle(engine.StatusFailed, reason(err))
			if ctx.Err() != nil {
				e.settle(engine.StatusSkipped, "the run was interrupted before its tags were listed")
				e.askers[0].target.interrupted = true
			}
			all = append(all, e)
			continue
		}
		if notice := found[i].notice; notice != "" {
			s.console.Notice(notice)
		}
		for _, c := range found[i].copies {
			expanded := newEntry(e.askers[0].target, c)
			expanded.copy.Entry = e.copy.Entry
			all = append(all, expanded)
		}
	}
	if !grown {
		return all
	}
	for index, messages := range conflicts(all) {
		if e := all[index]; !e.settled() {
			e.settle(engine.StatusFailed, strings.Join(messages, "; "))
		}
	}
	return all
}

// reason leaves out the place that an error names: the entry has it.
func reason(err error) string {
	var texts []string
	for _, err := range flatten(err) {
		var placed *spec.Error
		if errors.As(err, &placed) {
			err = errors.New(placed.Msg)
		}
		texts = append(texts, report.Clean(err.Error()))
	}
	return strings.Join(texts, "; ")
}

// flatten takes errors.Join apart.
func flatten(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// tagLister lists each repository once.
type tagLister struct {
	pool *registry.Pool
	log  *slog.Logger
	from func(reference.Reference) reference.Reference // where a source is read
	// to is where a destination's tags are, given the source's repository; nil: at the destination.
	to func(source, destination reference.Reference) reference.Reference

	mu    sync.Mutex
	lists map[string]*tagList
}

type tagList struct {
	once sync.Once
	tags []string
	err  error
}

// expand gives the copies of an entry with a policy, and what is worth knowing of the tags that it leaves out.
func (l *tagLister) expand(ctx context.Context, c plan.Copy) (copies []plan.Copy, notice string, err error) {
	source, destination, err := plan.TagRepositories(c)
	if err != nil {
		return nil, "", err
	}
	sourceTags, err := l.list(ctx, l.from(source))
	if err != nil {
		return nil, "", fmt.Errorf("listing the tags of %s: %w", source.Name(), err)
	}
	var destinationTags []string
	if plan.NeedsDestinationTags(c) {
		if l.to != nil {
			destination = l.to(source, destination)
		}
		destinationTags, err = l.list(ctx, destination)
		if err != nil && !errors.Is(err, registry.ErrNotFound) { // only "not there" means that there are none
			return nil, "", fmt.Errorf("listing the tags of %s: %w", destination.Name(), err)
		}
	}
	l.log.Debug("tag policy", "source", source.Name(), "tags", len(sourceTags), "left out", c.Select.LeftOut(sourceTags))
	if notice = c.Select.Notice(sourceTags); notice != "" {
		notice = fmt.Sprintf("%s: the tag policy of %s: %s", c.Origin, source.Name(), notice)
	}
	copies, err = plan.Expand(c, sourceTags, destinationTags)
	return copies, notice, err
}

func (l *tagLister) list(ctx context.Context, repository reference.Reference) ([]string, error) {
	l.mu.Lock()
	list := l.lists[repository.Name()]
	if list == nil {
		list = &tagList{}
		l.lists[repository.Name()] = list
	}
	l.mu.Unlock()
	list.once.Do(func() {
		list.tags, list.err = l.pool.Client(repository.Registry).ListTags(ctx, repository.Repository)
	})
	return list.tags, list.err
}
