package app

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
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

// TestReplayOfLabels: labels in files of their own are counted as those among the predictions, in the lane of their input. Which windows there
// are does not depend on which of both ends first.
func TestReplayOfLabels(t *testing.T) {
	t.Run("predictions first", func(t *testing.T) { replayLabels(t, 500, 1000) }) // those after are duplicates
	t.Run("labels first", func(t *testing.T) { replayLabels(t, 5000, 700) })
	t.Run("together", func(t *testing.T) { replayLabels(t, 5000, 1000) })
}

// replayLabels makes predictions of so many ids, and labels as long as that.
func replayLabels(t *testing.T, ids, labelled int) {
	c := parseConfig(t, `kafka: {brokers: ["localhost:1"]}
windows: [1m]
deduplicate: 10m
models:
  - {name: a, topics: {predictions: p, labels: l}, positive: "1", features: {x: numeric}}
`)
	var predictions, labels, mixed [2][]string
	for lane := range 2 {
		for i := range 1000 { // chunks of both
			at := time.Date(2026, 11, 22, 10, 0, i, 0, time.UTC).Format(time.RFC3339)
			p := fmt.Sprintf(`{"id":"%d-%d","time":%q,"features":{"x":1}}`, lane, i%ids, at)
			predictions[lane], mixed[lane] = append(predictions[lane], p), append(mixed[lane], p)
			if i%3 > 0 || i >= labelled {
				continue
			}
			l := fmt.Sprintf(`{"type":"label","id":"%d-%d","time":%q,"label":%d}`, lane, i%ids, at, i%2)
			switch {
			case i == 300:
				l = l[1:]
			case i == 600:
				l = `{"type":"label","id":"late","time":"2026-11-22T10:00:00Z","label":1}`
			case i == 900:
				l = fmt.Sprintf(`{"type":"label","time":%q,"label":1}`, at)
			}
			mixed[lane] = append(mixed[lane], l)
			labels[lane] = append(labels[lane], strings.Replace(l, `"type":"label",`, "", 1)) // the file says so
		}
	}
	name := func(lines []string) string { return writeLines(t, lines...) }
	var together, apart bytes.Buffer
	want, err := Replay(t.Context(), c, ReplayOptions{Inputs: []string{name(mixed[0]), name(mixed[1])}, Results: &together})
	if err != nil || want.Accepted == 0 || want.Late != 2 || (want.Duplicate > 0) != (ids < 1000) || want.Rejected[event.Syntax] != 2 {
		t.Fatalf("%+v, %v", want, err)
	}
	got, err := Replay(t.Context(), c, ReplayOptions{
		Inputs: []string{name(predictions[0]), name(predictions[1])}, Labels: []string{name(labels[0]), name(labels[1])}, Results: &apart,
	})
	if err != nil || got != want || !got.Balanced() {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	if together.String() != apart.String() {
		t.Error("the results differ")
	}
	for _, labels := range [][]string{{"l"}, {"l", "l", "l"}} {
		if _, err := Replay(t.Context(), c, ReplayOptions{Inputs: []string{"p", "p"}, Labels: labels}); err == nil || !strings.Contains(err.Error(), "pair by position") {
			t.Errorf("%d files of labels for two inputs: %v", len(labels), err)
		}
	}
}

// TestLabelsThatNobodyExpects: a file's labels are matched where `run` would match those of the topics, and else said to be there.
func TestLabelsThatNobodyExpects(t *testing.T) {
	file := writeLines(t, `{"id":"1","time":"2026-11-22T10:00:00Z","prediction":{"label":"yes"}}`, `{"type":"label","id":"1","time":"2026-11-22T10:00:05Z","label":"yes"}`)
	for labels, matched := range map[string]bool{", labels: l": true, "": false} {
		c := parseConfig(t, `kafka: {brokers: ["localhost:1"]}
windows: [1m]
models:
  - {name: a, topics: {predictions: p`+labels+`}, positive: "yes", features: {x: numeric}}
`)
		var said []string
		found := false
		_, err := Replay(t.Context(), c, ReplayOptions{Inputs: []string{file}, Warn: func(text string) { said = append(said, text) }, Result: func(r *monitor.Result) {
			found = found || r.Performance != nil && r.Performance.Matched == 1
		}})
		if err != nil || found != matched || len(said) == 0 != matched {
			t.Errorf("labels%s: matched %v, said %q, %v", labels, found, said, err)
		}
	}
}
