package generate

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/streammon/streammon/internal/config"
	"github.com/streammon/streammon/internal/exporter"
)

var updateRules = flag.Bool("update-rules", false, "write the files of deploy/")

// TestDeployedRules: what is in deploy/ is what the program makes without a config.
func TestDeployedRules(t *testing.T) {
	for _, f := range RuleFiles(DefaultConfig()) {
		name := filepath.Join("../../deploy", f.Name)
		if *updateRules {
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, f.Data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		have, err := os.ReadFile(name)
		if err != nil {
			t.Error(err)
		} else if diff := cmp.Diff(string(have), string(f.Data)); diff != "" {
			t.Errorf("%s (-have +want; go test ./internal/generate -update-rules writes it):\n%s", f.Name, diff)
		}
	}
}

// TestNotices: a file says whether it is overwritten.
func TestNotices(t *testing.T) {
	for _, f := range RuleFiles(DefaultConfig()) {
		want := "it is overwritten"
		if f.Starter {
			want = "a start for your own"
		}
		if first, _, _ := strings.Cut(string(f.Data), "\n"); !strings.Contains(first, want) && !strings.HasSuffix(f.Name, ".tmpl") {
			t.Errorf("%s begins with %s", f.Name, first)
		}
	}
}

// TestPrometheusConfig: promtool takes the config for Prometheus beside its rules, and it has the job that they ask for.
func TestPrometheusConfig(t *testing.T) {
	if _, err := exec.LookPath("promtool"); err != nil {
		t.Skip("needs promtool (Debian's package prometheus)")
	}
	c := DefaultConfig()
	c.Alerts.Job = `team$1 "x": {y}`
	dir := t.TempDir()
	for _, f := range RuleFiles(c) {
		name := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("promtool", "check", "config", filepath.Join(dir, "prometheus/prometheus.yml")).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "1 rule files found") {
		t.Errorf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(dir, "prometheus/prometheus.yml"))
	if err != nil || !strings.Contains(string(text), `job_name: "team$1 \"x\": {y}"`) {
		t.Errorf("%v\n%s", err, text)
	}
}

// TestDefaultConfigIsThatOfConfigs: rules without a config are those for its defaults.
func TestDefaultConfigIsThatOfConfigs(t *testing.T) {
	c, err := config.Parse("c.yaml", []byte("kafka: {brokers: [a:1]}\nmodels: [{name: a, topics: {predictions: a, labels: b}, task: binary, positive: x, features: {x: numeric}}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(NewRules(DefaultConfig()).Prometheus()), string(NewRules(c).Prometheus())); diff != "" {
		t.Error(diff)
	}
}

// TestRulesNameWhatIsExported: each metric and label of a rule is in the exporter's catalogue, or a recording rule, and only counters have rates.
func TestRulesNameWhatIsExported(t *testing.T) {
	r := testRules(t)
	known := map[string]exporter.Metric{
		"up": {}, "process_start_time_seconds": {},
	}
	for _, m := range exporter.Metrics() {
		known[m.Name] = m
	}
	exprs := map[string]string{}
	for _, x := range r.Records {
		known[x.Name] = exporter.Metric{Labels: []string{"model"}}
		exprs[x.Name] = x.Expr
	}
	for _, a := range r.Alerts {
		exprs[a.Name+" "+a.Severity] = a.Expr
	}
	metric := regexp.MustCompile(`(rate|increase)?\(?\b(streammon[_:][a-zA-Z0-9_:]+|up|process_[a-z_]+)(?:\{([^}]*)\})?`)
	matcher := regexp.MustCompile(`(?:^|,)([a-z_]+)[=!]`)
	seen := 0
	for name, expr := range exprs {
		text := regexp.MustCompile(`"streammon"`).ReplaceAllString(expr, `""`)
		for _, m := range metric.FindAllStringSubmatch(text, -1) {
			seen++
			known, ok := known[m[2]]
			if !ok {
				t.Errorf("%s: there is no metric %s", name, m[2])
			}
			if (m[1] != "") != known.Counter && (m[1] != "" || !strings.Contains(expr, "offset") && !strings.Contains(expr, "== 0") && !strings.Contains(expr, "0 * ")) {
				t.Errorf("%s: %s is a counter: %v", name, m[2], known.Counter)
			}
			for _, l := range matcher.FindAllStringSubmatch(m[3], -1) {
				if l[1] != "job" && !slices.Contains(known.Labels, l[1]) {
					t.Errorf("%s: %s has no label %s", name, m[2], l[1])
				}
			}
		}
		for _, l := range regexp.MustCompile(`(?:by|on) \(([^)]*)\)`).FindAllStringSubmatch(expr, -1) {
			for label := range strings.SplitSeq(l[1], ", ") {
				if !slices.Contains([]string{"", "job", "instance", "topic", "model", "version", "segment", "window", "feature"}, label) {
					t.Errorf("%s: by %s", name, label)
				}
			}
		}
		// The labels of a target are gone, but for its job, which is the monitor's name: the outermost aggregation leaves no instance.
		if by := regexp.MustCompile(`^\(*\n? *(?:\w+) by \(([^)]*)\)`).FindStringSubmatch(expr); by != nil && strings.Contains(by[1], "instance") {
			t.Errorf("%s keeps the label instance", name)
		}
	}
	if seen < 80 {
		t.Errorf("only %d metrics in rules", seen)
	}
}

// TestAlertKeys: a config knows the alerts that there are, by their levels.
func TestAlertKeys(t *testing.T) {
	var ofMonitor, ofModels []string
	for _, d := range alertDefinitions {
		if d.level == levelMonitor {
			ofMonitor = append(ofMonitor, d.key)
		} else {
			ofModels = append(ofModels, d.key)
		}
	}
	monitor, models := config.AlertKeys()
	for _, keys := range [][]string{ofMonitor, ofModels, monitor, models} {
		slices.Sort(keys)
	}
	if !slices.Equal(monitor, ofMonitor) || !slices.Equal(models, ofModels) {
		t.Errorf("a config knows %q and %q,\nthere are %q and %q", monitor, models, ofMonitor, ofModels)
	}
}

// TestRunbooks: each alert has a page of its own with all parts, is in the list of them, and in the table of the documentation with its test.
func TestRunbooks(t *testing.T) {
	list, err := os.ReadFile("../../docs/runbooks/README.md")
	if err != nil {
		t.Fatal(err)
	}
	docs, err := os.ReadFile("../../docs/alerting.md")
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]bool{"README.md": true}
	for i := range alertDefinitions {
		d := &alertDefinitions[i]
		pages[d.name()+".md"] = true
		text, err := os.ReadFile("../../docs/runbooks/" + d.name() + ".md")
		if err != nil {
			t.Error(err)
			continue
		}
		for _, part := range []string{"# " + d.name() + "\n", "\n## What it means\n", "\n## Look first at\n", "\n1. ", "\n2. ", "\n3. ", "\n## What to do\n", "\n## Silence\n"} {
			if !strings.Contains(string(text), part) {
				t.Errorf("the page of %s lacks %q", d.name(), part)
			}
		}
		if !strings.Contains(string(list), "("+d.name()+".md)") {
			t.Errorf("the list lacks %s", d.name())
		}
		row := "| [" + d.name() + "](runbooks/" + d.name() + ".md) | `" + d.key + "` | " + d.severity + " | " + d.level + " | " + orNone(durationText(d.pending)) + " | " + orNone(durationText(d.keep)) + " | `TestAlertsFire/" + d.name() + "`"
		if !strings.Contains(string(docs), row) {
			t.Errorf("docs/alerting.md lacks %s", row)
		}
	}
	files, err := os.ReadDir("../../docs/runbooks")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !pages[f.Name()] {
			t.Errorf("%s is of no alert", f.Name())
		}
	}
}

