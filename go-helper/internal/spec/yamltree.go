package spec

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

// maxAliased bounds how many values aliases can blow a document up by.
const maxAliased = 100_000

// yamlTree reads one YAML document with its lines; an empty one is an empty object.
func yamlTree(data []byte) (strictjson.Value, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, second yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return strictjson.Value{Kind: strictjson.Object, Line: 1}, nil
	case err != nil:
		return strictjson.Value{}, yamlProblem(err)
	}
	switch err := decoder.Decode(&second); {
	case err == nil:
		return strictjson.Value{}, &strictjson.Problem{Line: second.Line, Msg: "a second document: want only one"}
	case !errors.Is(err, io.EOF):
		return strictjson.Value{}, yamlProblem(err)
	}
	b := yamlBuilder{open: map[*yaml.Node]bool{}}
	return b.value(document.Content[0], 0)
}

var yamlLine = regexp.MustCompile(`^line (\d+): `)

// yamlProblem takes the line out of go-yaml's message, the only place where it has it.
func yamlProblem(err error) error {
	msg := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	if m := yamlLine.FindStringSubmatch(msg); m != nil {
		line, _ = strconv.Atoi(m[1])
		msg = msg[len(m[0]):]
	}
	return &strictjson.Problem{Line: max(line, 1), Msg: "invalid YAML: " + msg}
}

type yamlBuilder struct {
	aliased int
	open    map[*yaml.Node]bool // anchors that are being followed
}

func (b *yamlBuilder) value(n *yaml.Node, depth int) (strictjson.Value, error) {
	v := strictjson.Value{Line: n.Line}
	if len(b.open) > 0 {
		b.aliased++
	}
	if b.aliased > maxAliased || depth > maxTreeDepth {
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
func (b *yamlBuilder) fields(v *strictjson.Value, n *yaml.Node, depth int) error {
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
