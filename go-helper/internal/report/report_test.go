package report

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"docker-mirror/go-helper/internal/engine"
)

func TestReportTellsHowEachCopyEnded(t *testing.T) {
	t.Parallel()
	copies := []Copy{
		{Source: "s/a:1", Destination: "d/a:1", Asker: Asker{Origin: "images.txt:1", Target: "//:images", Name: "a", Labels: []string{"x"}}},
		{Source: "s/b:1", Destination: "d/b:1", Asker: Asker{Origin: "images.txt:2"}, AlsoAskedBy: []Asker{{Origin: "more.txt:7", Target: "//:more"}}},
		{Source: "s/c:1", Destination: "d/c:1"},
	}
	copies[0].SetResult(engine.Result{Status: engine.StatusCopied, Digest: hash('a'), SourceDigest: hash('b'), Bytes: engine.Bytes{Down: 1, Up: 2, Mounted: 3}, Subset: &engine.Subset{
		Sparse: true, Manifests: 4, Kept: 2, LeftOut: []v1.Platform{{OS: "linux", Architecture: "arm64", Variant: "v8"}},
	}})
	copies[1].SetResult(engine.Result{Status: engine.StatusFailed, Err: errors.New("denied\x1b[2J")})
	copies[2].SetResult(engine.Result{Status: engine.StatusSkipped})
	start := time.Now()
	r := Report{Version: "1", Started: start, Copies: copies}
	r.Finish(start.Add(1500*time.Millisecond), 1)
	path := filepath.Join(t.TempDir(), "report.json")
	if err := r.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if got["schema_version"] != 1.0 || got["exit_code"] != 1.0 || !strings.HasSuffix(got["started"].(string), "Z") {
		t.Errorf("head: %v", got)
	}
	totals, err := json.Marshal(got["totals"])
	if want := `{"bytes":{"down":1,"mounted":3,"up":2},"copied":1,"failed":1,"planned":0,"skipped":1,"unchanged":0}`; err != nil || string(totals) != want {
		t.Errorf("totals %s", totals)
	}
	first := got["copies"].([]any)[0].(map[string]any)
	if first["status"] != "copied" || first["origin"] != "images.txt:1" || first["target"] != "//:images" || first["name"] != "a" ||
		first["digest"] != hash('a').String() || first["source_digest"] != hash('b').String() {
		t.Errorf("first copy %v", first)
	}
	if index, err := json.Marshal(first["index"]); err != nil || string(index) != `{"kept":2,"kind":"sparse","left_out":["linux/arm64/v8"],"manifests":4}` {
		t.Errorf("index %s", index)
	}
	if copies[1].Index != nil {
		t.Errorf("index %+v of what is whole", copies[1].Index)
	}
	if copies[1].Reason != `denied\x1b[2J` {
		t.Errorf("reason %q", copies[1].Reason)
	}
	if !strings.Contains(copies[2].Reason, "interrupted") {
		t.Errorf("skipped because %q", copies[2].Reason)
	}
	if text := r.Summary(); text != "1 copied, 1 skipped, 1 failed; 1 B down, 2 B up, 3 B mounted in 1.5s" {
		t.Errorf("summary %q", text)
	}
}

func TestEmptyReportHasNoNulls(t *testing.T) {
	t.Parallel()
	var r Report
	r.Finish(time.Now(), 2)
	data, err := json.Marshal(r)
	if err != nil || strings.Contains(string(data), "null") {
		t.Errorf("%s, %v", data, err)
	}
}

