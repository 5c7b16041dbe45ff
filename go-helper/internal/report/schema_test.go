package report

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"docker-mirror/go-helper/internal/engine"
	"docker-mirror/go-helper/internal/schematest"
)

// docs/schema is made from the Go types: go test ./go-helper/internal/report -update.
func TestSchemasAreThoseOfTheTypes(t *testing.T) {
	t.Parallel()
	for file, schema := range map[string]*jsonschema.Schema{
		"report.schema.json":   schemaFor[Report](t, "report.json of docker-mirror", "What a run copied, and what it asked of the registries. New keys may come; a change of the old ones raises schema_version."),
		"progress.schema.json": schemaFor[jsonEvent](t, "a line of docker-mirror's --progress json", "Something that happened in a run; `event` tells which of the other keys are there."),
	} {
		schematest.WantWritten(t, file, schema)
	}
}

func TestAReportKeepsToItsSchema(t *testing.T) {
	t.Parallel()
	schema, err := schemaFor[Report](t, "", "").Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	left := int64(1)
	full := Report{
		Targets:    []Target{{Address: "a:a"}},
		Copies:     []Copy{{Status: engine.StatusCopied, Index: indexOf(&engine.Subset{}), Lock: &Lock{File: "a.lock:1"}, Asker: Asker{Origin: "a:1", Labels: []string{"x"}}, AlsoAskedBy: []Asker{{Target: "b:b"}}}},
		Registries: map[string]Registry{"r": {Requests: map[string]int64{"ping": 1}, RateLimit: &RateLimit{}}},
		DockerHub:  &DockerHub{PullsPlanned: &left, PullsLeft: &left},
	}
	for _, r := range []Report{{}, full} {
		r.Finish(time.Now(), 0)
		if err := schema.Validate(instance(t, r)); err != nil {
			t.Error(err)
		}
	}
	wrong := instance(t, full).(map[string]any)
	wrong["copies"].([]any)[0].(map[string]any)["status"] = "done"
	if schema.Validate(wrong) == nil {
		t.Error("an unknown status passes")
	}
}

func instance(t *testing.T, v any) any {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var decoded any
	if err := json.Unmarshal(data, &decoded); err != nil {
		t.Fatal(err)
	}
	return decoded
}

func schemaFor[T any](t *testing.T, title, description string) *jsonschema.Schema {
	t.Helper()
	var statuses []any
	for _, status := range []engine.Status{engine.StatusCopied, engine.StatusUnchanged, engine.StatusSkipped, engine.StatusFailed, engine.StatusPlanned} {
		statuses = append(statuses, string(status))
	}
	schema, err := jsonschema.For[T](&jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[engine.Status](): {Type: "string", Enum: statuses},
		reflect.TypeFor[time.Time]():     {Type: "string", Format: "date-time"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	allowMore(schema)
	schema.Schema = "https://json-schema.org/draft/2020-12/schema"
	schema.Title, schema.Description = title, description
	return schema
}

// allowMore lets new keys come; the values of maps keep their type. What is left out is never null.
func allowMore(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	if len(s.Properties) > 0 {
		s.AdditionalProperties = nil
	}
	if i := slices.Index(s.Types, "null"); i >= 0 {
		s.Type, s.Types = slices.Delete(s.Types, i, i+1)[0], nil
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		allowMore(s.Properties[name])
	}
	allowMore(s.AdditionalProperties)
	allowMore(s.Items)
}
