package extract

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/spec"
	"docker-mirror/go-helper/internal/strictjson"
)

// LeftOut is something that looks like an image and isn't in the list.
type LeftOut struct {
	File  string
	Line  int
	Asker string
	Text  string // as it would be listed, or as it stands there
	Why   string
	// Deep says that [Options.Deep] takes it.
	Deep bool
}

// String says where, what and why.
func (l LeftOut) String() string {
	who := l.Asker
	if who != "" {
		who += ": "
	}
	return (&spec.Error{File: l.File, Line: l.Line, Msg: fmt.Sprintf("%s%q: %s", who, l.Text, l.Why)}).Error()
}

const onlyDeep = "stands where only --deep looks"

// finder collects what manifests ask for. Everything is looked for, whatever the options: what they leave out is told as well.
type finder struct {
	file     string // that is being read
	asker    string // the manifest that is being read
	line     int    // that of the string whose content is being read; 0: none
	embedded int    // strings within strings that are being read
	registry string // global.imageRegistry of a chart's values

	found   map[reference.Reference]*Image // where only an image can stand
	guessed map[reference.Reference]*Image // elsewhere
	left    []LeftOut
	noted   map[string]bool // what a note is about already
	notes   []string

	fluxRepositories map[string]string // "namespace/name" -> registry/path, or empty
	fluxCharts       []fluxChart
}

// result sorts what was found, and drops from what was left out that which was found elsewhere.
func (f *finder) result(opts Options) Result {
	r := Result{Notes: f.notes}
	taken := f.found
	if opts.Deep {
		for ref, image := range f.guessed {
			into(taken, ref, image.Source, image.Askers...)
		}
	}
	for _, image := range taken {
		sort.Strings(image.Askers)
		image.Askers = slices.Compact(image.Askers)
		r.Images = append(r.Images, *image)
	}
	sort.Slice(r.Images, func(i, j int) bool { return r.Images[i].Ref.String() < r.Images[j].Ref.String() })

	told := map[string]bool{}
	for _, l := range f.left {
		ref, err := reference.Parse(l.Text)
		if told[l.Text] || f.noted[l.Text] || err == nil && taken[ref] != nil || opts.Deep && l.Deep {
			continue
		}
		if err == nil && !l.Deep && f.guessed[ref] != nil { // told as what --deep takes
			continue
		}
		told[l.Text] = true
		r.LeftOut = append(r.LeftOut, l)
	}
	return r
}

func into(images map[reference.Reference]*Image, ref reference.Reference, source string, askers ...string) {
	image := images[ref]
	if image == nil {
		image = &Image{Source: source, Ref: ref}
		images[ref] = image
	}
	image.Source = min(image.Source, source)
	for _, asker := range askers {
		if asker != "" {
			image.Askers = append(image.Askers, asker)
		}
	}
}

// injected is what Istio's injector puts its proxy in the place of.
const injected = "auto"

// image takes what must be an image.
func (f *finder) image(v strictjson.Value) {
	source := strings.TrimSpace(v.Text)
	switch {
	case f.embedded > 0:
		f.guess(v, source)
		return
	case v.Kind == strictjson.Number:
		f.note(v, "%s has the image %s, which YAML reads as a number: quote it", f.asker, source)
		return
	case v.Kind != strictjson.String:
		return // null, or parts, which are looked at as such
	case source == "" || source == injected || source == "scratch":
		f.note(v, "%s has the image %q, which is none, or is filled in at run time", f.asker, source)
		return
	case isTemplate(source):
		f.note(v, "%s has the image %q, which is a template: what fills it in asks for the image", f.asker, source)
		return
	}
	ref, err := reference.Parse(source)
	if err != nil { // a policy's pattern, or a mistake
		f.note(v, "%s: %s", f.asker, err)
		return
	}
	into(f.found, ref, source, f.asker)
}

// take takes what is likely to be an image.
func (f *finder) take(v strictjson.Value, source string, ref reference.Reference) {
	into(f.guessed, ref, source, f.asker)
	f.leftOut(v, source, onlyDeep, true)
}

// leave notes what looks like an image, but isn't taken for one.
func (f *finder) leave(v strictjson.Value, text, why string) { f.leftOut(v, text, why, false) }

func (f *finder) leftOut(v strictjson.Value, text, why string, deep bool) {
	f.left = append(f.left, LeftOut{File: f.file, Line: f.lineOf(v), Asker: f.asker, Text: text, Why: why, Deep: deep})
}

func (f *finder) note(v strictjson.Value, format string, args ...any) {
	f.noted[strings.TrimSpace(v.Text)] = true
	f.notes = append(f.notes, (&spec.Error{File: f.file, Line: f.lineOf(v), Msg: strings.TrimSpace(fmt.Sprintf(format, args...))}).Error())
}

func (f *finder) lineOf(v strictjson.Value) int {
	if f.line > 0 {
		return f.line
	}
	return v.Line
}