func TestSummaries(t *testing.T) {
	t.Parallel()
	left, few, many := int64(76), int64(3), int64(77)
	for _, tt := range []struct {
		report Report
		want   string
	}{
		{Report{}, "nothing to do in 0s"},
		{Report{Totals: Totals{Unchanged: 40}}, "40 unchanged in 0s"},
		{Report{Totals: Totals{Planned: 2, Unchanged: 1}, DryRun: true}, "dry run: 2 to copy, 1 unchanged in 0s"},
		{Report{Totals: Totals{Copied: 1, Skipped: 2}, Interrupted: true}, "interrupted: 1 copied, 2 skipped in 0s; the next run goes on from there"},
		{Report{Totals: Totals{Copied: 1}, DockerHub: &DockerHub{PullsSpent: 1, PullsLeft: &left}}, "1 copied in 0s; 1 Docker Hub pull, 76 left"},
		{
			Report{DryRun: true, Totals: Totals{Planned: 1}, DockerHub: &DockerHub{PullsSpent: 3, PullsPlanned: &few, PullsLeft: &left}},
			"dry run: 1 to copy in 0s; 3 Docker Hub pulls, the copies would take 3 more, 76 left",
		},
		{
			Report{DryRun: true, Totals: Totals{Planned: 1}, DockerHub: &DockerHub{PullsSpent: 77, PullsPlanned: &many, PullsLeft: &left}},
			"dry run: 1 to copy in 0s; 77 Docker Hub pulls, the copies would take 77 more, 76 left: too few",
		},
	} {
		if got := tt.report.Summary(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func TestTargetLine(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		target Target
		want   string
	}{
		{Target{Address: "a:b", Totals: Totals{Copied: 3, Unchanged: 1}}, "✓ a:b: 3 copied, 1 unchanged"},
		{Target{Address: "a:b"}, "✓ a:b: nothing to do"},
		{Target{Address: "a:b", ExitCode: 1, Totals: Totals{Copied: 3, Failed: 1}}, "✗ a:b: 3 copied, 1 failed"},
		{Target{Address: "a:b", ExitCode: 2}, "✗ a:b: nothing was copied"},
	} {
		if got := tt.target.Line(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func TestTargetsThatHadNothingToCopyShareALine(t *testing.T) {
	t.Parallel()
	done := func(name string, totals Totals) Target { return Target{Address: name, Totals: totals} }
	unchanged, skipping := done("a:unchanged", Totals{Unchanged: 2}), done("b:skipping", Totals{Unchanged: 1, Skipped: 3})
	copied, failed := done("c:copied", Totals{Copied: 1, Unchanged: 1}), Target{Address: "d:failed", ExitCode: 1, Totals: Totals{Unchanged: 1, Failed: 1}}
	interrupted, wrong := Target{Address: "e:interrupted", ExitCode: 130, Totals: Totals{Unchanged: 1}}, Target{Address: "f:wrong", ExitCode: 2}
	skipped, empty := done("g:skipped", Totals{Skipped: 1}), done("h:empty", Totals{})
	for name, tt := range map[string]struct {
		targets []Target
		want    []string
	}{
		"several": {[]Target{copied, unchanged, failed, skipping}, []string{
			"✓ 2 image lists: 3 unchanged, 3 skipped", "✓ c:copied: 1 copied, 1 unchanged", "✗ d:failed: 1 unchanged, 1 failed",
		}},
		"one has its own line, in the order":  {[]Target{copied, unchanged}, []string{"✓ c:copied: 1 copied, 1 unchanged", "✓ a:unchanged: 2 unchanged"}},
		"what failed is not told with others": {[]Target{interrupted, interrupted, wrong, wrong}, []string{interrupted.Line(), interrupted.Line(), wrong.Line(), wrong.Line()}},
		"what is skipped altogether, neither": {[]Target{skipped, skipped}, []string{"✓ g:skipped: 1 skipped", "✓ g:skipped: 1 skipped"}},
		"empty ones apart":                    {[]Target{unchanged, empty, unchanged, empty}, []string{"✓ 2 image lists: nothing to do", "✓ 2 image lists: 4 unchanged"}},
		"none":                                {nil, nil},
	} {
		if got := TargetLines(tt.targets); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestFailureNamesWhereWhatWhyAndWhatToDo(t *testing.T) {
	t.Parallel()
	c := Copy{Source: "s/a:1", Destination: "d/a:1", Reason: "404", Hint: "check the tag", Asker: Asker{Origin: "images.txt:3"}}
	if got, want := c.Failure(c.Asker), []string{"images.txt:3: s/a:1 -> d/a:1: 404", "    check the tag"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestUnits(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 KB", 389_600_000: "389.6 MB", 2_500_000_000: "2.5 GB"} {
		if got := byteText(n); got != want {
			t.Errorf("byteText(%d) = %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0s", 123 * time.Millisecond: "123ms", 8_200 * time.Millisecond: "8.2s", 42 * time.Second: "42s",
		185 * time.Second: "3m05s", 130 * time.Minute: "2h10m",
	} {
		if got := durationText(d); got != want {
			t.Errorf("durationText(%v) = %q, want %q", d, got, want)
		}
	}
}
