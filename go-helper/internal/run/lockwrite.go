package run

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"docker-mirror/go-helper/internal/lock"
	"docker-mirror/go-helper/internal/report"
)

// assemble makes the list's next lock: what nobody asks for is dropped, and what could not be found out keeps its entry.
func (list *lockedList) assemble(r *lockResolver) {
	list.next = &lock.File{Name: list.old.Name}
	there := map[string]bool{}
	for _, w := range list.wants {
		if w.Kept() && !r.lacksSignature(w) {
			list.next.Images = append(list.next.Images, *w.Old)
			there[w.Key] = true
			continue
		}
		entry, err := r.entry(w)
		switch {
		case err == nil:
			list.next.Images = append(list.next.Images, entry)
			there[w.Key] = true
		default:
			list.failed = append(list.failed, failedImage(w.Image, err))
			if w.Old != nil && !w.Old.Edited {
				list.next.Images = append(list.next.Images, *w.Old)
				there[w.Key] = !w.Old.Waiting()
			}
		}
	}
	list.assembleSelects(there)
}

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

// writeLocks writes the locks that differ, and tells what changed and what could not be locked.
func (s *session) writeLocks(lists []*lockedList) Code {
	code := CodeDone
	changed, images := 0, 0
	for _, list := range lists {
		images += len(list.wants)
		for _, err := range list.failed {
			code = CodeFailed
			for _, line := range report.Lines(err) {
				s.console.Error(line)
			}
		}
		data := lock.Format(list.next)
		if bytes.Equal(data, bytes.ReplaceAll(list.bytes, []byte("\r\n"), []byte("\n"))) {
			continue // also where git has changed the ends of lines
		}
		if list.bytes == nil && len(list.next.Images) == 0 && len(list.failed) > 0 {
			continue // a lock without anything would only look like one
		}
		changed++
		if err := report.WriteFileAtomic(list.Lock, data); err != nil {
			code = CodeFailed
			s.console.Error(fmt.Sprintf("writing %s: %s", list.LockName, report.Clean(err.Error())))
			continue
		}
		for _, change := range lock.Changes(list.old, list.next) {
			fmt.Fprintln(s.Out, report.Clean(list.LockName+": "+change.String()))
		}
	}
	s.console.Notice(fmt.Sprintf("%s in %s: %s written, %d unchanged", count(images, "image"), count(len(lists), "list"), count(changed, "lock"), len(lists)-changed))
	return code
}

func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
