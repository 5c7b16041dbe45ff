package chart

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

func appVersion(t *testing.T) string {
	t.Helper()
	var metadata struct{ AppVersion string }
	read(t, "Chart.yaml", &metadata)
	return metadata.AppVersion
}

func read(t *testing.T, name string, into any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(chart, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

// The chart is of the program's version.
func TestVersion(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("../../go-helper/internal/cli/version.go")
	if err != nil {
		t.Fatal(err)
	}
	if version := appVersion(t); !strings.Contains(string(source), `const version = "`+version+`"`) {
		t.Errorf("the chart's appVersion is %s, and version.go has another", version)
	}
}

// Every value has a schema and a default, and no object takes keys that it doesn't name, but for those that Kubernetes defines.
func TestSchemaAndValuesAgree(t *testing.T) {
	t.Parallel()
	var values map[string]any
	read(t, "values.yaml", &values)
	data, err := os.ReadFile(filepath.Join(chart, "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	delete(s.Properties, "global") // helm's own
	s.agrees(t, "", values)
}

type schema struct {
	Type                 string
	Properties           map[string]schema
	AdditionalProperties any
}

func (s schema) agrees(t *testing.T, path string, value any) {
	t.Helper()
	object, isObject := value.(map[string]any)
	if len(s.Properties) == 0 {
		if isObject && len(object) > 0 && path != ".resources.requests" && path != ".resources.limits" {
			t.Errorf("%s has no schema for its keys", path)
		}
		return
	}
	if s.AdditionalProperties != false || !isObject {
		t.Errorf("%s takes any key", path)
	}
	for key := range object {
		if _, known := s.Properties[key]; !known {
			t.Errorf("%s.%s has no schema", path, key)
		}
	}
	for key, property := range s.Properties {
		v, has := object[key]
		if !has && path != ".resources" {
			t.Errorf("%s.%s has no default", path, key)
		}
		property.agrees(t, path+"."+key, v)
	}
}
