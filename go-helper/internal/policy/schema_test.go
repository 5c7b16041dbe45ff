package policy

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/pelletier/go-toml/v2"

	"docker-mirror/go-helper/internal/schematest"
)

// policyFile is a policy as TOML has it; tests hold it and the reader together.
type policyFile struct {
	Version versionOne            `json:"version" jsonschema:"Of the format."`
	Trust   map[string]trustTable `json:"trust,omitempty" jsonschema:"What signatures are verified with, by names that signed_by uses."`
	Rule    []ruleTable           `json:"rule" jsonschema:"The first that matches an image holds, alone. An image that none matches is an error."`
}

type trustTable struct {
	TrustedRoot string   `json:"trusted_root,omitempty" jsonschema:"File with Sigstore's trusted root, relative to the policy."`
	Keys        []string `json:"keys,omitempty" jsonschema:"Files with public keys, PEM, relative to the policy."`
	Log         logs     `json:"log,omitempty" jsonschema:"Whether a signature must be in a transparency log (default: required)."`
}

type ruleTable struct {
	Images     []string         `json:"images" jsonschema:"Globs over the repository in full, as in docker.io/library/*; those after ! leave out."`
	Tags       []string         `json:"tags,omitempty" jsonschema:"Globs over the tag; those after ! leave out."`
	Cooldown   duration         `json:"cooldown,omitempty" jsonschema:"How long a digest must have been seen under its name before it is locked, as in 7d, 36h or 1d12h."`
	Rolling    bool             `json:"rolling,omitempty" jsonschema:"Whether the newest digest that is old enough is taken, though the tag has left it."`
	Evidence   evidence         `json:"evidence,omitempty" jsonschema:"What shows a digest's age: the lock's line in git."`
	Exceptions bool             `json:"exceptions,omitempty" jsonschema:"Whether lock --now --because may set the rule aside (default: true)."`
	Moved      reaction         `json:"moved,omitempty" jsonschema:"What becomes of a locked image whose tag names something else (default: refuse for tags that are full versions, else accept)."`
	Unsigned   reaction         `json:"unsigned,omitempty" jsonschema:"What becomes of an image without any signature (default: refuse where the rule says who must sign)."`
	On         on               `json:"on,omitempty" jsonschema:"Which manifests must carry the signature (default: index)."`
	SignedBy   []authorityTable `json:"signed_by,omitempty" jsonschema:"Who may sign; one of them must have."`
	Attested   []attestedTable  `json:"attested,omitempty" jsonschema:"Statements that must be there."`
	Reference  bool             `json:"reference,omitempty" jsonschema:"Whether the signature must name the image's own repository."`
	From       string           `json:"from,omitempty" jsonschema:"Repository where signatures are, or origin: past a pull-through cache."`
}

type authorityTable struct {
	Trust            string `json:"trust" jsonschema:"Name of a trust."`
	Issuer           string `json:"issuer,omitempty" jsonschema:"Of the identity, exact."`
	Subject          string `json:"subject,omitempty" jsonschema:"Of the identity: exact, a glob whose * stops at /, or a /regular expression/ that fits the whole."`
	SourceRepository string `json:"source_repository,omitempty" jsonschema:"Of the certificate, likewise."`
	SourceRef        string `json:"source_ref,omitempty" jsonschema:"Of the certificate, likewise."`
}

type attestedTable struct {
	Predicate string            `json:"predicate" jsonschema:"Type of the statement, exact."`
	Where     map[string]string `json:"where,omitempty" jsonschema:"What the statement must say, by JSON pointers."`
	SignedBy  []authorityTable  `json:"signed_by,omitempty" jsonschema:"Who may have attested (default: the rule's signed_by)."`
}

type (
	versionOne int
	logs       string
	duration   string
	evidence   string
	reaction   string
	on         string
)

func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	shortest := 1
	words := func(all ...any) *jsonschema.Schema { return &jsonschema.Schema{Type: "string", Enum: all} }
	s, err := jsonschema.For[policyFile](&jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[versionOne](): {Type: "integer", Enum: []any{1}},
		reflect.TypeFor[duration]():   {Type: "string", MinLength: &shortest, Pattern: "^(?:0|(?:[0-9]{1,4}w)?(?:[0-9]{1,4}d)?(?:[0-9]{1,5}h)?(?:[0-9]{1,6}m)?)$"},
		reflect.TypeFor[logs]():       words(string(LogRequired), string(LogNone)),
		reflect.TypeFor[evidence]():   words(string(EvidenceLock)),
		reflect.TypeFor[reaction]():   words(string(Refuse), string(Warn), string(Accept)),
		reflect.TypeFor[on]():         words(string(OnIndex), string(OnPlatforms), string(OnBoth)),
	}})
	if err != nil {
		t.Fatal(err)
	}
	schematest.OnlyArrays(s)
	s.Schema = "https://json-schema.org/draft/2020-12/schema"
	s.Title = "A policy of docker-mirror (TOML)"
	return s
}

// docs/schema/policy.schema.json is made from Go types: go test ./go-helper/internal/policy -update.
func TestTheSchemaIsThatOfTheTypes(t *testing.T) {
	t.Parallel()
	schematest.WantWritten(t, "policy.schema.json", schema(t))
}

// A policy with every key that there is passes the reader and the schema, and an unknown key passes neither.
func TestTheSchemaKnowsTheKeysOfTheReader(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/mirror-policy.toml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Parse("mirror-policy.toml", data); err != nil {
		t.Error(err)
	}
	var document map[string]any
	if err := toml.Unmarshal(data, &document); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	var instance any
	if err := json.Unmarshal(text, &instance); err != nil {
		t.Fatal(err)
	}
	resolved, err := schema(t).Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := resolved.Validate(instance); err != nil {
		t.Error(err)
	}
	keys := map[string]bool{}
	for _, rule := range instance.(map[string]any)["rule"].([]any) {
		for key := range rule.(map[string]any) {
			keys[key] = true
		}
	}
	if n := reflect.TypeFor[ruleTable]().NumField(); len(keys) != n {
		t.Errorf("the sample has %d keys of rules, the schema %d", len(keys), n)
	}
	instance.(map[string]any)["rule"].([]any)[0].(map[string]any)["cooldowns"] = "7d"
	if resolved.Validate(instance) == nil {
		t.Error("an unknown key passes")
	}
}

// What people paste from docs/policy.md is right.
func TestTheRecipesOfTheDocsAreRead(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	recipes := 0
	for _, block := range strings.Split(string(page), "```toml\n")[1:] {
		block, _, _ = strings.Cut(block, "```")
		if !strings.Contains(block, "[[rule]]") {
			continue
		}
		recipes++
		if _, err := Parse("mirror-policy.toml", []byte(block)); err != nil {
			t.Errorf("%s\n%s", err, block)
		}
	}
	if recipes < 5 {
		t.Errorf("only %d recipes were found", recipes)
	}
}
