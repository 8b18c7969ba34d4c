package config

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestCompare changes a config, and compares the keys of which it is said that they take a restart, before the bar, or that
// windows are built anew.
func TestCompare(t *testing.T) {
	const text = `kafka: {brokers: [localhost:9092]}
windows: [5m, 1h]
models:
  - name: a
    topics: {predictions: p}
    task: binary
    positive: a
    reference: {versions: {"6": fraud.profile.json}}
    features: {amount: {type: numeric, floor: 0.2}, country: {type: categorical, show_categories: none}}
    segments: [country]
    drift: {min_samples: 100}
  - name: b
    topics: {predictions: q}
    features: {x: numeric}
`
	dir := t.TempDir()
	for _, name := range []string{"fraud.profile.json", "new.json"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parse := func(text string) *Config {
		c, err := Parse(filepath.Join(dir, "c.yaml"), []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for _, c := range []struct{ old, new, keys string }{
		{"", "", ""},
		{"fraud.profile.json", "new.json", ""},
		{`{versions: {"6": fraud.profile.json}}`, "new.json", ""},
		{"floor: 0.2", "floor: 0.3, decide_by: ks, importance: 2", ""},
		{"{min_samples: 100}", "{statistics: [psi, ks], decide_by: ks, false_alarms: 2 per 7d, against: version 6}", ""},
		{"{min_samples: 100}", "{against: trailing 7d}", "models[0].drift.against"},
		{`{versions: {"6": fraud.profile.json}}`, "{learn: 24h}", "models[0].reference.learn"},
		{"localhost:9092", "localhost:9093", "kafka"},
		{"[5m, 1h]", "[5m]\npane: 5s\nallowed_lateness: 1m\nmax_series: 5\nstate: {dir: x}", "state pane max_series|windows allowed_lateness"},
		{"show_categories: none", "show_categories: all", ""},
		{"show_categories: none", "alerts: {max_missing: 0.5}", ""},
		{"positive: a", "positive: a\n    alerts: {error_budget: 0.05}", ""},
		{"[5m, 1h]", "[5m, 1h]\nalerts: {job: other}", ""},
		{"country: {", "y: numeric, country: {", "models[0].features"},
		{"x: numeric", "x: categorical", "models[1].features"},
		{"x: numeric", "x: {type: numeric, path: $.x}", "models[1].features"},
		{"task: binary\n    positive: a", "task: multiclass", "models[0].task models[0].positive"},
		{"segments: [country]", "segments: [plan]", "models[0].segments"},
		{"name: b", "name: c", "models[1].name"},
		{"predictions: q", "predictions: r", "models[1].topics"},
		{"positive: a", "positive: b", "models[0].positive"},
		{"positive: a", "positive: a\n    kpis: {all: count()}", "models[0].kpis"},
		{"positive: a", "positive: a\n    threshold: 0.5\n    cost: {false_positive: 1}\n    beta: 2", "models[0].threshold models[0].cost models[0].beta"},
		{"positive: a", "positive: a\n    fairness: {segment: country}\n    calibrated: true", "models[0].fairness models[0].calibrated"},
		{"positive: a", "positive: a\n    performance: {decide_by: accuracy, floor: 0.1, min_samples: 7}", ""},
		{"positive: a", "positive: a\n    labels: {max_pending: 7}", "models[0].labels"},
		{"predictions: q}", "predictions: q}\n    task: multiclass\n    classes: [a, b]", "models[1].task models[1].features models[1].classes"},
		{"predictions: q}", "predictions: q}\n    task: ranking\n    top_k: [3]\n    catalog: 9", "models[1].task models[1].top_k models[1].catalog"},
		{"predictions: q}", "predictions: q}\n    task: regression\n    levels: [0.5]", "models[1].task models[1].features models[1].levels"},
		{text[strings.Index(text, "  - name: b"):], "", "models"},
	} {
		restart, rebuild := parse(text).Compare(parse(strings.Replace(text, c.old, c.new, 1)))
		got := strings.Join(restart, " ") + "|" + strings.Join(rebuild, " ")
		if got = strings.Trim(got, "|"); got != c.keys {
			t.Errorf("%q for %q changes %q, want %q", c.new, c.old, got, c.keys)
		}
	}
}

// TestCompareKnowsAll: a field that is new must be said to shape what is kept or not.
func TestCompareKnowsAll(t *testing.T) {
	visible := func(v any) (n int) {
		fields := reflect.VisibleFields(reflect.TypeOf(v))
		return len(slices.DeleteFunc(fields, func(f reflect.StructField) bool { return !f.IsExported() }))
	}
	if visible(Config{}) != len(fixedParts)+len(shapingParts)+2 || visible(Model{})+visible(Performance{})-3 != len(shapingModelParts) || visible(Reference{}) != 3 || visible(Drift{}) != 5 || visible(Feature{}) != 8 {
		t.Error("the config has fields that Compare does not know")
	}
}
