package lock

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"docker-mirror/go-helper/internal/tags"
)

// header is the first line of every lock.
const header = "# Written by `docker-mirror lock`. Review it like code; don't edit it. See docs/lock.md of docker-mirror.\n"

// maxColumns is the longest line that an array may be on; longer ones have a line an entry.
const maxColumns = 100

// timeFormat is RFC 3339 in UTC, to the second.
const timeFormat = "2006-01-02T15:04:05Z"

// Format gives a lock's bytes, the same for the same content on every machine.
func Format(f *File) []byte {
	selects := slices.Clone(f.Selects)
	slices.SortFunc(selects, func(a, b Select) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Policy, b.Policy))
	})
	images := slices.Clone(f.Images)
	slices.SortFunc(images, func(a, b Image) int { return cmp.Compare(a.Source, b.Source) })
	w := &writer{}
	w.b.WriteString(header + "version = " + version + "\n")
	for _, s := range selects {
		w.b.WriteString("\n[[select]]\n")
		w.text("source", s.Source)
		w.text("policy", s.Policy)
		ascending := slices.Clone(s.Tags) // registries list them in any order
		slices.SortFunc(ascending, tags.CompareNatural)
		w.array("tags", ascending, false)
	}
	for i := range images {
		w.b.WriteString("\n[[image]]\n")
		start := w.b.Len()
		w.image(&images[i])
		sum := checksum(w.b.Bytes()[start:])
		w.text("sum", sum)
	}
	return w.b.Bytes()
}

// sum is the checksum of an entry: 64 bits over its other lines. It finds mistakes, not attacks.
func (i *Image) sum() string {
	w := &writer{}
	w.image(i)
	return checksum(w.b.Bytes())
}

func checksum(lines []byte) string {
	sum := sha256.Sum256(lines)
	return hex.EncodeToString(sum[:8])
}

type writer struct{ b bytes.Buffer }

// image writes all lines of an entry but its sum.
func (w *writer) image(i *Image) {
	w.text("source", i.Source)
	if !i.Waiting() {
		w.text("digest", i.Digest.String())
		w.text("media_type", i.MediaType)
		fmt.Fprintf(&w.b, "seen = %s\n", formatTime(i.Seen))
	}
	if len(i.Platforms) > 0 {
		w.array("platforms", manifestTexts(i.Platforms), true) // a changed platform is a changed line
	}
	if len(i.Limited) > 0 {
		w.array("limited", manifestTexts(i.Limited), false)
	}
	if i.Signed != "" {
		w.text("signed", i.Signed)
	}
	if i.Because != "" {
		w.text("because", i.Because)
	}
	if len(i.Next) > 0 {
		next := make([]string, len(i.Next))
		for k, n := range i.Next {
			next[k] = n.Digest.String() + " " + formatTime(n.Seen)
		}
		w.array("next", next, false)
	}
}

func manifestTexts(manifests []Manifest) []string {
	texts := make([]string, len(manifests))
	for i, m := range manifests {
		texts[i] = m.Platform + " " + m.Digest.String()
	}
	slices.Sort(texts)
	return texts
}

func formatTime(t time.Time) string { return t.UTC().Format(timeFormat) }

func (w *writer) text(key, value string) {
	w.b.WriteString(key)
	w.b.WriteString(" = ")
	w.quote(value)
	w.b.WriteByte('\n')
}

// array writes a line where that is not too long, else an entry a line; with broken it always does.
func (w *writer) array(key string, values []string, broken bool) {
	start := w.b.Len()
	w.b.WriteString(key)
	w.b.WriteString(" = [")
	for i, v := range values {
		if i > 0 {
			w.b.WriteString(", ")
		}
		w.quote(v)
	}
	w.b.WriteByte(']')
	if broken || w.b.Len()-start > maxColumns {
		w.b.Truncate(start)
		w.b.WriteString(key)
		w.b.WriteString(" = [\n")
		for _, v := range values {
			w.b.WriteString("  ")
			w.quote(v)
			w.b.WriteString(",\n")
		}
		w.b.WriteByte(']')
	}
	w.b.WriteByte('\n')
}

// quote writes a basic string (TOML 1.0, "String").
func (w *writer) quote(s string) {
	w.b.WriteByte('"')
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= 0x20 && c != 0x7f && c != '"' && c != '\\' {
			continue
		}
		w.b.WriteString(s[start:i])
		start = i + 1
		if c == '"' || c == '\\' {
			w.b.WriteByte('\\')
			w.b.WriteByte(c)
		} else {
			fmt.Fprintf(&w.b, `\u%04X`, c)
		}
	}
	w.b.WriteString(s[start:])
	w.b.WriteByte('"')
}
