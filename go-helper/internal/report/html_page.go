package report

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"strconv"
	"strings"

	"docker-mirror/go-helper/internal/markup"
)

const (
	pageTitle  = "Mirrored images"
	pageFooter = "Made by docker-mirror from its reports. Uploaded and shared bytes are those of the run; an image that was there already moved none."
)

// pageFiles are the parts of the page: none of it comes from elsewhere.
//
//go:embed page/page.css page/page.js
var pageFiles embed.FS

// render writes the page, failures first, which is whole without its script.
func (p *page) render() ([]byte, error) {
	style, err := pageFiles.ReadFile("page/page.css")
	if err != nil {
		return nil, err
	}
	script, err := pageFiles.ReadFile("page/page.js")
	if err != nil {
		return nil, err
	}
	var w markup.Writer
	w.Doctype()
	w.Open("html", markup.A("lang", "en"))
	if err := writeHead(&w, style, script); err != nil {
		return nil, err
	}
	w.Open("body")
	p.writeHeader(&w)
	w.Open("main")
	p.writeErrors(&w)
	p.writeControls(&w)
	p.writeTable(&w)
	w.Element("p", "No image is like that.", markup.A("id", "none"), markup.A("hidden", ""))
	w.Close()
	w.Open("footer")
	w.Element("p", pageFooter)
	w.Close()
	if err := w.Embed("script", script); err != nil {
		return nil, err
	}
	w.Close()
	w.Close()
	w.Line()
	return w.Bytes()
}

// writeHead has a browser run and draw nothing but the page's own script and style, and ask for nothing
// (https://www.w3.org/TR/CSP3/).
func writeHead(w *markup.Writer, style, script []byte) error {
	policy := "default-src 'none'; style-src '" + sourceHash(style) + "'; script-src '" + sourceHash(script) + "'; base-uri 'none'; form-action 'none'"
	w.Open("head")
	w.Void("meta", markup.A("charset", "utf-8"))
	w.Void("meta", markup.A("name", "viewport"), markup.A("content", "width=device-width, initial-scale=1"))
	w.Void("meta", markup.A("http-equiv", "Content-Security-Policy"), markup.A("content", policy))
	w.Element("title", pageTitle)
	err := w.Embed("style", style)
	w.Close()
	w.Line()
	return err
}

func (p *page) writeHeader(w *markup.Writer) {
	w.Open("header")
	w.Element("h1", pageTitle)
	w.Open("p", markup.A("class", "totals"))
	for _, total := range p.Totals {
		w.Open("span", markup.A("class", "status "+string(total.Status)))
		w.Element("b", strconv.Itoa(total.Count))
		w.Text(" " + string(total.Status))
		w.Close()
		w.Text(" ")
	}
	w.Close()
	w.Open("p", markup.A("class", "runs"))
	for _, run := range p.Runs {
		w.Element("span", run)
	}
	w.Close()
	w.Close()
	w.Line()
}

func (p *page) writeErrors(w *markup.Writer) {
	if len(p.Errors) > 0 {
		w.Open("section", markup.A("class", "errors"), markup.A("aria-label", "Errors of the runs"))
		w.Element("h2", "Errors")
		w.Open("ul")
		for _, e := range p.Errors {
			w.Element("li", e)
		}
		w.Close()
		w.Close()
	}
	if len(p.Causes) > 0 {
		w.Open("section", markup.A("class", "errors"), markup.A("aria-label", "Why images failed"))
		w.Element("h2", "Why images failed")
		w.Open("ul")
		for _, cause := range p.Causes {
			w.Open("li")
			w.Element("b", cause.Text)
			w.Text(": " + cause.Images)
			if cause.Hint != "" {
				w.Void("br")
				w.Element("span", cause.Hint, markup.A("class", "hint"))
			}
			w.Close()
		}
		w.Close()
		w.Close()
	}
}

// writeControls are for the script, which shows them.
func (p *page) writeControls(w *markup.Writer) {
	w.Open("form", markup.A("id", "controls"), markup.A("role", "search"), markup.A("hidden", ""))
	w.Open("label")
	w.Text("Filter ")
	w.Void("input", markup.A("id", "filter"), markup.A("type", "search"), markup.A("autocomplete", "off"),
		markup.A("placeholder", "image, registry, target, digest … ( / )"), markup.A("aria-controls", "copies"))
	w.Close()
	w.Open("fieldset")
	w.Element("legend", "Status")
	for _, total := range p.Totals {
		w.Open("label")
		w.Void("input", markup.A("type", "checkbox"), markup.A("name", "status"), markup.A("value", string(total.Status)), markup.A("checked", ""))
		w.Text(" " + string(total.Status))
		w.Close()
		w.Text(" ")
	}
	w.Close()
	w.Element("output", "", markup.A("id", "shown"), markup.A("aria-live", "polite"))
	w.Close()
	w.Line()
}

// sourceHash names an inline script or style to a Content-Security-Policy.
func sourceHash(source []byte) string {
	sum := sha256.Sum256(source)
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

func pageBytes(n int64) string {
	if n == 0 {
		return ""
	}
	return byteText(n)
}

// askerText names the line of a list, and its target where that says more than the list's own address.
func askerText(a Asker) string {
	file, _, _ := strings.Cut(a.Origin, ":")
	switch {
	case a.Origin == "":
		return a.Target
	case a.Target == "" || a.Target == file:
		return a.Origin
	}
	return a.Target + ", " + a.Origin
}

// shortDigest is enough to tell digests apart: "9f86d081884c".
func shortDigest(digest string) string {
	_, hex, _ := strings.Cut(digest, ":")
	return hex[:min(12, len(hex))]
}
