package report

import (
	"strconv"

	"docker-mirror/go-helper/internal/markup"
)

// Rows are drawn as grids (page.css), so that they need the roles that a browser gives to tables only.
var (
	cell   = markup.A("role", "cell")
	number = markup.A("class", "number")
)

func (p *page) writeTable(w *markup.Writer) {
	class := ""
	if p.Locks {
		class = "locks"
	}
	w.Open("table", markup.A("id", "copies"), markup.A("role", "table"), markup.A("class", class))
	w.Open("thead", markup.A("role", "rowgroup"))
	w.Open("tr", markup.A("role", "row"))
	for _, name := range []string{"Status", "Destination", "Source", "Asked for by", "Digest", "Platforms"} {
		writeHeading(w, name, "")
	}
	writeHeading(w, "Uploaded", "number")
	writeHeading(w, "Shared", "number")
	if p.Locks {
		writeHeading(w, "Locked", "")
	}
	w.Close()
	w.Close()
	w.Open("tbody", markup.A("role", "rowgroup"))
	w.Line()
	for i := range p.Rows {
		p.writeRow(w, &p.Rows[i])
	}
	w.Close()
	w.Close()
	w.Line()
}

func writeHeading(w *markup.Writer, name, class string) {
	w.Element("th", name, markup.A("role", "columnheader"), markup.A("scope", "col"), markup.A("class", class))
}

func (p *page) writeRow(w *markup.Writer, row *pageRow) {
	status := string(row.Status)
	w.Open("tr", markup.A("role", "row"), markup.A("class", status))
	w.Element("td", status, cell, markup.A("class", "status "+status))

	w.Open("td", cell)
	w.Text(row.Destination)
	writeNote(w, "reason", row.Reason)
	writeNote(w, "hint", row.Hint)
	w.Close()

	w.Open("td", cell)
	w.Text(row.Source)
	if row.ReadFrom != "" {
		writeNote(w, "hint", "read from "+row.ReadFrom)
	}
	w.Close()

	w.Open("td", cell)
	for i, asker := range row.Askers {
		if i > 0 {
			w.Void("br")
		}
		w.Text(askerText(asker))
	}
	w.Close()

	w.Element("td", shortDigest(row.Digest), cell, markup.A("class", "digest"), markup.A("title", row.Digest))
	w.Element("td", row.Platforms, cell)
	w.Element("td", pageBytes(row.Up), cell, number, markup.A("data-sort", strconv.FormatInt(row.Up, 10)))
	w.Element("td", pageBytes(row.Mounted), cell, number, markup.A("data-sort", strconv.FormatInt(row.Mounted, 10)))
	if p.Locks {
		w.Element("td", row.Lock.Age, cell, markup.A("data-sort", strconv.FormatInt(row.Lock.Sort, 10)), markup.A("title", row.Lock.File))
	}
	w.Close()
	w.Line()
}

func writeNote(w *markup.Writer, class, text string) {
	if text != "" {
		w.Element("p", text, markup.A("class", class))
	}
}
