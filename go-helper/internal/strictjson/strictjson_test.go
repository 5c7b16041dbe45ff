package strictjson

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestParseKeepsLines(t *testing.T) {
	values, err := Parse([]byte("\xef\xbb\xbf{\n  \"a\": [1,\n\n true, null],\n  \"b\": {\"c\": \"d\"}}\r\n\n\"x\" 2"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Value{
		{Kind: Object, Line: 1, Fields: []Field{
			{Key: "a", Line: 2, Value: Value{Kind: Array, Line: 2, Items: []Value{
				{Kind: Number, Line: 2, Text: "1"}, {Kind: Bool, Line: 4, Text: "true"}, {Kind: Null, Line: 4, Text: "null"},
			}}},
			{Key: "b", Line: 5, Value: Value{Kind: Object, Line: 5, Fields: []Field{{Key: "c", Line: 5, Value: Value{Kind: String, Line: 5, Text: "d"}}}}},
		}},
		{Kind: String, Line: 7, Text: "x"},
		{Kind: Number, Line: 7, Text: "2"},
	}
	if !reflect.DeepEqual(values, want) {
		t.Errorf("got  %+v\nwant %+v", values, want)
	}
}

func TestParseNamesTheLineOfASyntaxError(t *testing.T) {
	for _, test := range []struct {
		name, data string
		line       int
		msg        string
		before     int // whole values before it
	}{
		{"empty object key", "{\n\"a\": 1,\n}", 3, "invalid character '}'", 0},
		{"trailing comma", "[1,\n2,\n]", 3, "invalid character ']'", 0},
		{"trailing garbage", "{}\n\nx", 3, "invalid character 'x'", 1},
		{"comma between values", "{},\n{}", 1, "invalid character ','", 1},
		{"two values in a row", "[1\n\n2]", 3, "invalid character '2'", 0},
		{"cut short", "{}\n[1,\n{\"a\":\n\n", 3, "ends in the middle", 1},
		{"cut in a string", "[\n\"abc", 2, "ends in the middle", 0},
		{"cut in a literal", "[\ntru", 2, "ends in the middle", 0},
		{"no key", "{\n1: 2}", 2, "invalid character '1'", 0},
		{"closing bracket", "]", 1, "invalid character ']'", 0},
		{"mismatch", "[\n}", 2, "invalid character '}'", 0},
		{"single quotes", "[\n'a']", 2, "invalid character '\\''", 0},
		{"comment", "[\n// no\n]", 2, "invalid character '/'", 0},
		{"newline in a string", "[\n\"a\nb\"]", 2, "in string literal", 0},
		{"NaN", "[NaN]", 1, "invalid character 'N'", 0},
		{"invalid UTF-8", "[\n\"\xff\"]", 2, "not valid UTF-8", 0},
		{"deep", strings.Repeat("[", 100), 1, "nested more than", 0},
	} {
		values, err := Parse([]byte(test.data))
		var problem *Problem
		if !errors.As(err, &problem) {
			t.Errorf("%s: error %v, want a *Problem", test.name, err)
			continue
		}
		if problem.Line != test.line || !strings.Contains(problem.Msg, test.msg) || len(values) != test.before {
			t.Errorf("%s: %d values, then %v; want %d and line %d: …%s…", test.name, len(values), problem, test.before, test.line, test.msg)
		}
	}
}

func TestParseOfNothing(t *testing.T) {
	for _, data := range []string{"", " \n\t\r\n", "\xef\xbb\xbf"} {
		if values, err := Parse([]byte(data)); err != nil || len(values) != 0 {
			t.Errorf("Parse(%q) = %v, %v", data, values, err)
		}
	}
}

func TestObjectCollectsEveryProblem(t *testing.T) {
	values, err := Parse([]byte(`{
  "Src": "a",
  "limitPlatform": [],
  "nonsense": 1,
  "n": -1,
  "flag": "true",
  "list": ["a", 1, " "],
  "list": []
}`))
	if err != nil {
		t.Fatal(err)
	}
	d := &Decoder{}
	d.Object(values[0], "thing",
		Member{Key: "src", Required: true, Decode: func(v Value) { t.Error("Src was taken for src") }},
		Member{Key: "limitPlatforms", Decode: func(v Value) { t.Error("limitPlatform was taken for limitPlatforms") }},
		Member{Key: "n", Decode: func(v Value) { d.Int(v, `"n"`) }},
		Member{Key: "flag", Decode: func(v Value) { d.Bool(v, `"flag"`) }},
		Member{Key: "list", Decode: func(v Value) { d.Strings(v, `"list"`) }},
	)
	want := []Problem{
		{2, `unknown key "Src" in thing: keys are case-sensitive, did you mean "src"?`},
		{3, `unknown key "limitPlatform" in thing: did you mean "limitPlatforms"?`},
		{4, `unknown key "nonsense" in thing: known keys are flag, limitPlatforms, list, n, src`},
		{5, `"n" must be a whole number from 0 on, not -1`},
		{6, `"flag" must be a boolean, not a string`},
		{7, `an entry of "list" must be a string, not a number`},
		{7, `an entry of "list" is empty`},
		{8, `duplicate key "list" in thing, first on line 7`},
		{1, `thing has no "src"`},
	}
	if !reflect.DeepEqual(d.Problems, want) {
		t.Errorf("got  %q\nwant %q", d.Problems, want)
	}
}

// Whatever encoding/json refuses is refused here; what is taken here, encoding/json takes.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2,{"b":null}]}`, `[] {} "x"`, "{\n", `[1,]`, `{"a":1,"a":2}`, "\xef\xbb\xbf[]", `"\ud800"`, `1e999`, `{"a" 1}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		values, err := Parse(data)
		if err == nil && len(values) == 1 && !json.Valid(trimBOM(data)) {
			t.Fatalf("Parse(%q) took what isn't JSON: %+v", data, values)
		}
		if err != nil && json.Valid(data) && !strings.Contains(err.Error(), "nested more than") && !strings.Contains(err.Error(), "UTF-8") {
			t.Fatalf("Parse(%q) refused JSON: %v", data, err)
		}
		lines := 1 + strings.Count(string(data), "\n")
		var check func(v Value)
		check = func(v Value) {
			if v.Line < 1 || v.Line > lines {
				t.Fatalf("Parse(%q): line %d of %d", data, v.Line, lines)
			}
			for _, item := range v.Items {
				check(item)
			}
			for _, field := range v.Fields {
				check(field.Value)
			}
		}
		for _, v := range values {
			check(v)
		}
		var problem *Problem
		if errors.As(err, &problem) && (problem.Line < 1 || problem.Line > lines) {
			t.Fatalf("Parse(%q): %v, but there are %d lines", data, err, lines)
		}
	})
}

func trimBOM(data []byte) []byte { return []byte(strings.TrimPrefix(string(data), "\xef\xbb\xbf")) }
