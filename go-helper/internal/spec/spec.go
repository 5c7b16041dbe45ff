// Package spec reads lists of images in the formats that people have them in. Pure functions over bytes.
package spec

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"sort"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/reference"
	"docker-mirror/go-helper/internal/suggest"
	"docker-mirror/go-helper/internal/tags"
)

// Format is a way to write a list of images.
type Format string

// The formats.
const (
	FormatAuto      Format = ""          // by the file's ending; standard input by its first byte
	FormatText      Format = "text"      // a line an image, as in a Dockerfile's FROM
	FormatJSON      Format = "json"      // magic-mirror's copy specs, which is also what a plan is
	FormatTOML      Format = "toml"      // image sets
	FormatReplicant Format = "replicant" // replicant's YAML
)

// Formats lists the names that [ParseFormat] takes.
func Formats() []string {
	return []string{string(FormatText), string(FormatJSON), string(FormatTOML), string(FormatReplicant)}
}

// ParseFormat reads a format's name; "" and "auto" are [FormatAuto].
func ParseFormat(s string) (Format, error) {
	if s == "" || s == "auto" {
		return FormatAuto, nil
	}
	for _, known := range Formats() {
		if s == known {
			return Format(s), nil
		}
	}
	if closest := suggest.Closest(s, Formats()); closest != "" {
		return "", fmt.Errorf("unknown format %q: did you mean %q?", s, closest)
	}
	return "", fmt.Errorf("unknown format %q: known are %s", s, strings.Join(Formats(), ", "))
}

// StandardInput is the file name that stands for it.
const StandardInput = "-"

// FormatOf tells a file's format by its ending. Standard input has none and is [FormatAuto]: [Parse] then looks at the
// first byte.
func FormatOf(filename string) (Format, error) {
	if filename == StandardInput {
		return FormatAuto, nil
	}
	switch strings.ToLower(path.Ext(filename)) {
	case ".txt":
		return FormatText, nil
	case ".json":
		return FormatJSON, nil
	case ".toml":
		return FormatTOML, nil
	case ".yaml", ".yml":
		return FormatReplicant, nil
	}
	return "", &Error{File: filename, Msg: "can't tell the format from the file's ending: " +
		"want .txt, .json, .toml, .yaml or .yml, or a format named explicitly (" + strings.Join(Formats(), ", ") + ")"}
}

// Image is one entry of a list.
type Image struct {
	File string // as it was given
	Line int    // from 1

	// CopySpec tells that the entry is a bare copy spec, as magic-mirror has them, and not one of a plan that was read
	// back: it names all that is to be copied.
	CopySpec bool
	// Origin is the place that the entry itself claims to come from: that of a plan which was read back. Empty: File and Line.
	Origin string
	// Source is the image as it was written.
	Source string
	// Ref is Source in full. With Select, its Tag and Digest are of no meaning.
	Ref reference.Reference
	// Tag is what {tag} means where it isn't Ref's own: that of a variant.
	Tag string
	// Name is what follows AS; empty where there is none.
	Name string
	// Platforms limits a multi-platform image to these; nil: the settings decide; empty: all.
	Platforms []v1.Platform
	// Index says what becomes of an index that Platforms limits, one of [IndexChoices]; empty: the settings decide.
	Index string
	// Destination is where the image goes, where the list itself says so.
	Destination *reference.Reference
	// Labels are for choosing a part of a plan.
	Labels []string
	// Registries (addresses or @aliases), Repository and ImageTags (templates) take the place of the settings' own.
	Registries []string
	Repository string
	ImageTags  []string
	// Referrers says which attachments come along, one of [ReferrersChoices]; empty: the settings decide.
	Referrers string
	// Select is the policy that says which of the repository's tags are meant; nil: Ref's own.
	Select *tags.Policy
	// Skip is set on entries of a plan that say what is not to be copied.
	Skip *Skip
	// Locked says which lock has decided the image's digest; nil: none.
	Locked *Locked
}

// Bare tells whether Source names a repository only, without a tag or digest.
func (i Image) Bare() bool { return !strings.Contains(i.Source, "@") && !hasTag(i.Source) }

