// Package strictyaml reads YAML into the values of package strictjson, so that one strict decoder with lines serves both.
//
// go.yaml.in/yaml/v3 does the parsing: its nodes have lines, and it reads YAML as Kubernetes' own tools and replicant do.
package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"docker-mirror/go-helper/internal/strictjson"
)

// maxDepth bounds nesting, so that hostile input can't exhaust the stack.
const maxDepth = 256

// maxAliased bounds how many values aliases can blow a document up by.
const maxAliased = 100_000

// Parse reads a stream of documents with their lines; empty documents are left out. The error is a *[strictjson.Problem],
// beside the documents before it.
func Parse(data []byte) ([]strictjson.Value, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var values []strictjson.Value
	for {
		var document yaml.Node
		switch err := decoder.Decode(&document); {
		case errors.Is(err, io.EOF):
			return values, nil
		case err != nil:
			return values, problem(err)
		}
		b := builder{open: map[*yaml.Node]bool{}}
		value, err := b.value(document.Content[0], 0)
		if err != nil {
			return values, err
		}
		if value.Kind != strictjson.Null {
			values = append(values, value)
		}
	}
}

var lineOf = regexp.MustCompile(`^line (\d+): `)

// problem takes the line out of go-yaml's message, the only place where it has it.
func problem(err error) error {
	msg := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	if m := lineOf.FindStringSubmatch(msg); m != nil {
		line, _ = strconv.Atoi(m[1])
		msg = msg[len(m[0]):]
	}
	return &strictjson.Problem{Line: max(line, 1), Msg: "invalid YAML: " + msg}
}

type builder struct {
	aliased int
	open    map[*yaml.Node]bool // anchors that are being followed
}

func (b *builder) value(n *yaml.Node, depth int) (strictjson.Value, error) {
	v := strictjson.Value{Line: n.Line}
	if len(b.open) > 0 {
		b.aliased++
	}
	if b.aliased > maxAliased || depth > maxDepth {
		return v, &strictjson.Problem{Line: n.Line, Msg: "the document is too large or too deep"}
	}
	switch n.Kind {
	case yaml.AliasNode:
		if b.open[n.Alias] {
			return v, &strictjson.Problem{Line: n.Line, Msg: fmt.Sprintf("anchor %q contains itself", n.Value)}
		}
		b.open[n.Alias] = true
		defer delete(b.open, n.Alias)
		return b.value(n.Alias, depth+1)
	case yaml.SequenceNode:
		v.Kind = strictjson.Array
		for _, item := range n.Content {
			value, err := b.value(item, depth+1)
			if err != nil {
				return v, err
			}
			v.Items = append(v.Items, value)
		}
	case yaml.MappingNode:
		v.Kind = strictjson.Object
		return v, b.fields(&v, n, depth)
	default:
		v.Text = n.Value
		switch n.ShortTag() {
		case "!!null":
			v.Kind = strictjson.Null
		case "!!bool":
			v.Kind = strictjson.Bool
			v.Text = strings.ToLower(n.Value)
		case "!!int", "!!float":
			v.Kind = strictjson.Number
		default:
			v.Kind = strictjson.String
		}
	}
	return v, nil
}

// fields reads a mapping; merge keys (<<) give what the mapping doesn't say itself.
func (b *builder) fields(v *strictjson.Value, n *yaml.Node, depth int) error {
	var merged []strictjson.Field
	own := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, item := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			return &strictjson.Problem{Line: key.Line, Msg: "a key must be a scalar"}
		}
		value, err := b.value(item, depth+1)
		if err != nil {
			return err
		}
		if key.ShortTag() == "!!merge" {
			sources := []strictjson.Value{value}
			if value.Kind == strictjson.Array {
				sources = value.Items
			}
			for _, source := range sources {
				if source.Kind != strictjson.Object {
					return &strictjson.Problem{Line: key.Line, Msg: "a merge key (<<) needs a mapping"}
				}
				merged = append(merged, source.Fields...)
			}
			continue
		}
		own[key.Value] = true
		v.Fields = append(v.Fields, strictjson.Field{Key: key.Value, Line: key.Line, Value: value})
	}
	for _, field := range merged {
		if !own[field.Key] {
			own[field.Key] = true
			v.Fields = append(v.Fields, field)
		}
	}
	return nil
}
