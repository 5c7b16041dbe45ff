package lock

import (
	"bytes"
	"errors"
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2/unstable"

	"docker-mirror/go-helper/internal/spec"
	"docker-mirror/go-helper/internal/suggest"
)

// What helps where a lock can't be read: one side of a merge, or the file of the last commit.
const (
	takeASide = "take one side's file as it was, and run the lock command again"
	restoreIt = "take the file as it was when it was last committed, and run the lock command again"
)

// Parse reads a lock strictly. The error joins a *[spec.Error] for each thing wrong. An entry whose sum doesn't fit is
// marked, and no error here: a new resolution of the image mends it. An empty file is a lock without entries.
func Parse(name string, data []byte) (*File, error) {
	r := &reader{file: &File{Name: name}, data: data, seen: map[string]int{}}
	for i, c := range data {
		if c == '\n' {
			r.ends = append(r.ends, i)
		}
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return r.file, nil
	}
	if r.isText() {
		r.expressions()
	}
	if len(r.errs) > 0 {
		sort.SliceStable(r.errs, func(i, j int) bool { return r.errs[i].Line < r.errs[j].Line })
		errs := make([]error, len(r.errs))
		for i, err := range r.errs {
			errs[i] = err
		}
		return nil, errors.Join(errs...)
	}
	return r.file, nil
}

// reader goes through the expressions of a TOML document as they stand: a lock has no other tables than its two, so that
// nothing has to be merged, and a file of a hundred thousand entries needs no tree.
type reader struct {
	file   *File
	data   []byte
	parser unstable.Parser
	ends   []int // offsets of newlines
	errs   []*spec.Error

	entry   entry          // the one that is open
	version bool           // was there
	seen    map[string]int // key of an entry -> its line
}

// entry is an entry whose keys are being read.
type entry struct {
	table string // "", "select", "image"
	line  int
	keys  map[string]int
	sel   Select
	image Image
	sum   string
	bad   bool // has a problem: what it lacks isn't told beside it
}

const (
	selectTable = "select"
	imageTable  = "image"
)

func (r *reader) errorf(line int, format string, args ...any) {
	const most = 1000 // what is wrong can be a file of any size
	msg := fmt.Sprintf(format, args...)
	if len(msg) > most {
		msg = strings.ToValidUTF8(msg[:most], "") + "…"
	}
	r.entry.bad = true
	r.errs = append(r.errs, &spec.Error{File: r.file.Name, Line: line, Msg: msg})
}

// conflictMarkers are what git leaves where a merge didn't work out.
var conflictMarkers = []string{"<<<<<<<", "|||||||", "=======", ">>>>>>>"}

// isText refuses what is no lock at a glance, by its name.
func (r *reader) isText() bool {
	switch {
	case bytes.HasPrefix(r.data, []byte("\xff\xfe")), bytes.HasPrefix(r.data, []byte("\xfe\xff")):
		r.errorf(0, "is UTF-16: %s", restoreIt)
		return false
	case bytes.HasPrefix(r.data, []byte("\xef\xbb\xbf")):
		r.errorf(1, "begins with a byte order mark, which the lock command doesn't write: %s", restoreIt)
		return false
	}
	start := 0
	for number, end := range append(r.ends, len(r.data)) {
		line := r.data[start:end]
		start = end + 1
		if !utf8.Valid(line) {
			r.errorf(number+1, "not valid UTF-8")
			return false
		}
		for _, marker := range conflictMarkers {
			rest, found := bytes.CutPrefix(line, []byte(marker))
			if found && (len(rest) == 0 || rest[0] == ' ' || rest[0] == '\r') {
				r.errorf(number+1, "has a conflict marker of git (%s): %s", marker, takeASide)
				return false
			}
		}
	}
	if r.data[len(r.data)-1] != '\n' {
		r.errorf(len(r.ends)+1, "is cut off: its last line has no end; %s", restoreIt)
		return false
	}
	return true
}

func (r *reader) line(at unstable.Range) int { return 1 + sort.SearchInts(r.ends, int(at.Offset)) }

func (r *reader) expressions() {
	r.parser.Reset(r.data)
	r.entry.keys = map[string]int{}
	for r.parser.NextExpression() {
		node := r.parser.Expression()
		switch node.Kind {
		case unstable.KeyValue:
			r.keyValue(node)
		case unstable.Table, unstable.ArrayTable:
			r.close(false)
			r.open(node)
		}
		if len(r.file.Images)+len(r.file.Selects) > maxEntries {
			r.errorf(r.entry.line, "has more than %d entries", maxEntries)
			return
		}
	}
	if err := r.parser.Error(); err != nil {
		line := 0
		var at *unstable.ParserError
		if errors.As(err, &at) {
			line = r.line(r.parser.Range(at.Highlight))
		}
		r.errorf(line, "invalid TOML: %s", strings.TrimPrefix(err.Error(), "toml: "))
		return
	}
	r.close(true)
	if !r.version {
		r.errorf(1, `has no "version": it is no lock, or was edited`)
	}
}

// open begins an entry.
func (r *reader) open(node *unstable.Node) {
	name, line := r.key(node.Key())
	r.entry = entry{table: name, line: line, keys: map[string]int{}}
	if node.Kind == unstable.ArrayTable && (name == selectTable || name == imageTable) {
		return
	}
	r.entry.table = "" // its keys aren't looked at
	brackets := "[" + name + "]"
	if node.Kind == unstable.ArrayTable {
		brackets = "[" + brackets + "]"
	}
	r.errorf(line, "unknown table %s: a lock has [[select]] and [[image]]", brackets)
}

// key spells a key out, dots and all.
func (r *reader) key(parts unstable.Iterator) (name string, line int) {
	for parts.Next() {
		node := parts.Node()
		if name != "" {
			name += "."
		} else {
			line = r.line(node.Raw)
		}
		name += string(node.Data)
	}
	return name, line
}

func (r *reader) keyValue(node *unstable.Node) {
	name, line := r.key(node.Key())
	e := &r.entry
	if e.table == "" && e.line > 0 { // of an unknown table
		return
	}
	if first, twice := e.keys[name]; twice {
		r.errorf(line, "duplicate key %q, first on line %d", name, first)
		return
	}
	e.keys[name] = line
	v := value{reader: r, key: name, line: line, node: node.Value()}
	switch e.table {
	case selectTable:
		r.selectKey(v)
	case imageTable:
		r.imageKey(v)
	default:
		if name != "version" {
			r.unknown(v, "version")
			return
		}
		r.version = true
		switch written := string(v.node.Data); {
		case v.node.Kind != unstable.Integer:
			v.errorf("must be a whole number")
		case written != version:
			r.errorf(line, "is of version %s, and this docker-mirror knows %s: take the one that wrote it, or a newer one", written, version)
		}
	}
}

func (r *reader) unknown(v value, known ...string) {
	hint := "known are " + strings.Join(known, ", ")
	if closest := suggest.Closest(v.key, known); closest != "" {
		hint = fmt.Sprintf("did you mean %q?", closest)
	}
	r.errorf(v.line, "unknown key %q: %s", v.key, hint)
}