// Skip says that an image doesn't go to a destination, and why.
type Skip struct {
	Destination string `json:"dst"`
	Reason      string `json:"reason"`
}

// Place is where the entry stands, for messages.
func (i Image) Place() string {
	if i.Origin != "" {
		return i.Origin
	}
	return place(i.File, i.Line)
}

func place(file string, line int) string {
	if file == StandardInput {
		file = "standard input"
	}
	switch {
	case line <= 0:
		return file
	case file == "":
		return fmt.Sprintf("line %d", line)
	default:
		return fmt.Sprintf("%s:%d", file, line)
	}
}

// Error is something wrong at a place in a file of the user's.
type Error struct {
	File string
	Line int // 0: the file as a whole
	Msg  string
}

func (e *Error) Error() string {
	if e.File == "" && e.Line == 0 {
		return e.Msg
	}
	return place(e.File, e.Line) + ": " + e.Msg
}

// File is one list to be read.
type File struct {
	Name   string
	Format Format // [FormatAuto]: by the name
	Data   []byte
}

// Parse reads one list. The error joins an *[Error] for each thing that is wrong in it; the entries that are right are
// returned beside it. An empty list is no error here: see [ParseAll].
func Parse(file string, format Format, data []byte) ([]Image, error) {
	if format == FormatAuto {
		var err error
		if format, err = FormatOf(file); err != nil {
			return nil, err
		}
		if format == FormatAuto {
			format = sniff(data)
		}
	}
	c := &collector{file: file}
	text, ok := c.text(data)
	if !ok {
		return nil, c.err()
	}
	switch format {
	case FormatText:
		parseText(c, text)
	case FormatJSON:
		parseJSON(c, text)
	case FormatTOML:
		parseTOML(c, text)
	case FormatReplicant:
		parseReplicant(c, text)
	default:
		return nil, &Error{File: file, Msg: fmt.Sprintf("unknown format %q", format)}
	}
	return c.images, c.err()
}

// ParseAll reads several lists in their order. A list without any image is an error unless allowEmpty.
func ParseAll(files []File, allowEmpty bool) ([]Image, error) {
	var all []Image
	var errs []error
	for _, file := range files {
		images, err := Parse(file.Name, file.Format, file.Data)
		if err == nil && len(images) == 0 && !allowEmpty {
			err = &Error{File: file.Name, Msg: "lists no images; where that is meant, say so with --allow-empty, or allow_empty=True in a BUILD file"}
		}
		if errs = append(errs, err); all == nil { // mostly there is one file, which can be long
			all = images
			continue
		}
		all = append(all, images...)
	}
	return all, errors.Join(errs...)
}

// withoutBOM takes UTF-8's byte order mark off, and those that careless concatenation put before it.
func withoutBOM(data []byte) []byte {
	bom := []byte("\xef\xbb\xbf")
	for bytes.HasPrefix(data, bom) {
		data = data[len(bom):]
	}
	return data
}

// collector gathers a file's entries and errors.
type collector struct {
	file   string
	images []Image
	errs   []*Error
}

func (c *collector) errorf(line int, format string, args ...any) {
	c.errs = append(c.errs, &Error{File: c.file, Line: line, Msg: fmt.Sprintf(format, args...)})
}

// text refuses what isn't UTF-8 by its byte order mark and takes UTF-8's own mark off.
func (c *collector) text(data []byte) ([]byte, bool) {
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		c.errorf(0, "is UTF-16: save it as UTF-8")
		return nil, false
	}
	return withoutBOM(data), true
}

// err joins the errors in the order of lines.
func (c *collector) err() error {
	sort.SliceStable(c.errs, func(i, j int) bool { return c.errs[i].Line < c.errs[j].Line })
	joined := make([]error, len(c.errs))
	for i, err := range c.errs {
		err.Msg = shortened(err.Msg)
		joined[i] = err
	}
	return errors.Join(joined...)
}

// maxMessage is how long a message may be that quotes what is wrong: the wrong thing can be a file of any size.
const maxMessage = 1000

func shortened(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	return strings.ToValidUTF8(message[:maxMessage], "") + "…"
}

// unjoin takes what errors.Join made apart.
func unjoin(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}
