package app

import (
	"bytes"
	"strings"
	"testing"
)

// TestReplayOfOneTopic: where the config has several topics an event must name its model,
// or the topic of the files must be given.
func TestReplayOfOneTopic(t *testing.T) {
	c := parseConfig(t, `kafka: {brokers: ["localhost:1"]}
windows: [1m]
models:
  - {name: a, topics: {predictions: pa}, task: none, features: {x: numeric}}
  - {name: b, topics: {predictions: pb}, task: none, features: {x: numeric}}
`)
	name := writeLines(t, `{"time":"2026-11-22T10:00:00Z","features":{"x":1}}`, `{"model":"b","time":"2026-11-22T10:00:01Z","features":{"x":1}}`)
	for topic, want := range map[string]string{
		"":   `"accepted":1,"rejected":{"envelope":1}`,
		"pb": `"accepted":2,"rejected":{}`,
		"pa": `"accepted":1,"rejected":{"model":1}`,
	} {
		var out bytes.Buffer
		l, err := Replay(t.Context(), c, ReplayOptions{Inputs: []string{name}, Topic: topic, Results: &out})
		if err != nil || !l.Balanced() || !strings.Contains(out.String(), want) {
			t.Errorf("topic %q: %v\n%s", topic, err, out.String())
		}
		if topic != "pa" && strings.Contains(out.String(), `"model":"a"`) {
			t.Errorf("topic %q: an event of b is counted for a", topic)
		}
	}
	if _, err := Replay(t.Context(), c, ReplayOptions{Inputs: []string{name}, Topic: "nowhere"}); err == nil {
		t.Error("replayed a topic that no model has")
	}
}

// TestModelsShareIDs: that one model was asked about an id makes no duplicate of another's
// event.
func TestModelsShareIDs(t *testing.T) {
	c := parseConfig(t, `kafka: {brokers: ["localhost:1"]}
windows: [1m]
deduplicate: 10m
models:
  - {name: a, topics: {predictions: p}, task: none, features: {x: numeric}}
  - {name: b, topics: {predictions: p}, task: none, features: {x: numeric}}
`)
	name := writeLines(t, `{"model":"a","id":"1","time":"2026-11-22T10:00:00Z"}`, `{"model":"b","id":"1","time":"2026-11-22T10:00:01Z"}`, `{"model":"b","id":"1","time":"2026-11-22T10:00:02Z"}`)
	l, err := Replay(t.Context(), c, ReplayOptions{Inputs: []string{name}})
	if err != nil || l.Accepted != 2 || l.Duplicate != 1 {
		t.Errorf("%+v, %v", l, err)
	}
}
