package run

import (
	"cmp"
	"slices"
	"strings"

	"docker-mirror/go-helper/internal/lock"
)

// assembleSelects takes over the policies. A policy some of whose tags could not be locked keeps the tags that it had beside
// those that could be, so that nothing leaves before what takes its place is there; one that is new stays out, so that the
// next run tries again.
func (list *lockedList) assembleSelects(there map[string]bool) {
	seen := map[string]bool{}
	for _, sel := range list.selects {
		source, policy := sel.image.Ref.Name(), lock.PolicyText(*sel.image.Select)
		if seen[source+" "+policy] {
			continue
		}
		seen[source+" "+policy] = true
		tags := sel.tags
		if sel.err == nil {
			tags = list.settledTags(sel, there)
		}
		whole := sel.err == nil && !slices.ContainsFunc(tags, func(tag string) bool { return !there[source+":"+tag] })
		switch {
		case whole:
		case sel.old == nil:
			if sel.err != nil {
				list.keepRepository(source)
			}
			continue
		case sel.err != nil:
			tags = sel.old.Tags
		default:
			tags = slices.DeleteFunc(slices.Clone(tags), func(tag string) bool { return !there[source+":"+tag] })
			tags = list.keepTags(sel, tags, there)
		}
		list.next.Selects = append(list.next.Selects, lock.Select{Source: source, Policy: policy, Tags: tags})
	}
}

// keepTags adds the tags that a policy had before, with their entries, in front of those that it has now.
func (list *lockedList) keepTags(sel *selection, tags []string, there map[string]bool) []string {
	old := list.old.BySource()
	var kept []string
	for _, tag := range sel.old.Tags {
		source := sel.image.Ref.Name() + ":" + tag
		if slices.Contains(tags, tag) {
			continue
		}
		if !there[source] {
			entry := old[source]
			if entry == nil || entry.Edited {
				continue
			}
			list.next.Images = append(list.next.Images, *entry)
			there[source] = true
		}
		kept = append(kept, tag)
	}
	return append(kept, tags...)
}

// settledTags gives the tags of a policy that was evaluated anew. While some of them wait, those stay with their digests that it
// selects of what has one, and so do those that waited and would be selected beside them: else a repository with releases more
// often than the cooldown would never get on.
func (list *lockedList) settledTags(sel *selection, there map[string]bool) []string {
	source := sel.image.Ref.Name() + ":"
	before, after := list.old.BySource(), list.next.BySource()
	var with, kept []string
	waits := false
	for _, tag := range sel.tags {
		entry := after[source+tag]
		waits = waits || entry != nil && entry.Waiting()
		if entry != nil && !entry.Waiting() {
			with = append(with, tag)
		}
	}
	if sel.old != nil && sel.fresh && waits {
		var left []string
		for _, tag := range sel.old.Tags {
			switch entry := cmp.Or(after[source+tag], before[source+tag]); {
			case slices.Contains(sel.tags, tag), entry == nil, entry.Edited:
			case entry.Waiting():
				left = append(left, tag)
			default:
				with, left = append(with, tag), append(left, tag)
			}
		}
		for _, tag := range left {
			selected, err := selectAmong(sel.image, append(slices.Clone(with), tag))
			if err != nil || !slices.Contains(selected, tag) {
				continue
			}
			if kept = append(kept, tag); !there[source+tag] {
				list.next.Images = append(list.next.Images, *before[source+tag])
				there[source+tag] = true
			}
		}
	}
	tags := append(kept, sel.tags...)
	list.next.Images = slices.DeleteFunc(list.next.Images, func(image lock.Image) bool {
		tag, ours := strings.CutPrefix(image.Source, source)
		return ours && list.held[image.Source] && !slices.Contains(tags, tag)
	})
	return tags
}

// keepRepository leaves the entries of a repository as they were: its tags could not be listed.
func (list *lockedList) keepRepository(source string) {
	now := list.next.BySource()
	for _, entry := range list.old.Images {
		if strings.HasPrefix(entry.Source, source+":") && now[entry.Source] == nil && !entry.Edited {
			list.next.Images = append(list.next.Images, entry)
		}
	}
	for _, s := range list.old.Selects {
		if s.Source == source {
			list.next.Selects = append(list.next.Selects, s)
		}
	}
}
