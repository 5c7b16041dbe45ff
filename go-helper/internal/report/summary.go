package report

import (
	"fmt"
	"strings"
	"time"
)

// Text counts the copies by status: "3 copied, 1 unchanged"; "nothing to do" where there were none.
func (t *Totals) Text() string {
	var parts []string
	for _, part := range []struct {
		count int
		text  string
	}{
		{t.Planned, "to copy"},
		{t.Copied, "copied"},
		{t.Unchanged, "unchanged"},
		{t.Skipped, "skipped"},
		{t.Failed, "failed"},
	} {
		if part.count > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.count, part.text))
		}
	}
	if parts == nil {
		return "nothing to do"
	}
	return strings.Join(parts, ", ")
}

// bytesText is empty where nothing was moved.
func (t *Totals) bytesText() string {
	var parts []string
	for _, part := range []struct {
		count int64
		text  string
	}{
		{t.Bytes.Down, "down"},
		{t.Bytes.Up, "up"},
		{t.Bytes.Mounted, "mounted"},
	} {
		if part.count > 0 {
			parts = append(parts, byteText(part.count)+" "+part.text)
		}
	}
	return strings.Join(parts, ", ")
}

// Summary is the run in one line: counts, bytes, time.
func (r *Report) Summary() string {
	text := r.Totals.Text()
	if r.DryRun {
		text = "dry run: " + text
	}
	if bytes := r.Totals.bytesText(); bytes != "" {
		text += "; " + bytes
	}
	text += " in " + durationText(r.Finished.Sub(r.Started).Round(time.Millisecond))
	if hub := r.DockerHub; hub != nil {
		text += "; " + hub.text()
	}
	if r.Interrupted {
		text = "interrupted: " + text + "; the next run goes on from there"
	}
	return text
}

func (h *DockerHub) text() string {
	text := Plural(int(h.PullsSpent), "Docker Hub pull")
	if h.PullsPlanned != nil {
		text += fmt.Sprintf(", the copies would take %d more", *h.PullsPlanned)
	}
	if h.PullsLeft != nil {
		text += fmt.Sprintf(", %d left", *h.PullsLeft)
		if h.PullsPlanned != nil && *h.PullsLeft < *h.PullsPlanned {
			text += ": too few"
		}
	}
	return text
}

// Line tells of one target: "✓ ADDRESS: 3 copied, 1 unchanged".
func (t *Target) Line() string {
	mark := "✓"
	if t.ExitCode != 0 {
		mark = "✗"
	}
	text := t.Totals.Text()
	if t.Totals.All() == 0 && t.ExitCode != 0 {
		text = "nothing was copied"
	}
	if len(t.Causes) > 0 {
		text += " (" + strings.Join(t.Causes, "; ") + ")"
	}
	return fmt.Sprintf("%s %s: %s", mark, Clean(t.Address), Clean(text))
}

// TargetLines tells of targets in a line each, but of those that ended well and had nothing to copy in one line before the
// others: "✓ 298 image lists: 900 unchanged". Among hundreds of targets the few that changed are to be seen.
func TargetLines(targets []Target) []string {
	idle := map[string][]Target{}
	for _, t := range targets {
		if kind := t.idle(); kind != "" {
			idle[kind] = append(idle[kind], t)
		}
	}
	var first, lines []string
	for _, kind := range []string{idleEmpty, idleUnchanged} {
		if alike := idle[kind]; len(alike) > 1 {
			first = append(first, together(alike).Line())
		}
	}
	for _, t := range targets {
		if len(idle[t.idle()]) < 2 {
			lines = append(lines, t.Line())
		}
	}
	return append(first, lines...)
}

const (
	idleEmpty     = "empty"
	idleUnchanged = "unchanged"
)

// idle tells how a target that ended well had nothing to copy; it is empty of the others.
func (t *Target) idle() string {
	switch totals := &t.Totals; {
	case t.ExitCode != 0:
		return ""
	case totals.All() == 0:
		return idleEmpty
	case totals.Unchanged > 0 && totals.Unchanged+totals.Skipped == totals.All():
		return idleUnchanged
	}
	return ""
}

// together is what stands for several targets that are idle in the same way.
func together(targets []Target) *Target {
	all := &Target{Address: Plural(len(targets), "image list")}
	for _, t := range targets {
		all.Totals.Unchanged += t.Totals.Unchanged
		all.Totals.Skipped += t.Totals.Skipped
	}
	return all
}

// Failure tells why a copy of an asker failed, in one or two lines: where it was asked for, what, why, what to do.
func (c *Copy) Failure(asker Asker) []string {
	where := ""
	if asker.Origin != "" {
		where = asker.Origin + ": "
	}
	lines := []string{fmt.Sprintf("%s%s -> %s: %s", where, c.Source, c.Destination, c.Reason)}
	if c.Hint != "" {
		lines = append(lines, "    "+c.Hint)
	}
	for i := range lines {
		lines[i] = Clean(lines[i])
	}
	return lines
}
