package report

import (
	"strings"
	"testing"
	"time"

	"docker-mirror/go-helper/internal/engine"
)

func TestPageShowsTheNewestOfEachDestinationFailuresFirst(t *testing.T) {
	t.Parallel()
	morning := time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC)
	image := func(name string, status engine.Status) Copy {
		return Copy{Source: "s/" + name + ":1", Destination: "d/" + name + ":1", Status: status, Asker: Asker{Origin: "images.txt:1", Target: "images.txt"}}
	}
	failed := image("a", engine.StatusFailed)
	failed.Reason, failed.Cause, failed.Hint = `<b onclick="x()">`, "d: connection refused", "check that d can be reached"
	locked := image("c", engine.StatusCopied)
	locked.Lock = &Lock{File: "images.lock:3", Seen: morning.Add(-72 * time.Hour)}
	older := &Report{Command: "mirror", Finished: morning.Add(-time.Hour), Copies: []Copy{image("a", engine.StatusCopied), image("b", engine.StatusUnchanged)}}
	newer := &Report{Command: "mirror", Finished: morning, ExitCode: 1, Copies: []Copy{locked, failed}}
	got, err := HTML([]*Report{older, newer})
	if err != nil {
		t.Fatal(err)
	}
	page := string(got)
	var rows []string
	for line := range strings.Lines(page) {
		if _, row, ok := strings.Cut(line, `<tr role="row" class="`); ok {
			status, _, _ := strings.Cut(row, `"`)
			_, cell, _ := strings.Cut(row, `<td role="cell">`)
			destination, _, _ := strings.Cut(cell, "<")
			rows = append(rows, status+" "+destination)
		}
	}
	if want := "failed d/a:1, copied d/c:1, unchanged d/b:1"; strings.Join(rows, ", ") != want {
		t.Errorf("rows %q, want %s", rows, want)
	}
	for _, want := range []string{
		`&lt;b onclick=&#34;x()&#34;&gt;`, "<b>d: connection refused</b>: 1 image<", `title="images.lock:3">3 days</td>`,
		"2026-11-26 08:00 UTC, mirror: ", "(exit code 1)",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page doesn't have %q", want)
		}
	}
	for _, elsewhere := range []string{"src=", "href=", "url(", "@import", "<b onclick"} {
		if strings.Contains(page, elsewhere) {
			t.Errorf("the page has %q", elsewhere)
		}
	}
}

func TestPageOfOneReportIsTheSameBytes(t *testing.T) {
	t.Parallel()
	r := &Report{Copies: []Copy{{Destination: "d/b:1"}, {Destination: "d/a:1"}}}
	first, err := HTML([]*Report{r})
	if err != nil {
		t.Fatal(err)
	}
	if second, _ := HTML([]*Report{r}); string(first) != string(second) {
		t.Error("two pages differ")
	}
}
