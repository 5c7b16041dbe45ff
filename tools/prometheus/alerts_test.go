package prometheus

import (
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

// page is docs/metrics.md: the labels of each metric that its table has, and its rules.
func page(t *testing.T) (metrics map[string][]string, rules string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	metrics = map[string][]string{}
	name := regexp.MustCompile("`([a-z_]+)`")
	for _, row := range regexp.MustCompile("(?m)^\\| `(docker_mirror_[a-z_]+)` \\|([^|]*)\\|").FindAllStringSubmatch(string(text), -1) {
		of := []string{model.MetricNameLabel, "set", "instance", "job"} // that every file has, and that are the scrape's
		for _, label := range name.FindAllStringSubmatch(row[2], -1) {
			of = append(of, label[1])
		}
		metrics[row[1]] = of
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(groups:.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(metrics) < 10 || len(blocks) != 1 {
		t.Fatalf("%d metrics and %d blocks of rules", len(metrics), len(blocks))
	}
	return metrics, blocks[0][1]
}

// The alerts are rules that Prometheus loads: their expressions, and the templates of their annotations.
func TestAlertsAreRules(t *testing.T) {
	metrics, text := page(t)
	groups, errs := load(text)
	if len(errs) > 0 {
		t.Fatalf("Prometheus refuses the rules: %v", errs)
	}
	alerts := 0
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			alerts++
			if rule.Alert == "" || rule.Annotations["summary"] == "" {
				t.Errorf("%q has no summary: %+v", rule.Alert, rule)
			}
			for _, unknown := range unknownNames(t, rule.Expr, metrics) {
				t.Errorf("%s: %s", rule.Alert, unknown)
			}
		}
	}
	if alerts < 4 {
		t.Errorf("%d alerts", alerts)
	}
}

// What is wrong with a rule is found here.
func TestWrongRulesAreFound(t *testing.T) {
	metrics, text := page(t)
	for what, change := range map[string][2]string{
		"an operator":   {"> 2 * 86400", "> > 2 * 86400"},
		"a parenthesis": {"unless on (instance, set)", "unless on (instance, set"},
		"a template":    {"{{ $labels.set }} does", "{{ $labels.set } does"},
		"a key":         {"expr: time()", "exprs: time()"},
	} {
		if _, errs := load(strings.Replace(text, change[0], change[1], 1)); len(errs) == 0 {
			t.Errorf("%s: Prometheus takes the rules", what)
		}
	}
	for expr, want := range map[string]string{
		`docker_mirror_last_run_drifted{set="a"} > 0`:                       "there is no metric docker_mirror_last_run_drifted",
		`sum by (host) (docker_mirror_last_run_retries{hostname="a"})`:      "docker_mirror_last_run_retries has no label hostname",
		`docker_mirror_rate_limit_remaining{registry=~"docker.*"} offset 1`: "",
	} {
		if got := strings.Join(unknownNames(t, expr, metrics), "; "); got != want {
			t.Errorf("%s: %q, want %q", expr, got, want)
		}
	}
}

// unknownNames says which metrics and labels of an expression aren't written.
func unknownNames(t *testing.T, expr string, metrics map[string][]string) (unknown []string) {
	t.Helper()
	parsed, err := parse(expr)
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	selectors := 0
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		selectors++
		known, ok := metrics[selector.Name]
		if !ok {
			unknown = append(unknown, "there is no metric "+selector.Name)
			return nil
		}
		for _, matcher := range selector.LabelMatchers {
			if !slices.Contains(known, matcher.Name) {
				unknown = append(unknown, selector.Name+" has no label "+matcher.Name)
			}
		}
		return nil
	})
	if selectors == 0 {
		unknown = append(unknown, "no metric is named")
	}
	return unknown
}

func load(text string) (*rulefmt.RuleGroups, []error) {
	return rulefmt.Parse([]byte(text), false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
}

func parse(expr string) (parser.Expr, error) {
	return parser.NewParser(parser.Options{}).ParseExpr(expr)
}
