// Package internal holds no code; its tests look at the packages below it.
package internal

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "docker-mirror/go-helper"

// imports is the graph that the packages keep to: whom each may import, besides leaves. What is not listed may import
// nothing of ours.
var imports = map[string][]string{
	"":         {"cli"}, // main.go
	"cli":      {"run", "plan", "shard", "spec", "lint", "report", "devregistry", "devregistry/sample"},
	"run":      {"plan", "shard", "spec", "lock", "pin", "froms", "lint", "tags", "engine", "registry", "auth", "auth/cloud", "ecr", "report", "extract", "policy", "evidence", "verify", "layout", "gitref"},
	"plan":     {"spec", "tags", "lock"},
	"shard":    {"plan", "tags"},
	"lock":     {"spec", "tags", "policy"},
	"policy":   {"spec"}, // its errors
	"gitref":   {},
	"pin":      {"spec"}, // its errors
	"froms":    {"plan"},
	"spec":     {"tags"},
	"engine":   {"registry", "engine/internal/tree", "engine/internal/schedule", "engine/internal/stream", "engine/internal/journal"},
	"registry": {"auth"},
	"evidence": {"registry"},
	"verify":   {"evidence", "policy"},

	"engine/internal/tree":     {"registry"}, // its Manifest
	"engine/internal/stream":   {"registry"},
	"engine/internal/schedule": {"engine/internal/mount"},
	"engine/internal/mount":    {},
	"engine/internal/journal":  {"registry"}, // shards tell each other by manifests there

	"auth/cloud":  {"auth", "ecr"},
	"ecr":         {},
	"report":      {"engine"}, // its event types
	"devregistry": {},
	"layout":      {},
	"extract":     {"spec"},
	"lint":        {"spec", "lock", "policy"},
}

// leaves may be imported by all, and import no other package of ours than leaves.
var leaves = []string{"reference", "platform", "strictjson", "strictyaml", "stricttoml", "suggest", "markup"}

// offline packages never touch the network.
var offline = []string{
	"spec", "plan", "shard", "tags", "lock", "policy", "pin", "froms", "extract", "lint", "reference", "platform", "strictjson", "strictyaml", "stricttoml", "suggest",
	"engine/internal/schedule", "engine/internal/mount",
}

// undecoded packages handle content of registries, which they never decompress: a layer can stand for any number of bytes.
var undecoded = []string{"engine", "engine/internal/tree", "engine/internal/stream", "registry", "auth"}

type goPackage struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

// short is the package's name in the graph.
func short(path string) string {
	return strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(path, module), "/internal"), "/")
}

func listPackages(t *testing.T) []goPackage {
	t.Helper()
	// `go test` caches a result by the files that the test itself reads; what `go list` reads it doesn't know of.
	for _, root := range []string{".", "../main.go"} {
		if err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" {
				return err
			}
			_, err = os.ReadFile(path)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", module, module+"/internal/...")
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	var packages []goPackage
	for decoder := json.NewDecoder(bytes.NewReader(output)); ; {
		var p goPackage
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

func TestImportsFormTheAgreedGraph(t *testing.T) {
	t.Parallel()
	packages := listPackages(t)
	if len(packages) < 8 {
		t.Fatalf("go list found only %d packages", len(packages))
	}
	for _, p := range packages {
		name := short(p.ImportPath)
		if strings.HasSuffix(name, "test") { // test doubles import what they test
			continue
		}
		for _, imported := range p.Imports {
			if !strings.HasPrefix(imported, module) {
				continue
			}
			other := short(imported)
			allowed := slices.Contains(leaves, other) || !slices.Contains(leaves, name) && slices.Contains(imports[name], other)
			if !allowed {
				t.Errorf("%q imports %q", name, other)
			}
		}
	}
}

func TestOfflinePackagesDontTouchTheNetwork(t *testing.T) {
	t.Parallel()
	checked := 0
	for _, p := range listPackages(t) {
		if !slices.Contains(offline, short(p.ImportPath)) {
			continue
		}
		checked++
		for _, dependency := range p.Deps {
			if dependency == "net" || dependency == "os/exec" {
				t.Errorf("%s depends on %s", p.ImportPath, dependency)
			}
		}
	}
	if checked < 4 {
		t.Errorf("only %d of the packages are there", checked)
	}
}

func TestNothingIsDecompressed(t *testing.T) {
	t.Parallel()
	checked := 0
	for _, p := range listPackages(t) {
		if !slices.Contains(undecoded, short(p.ImportPath)) {
			continue
		}
		checked++
		for _, imported := range p.Imports {
			if strings.Contains(imported, "compress/") || strings.HasPrefix(imported, "archive/") || strings.HasPrefix(imported, "github.com/klauspost/") {
				t.Errorf("%s imports %s", p.ImportPath, imported)
			}
		}
	}
	if checked != len(undecoded) {
		t.Errorf("only %d of the packages are there", checked)
	}
}

// Templates call methods by reflection: the linker then keeps all exported ones, of every type, and the program grows by a
// third. Package markup writes HTML without. Cobra links text/template only where a program sets templates of its own.
func TestNoTemplateKeepsAllMethodsInTheProgram(t *testing.T) {
	t.Parallel()
	for _, p := range listPackages(t) {
		for _, imported := range p.Imports {
			if imported == "html/template" || imported == "text/template" {
				t.Errorf("%s imports %s", p.ImportPath, imported)
			}
		}
		if short(p.ImportPath) == "" && slices.Contains(p.Deps, "html/template") {
			t.Error("the program depends on html/template")
		}
	}
}

// Registries are written to and read from by package registry alone: other clients know neither limits nor mounts. What only
// tests and tools run stays out of the program.
func TestTheProgramHasNoSecondRegistryClient(t *testing.T) {
	t.Parallel()
	checked := false
	for _, p := range listPackages(t) {
		if short(p.ImportPath) != "" {
			continue
		}
		checked = true
		for _, dependency := range p.Deps {
			switch {
			case dependency == "github.com/google/go-containerregistry/pkg/v1/remote",
				dependency == "github.com/google/go-containerregistry/pkg/registry",
				strings.HasPrefix(dependency, "github.com/distribution/distribution/"),
				dependency == "testing":
				t.Errorf("the program depends on %s", dependency)
			}
		}
	}
	if !checked {
		t.Error("the program is not there")
	}
}
