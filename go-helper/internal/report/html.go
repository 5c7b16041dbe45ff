package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"docker-mirror/go-helper/internal/engine"
)

// page is what there is to show.
type page struct {
	Runs, Errors []string
	Totals       []pageTotal
	Causes       []pageCause
	Rows         []pageRow
	Locks        bool // some image is locked
}

type pageTotal struct {
	Status engine.Status
	Count  int
}

type pageCause struct{ Text, Images, Hint string }

type pageRow struct {
	*Copy
	Askers      []Asker
	Platforms   string
	Up, Mounted int64
	Lock        pageLock
}

// pageLock tells since when a lock has had the image's digest.
type pageLock struct {
	File, Age string
	Sort      int64 // its age in seconds
}

// statusOrder is what the reader has to do something about first.
var statusOrder = []engine.Status{engine.StatusFailed, engine.StatusPlanned, engine.StatusSkipped, engine.StatusCopied, engine.StatusUnchanged}

// HTML makes one page of reports, which needs no other file: what is mirrored where. Of several reports on one
// destination the newest counts.
func HTML(reports []*Report) ([]byte, error) {
	reports = slices.Clone(reports)
	slices.SortStableFunc(reports, func(a, b *Report) int { return b.Finished.Compare(a.Finished) })
	var p page
	seen := map[string]bool{}
	for _, r := range reports {
		p.Runs = append(p.Runs, r.pageLine())
		p.Errors = append(p.Errors, r.Errors...)
		for i := range r.Copies {
			c := &r.Copies[i]
			if key := c.Destination + " " + c.Source; c.Destination != "" && !seen[c.Destination] && !seen[key] {
				seen[cmp.Or(c.Destination, key)] = true
				p.Rows = append(p.Rows, c.pageRow(r.Finished))
				p.Locks = p.Locks || c.Lock != nil
			}
		}
	}
	p.countAndSort()
	return p.render()
}

func (r *Report) pageLine() string {
	line := fmt.Sprintf("%s, %s: %s", r.Finished.UTC().Format("2006-01-02 15:04 MST"), r.Command, r.Summary())
	if r.ExitCode != 0 {
		line += fmt.Sprintf(" (exit code %d)", r.ExitCode)
	}
	return line
}

func (c *Copy) pageRow(now time.Time) pageRow {
	row := pageRow{Copy: c, Askers: c.Askers(), Platforms: strings.Join(c.Platforms, ", "), Up: c.Bytes.Up, Mounted: c.Bytes.Mounted}
	if row.Platforms == "" {
		row.Platforms = "all"
	}
	if c.Index != nil && c.Index.Kind == "sparse" {
		row.Platforms += " (sparse)"
	}
	if c.Lock != nil {
		row.Lock = pageLock{File: c.Lock.File, Age: "yes"}
		if !c.Lock.Seen.IsZero() {
			age := now.Sub(c.Lock.Seen)
			row.Lock.Age, row.Lock.Sort = ageText(age), int64(age.Seconds())
		}
	}
	return row
}

// ageText is coarse: "5 hours", "12 days".
func ageText(d time.Duration) string {
	if d < 48*time.Hour {
		return Plural(max(0, int(d.Hours())), "hour")
	}
	return Plural(int(d.Hours()/24), "day")
}

// countAndSort puts failures first, and sums up by status and by cause.
func (p *page) countAndSort() {
	counts := map[engine.Status]int{}
	causes := map[string]int{}
	for _, row := range p.Rows {
		counts[row.Status]++
		if row.Cause == "" {
			continue
		}
		if causes[row.Cause] == 0 {
			p.Causes = append(p.Causes, pageCause{Text: row.Cause, Hint: row.Hint})
		}
		causes[row.Cause]++
	}
	for i := range p.Causes {
		p.Causes[i].Images = Plural(causes[p.Causes[i].Text], "image")
	}
	for _, status := range statusOrder {
		if counts[status] > 0 {
			p.Totals = append(p.Totals, pageTotal{status, counts[status]})
		}
	}
	slices.SortStableFunc(p.Rows, func(a, b pageRow) int {
		return cmp.Or(
			slices.Index(statusOrder, a.Status)-slices.Index(statusOrder, b.Status),
			strings.Compare(a.Target, b.Target), strings.Compare(a.Destination, b.Destination),
		)
	})
}
