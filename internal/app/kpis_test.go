package app

import (
	"bytes"
	"strings"
	"testing"
)

// TestReplayOfKPIs: figures may speak of outputs that the task does not have, and failed requests count as others do.
func TestReplayOfKPIs(t *testing.T) {
	c := parseConfig(t, `kafka: {brokers: ["localhost:1"]}
windows: [1m]
models:
  - name: a
    topics: {predictions: p}
    task: none
    features: {amount: numeric}
    segments: {country: [DE]}
    kpis:
      revenue: sum(features.amount) where prediction.label == "approve"
      sure: count(where prediction.score > 0.9)
      requests: count()
      answered: count(where !failed)
      inverse: mean(1 / features.amount)
      nothing: sum(prediction.value)
`)
	name := writeLines(t,
		`{"time":"2026-11-22T10:00:00Z","features":{"amount":4},"segments":{"country":"DE"},"prediction":{"score":0.95,"label":"approve"}}`,
		`{"time":"2026-11-22T10:00:01Z","features":{"amount":0.5},"prediction":{"score":0.5,"label":"approve"}}`,
		`{"time":"2026-11-22T10:00:02Z","features":{"amount":100},"prediction":{"score":0.5,"label":"deny"}}`,
		`{"time":"2026-11-22T10:00:03Z","features":{"amount":0},"status":500}`,
	)
	var out bytes.Buffer
	if _, err := Replay(t.Context(), c, ReplayOptions{Inputs: []string{name}, Results: &out}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	for segment, want := range map[string]string{
		"":           `,"kpis":{"revenue":4.5,"sure":1,"requests":4,"answered":3,"inverse":0.7533333333333333}}`,
		"country=DE": `,"kpis":{"revenue":4,"sure":1,"requests":1,"answered":1,"inverse":0.25}}`,
	} {
		last := ""
		for _, l := range lines {
			if strings.Contains(l, `"segment":"`+segment+`"`) && strings.Contains(l, `"end":"2026-11-22T10:00:10Z"`) {
				last = l
			}
		}
		if !strings.HasSuffix(last, want) {
			t.Errorf("segment %q: %s\nwant %s", segment, last, want)
		}
	}
}

// TestReplayOfFairness: groups and the worst segment, as the config says.
func TestReplayOfFairness(t *testing.T) {
	c := parseConfig(t, `kafka: {brokers: ["localhost:1"]}
windows: [1m]
models:
  - name: a
    topics: {predictions: p, labels: l}
    task: binary
    positive: "yes"
    segments: {gender: [F, M]}
    fairness: {segment: gender, privileged: M}
    performance: {decide_by: accuracy, min_samples: 2}
`)
	var lines []string
	for i, answer := range []string{"F yes yes", "F no yes", "M yes yes", "M no no", "X no yes", "X no yes"} {
		id := string(rune('a' + i))
		part := strings.Fields(answer)
		lines = append(lines,
			`{"id":"`+id+`","time":"2026-11-22T10:00:00Z","segments":{"gender":"`+part[0]+`"},"prediction":{"label":"`+part[1]+`"}}`,
			`{"type":"label","id":"`+id+`","time":"2026-11-22T10:00:01Z","label":"`+part[2]+`"}`)
	}
	var out bytes.Buffer
	if _, err := Replay(t.Context(), c, ReplayOptions{Inputs: []string{writeLines(t, lines...)}, Results: &out}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"worst_segment":{"segment":"gender=F","figure":"accuracy","value":0.5,"matched":2}`,
		`"fairness":{"segment":"gender","privileged":"M","groups":{"F":{"true_positive":1,"false_positive":0,"false_negative":1,"true_negative":0},"M":{"true_positive":1,"false_positive":0,"false_negative":0,"true_negative":1}},"figures":[{"figure":"group_selection_rate","group":"F","value":0.5,`,
		`{"figure":"disparate_impact","group":"F","against":"M","value":1,`,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in\n%s", want, out.String())
		}
	}
}