func orNone(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// TestLongDelays: seconds are whole however many they are, as those of labels that take weeks.
func TestLongDelays(t *testing.T) {
	model := strings.Replace(plainModel, "features:", "alerts: {max_label_delay: %s}, features:", 1)
	for delay, want := range map[string]string{"90s": "90", "1d": "86400", "15d": "1296000", "100d": "8640000", "86401s": "86401", "1000001s": "1000001"} {
		rules := string(NewRules(configOf(t, fmt.Sprintf(model, delay))).Prometheus())
		if !strings.Contains(rules, ") > "+want+"\n") {
			t.Errorf("%s is not %s seconds in the rules", delay, want)
		}
	}
}

// TestFeaturesOfOneThreshold: features that have the same threshold are asked for at once, or the rules of a thousand were a megabyte.
func TestFeaturesOfOneThreshold(t *testing.T) {
	features := "features: {"
	for i := range 900 {
		features += fmt.Sprintf("f%d: {type: numeric, alerts: {max_missing: 0.%d}}, ", i, 3+i%2)
	}
	rules := string(NewRules(configOf(t, strings.Replace(plainModel, "features: {", features, 1))).Prometheus())
	for want, n := range map[string]int{"  ) > 0.3\n": 1, "  ) > 0.4\n": 1, `,feature=~"f0|f2|f4|`: 2, `,feature=~"f1|f3|f5|`: 2, `,feature!~"f0|f2|`: 2} {
		if got := strings.Count(rules, want); got != n {
			t.Errorf("%q is there %d times, not %d", want, got, n)
		}
	}
}

// TestOddJob: the name of a job is no pattern, and its alert has it as it is.
func TestOddJob(t *testing.T) {
	c := configOf(t, plainModel)
	c.Alerts.Job = `team$1 "x" \d`
	rules := string(NewRules(c).Prometheus())
	if want := `"job", "team$$1 \"x\" \\d", "", ""`; !strings.Contains(rules, want) {
		t.Errorf("no %s", want)
	}
}

// TestGrafanaUIDs: Grafana takes at most 40 characters, whatever the severities.
func TestGrafanaUIDs(t *testing.T) {
	_, keys := config.AlertKeys()
	for _, severity := range []string{config.Page, config.Ticket, config.Info} {
		c := configOf(t, strings.Replace(plainModel, "features:", "alerts: {misprediction_budget: 0.1}, task: binary, positive: \"1\", features:", 1))
		c.Alerts.Severity = map[string]string{}
		for _, k := range keys {
			c.Alerts.Severity[k] = severity
		}
		seen := map[string]bool{}
		for _, m := range regexp.MustCompile(`uid: "?(streammon-[^"\n]*)`).FindAllStringSubmatch(string(NewRules(c).GrafanaRules()), -1) {
			if len(m[1]) > 40 || seen[m[1]] {
				t.Errorf("the uid %s is too long, or there twice", m[1])
			}
			seen[m[1]] = true
		}
		if len(seen) < 20 {
			t.Errorf("only %d uids", len(seen))
		}
	}
}

// TestThresholdsCanBeReached: a share can be more than each threshold, however large the budget, and the faster pair never has the lower one.
func TestThresholdsCanBeReached(t *testing.T) {
	for _, budget := range []float64{0.0001, 0.01, 0.05, 0.1, 0.3, 0.5, 0.9, 0.999} {
		fast, medium, slow := burnFast.threshold(budget), burnMedium.threshold(budget), burnSlow.threshold(budget)
		if fast >= 1 || fast < medium || medium < slow || slow != budget {
			t.Errorf("the budget %g has the thresholds %g, %g and %g", budget, fast, medium, slow)
		}
	}
}
