package report

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"docker-mirror/go-helper/internal/engine"
)

// metrics reads a file with Prometheus' own parser, and gives each sample by its metric and its labels but set.
func metrics(t *testing.T, path, set string) map[string]float64 {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	samples := map[string]float64{}
	for name, family := range families {
		if family.GetType() != dto.MetricType_GAUGE {
			t.Errorf("%s is a %s", name, family.GetType())
		}
		for _, m := range family.Metric {
			key, named := strings.TrimPrefix(name, "docker_mirror_"), false
			for _, label := range m.Label {
				if label.GetName() == "set" {
					named = label.GetValue() == set
					continue
				}
				key += " " + label.GetName() + "=" + label.GetValue()
			}
			if !named {
				t.Errorf("%s is not of the set %s", m, set)
			}
			samples[key] = m.GetGauge().GetValue()
		}
	}
	problems, err := promlint.New(bytes.NewReader(data)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	return samples
}

func TestMetrics(t *testing.T) {
	started := time.Unix(1_800_000_000, 0)
	r := Report{
		Version: "1.2.3", Started: started,
		Copies: []Copy{
			{Status: engine.StatusCopied, Bytes: engine.Bytes{Down: 10, Up: 20, Mounted: 30}},
			{Status: engine.StatusUnchanged, MovedTo: "deleted"},
			{Status: engine.StatusFailed, Drift: true},
		},
		Registries: map[string]Registry{
			"a.example": {Requests: map[string]int64{"ping": 1, "blob GET": 7}, Retries: 2, Throttled: 1, RateLimit: &RateLimit{Remaining: 99}},
			"b.example": {Requests: map[string]int64{`odd "kind" \`: 3}},
		},
	}
	r.Finish(started.Add(1500*time.Millisecond), 1)
	path := filepath.Join(t.TempDir(), `of "apps".prom`)
	if err := r.WriteMetrics(path); err != nil {
		t.Fatal(err)
	}
	got := metrics(t, path, `of "apps"`)
	for key, want := range map[string]float64{
		"build_info version=1.2.3":                               1,
		"last_run_timestamp_seconds":                             1_800_000_001.5,
		"last_run_duration_seconds":                              1.5,
		"last_run_exit_code":                                     1,
		"last_run_images status=copied":                          1,
		"last_run_images status=unchanged":                       1,
		"last_run_images status=planned":                         0,
		"last_run_images status=skipped":                         0,
		"last_run_images status=failed":                          1,
		"last_run_drifted_images":                                1,
		"last_run_moved_tags":                                    1,
		"last_run_blob_bytes direction=down":                     10,
		"last_run_blob_bytes direction=up":                       20,
		"last_run_blob_bytes direction=mounted":                  30,
		"last_run_requests registry=a.example kind=ping":         1,
		"last_run_requests registry=a.example kind=blob GET":     7,
		`last_run_requests registry=b.example kind=odd "kind" \`: 3,
		"last_run_retries registry=a.example":                    2,
		"last_run_retries registry=b.example":                    0,
		"last_run_throttled registry=a.example":                  1,
		"last_run_throttled registry=b.example":                  0,
		"rate_limit_remaining registry=a.example":                99,
	} {
		if value, ok := got[key]; !ok || value != want {
			t.Errorf("%s is %v (%t), want %v", key, value, ok, want)
		}
		delete(got, key)
	}
	if len(got) > 0 {
		t.Errorf("also: %v", got)
	}
}

// The time of the last success outlives failures and dry runs, and what else a file was.
func TestMetricsKeepTheLastSuccess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "apps.prom")
	first := time.Unix(1_800_000_000, 0)
	for i, tt := range []struct {
		code   int
		dryRun bool
		before string // what the file is replaced with
		want   float64
	}{
		{code: 1, want: 0},
		{code: 0, want: 1_800_000_001},
		{code: 2, want: 1_800_000_001},
		{code: 0, dryRun: true, want: 1_800_000_001},
		{code: 130, want: 1_800_000_001},
		{code: 0, want: 1_800_000_005},
		{code: 1, before: lastSuccess + "{} nonsense\n", want: 0},
	} {
		if tt.before != "" {
			if err := os.WriteFile(path, []byte(tt.before), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		r := Report{Started: first, DryRun: tt.dryRun}
		r.Finish(first.Add(time.Duration(i)*time.Second), tt.code)
		if err := r.WriteMetrics(path); err != nil {
			t.Fatal(err)
		}
		if got, there := metrics(t, path, "apps")["last_success_timestamp_seconds"]; got != tt.want || there != (tt.want > 0) {
			t.Errorf("run %d: %v, want %v", i, got, tt.want)
		}
	}
}

// What docs/metrics.md and its alerts name is what is written.
func TestMetricsAreDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	limited := Report{Registries: map[string]Registry{"a": {Requests: map[string]int64{"ping": 1}, RateLimit: &RateLimit{}}}}
	limited.Finish(time.Unix(1_800_000_000, 0), 0)
	path := filepath.Join(t.TempDir(), "apps.prom")
	if err := limited.WriteMetrics(path); err != nil {
		t.Fatal(err)
	}
	written := map[string]bool{}
	for key := range metrics(t, path, "apps") {
		name, _, _ := strings.Cut(key, " ")
		written[metricsPrefix+name] = false
	}
	for _, name := range regexp.MustCompile(metricsPrefix+"[a-z_]+").FindAllString(string(page), -1) {
		if _, ok := written[name]; !ok {
			t.Errorf("docs/metrics.md has %s, which is not written", name)
		}
		written[name] = true
	}
	for name, documented := range written {
		if !documented {
			t.Errorf("docs/metrics.md lacks %s", name)
		}
	}
}
