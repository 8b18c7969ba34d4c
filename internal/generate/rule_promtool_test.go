package generate

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/streammon/streammon/internal/config"
)

// alertTestConfig has a model with its own thresholds beside one without.
const alertTestConfig = `kafka: {brokers: [localhost:9092]}
windows: [1h, 5m]
alerts: {grafana_url: http://g, runbook_url: http://r}
models:
  - name: fraud
    topics: {predictions: fraud}
    task: binary
    positive: fraud
    features: {amount: numeric, merchant: categorical, device: {type: numeric, alerts: {max_missing: 0.5}}}
    alerts: {misprediction_budget: 0.05}
  - name: shop (new)
    topics: {predictions: shop}
    features: {basket: numeric}
    alerts: {error_budget: 0.3, severity: {feature_drift: none, lag: none}}
`

func testRules(t *testing.T) *Rules {
	t.Helper()
	c, err := config.Parse("c.yaml", []byte(strings.Replace(alertTestConfig, ", lag: none", "", 1)))
	if err != nil {
		t.Fatal(err)
	}
	return NewRules(c)
}

// only are the rules with one alert, so that promtool has less to do.
func (r *Rules) only(alert string) *Rules {
	out := &Rules{Records: r.Records, config: r.config}
	for _, a := range r.Alerts {
		if a.Name == alert {
			out.Alerts = append(out.Alerts, a)
		}
	}
	return out
}

// promtool runs the program, or skips the test where it is not.
func promtool(t *testing.T, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("needs promtool (Debian's package prometheus)")
	}
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	return string(out), err
}

// sampled is a series of a test: its value in each minute, counters since the first.
type sampled struct {
	series  string // with the labels of streammon
	counter bool
	value   func(minute int) float64
}

// gone is the value of a minute without one.
const gone = -1

// life is when an instance of the monitor runs, minutes from and before.
type life struct {
	instance    string
	from, until int
}

// values writes a series as promtool reads it: a target that goes leaves a mark that it is stale, and counters begin at 0.
func (s *sampled) values(lives []life, minutes int) string {
	out := make([]string, minutes)
	for m := range out {
		out[m] = "_"
	}
	for _, l := range lives {
		for m := l.from; m < min(l.until, minutes); m++ {
			x := s.value(m)
			if s.counter {
				x -= s.value(l.from)
			}
			switch {
			case x >= 0:
				out[m] = strconv.FormatFloat(x, 'g', -1, 64)
			case m > l.from && s.value(m-1) >= 0:
				out[m] = "stale"
			}
		}
		if l.until < minutes {
			out[l.until] = "stale"
		}
	}
	return strings.Join(out, " ")
}

// scene is one test of promtool: series, and what fires when.
type scene struct {
	minutes int
	lives   []life
	series  []sampled
	checks  strings.Builder
}

// fires expects exactly one alert of the name, firing with these labels, or none at all if labels are empty.
func (s *scene) fires(minute int, name, labels string) {
	fmt.Fprintf(&s.checks, "      - expr: ALERTS{alertname=%q,alertstate=\"firing\"}\n        eval_time: %dm\n", name, minute)
	if labels != "" {
		fmt.Fprintf(&s.checks, "        exp_samples: [{labels: %s, value: 1}]\n", strconv.Quote(fmt.Sprintf(`ALERTS{alertname=%q,alertstate="firing",%s}`, name, labels)))
	}
}

// test writes the scene as an entry of promtool's file.
func (s *scene) test(b *strings.Builder, alerts string) {
	b.WriteString("  - interval: 1m\n    input_series:\n")
	for _, x := range s.series {
		byInstance := map[string][]life{}
		var order []string
		for _, l := range s.lives {
			if byInstance[l.instance] == nil {
				order = append(order, l.instance)
			}
			byInstance[l.instance] = append(byInstance[l.instance], l)
		}
		for _, instance := range order {
			name, labels, _ := strings.Cut(strings.TrimSuffix(x.series, "}"), "{")
			fmt.Fprintf(b, "      - series: '%s{job=\"streammon\",instance=%q,%s}'\n        values: '%s'\n", name, instance, labels, x.values(byInstance[instance], s.minutes))
		}
	}
	b.WriteString("    promql_expr_test:\n" + s.checks.String())
	if alerts != "" {
		b.WriteString("    alert_rule_test:\n" + alerts)
	}
}

// alertTest says when an alert fires, and when not.
type alertTest struct {
	alert string
	// labels of the alert, without those of all.
	labels string
	// bad are series that are bad from badFrom on, at which the alert does not fire yet, and at fires it does.
	bad    []sampled
	fires  int
	values string // the description at that minute
	query  string // of the dashboard's address
	// good are series for which it never fires: each is nearly bad.
	good map[string][]sampled
	// minutes that good series are looked at; 60 if 0.
	minutes int
}

const badFrom = 10

// level and severity of the alert of a test, and the templates of its annotations.
func (a *alertTest) rule(t *testing.T, r *Rules) *Alert {
	t.Helper()
	for i := range r.Alerts {
		if r.Alerts[i].Name == a.alert {
			return &r.Alerts[i]
		}
	}
	t.Fatalf("there is no alert %s", a.alert)
	return nil
}

