// Package toolstest builds the programs that tools/go.mod pins, for tests that need one that isn't ours.
package toolstest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// Packages that tests run.
const (
	Registry = "github.com/distribution/distribution/v3/cmd/registry"
	Crane    = "github.com/google/go-containerregistry/cmd/crane"
	Helm     = "helm.sh/helm/v3/cmd/helm"
)

var (
	mu    sync.Mutex
	built = map[string]string{}
)

// ToolsVariable names the folder in which scripts/test has all of the programs already, so that none is built while
// tests run that measure time.
const ToolsVariable = "DOCKER_MIRROR_TEST_TOOLS"

// Build gives the path of the program that pkg makes: the one in the folder that [ToolsVariable] names, else one that is built
// once for a state of tools/go.mod and a Go version. The test is skipped with -short.
func Build(t testing.TB, pkg string) string {
	t.Helper()
	if testing.Short() {
		t.Skipf("-short: not building %s", pkg)
	}
	if folder := os.Getenv(ToolsVariable); folder != "" {
		program := filepath.Join(folder, path.Base(pkg))
		if _, err := os.Stat(program); err != nil {
			t.Fatalf("%s: %v", ToolsVariable, err)
		}
		return program
	}
	mu.Lock()
	defer mu.Unlock()
	if program, ok := built[pkg]; ok {
		return program
	}
	tools := findTools(t)
	folder := filepath.Join(cacheFolder(), "docker-mirror", "tools-"+state(t, tools))
	program := filepath.Join(folder, path.Base(pkg))
	if _, err := os.Stat(program); err == nil {
		built[pkg] = program
		return program
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	// Several test processes may do this at once: each under a name of its own, then by rename.
	tmp, err := os.MkdirTemp(folder, "build-")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	out := filepath.Join(tmp, path.Base(pkg))
	// No flag that changes how packages are compiled: what `go build -C tools` has cached is used.
	cmd := exec.CommandContext(t.Context(), "go", "build", "-C", tools, "-ldflags=-s -w", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", pkg, err, output)
	}
	if err := os.Rename(out, program); err != nil {
		t.Fatal(err)
	}
	built[pkg] = program
	return program
}

// findTools goes up from the package's folder, in which tests run.
func findTools(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		tools := filepath.Join(dir, "tools")
		if _, err := os.Stat(filepath.Join(tools, "go.mod")); err == nil {
			return tools
		} else if !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no tools/go.mod in any folder above the test")
		}
		dir = parent
	}
}

func state(t testing.TB, tools string) string {
	t.Helper()
	h := sha256.New()
	for _, name := range []string{"go.mod", "go.sum"} {
		content, err := os.ReadFile(filepath.Join(tools, name))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = h.Write(content)
	}
	_, _ = h.Write([]byte(runtime.Version()))
	return hex.EncodeToString(h.Sum(nil))[:16]
}

func cacheFolder() string {
	if dir, err := os.UserCacheDir(); err == nil {
		return dir
	}
	return os.TempDir()
}
