package internal

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What pages say that tests show, tests show: those that they name are there.
func TestPagesNameTestsThatExist(t *testing.T) {
	t.Parallel()
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
	for _, file := range []string{"security.md", "registries.md", "policy.md"} {
		page, err := os.ReadFile(filepath.Join("../../docs", file))
		if err != nil {
			t.Fatal(err)
		}
		named := regexp.MustCompile("`(Test[A-Z]\\w*|test_\\w+)`").FindAllStringSubmatch(string(page), -1)
		if len(named) < 20 {
			t.Errorf("%s names only %d tests", file, len(named))
		}
		for _, m := range named {
			if !strings.Contains(tests.String(), "func "+m[1]+"(") && !strings.Contains(tests.String(), "def "+m[1]+"(") {
				t.Errorf("%s: there is no test %s", file, m[1])
			}
		}
	}
}
