package run

import (
	"bytes"
	"errors"
	"fmt"

	"docker-mirror/go-helper/internal/lock"
	"docker-mirror/go-helper/internal/registry"
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
		case list.held[w.Key] && errors.Is(err, registry.ErrNotFound): // nobody selects it any longer
		default:
			list.failed = append(list.failed, failedImage(w.Image, err))
			if w.Old != nil && !w.Old.Edited {
				list.next.Images = append(list.next.Images, *w.Old)
				there[w.Key] = true
			}
		}
	}
	list.assembleSelects(there)
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
