package lint

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"docker-mirror/go-helper/internal/spec"
)

const digest = "@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func parse(t *testing.T, file, text string) []spec.Image {
	t.Helper()
	images, err := spec.Parse(file, spec.FormatAuto, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return images
}

func check(t *testing.T, text string, settings ...string) []string {
	t.Helper()
	rules := Rules{Duplicate: Off, Spelling: Off, Latest: Off, Unpinned: Off, Unsorted: Off}
	for _, setting := range settings {
		if err := rules.Set(setting); err != nil {
			t.Fatal(err)
		}
	}
	var lines []string
	for _, finding := range Check(parse(t, "x.txt", text), rules) {
		lines = append(lines, finding.String())
	}
	return lines
}

func TestCheck(t *testing.T) {
	for _, test := range []struct {
		name, setting, text string
		want                []string
	}{
		{"duplicate", "duplicate=error", "a.example/x:1\n# again\na.example/x:1\n", []string{
			"x.txt:3: error: a.example/x:1 is listed twice, first at x.txt:1 [duplicate]",
		}},
		{"duplicate in another spelling", "duplicate=error", "busybox:1\ndocker.io/library/busybox:1\n", []string{
			"x.txt:2: error: docker.io/library/busybox:1 is listed twice, first at x.txt:1 as busybox:1 [duplicate]",
		}},
		{"two names", "duplicate=error", "busybox:1 AS a\nbusybox:1 AS b\n", nil},
		{"two platforms", "duplicate=error", "--platform=linux/amd64 busybox:1\n--platform=linux/arm64 busybox:1\n", nil},
		{"two tags", "duplicate=error", "busybox:1\nbusybox:2\n", nil},
		{"spelling", "spelling=warn", "busybox:1\ndocker.io/busybox:2\n", []string{
			"x.txt:2: warn: docker.io/busybox is spelled busybox at x.txt:1 [spelling]",
		}},
		{"one spelling", "spelling=warn", "localhost:5000/x:1\nlocalhost:5000/x" + digest + "\n", nil},
		{"latest", "latest=error", "a.example/x\na.example/y:latest\na.example/z:1\n", []string{
			"x.txt:1: error: a.example/x has no tag, which means latest: name a version [latest]",
			"x.txt:2: error: a.example/y:latest changes from day to day: name a version [latest]",
		}},
		{"pinned latest", "latest=error", "a.example/x:latest" + digest + "\n", nil},
		{"unpinned", "unpinned=warn", "a.example/x:1\na.example/y:1" + digest + "\n", []string{
			"x.txt:1: warn: a.example/x:1 is not pinned: add its digest, as in a.example/x:1@sha256:… [unpinned]",
		}},
		{"unsorted", "unsorted=error", "b.example/x:1\na.example/x:1\n\na.example/a:1\n", []string{
			"x.txt:2: error: a.example/x:1 belongs before b.example/x:1 [unsorted]",
		}},
		{"off", "unsorted=off", "b.example/x\na.example/x\na.example/x\n", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := check(t, test.text, test.setting); !slices.Equal(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

func TestFilesAreLookedThroughEachByItself(t *testing.T) {
	images := append(parse(t, "x.txt", "b.example/x:1\n"), parse(t, "y.txt", "\nb.example/x:1\n")...)
	if got := Check(images, Rules{Duplicate: Error, Spelling: Error, Unsorted: Error}); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

func TestPoliciesAreNotUnpinned(t *testing.T) {
	images := parse(t, "x.toml", "[[image]]\nsource = \"a.example/x\"\nselect = { semver = [\">=1\"] }\n")
	if images[0].Select == nil {
		t.Fatal("no policy was read")
	}
	if got := Check(images, Rules{Latest: Error, Unpinned: Error}); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

func TestWhatIsNoDuplicate(t *testing.T) {
	for name, test := range map[string]struct {
		first, second string // what two entries of one image say
		want          int
	}{
		"the same":           {`referrers = "all"`, `referrers = "all"`, 1},
		"other referrers":    {`referrers = "all"`, `referrers = "none"`, 0},
		"the same policy":    {`select = { pinned_major = 1 }`, `select = { pinned_major = 1 }`, 1},
		"another policy":     {`select = { pinned_major = 1 }`, `select = { pinned_major = 2 }`, 0},
		"another repository": {`repository = "a"`, `repository = "b"`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			entry := "[[image]]\nsource = \"a.example/x\"\n"
			images := parse(t, "x.toml", entry+test.first+"\n"+entry+test.second+"\n")
			if got := Check(images, Rules{Duplicate: Error}); len(got) != test.want {
				t.Errorf("got %v, want %d", got, test.want)
			}
		})
	}
}

func TestSet(t *testing.T) {
	for setting, want := range map[string]string{
		"unpinned=error":  "",
		"unpinned":        "want a rule and its level",
		"unpined=error":   `unknown rule "unpined": did you mean "unpinned"?`,
		"qqqqqqqq=error":  "known are because, duplicate, latest, lock-disagreement, lock-edited, lock-immature, lock-stale, lock-unsigned, lock-waiting, no-rule, spelling, trust-expired, unlocked, unpinned, unsorted",
		"unpinned=always": `unknown level "always": known are off, warn, error`,
	} {
		if got := fmt.Sprint(Defaults().Set(setting)); want == "" && got != "<nil>" || !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", setting, got, want)
		}
	}
}
