package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/streammon/streammon/internal/event"
)

func writeLines(t *testing.T, lines ...string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "rows.jsonl")
	if err := os.WriteFile(name, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestProfileOfOneModel: of a topic that models share, and that has labels and failed
// requests, too, a reference has the answered requests of its own model.
func TestProfileOfOneModel(t *testing.T) {
	c := parseConfig(t, `kafka: {brokers: ["localhost:1"]}
windows: [1m]
models:
  - {name: a, topics: {predictions: shared}, task: none, features: {x: numeric}}
  - {name: b, topics: {predictions: shared}, task: none, features: {x: numeric}}
`)
	var lines []string
	for i := range 10 {
		lines = append(lines, fmt.Sprintf(`{"model":"a","features":{"x":%d}}`, i), fmt.Sprintf(`{"model":"b","features":{"x":%d}}`, 100+i))
	}
	lines = append(lines,
		`{"features":{"x":20}}`,                            // of any model
		`{"model":"a","status":500,"features":{"x":1000}}`, // failed
		`{"type":"label","id":"1","model":"a","label":"x"}`, `{"model":"c"}`, `rubbish`)
	name := writeLines(t, lines...)
	for model, want := range map[string][2]float64{"a": {0, 20}, "b": {20, 109}} {
		r, s, err := BuildProfile(t.Context(), c, ProfileOptions{Model: model, Inputs: []string{name}})
		if err != nil {
			t.Fatal(err)
		}
		if f := r.Find("x"); f.Count != 11 || f.Min != want[0] || f.Max != want[1] {
			t.Errorf("%s: %d values from %g to %g", model, f.Count, f.Min, f.Max)
		}
		if s.Rows+s.Labels+s.Failed+s.Rejected[event.Model]+s.Rejected[event.Syntax] != uint64(len(lines)) {
			t.Errorf("%s: %+v of %d lines", model, s, len(lines))
		}
		if s.Rejected[event.Syntax] != 1 || s.Rejected[event.Model] < 11 {
			t.Errorf("%s: rejected %v", model, s.Rejected)
		}
	}
	if _, _, err := BuildProfile(t.Context(), c, ProfileOptions{Inputs: []string{name}}); err == nil {
		t.Error("built a profile of nobody knows which model")
	}
	// Without a config a column "model" is one like others.
	name = writeLines(t, `{"model":"estate","x":1.5}`, `{"model":"van","x":2}`)
	if r, _, err := BuildProfile(t.Context(), nil, ProfileOptions{Inputs: []string{name}}); err != nil || r.Find("x").Count != 2 {
		t.Errorf("without a config: %v", err)
	}
}

// TestProfileKeepsTheLimits of the config.
func TestProfileKeepsTheLimits(t *testing.T) {
	c := parseConfig(t, `kafka: {brokers: ["localhost:1"]}
windows: [1m]
limits: {string_bytes: 8}
models: [{name: a, topics: {predictions: p}, task: none, features: {x: categorical}}]
`)
	name := writeLines(t, `{"features":{"x":"short"}}`, `{"features":{"x":"much too long"}}`)
	r, s, err := BuildProfile(t.Context(), c, ProfileOptions{Inputs: []string{name}})
	if err != nil || r.Find("x").Count != 1 || s.Rejected[event.TooLarge] != 1 {
		t.Errorf("%v, rejected %v", err, s.Rejected)
	}
}

// TestProfileWithoutAnswers: training data need not have what the model answers.
func TestProfileWithoutAnswers(t *testing.T) {
	c := parseConfig(t, `kafka: {brokers: ["localhost:1"]}
windows: [1m]
models: [{name: a, topics: {predictions: p}, task: binary, positive: x, features: {x: numeric}}]
`)
	name := writeLines(t, `{"features":{"x":1},"prediction":{"score":0.5}}`, `{"features":{"x":2}}`)
	r, _, err := BuildProfile(t.Context(), c, ProfileOptions{Inputs: []string{name}})
	if err != nil {
		t.Fatal(err)
	}
	if r.Find("x") == nil || r.Find(event.PredictionScore) == nil || r.Find(event.PredictionLabel) != nil {
		t.Errorf("%d features", len(r.Features))
	}
}
