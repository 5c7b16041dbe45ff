// Package schematest holds the pages of docs/schema and the Go types together that they are made from.
package schematest

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
)

var update = flag.Bool("update", false, "write docs/schema again")

// folder is docs/schema, from a package of internal.
const folder = "../../../docs/schema"

// WantWritten compares a file of docs/schema with the schema. With -update, it writes the file first.
func WantWritten(t *testing.T, file string, schema *jsonschema.Schema) {
	t.Helper()
	want, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	path := filepath.Join(folder, file)
	if *update {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("docs/schema/%s is not what the types say; run this test with -update", file)
	}
}

// OnlyArrays takes null out of what a schema accepts for slices: TOML has none.
func OnlyArrays(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	if len(s.Types) > 0 {
		s.Type, s.Types = "array", nil
	}
	OnlyArrays(s.Items)
	OnlyArrays(s.AdditionalProperties)
	for _, property := range s.Properties {
		OnlyArrays(property)
	}
}
