package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestAReportIsWrittenAsAPageToo(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	source, destination := startRegistry(t), startRegistry(t)
	pushImage(t, source.Host+"/app:1", 1024, 1)
	w.write("images.txt", source.Host+"/app:1\n"+source.Host+"/missing:1\n")
	w.run(1, "copy", "--registry", destination.Host, "--report", "report.json", "--report-html", "mirror.html", "images.txt")
	page, err := os.ReadFile(w.path("mirror.html"))
	if err != nil {
		t.Fatal(err)
	}
	wantContains(t, "page", string(page), fmt.Sprintf("%s/app:1", destination.Host), "images.txt:2", "404")
	p := w.run(0, "report", "html", "report.json")
	if made := p.stdout.String(); made != string(page) {
		t.Errorf("report html makes another page than --report-html:\n%s", made)
	}
}

func TestPagesOfWhatIsNoReport(t *testing.T) {
	t.Parallel()
	w := newWorkplace(t)
	w.write("plan.json", `{"src": "a"}`)
	w.write("later.json", `{"schema_version": 99}`)
	p := w.run(2, "report", "html", "plan.json", "later.json", "missing.json", "--output", "mirror.html")
	wantContains(t, "stderr", p.stderr.String(), "plan.json is not a report", "a file that --report wrote", "later.json has schema_version 99", "missing.json")
	if w.exists("mirror.html") {
		t.Error("there is a page")
	}
	p = w.run(2, "copy", "--registry", "d.example", "--report-html", "missing/mirror.html", "plan.json")
	wantContains(t, "stderr", p.stderr.String(), "--report-html missing/mirror.html: ")
	if strings.Contains(p.stderr.String(), "--report missing") {
		t.Error("the wrong flag is named")
	}
}
