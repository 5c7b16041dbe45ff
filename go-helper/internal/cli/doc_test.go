package cli

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/spf13/cobra/doc"

	"docker-mirror/go-helper/internal/run"
)

var update = flag.Bool("update", false, "write docs/cli again")

const docsFolder = "../../../docs/cli"

// docs/cli is made from the commands themselves: go test ./go-helper/internal/cli -update.
func TestCommandsAreDocumented(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	var code run.Code
	root := newRoot(&code, nil, nil, nil)
	root.DisableAutoGenTag = true // a date would change every day
	if err := doc.GenMarkdownTree(root, folder); err != nil {
		t.Fatal(err)
	}
	generated := readFolder(t, folder)
	if len(generated) < 5 {
		t.Fatalf("only %d pages", len(generated))
	}
	if *update {
		if err := os.RemoveAll(docsFolder); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(docsFolder, os.DirFS(folder)); err != nil {
			t.Fatal(err)
		}
	}
	committed := readFolder(t, docsFolder)
	if !slices.Equal(slices.Sorted(maps.Keys(committed)), slices.Sorted(maps.Keys(generated))) {
		t.Errorf("docs/cli has other pages than there are commands; run this test with -update")
	}
	for name, want := range generated {
		if committed[name] != want {
			t.Errorf("docs/cli/%s is not what the command says; run this test with -update", name)
		}
	}
}

func readFolder(t *testing.T, folder string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	contents := map[string]string{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		contents[filepath.Base(file)] = string(data)
	}
	return contents
}