// file is promtool's file for the test.
func (a *alertTest) file(t *testing.T, r *Rules) string {
	rule := a.rule(t, r)
	labels := `job="streammon",level="` + rule.Level + `",severity="` + rule.Severity + `"`
	if a.labels != "" {
		labels += "," + a.labels
	}
	var b strings.Builder
	b.WriteString("rule_files: [rules.yml]\nevaluation_interval: 1m\ngroup_eval_order: [streammon-records, streammon-" + rule.Level + "]\ntests:\n")
	always := life{"a:9108", 0, 1 << 20}

	// It fires in time, with what it should say.
	s := &scene{minutes: a.fires + 2, lives: []life{always}, series: a.bad}
	for m := range badFrom + 1 {
		s.fires(m, a.alert, "")
	}
	s.fires(a.fires, a.alert, labels)
	s.test(&b, a.annotations(t, rule, labels))

	// A restart, and one under another name: it neither stops nor begins again, and nothing else begins.
	for _, name := range []string{"a:9108", "b:9108"} {
		down := a.fires + 2
		s := &scene{minutes: down + 20, lives: []life{{"a:9108", 0, down}, {name, down + 3, 1 << 20}}, series: a.bad}
		for m := a.fires; m < s.minutes; m++ {
			s.fires(m, a.alert, labels)
		}
		s.test(&b, "")
	}
	for name, good := range a.good {
		s := &scene{minutes: max(a.minutes, 60), lives: []life{always}, series: good}
		fmt.Fprintf(&s.checks, "      # %s\n", name)
		for m := range s.minutes {
			s.fires(m, a.alert, "")
		}
		s.test(&b, "")
	}
	return b.String()
}

// annotations is the check of promtool that has them.
func (a *alertTest) annotations(t *testing.T, rule *Alert, labels string) string {
	t.Helper()
	var pairs []string
	summary := rule.Summary
	for pair := range strings.SplitSeq(labels, ",") {
		key, value, _ := strings.Cut(pair, "=")
		pairs = append(pairs, key+": "+value)
		text, err := strconv.Unquote(value)
		if err != nil {
			t.Fatal(err)
		}
		summary = strings.ReplaceAll(summary, "{{ $labels."+key+" }}", text)
	}
	page, _, _ := strings.Cut(rule.Dashboard, "?")
	return fmt.Sprintf("      - alertname: %s\n        eval_time: %dm\n        exp_alerts:\n          - exp_labels: {%s}\n            exp_annotations:\n"+
		"              summary: %q\n              description: %q\n              dashboard_url: %q\n              runbook_url: %q\n",
		a.alert, a.fires, strings.Join(pairs, ", "), summary, a.values, page+"?"+a.query, "http://r/"+a.alert+".md")
}

// TestAlertsFire runs promtool's unit tests of every alert: it fires when it should and says what it should, is silent when nearly, stays through a restart of
// streammon, whose counters then begin at 0, and does not fire again where that has another name.
func TestAlertsFire(t *testing.T) {
	r := testRules(t)
	tested := map[string]bool{}
	for i := range alertTests {
		a := &alertTests[i]
		t.Run(a.alert, func(t *testing.T) {
			tested[a.alert] = true
			runPromtool(t, r.only(a.alert), a.file(t, r))
		})
	}
	if t.Failed() {
		return
	}
	for _, a := range r.Alerts {
		if !tested[a.Name] {
			t.Errorf("%s has no test", a.Name)
		}
	}
}

// runPromtool runs a file of unit tests beside the rules.
func runPromtool(t *testing.T, r *Rules, file string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"rules.yml": string(r.Prometheus()), "test.yml": file} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := promtool(t, "test", "rules", filepath.Join(dir, "test.yml")); err != nil {
		if len(out) > 4000 {
			out = out[:4000] + "…"
		}
		t.Errorf("%v\n%s", err, out)
	}
}

// TestRulesAreValid: promtool takes the rules, without a warning.
func TestRulesAreValid(t *testing.T) {
	for name, r := range map[string]*Rules{"default": NewRules(DefaultConfig()), "config": testRules(t)} {
		file := filepath.Join(t.TempDir(), "rules.yml")
		if err := os.WriteFile(file, r.Prometheus(), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := promtool(t, "check", "rules", "--lint-fatal", file)
		if err != nil || !strings.Contains(out, "SUCCESS") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// TestLargeBudget: with a budget of 0.3, a multiple of which is more than all requests, each pair still fires.
func TestLargeBudget(t *testing.T) {
	r := testRules(t)
	const shop = `{model="shop (new)",version="1",segment="",window="5m"}`
	for name, fails := range map[string]float64{"StreammonErrorBurnFast": 0.66, "StreammonErrorBurnMedium": 0.66, "StreammonErrorBurnSlow": 0.31} {
		rule := (&alertTest{alert: name}).rule(t, r)
		labels := `job="streammon",level="model",severity="` + rule.Severity + `",model="shop (new)"`
		var b strings.Builder
		fmt.Fprintf(&b, "rule_files: [rules.yml]\nevaluation_interval: 1m\ngroup_eval_order: [streammon-records, streammon-%s]\ntests:\n", rule.Level)
		for _, share := range []float64{fails, fails - 0.02} {
			s := &scene{minutes: 80, lives: []life{{"a:9108", 0, 1 << 20}}, series: []sampled{
				figure("requests_per_second"+shop, constant(10)), figure("error_ratio"+shop, constant(share)),
			}}
			if share != fails {
				labels = ""
			}
			s.fires(79, name, labels)
			s.test(&b, "")
		}
		runPromtool(t, r.only(name), b.String())
	}
}
