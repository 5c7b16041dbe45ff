// Package stricttoml reads TOML into the values of package strictjson, so that one strict decoder with lines serves both.
package stricttoml

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"docker-mirror/go-helper/internal/strictjson"
)

// maxDepth bounds nesting, so that hostile input can't exhaust the stack.
const maxDepth = 64

// Parse reads a TOML document with its lines. What a document means (tables that are reopened, duplicate keys, dotted keys) is
// decided by go-toml's decoder; its parser's nodes give the lines, which the decoder doesn't.
func Parse(data []byte) (strictjson.Value, error) {
	var document map[string]any
	if err := toml.Unmarshal(data, &document); err != nil {
		line := 0
		var at *toml.DecodeError
		if errors.As(err, &at) {
			line, _ = at.Position()
		}
		msg := strings.TrimPrefix(err.Error(), "toml: ")
		if strings.HasPrefix(msg, "expected keyword") { // what go-toml says of a bare word
			msg = "not a value: strings need quotes"
		}
		return strictjson.Value{}, &strictjson.Problem{Line: max(line, 1), Msg: "invalid TOML: " + msg}
	}
	lines := linesOf(data)
	return lines.value(document, "", 1, 0)
}

// places are the lines of a document's values, by their path: "image[2].tags[0]".
type places map[string]int

func linesOf(data []byte) places {
	w := walker{places: places{}, arrays: map[string]int{}}
	for i, c := range data {
		if c == '\n' {
			w.ends = append(w.ends, i)
		}
	}
	w.parser.Reset(data)
	table := ""
	for w.parser.NextExpression() {
		node := w.parser.Expression()
		switch node.Kind {
		case unstable.Table:
			table, _ = w.path("", node.Key(), false)
		case unstable.ArrayTable:
			table, _ = w.path("", node.Key(), true)
		case unstable.KeyValue:
			w.keyValue(table, node, 0)
		}
	}
	return w.places
}

type walker struct {
	parser unstable.Parser
	places places
	arrays map[string]int // path of an array of tables -> how many it has so far
	ends   []int          // offsets of newlines
}

func (w *walker) line(r unstable.Range) int {
	return 1 + sort.SearchInts(w.ends, int(r.Offset))
}

// path follows a key from a table on and records where it stands. An array of tables on the way means its last one; with
// add, the key begins a new one.
func (w *walker) path(from string, key unstable.Iterator, add bool) (path string, line int) {
	path = from
	for key.Next() {
		node := key.Node()
		line = w.line(node.Raw)
		path += "." + quoteKey(string(node.Data))
		if n, ok := w.arrays[path]; ok && (!key.IsLast() || !add) {
			path = fmt.Sprintf("%s[%d]", path, n-1)
		}
		w.record(path, line)
	}
	if add {
		w.arrays[path]++
		path = fmt.Sprintf("%s[%d]", path, w.arrays[path]-1)
		w.record(path, line)
	}
	return path, line
}

func (w *walker) record(path string, line int) {
	if _, ok := w.places[path]; !ok {
		w.places[path] = line
	}
}

func (w *walker) keyValue(table string, node *unstable.Node, depth int) {
	path, line := w.path(table, node.Key(), false)
	w.value(path, node.Value(), line, depth)
}

// value records the lines inside a value; what has no place of its own stands where the one before it does.
func (w *walker) value(path string, node *unstable.Node, line, depth int) int {
	if depth > maxDepth {
		return line
	}
	if node.Raw.Length > 0 {
		line = w.line(node.Raw)
	}
	w.record(path, line)
	children := node.Children()
	switch node.Kind {
	case unstable.Array:
		for i := 0; children.Next(); {
			if children.Node().Kind == unstable.Comment {
				continue
			}
			line = w.value(fmt.Sprintf("%s[%d]", path, i), children.Node(), line, depth+1)
			i++
		}
	case unstable.InlineTable:
		for children.Next() {
			if children.Node().Kind == unstable.KeyValue {
				w.keyValue(path, children.Node(), depth+1)
			}
		}
	}
	return line
}

// quoteKey keeps keys with dots apart from dotted keys.
func quoteKey(key string) string {
	if strings.ContainsAny(key, `.[]"`) {
		return fmt.Sprintf("%q", key)
	}
	return key
}

// value turns what go-toml decoded into a value with lines.
func (p places) value(decoded any, path string, line, depth int) (strictjson.Value, error) {
	if at, ok := p[path]; ok {
		line = at
	}
	v := strictjson.Value{Line: line}
	if depth > maxDepth {
		return v, &strictjson.Problem{Line: line, Msg: fmt.Sprintf("nested more than %d levels deep", maxDepth)}
	}
	switch decoded := decoded.(type) {
	case string:
		v.Kind, v.Text = strictjson.String, decoded
	case bool:
		v.Kind, v.Text = strictjson.Bool, fmt.Sprint(decoded)
	case int64, float64:
		v.Kind, v.Text = strictjson.Number, fmt.Sprint(decoded)
	case []any:
		v.Kind = strictjson.Array
		for i, item := range decoded {
			value, err := p.value(item, fmt.Sprintf("%s[%d]", path, i), line, depth+1)
			if err != nil {
				return v, err
			}
			v.Items = append(v.Items, value)
		}
	case map[string]any:
		v.Kind = strictjson.Object
		for key, item := range decoded {
			value, err := p.value(item, path+"."+quoteKey(key), line, depth+1)
			if err != nil {
				return v, err
			}
			v.Fields = append(v.Fields, strictjson.Field{Key: key, Line: value.Line, Value: value})
		}
		sort.Slice(v.Fields, func(i, j int) bool {
			a, b := v.Fields[i], v.Fields[j]
			return a.Line < b.Line || a.Line == b.Line && a.Key < b.Key
		})
	default:
		v.Kind, v.Text = "a date or time", fmt.Sprint(decoded)
	}
	return v, nil
}
