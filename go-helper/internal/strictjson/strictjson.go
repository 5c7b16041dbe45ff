// Package strictjson reads JSON that people write by hand: it keeps the line of everything, and refuses what
// encoding/json lets pass (unknown keys, keys in another case, duplicate keys, null, invalid UTF-8).
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// maxDepth bounds nesting, so that hostile input can't exhaust the stack.
const maxDepth = 64

// Kind is the JSON type of a [Value].
type Kind string

// The kinds, spelled as messages name them.
const (
	Null   Kind = "null"
	Bool   Kind = "a boolean"
	Number Kind = "a number"
	String Kind = "a string"
	Array  Kind = "an array"
	Object Kind = "an object"
)

// Value is one JSON value and the line it starts on, from 1.
type Value struct {
	Kind   Kind
	Line   int
	Text   string  // a string's content, the literal of a number or boolean
	Items  []Value // of an array
	Fields []Field // of an object, in the order written, duplicates included
}

// Field is one member of an object.
type Field struct {
	Key   string
	Line  int
	Value Value
}

// Problem is something wrong at a line.
type Problem struct {
	Line int
	Msg  string
}

func (p *Problem) Error() string { return fmt.Sprintf("line %d: %s", p.Line, p.Msg) }

// Parse reads a stream of JSON values, with white space between them or none. A syntax error ends the reading:
// what was whole before it is returned beside the *[Problem].
func Parse(data []byte) ([]Value, error) {
	var values []Value
	err := stream(data, func(p *parser, token json.Token) error {
		value, err := p.value(token, 0)
		if err == nil {
			values = append(values, value)
		}
		return err
	})
	return values, err
}

// Each reads a stream as [Parse] does, and hands over a value at a time, of an array its items: those of a long one are not held together.
func Each(data []byte, each func(Value)) error {
	return stream(data, func(p *parser, token json.Token) error {
		if token == json.Delim('[') {
			return p.items(0, each)
		}
		value, err := p.value(token, 0)
		if err == nil {
			each(value)
		}
		return err
	})
}

// stream has each value of a stream read, from its first token on.
func stream(data []byte, read func(*parser, json.Token) error) error {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if i := invalidUTF8(data); i >= 0 {
		return &Problem{Line: 1 + bytes.Count(data[:i], []byte("\n")), Msg: "not valid UTF-8"}
	}
	p := &parser{data: data, dec: json.NewDecoder(bytes.NewReader(data)), line: 1}
	p.dec.UseNumber()
	for {
		token, err := p.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = read(p, token)
		}
		if err != nil {
			return p.problem(err)
		}
	}
}

func invalidUTF8(data []byte) int {
	if utf8.Valid(data) {
		return -1
	}
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

type parser struct {
	data   []byte
	dec    *json.Decoder
	offset int // up to which lines are counted
	line   int
}

// next reads a token and moves the line to where it ends, which is where it starts: no JSON token spans lines.
func (p *parser) next() (json.Token, error) {
	token, err := p.dec.Token()
	if err == nil {
		p.moveTo(int(p.dec.InputOffset()))
	}
	return token, err
}

func (p *parser) moveTo(offset int) {
	offset = min(offset, len(p.data))
	if offset > p.offset {
		p.line += bytes.Count(p.data[p.offset:offset], []byte("\n"))
		p.offset = offset
	}
}

func (p *parser) problem(err error) error {
	var problem *Problem
	if errors.As(err, &problem) {
		return problem
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		p.moveTo(len(bytes.TrimRight(p.data, " \t\r\n")))
		return &Problem{Line: p.line, Msg: "invalid JSON: the file ends in the middle of a value"}
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		// Offset is the decoder's at times and that of a value's start at others: take the larger place.
		at := max(int(p.dec.InputOffset()), min(int(syntax.Offset), len(p.data)))
		for at < len(p.data) && strings.IndexByte(" \t\r\n", p.data[at]) >= 0 {
			at++
		}
		p.moveTo(at)
	}
	return &Problem{Line: p.line, Msg: "invalid JSON: " + strings.TrimPrefix(err.Error(), "json: ")}
}

func (p *parser) value(token json.Token, depth int) (Value, error) {
	v := Value{Line: p.line}
	if depth > maxDepth {
		return v, &Problem{Line: p.line, Msg: fmt.Sprintf("nested more than %d levels deep", maxDepth)}
	}
	switch token := token.(type) {
	case nil:
		v.Kind, v.Text = Null, "null"
	case bool:
		v.Kind, v.Text = Bool, fmt.Sprint(token)
	case json.Number:
		v.Kind, v.Text = Number, token.String()
	case string:
		v.Kind, v.Text = String, token
	case json.Delim:
		if token == '[' {
			v.Kind = Array
			err := p.items(depth, func(item Value) { v.Items = append(v.Items, item) })
			return v, err
		}
		v.Kind = Object
		return v, p.fields(&v, depth)
	}
	return v, nil
}

func (p *parser) items(depth int, each func(Value)) error {
	for {
		token, err := p.inside()
		if err != nil {
			return err
		}
		if token == json.Delim(']') {
			return nil
		}
		item, err := p.value(token, depth+1)
		if err != nil {
			return err
		}
		each(item)
	}
}

func (p *parser) fields(v *Value, depth int) error {
	for {
		token, err := p.inside()
		if err != nil {
			return err
		}
		if token == json.Delim('}') {
			return nil
		}
		field := Field{Key: token.(string), Line: p.line} // the decoder lets only strings be keys
		if token, err = p.inside(); err != nil {
			return err
		}
		if field.Value, err = p.value(token, depth+1); err != nil {
			return err
		}
		v.Fields = append(v.Fields, field)
	}
}

// inside reads a token where the file must not end.
func (p *parser) inside() (json.Token, error) {
	token, err := p.next()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return token, err
}
