package lock_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/pelletier/go-toml/v2"

	"docker-mirror/go-helper/internal/lock"
	"docker-mirror/go-helper/internal/schematest"
)

// lockFile is a lock as TOML has it; tests hold it and the reader together.
type lockFile struct {
	Version versionOne    `json:"version" jsonschema:"Of the format."`
	Select  []selectTable `json:"select,omitempty" jsonschema:"An entry a tag policy of the list."`
	Image   []imageTable  `json:"image,omitempty" jsonschema:"An entry an image of the list."`
}

type selectTable struct {
	Source string   `json:"source" jsonschema:"The repository, in full."`
	Policy string   `json:"policy" jsonschema:"The policy's canonical text."`
	Tags   []string `json:"tags" jsonschema:"The tags that it has selected; each has an entry under image."`
}

type imageTable struct {
	Source    string    `json:"source" jsonschema:"The image in full, without a digest unless the list names nothing else."`
	Digest    digest    `json:"digest,omitempty" jsonschema:"Of the source's manifest or index. Where it is missing, the image waits and is not mirrored."`
	MediaType string    `json:"media_type,omitempty" jsonschema:"Of that manifest or index."`
	Seen      timestamp `json:"seen,omitempty" jsonschema:"When this digest was first seen under this name, in UTC."`
	Platforms manifests `json:"platforms,omitempty" jsonschema:"The platforms of an index and their manifests."`
	Limited   manifests `json:"limited,omitempty" jsonschema:"The digests that the index has once it is rewritten to some platforms, which are joined by commas."`
	Signed    string    `json:"signed,omitempty" jsonschema:"Who had signed the digest when it was locked."`
	Because   string    `json:"because,omitempty" jsonschema:"Why a rule was set aside for the digest."`
	Next      waiting   `json:"next,omitempty" jsonschema:"Digests that were seen under the name and wait, with the times; nothing is mirrored from them."`
	Sum       checksum  `json:"sum" jsonschema:"The first 64 bits of the SHA-256 of the entry's other lines."`
}

type (
	versionOne int
	digest     string
	timestamp  string
	checksum   string
	manifests  []string
	waiting    []string
)

func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	const hash = "sha256:[0-9a-f]{64}"
	list := func(pattern string, most int) *jsonschema.Schema {
		return &jsonschema.Schema{Type: "array", MaxItems: &most, Items: &jsonschema.Schema{Type: "string", Pattern: "^" + pattern + "$"}}
	}
	s, err := jsonschema.For[lockFile](&jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[versionOne](): {Type: "integer", Enum: []any{1}},
		reflect.TypeFor[digest]():     {Type: "string", Pattern: "^" + hash + "$"},
		reflect.TypeFor[timestamp]():  {Type: "string", Format: "date-time"},
		reflect.TypeFor[checksum]():   {Type: "string", Pattern: "^[0-9a-f]{16}$"},
		reflect.TypeFor[manifests]():  list(`\S+ `+hash, 2000),
		reflect.TypeFor[waiting]():    list(hash+` \S+`, 8),
	}})
	if err != nil {
		t.Fatal(err)
	}
	schematest.OnlyArrays(s)
	s.Schema = "https://json-schema.org/draft/2020-12/schema"
	s.Title = "A lock of docker-mirror (TOML)"
	return s
}

// docs/schema/lock.schema.json is made from Go types: go test ./go-helper/internal/lock -update.
func TestTheSchemaIsThatOfTheTypes(t *testing.T) {
	t.Parallel()
	schematest.WantWritten(t, "lock.schema.json", schema(t))
}

// What the writer writes keeps to the schema, with every key that there is.
func TestAWrittenLockKeepsToTheSchema(t *testing.T) {
	t.Parallel()
	resolved, err := schema(t).Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	var document map[string]any
	if err := toml.Unmarshal(lock.Format(lock.Sample()), &document); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	var instance any
	if err := json.Unmarshal(data, &instance); err != nil {
		t.Fatal(err)
	}
	if err := resolved.Validate(instance); err != nil {
		t.Error(err)
	}
	keys := map[string]bool{}
	for _, image := range instance.(map[string]any)["image"].([]any) {
		for key := range image.(map[string]any) {
			keys[key] = true
		}
	}
	if n := reflect.TypeFor[imageTable]().NumField(); len(keys) != n {
		t.Errorf("the sample has %d keys, the schema %d", len(keys), n)
	}
	instance.(map[string]any)["image"].([]any)[0].(map[string]any)["digests"] = "x"
	if resolved.Validate(instance) == nil {
		t.Error("an unknown key passes")
	}
}
