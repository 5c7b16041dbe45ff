// Package markup writes HTML in which text from outside stays text.
//
// It stands in for html/template, which calls methods by reflection: a program that links it keeps every exported method of
// every type it has (https://pkg.go.dev/cmd/link, dead code), a third more bytes in this one's case.
package markup

import (
	"bytes"
	"fmt"
	"html"
	"strings"
)

// constant is what stands in the program's own source: nothing but a literal or a constant converts to it outside of this
// package, so that no text from outside becomes a tag or the name of an attribute.
type constant string

// Attr is an attribute of an element.
type Attr struct {
	name  constant
	value string
}

// needEscapingOnly are the attributes whose values a browser takes for text. It follows addresses, runs handlers (`on…`) and
// parses styles: their values are not made safe by escaping, so that they can't be written.
var needEscapingOnly = map[constant]bool{
	"aria-controls": true, "aria-label": true, "aria-live": true, "autocomplete": true, "checked": true, "class": true,
	"charset": true, "content": true, "data-sort": true, "hidden": true, "http-equiv": true, "id": true, "lang": true,
	"name": true, "placeholder": true, "role": true, "scope": true, "title": true, "type": true, "value": true,
}

// A makes an attribute. One whose value is empty is written without (https://html.spec.whatwg.org/#boolean-attributes).
func A(name constant, value string) Attr {
	if !needEscapingOnly[name] {
		panic(fmt.Sprintf("markup: the value of %q needs more than escaping", name))
	}
	return Attr{name, value}
}

// Writer collects a document. Its zero value is empty, and ready.
type Writer struct {
	b    bytes.Buffer
	open []constant
}

// Doctype begins a document.
func (w *Writer) Doctype() { w.b.WriteString("<!DOCTYPE html>\n") }

// Open begins an element.
func (w *Writer) Open(tag constant, attrs ...Attr) {
	w.start(tag, attrs)
	w.open = append(w.open, tag)
}

// Close ends the innermost element that is open.
func (w *Writer) Close() {
	tag := w.open[len(w.open)-1]
	w.open = w.open[:len(w.open)-1]
	w.end(tag)
}

// Void writes an element that has no content and no end: meta, br, input.
func (w *Writer) Void(tag constant, attrs ...Attr) { w.start(tag, attrs) }

// Element writes a whole element whose content is text.
func (w *Writer) Element(tag constant, text string, attrs ...Attr) {
	w.start(tag, attrs)
	w.Text(text)
	w.end(tag)
}

// Text writes text.
func (w *Writer) Text(s string) { w.b.WriteString(escape(s)) }

// Line breaks the line of the source.
func (w *Writer) Line() { w.b.WriteByte('\n') }

// Embed writes a `style` or `script` of the program's own, whose content isn't escaped
// (https://html.spec.whatwg.org/#raw-text-elements): it must not be able to end the element.
func (w *Writer) Embed(tag constant, source []byte) error {
	if i := bytes.Index(bytes.ToLower(source), []byte("</"+tag)); i >= 0 || bytes.Contains(source, []byte("<!--")) {
		return fmt.Errorf("a %s of the page would end before its end", tag)
	}
	w.start(tag, nil)
	w.b.Write(source)
	w.end(tag)
	return nil
}

// Bytes is the document.
//
// It is an error if an element is still open.
func (w *Writer) Bytes() ([]byte, error) {
	if len(w.open) > 0 {
		return nil, fmt.Errorf("<%s> of the page has no end", w.open[len(w.open)-1])
	}
	return w.b.Bytes(), nil
}

func (w *Writer) start(tag constant, attrs []Attr) {
	w.b.WriteString("<" + string(tag))
	for _, a := range attrs {
		w.b.WriteString(" " + string(a.name))
		if a.value != "" {
			w.b.WriteString(`="` + escape(a.value) + `"`)
		}
	}
	w.b.WriteByte('>')
}

func (w *Writer) end(tag constant) { w.b.WriteString("</" + string(tag) + ">") }

// escape makes text fit for content and for an attribute in double quotes. A browser would drop NUL, or take it for U+FFFD:
// https://html.spec.whatwg.org/#parse-error-unexpected-null-character.
func escape(s string) string {
	return html.EscapeString(strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "\uFFFD"), "\uFFFD"))
}
