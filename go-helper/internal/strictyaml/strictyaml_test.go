package strictyaml

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/strictjson"
)

// flat writes a value on one line, with lines where they differ from the one around them.
func flat(v strictjson.Value) string {
	switch v.Kind {
	case strictjson.Array:
		var items []string
		for _, item := range v.Items {
			items = append(items, flat(item))
		}
		return "[" + strings.Join(items, " ") + "]"
	case strictjson.Object:
		var fields []string
		for _, field := range v.Fields {
			fields = append(fields, field.Key+"@"+string(rune('0'+field.Line))+"="+flat(field.Value))
		}
		return "{" + strings.Join(fields, " ") + "}"
	default:
		return strings.TrimPrefix(strings.TrimPrefix(string(v.Kind), "a "), "an ") + ":" + v.Text
	}
}

func TestParse(t *testing.T) {
	values, err := Parse([]byte(`# comment
---
a: text
b: [1, 2.5, true, ~, "1", yes]
---
---
base: &base {x: 1, y: 2}
merged:
  <<: [*base, {z: 3, x: 9}]
  y: own
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"{a@3=string:text b@4=[number:1 number:2.5 boolean:true null:~ string:1 string:yes]}",
		"{base@7={x@7=number:1 y@7=number:2} merged@8={y@" + string(rune('0'+10)) + "=string:own x@7=number:1 z@9=number:3}}",
	}
	var got []string
	for _, v := range values {
		got = append(got, flat(v))
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestParseRefuses(t *testing.T) {
	for data, want := range map[string]string{
		"a: 1\n---\nb: [\n": "invalid YAML",
		"a: &x [*x]":        `anchor "x" contains itself`,
		"a:\n  <<: 1":       "a merge key (<<) needs a mapping",
		"[a]: b":            "a key must be a scalar",
		laughs(9):           "too large",
		strings.Repeat("[", 300) + strings.Repeat("]", 300): "too deep",
	} {
		_, err := Parse([]byte(data))
		var problem *strictjson.Problem
		if !errors.As(err, &problem) || !strings.Contains(problem.Msg, want) || problem.Line < 1 {
			t.Errorf("%q: %v, want %q", data, err, want)
		}
	}
}

// laughs is a few lines that stand for 10 to the power of n strings.
func laughs(n int) string {
	text := "a0: &a0 lol\n"
	for i := range n {
		text += fmt.Sprintf("a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 10), ", "))
	}
	return text
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"a: 1", "a: &a [*a]", "<<: {a: 1}\nb: 2", "---\n---\n", "? [x]\n: y", "!!binary x", "a: |\n  b\n", "\t"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, err := Parse(data)
		var problem *strictjson.Problem
		if err != nil && !errors.As(err, &problem) {
			t.Fatalf("%q: %T", data, err)
		}
	})
}
