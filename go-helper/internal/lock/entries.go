package lock

import (
	"strings"
	"time"
	"unicode"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pelletier/go-toml/v2/unstable"

	"docker-mirror/go-helper/internal/platform"
	"docker-mirror/go-helper/internal/reference"
)

// value is what follows a key.
type value struct {
	reader *reader
	key    string
	line   int
	node   *unstable.Node
}

func (v value) errorf(format string, args ...any) {
	v.reader.errorf(v.line, "%q "+format, append([]any{v.key}, args...)...)
}

// text reads a string that says something, on one line.
func (v value) text() string {
	if v.node.Kind != unstable.String {
		v.errorf("must be a string")
		return ""
	}
	s := string(v.node.Data)
	if strings.TrimSpace(s) == "" {
		v.errorf("is empty")
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		v.errorf("has a control character in it")
	}
	return s
}

// texts reads an array of strings, giving each with its own line.
func (v value) texts(most int, each func(item value, text string)) {
	if v.node.Kind != unstable.Array {
		v.errorf("must be an array")
		return
	}
	items := v.node.Children()
	count := 0
	for items.Next() {
		item := v
		item.node = items.Node()
		if item.node.Kind == unstable.Comment {
			continue
		}
		if item.node.Raw.Length > 0 {
			item.line = v.reader.line(item.node.Raw)
		}
		if count++; count > most {
			v.errorf("has more than %d entries", most)
			return
		}
		if s := item.text(); s != "" {
			each(item, s)
		}
	}
}

func (v value) digest(text string) v1.Hash {
	digest, err := v1.NewHash(text)
	if err != nil {
		v.errorf("has no digest: %s", err)
	}
	return digest
}

func (v value) time(text string) time.Time {
	t, err := time.Parse(timeFormat, text)
	if err != nil {
		v.errorf("must be a time in UTC to the second, as in 2026-11-03T09:14:00Z, not %s", text)
	}
	return t
}

func (r *reader) selectKey(v value) {
	s := &r.entry.sel
	switch v.key {
	case "source":
		s.Source = v.text()
		if ref, err := reference.Parse(s.Source); err != nil {
			v.errorf("is no repository: %s", err)
		} else if ref.Name() != s.Source {
			v.errorf("must be a repository in full, %s", ref.Name())
		}
	case "policy":
		if v.node.Kind != unstable.String { // that of all tags is empty
			v.errorf("must be a string")
			return
		}
		s.Policy = string(v.node.Data)
	case "tags":
		seen := map[string]bool{}
		v.texts(maxTags, func(item value, tag string) {
			if err := reference.CheckTag(tag); err != nil {
				item.errorf("has a bad entry: %s", err)
			}
			if seen[tag] {
				item.errorf("has %s twice", tag)
			}
			seen[tag] = true
			s.Tags = append(s.Tags, tag)
		})
	default:
		r.unknown(v, "source", "policy", "tags")
	}
}

func (r *reader) imageKey(v value) {
	i := &r.entry.image
	switch v.key {
	case "source":
		i.Source = v.text()
		v.source(i.Source)
	case "digest":
		i.Digest = v.digest(v.text())
	case "media_type":
		i.MediaType = v.text()
	case "seen":
		if v.node.Kind != unstable.DateTime {
			v.errorf("must be a time in UTC, as in 2026-11-03T09:14:00Z")
			return
		}
		i.Seen = v.time(string(v.node.Data))
	case "platforms":
		v.texts(maxPlatforms, func(item value, s string) { i.Platforms = append(i.Platforms, item.manifest(s)) })
	case "limited":
		v.texts(maxPlatforms, func(item value, s string) {
			m := item.manifest(s)
			for _, p := range strings.Split(m.Platform, ",") {
				if _, err := platform.Parse(p); err != nil {
					item.errorf("has a bad entry: %s", err)
				}
			}
			i.Limited = append(i.Limited, m)
		})
	case "signed":
		i.Signed = v.text()
	case "because":
		i.Because = v.text()
	case "next":
		v.texts(maxNext, func(item value, s string) {
			digest, seen, found := strings.Cut(s, " ")
			if !found {
				item.errorf("must have a digest and a time in each entry, not %q", s)
				return
			}
			i.Next = append(i.Next, Next{item.digest(digest), item.time(seen)})
		})
	case "sum":
		r.entry.sum = v.text()
	default:
		r.unknown(v, "source", "digest", "media_type", "seen", "platforms", "limited", "signed", "because", "next", "sum")
	}
}

// source checks that an image is spelled as [Key] spells it.
func (v value) source(source string) {
	ref, err := reference.Parse(source)
	if err != nil {
		v.errorf("is no image: %s", err)
		return
	}
	if ref.Tag != "" {
		ref.Digest = v1.Hash{}
	}
	if ref.String() != source {
		v.errorf("must be spelled in full, %s", ref)
	}
}

// manifest reads "PLATFORM DIGEST".
func (v value) manifest(s string) Manifest {
	platform, digest, found := strings.Cut(s, " ")
	if !found {
		v.errorf("must have a platform and a digest in each entry, not %q", s)
		return Manifest{}
	}
	return Manifest{platform, v.digest(digest)}
}

// close ends the open entry: nothing it needs may be missing. The last entry of a file that lacks its end was cut off.
func (r *reader) close(last bool) {
	e := &r.entry
	var needed []string
	key, end := "", "sum"
	switch e.table {
	case selectTable:
		end = "tags"
		needed, key = []string{"source", "policy", "tags"}, "policy "+e.sel.Source+" "+e.sel.Policy
	case imageTable:
		needed, key = []string{"source", "sum"}, e.image.Source
		if e.keys["digest"] > 0 {
			needed = []string{"source", "digest", "media_type", "seen", "sum"}
		}
	default:
		return
	}
	for _, k := range needed {
		if _, ok := e.keys[k]; ok || e.bad {
			continue
		}
		if last && e.keys[end] == 0 {
			r.errorf(e.line, "is cut off within the entry that begins here; %s", restoreIt)
			return
		}
		r.errorf(e.line, "the entry has no %q", k)
	}
	if e.table == imageTable && !e.bad && e.image.Waiting() && len(e.image.Next) == 0 {
		r.errorf(e.line, "the entry has neither a digest nor one that waits")
	}
	if e.bad {
		return
	}
	if first, twice := r.seen[key]; twice {
		r.errorf(e.line, "%s has an entry on line %d already", key, first)
		return
	}
	r.seen[key] = e.line
	if e.table == selectTable {
		e.sel.Line = e.line
		r.file.Selects = append(r.file.Selects, e.sel)
		return
	}
	if _, digest, only := strings.Cut(e.image.Source, "@"); only && digest != e.image.Digest.String() {
		r.errorf(e.line, "the entry of %s has the digest %s", e.image.Source, e.image.Digest)
		return
	}
	e.image.Line = e.line
	e.image.Edited = e.image.sum() != e.sum
	r.file.Images = append(r.file.Images, e.image)
}
