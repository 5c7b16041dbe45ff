package strictjson

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	"docker-mirror/go-helper/internal/suggest"
)

// Decoder takes values apart and collects what is wrong with them.
type Decoder struct{ Problems []Problem }

// Member is a key that an object may have, and what to do with its value.
type Member struct {
	Key      string
	Required bool
	Decode   func(v Value)
}

// Errorf records a problem.
func (d *Decoder) Errorf(line int, format string, args ...any) {
	d.Problems = append(d.Problems, Problem{Line: line, Msg: fmt.Sprintf(format, args...)})
}

// Object takes an object's members apart. Unknown, misspelled, duplicate and missing keys are problems; `what` names the
// object in them ("copy spec").
func (d *Decoder) Object(v Value, what string, members ...Member) {
	if !d.kind(v, what, Object) {
		return
	}
	seen := make(map[string]int, len(v.Fields))
	for _, field := range v.Fields {
		member := find(members, field.Key)
		switch first, duplicate := seen[field.Key]; {
		case member == nil:
			d.Errorf(field.Line, "unknown key %q in %s%s", field.Key, what, hint(field.Key, members))
		case duplicate:
			d.Errorf(field.Line, "duplicate key %q in %s, first on line %d", field.Key, what, first)
		default:
			member.Decode(field.Value)
		}
		seen[field.Key] = field.Line
	}
	for _, member := range members {
		if _, ok := seen[member.Key]; member.Required && !ok {
			d.Errorf(v.Line, "%s has no %q", what, member.Key)
		}
	}
}

func find(members []Member, key string) *Member {
	for i := range members {
		if members[i].Key == key {
			return &members[i]
		}
	}
	return nil
}

func hint(key string, members []Member) string {
	known := make([]string, len(members))
	for i, member := range members {
		known[i] = member.Key
	}
	switch closest := suggest.Closest(key, known); {
	case closest != "" && strings.EqualFold(closest, key):
		return fmt.Sprintf(": keys are case-sensitive, did you mean %q?", closest)
	case closest != "":
		return fmt.Sprintf(": did you mean %q?", closest)
	default:
		sort.Strings(known)
		return fmt.Sprintf(": known keys are %s", strings.Join(known, ", "))
	}
}

// Map calls decode for each member of an object whose keys are free.
func (d *Decoder) Map(v Value, what string, decode func(key string, v Value)) {
	if !d.kind(v, what, Object) {
		return
	}
	seen := make(map[string]int, len(v.Fields))
	for _, field := range v.Fields {
		if first, duplicate := seen[field.Key]; duplicate {
			d.Errorf(field.Line, "duplicate key %q in %s, first on line %d", field.Key, what, first)
			continue
		}
		seen[field.Key] = field.Line
		decode(field.Key, field.Value)
	}
}

// Array calls decode for each item.
func (d *Decoder) Array(v Value, what string, decode func(v Value)) {
	if !d.kind(v, what, Array) {
		return
	}
	for _, item := range v.Items {
		decode(item)
	}
}

// String gives a string's content, and whether it is one.
func (d *Decoder) String(v Value, what string) (string, bool) {
	return v.Text, d.kind(v, what, String)
}

// NonEmpty is [Decoder.String] for strings that must say something.
func (d *Decoder) NonEmpty(v Value, what string) (string, bool) {
	s, ok := d.String(v, what)
	if ok && strings.TrimSpace(s) == "" {
		d.Errorf(v.Line, "%s is empty", what)
		return "", false
	}
	return s, ok
}

// Strings gives the items of an array of strings that aren't empty.
func (d *Decoder) Strings(v Value, what string) []string {
	var items []string
	d.Array(v, what, func(item Value) {
		if s, ok := d.NonEmpty(item, "an entry of "+what); ok {
			items = append(items, s)
		}
	})
	return items
}

// Bool gives a boolean.
func (d *Decoder) Bool(v Value, what string) bool {
	return d.kind(v, what, Bool) && v.Text == "true"
}

// Int gives a whole number that is not below zero.
func (d *Decoder) Int(v Value, what string) (int, bool) {
	if !d.kind(v, what, Number) {
		return 0, false
	}
	n, err := strconv.Atoi(v.Text)
	if err != nil || n < 0 {
		d.Errorf(v.Line, "%s must be a whole number from 0 on, not %s", what, v.Text)
		return 0, false
	}
	return n, true
}

func (d *Decoder) kind(v Value, what string, want Kind) bool {
	if v.Kind != want {
		d.Errorf(v.Line, "%s must be %s, not %s", what, want, v.Kind)
		return false
	}
	return true
}
