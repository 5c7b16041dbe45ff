package run

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"docker-mirror/go-helper/internal/lock"
	"docker-mirror/go-helper/internal/registry"
	"docker-mirror/go-helper/internal/spec"
)

// selection is a policy of a list, and the tags that it comes to.
type selection struct {
	image spec.Image
	old   *lock.Select
	fresh bool // the tags were listed in this run
	tags  []string
	err   error
}

// selectTags lists the tags of each repository whose policies have no entry yet, or are to be upgraded.
func (s *session) selectTags(ctx context.Context, pool *registry.Pool, lists []*lockedList, l Locking) {
	lister := &tagLister{pool: pool, from: s.config.source, lists: map[string]*tagList{}}
	var wait sync.WaitGroup
	for _, list := range lists {
		for _, image := range list.images {
			if image.Select == nil || image.Skip != nil {
				continue
			}
			sel := &selection{image: image, old: list.old.Selected(image)}
			list.selects = append(list.selects, sel)
			if sel.old != nil && !l.upgrades(image) {
				sel.tags = sel.old.Tags
				continue
			}
			sel.fresh = true
			wait.Add(1)
			go func() { // the registry's own window bounds what that means there
				defer wait.Done()
				sel.tags, sel.err = lister.selected(ctx, image)
			}()
		}
	}
	wait.Wait()
}

// selected gives the tags that an image's policy selects, whatever its destination has.
func (l *tagLister) selected(ctx context.Context, image spec.Image) ([]string, error) {
	source := image.Ref
	listed, err := l.list(ctx, l.from(source))
	if err != nil {
		return nil, fmt.Errorf("listing the tags of %s: %w", source.Name(), err)
	}
	selected, err := selectAmong(image, listed)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", source.Name(), err)
	}
	return selected, nil
}

// selectAmong gives those of some tags that an image's policy selects.
func selectAmong(image spec.Image, tags []string) ([]string, error) {
	policy := *image.Select
	policy.ReplaceTag = policy.Mode != ""
	return policy.Select(tags, nil)
}

// heldTags are those that wait since an earlier run, and are not selected any longer because others are newer.
func (list *lockedList) heldTags(sel *selection) []string {
	if sel.old == nil || !sel.fresh || sel.err != nil {
		return nil
	}
	before := list.old.BySource()
	var held []string
	for _, tag := range sel.old.Tags {
		source := sel.image.Ref.Name() + ":" + tag
		if entry := before[source]; entry != nil && entry.Waiting() && !slices.Contains(sel.tags, tag) {
			held = append(held, tag)
			list.held[source] = true
		}
	}
	return held
}
