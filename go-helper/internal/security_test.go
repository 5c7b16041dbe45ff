package internal

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// docs/security.md claims nothing that no test shows: those that it names are there.
func TestThreatsNameTheirTests(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	var tests strings.Builder
	for root, ending := range map[string]string{"..": "_test.go", "../../pants-plugins/tests": ".py"} {
		if err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ending) {
				return err
			}
			data, err := os.ReadFile(path)
			tests.Write(data)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	named := regexp.MustCompile("`(Test[A-Z]\\w*|test_\\w+)`").FindAllStringSubmatch(string(page), -1)
	if len(named) < 20 {
		t.Errorf("the page names only %d tests", len(named))
	}
	for _, m := range named {
		if !strings.Contains(tests.String(), "func "+m[1]+"(") && !strings.Contains(tests.String(), "def "+m[1]+"(") {
			t.Errorf("there is no test %s", m[1])
		}
	}
}
