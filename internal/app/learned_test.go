package app

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/pipeline"
	"github.com/streammon/streammon/internal/testkafka"
)

// learningConfig is keptConfig where both models learn their references; a has a segment whose values are learned, too.
func learningConfig() string {
	return strings.NewReplacer("reference: testdata/state/a.profile.json", "reference: {learn: 2m}",
		`positive: "yes", features`, `positive: "yes", reference: {learn: 3m}, features`).Replace(keptConfig(""))
}

// feedChunk gives a lane's next events of the first end as far as it may take them, and returns how many it took.
func (k *kept) feedChunk(lane, end int) int {
	k.t.Helper()
	p, err := k.partition("p", lane)
	if err != nil {
		k.t.Fatal(err)
	}
	from := int(max(p.intake.Offsets().Next, 0))
	p.intake.Arrive(pipeline.Arrival{Log: [16]byte{1}, First: int64(from)})
	var messages []pipeline.Message
	for i := from; i < min(from+50, end); i++ {
		messages = append(messages, pipeline.Message{Value: []byte(keptMessage(lane, i))})
	}
	taken := p.intake.Take(messages, int64(from+len(messages)))
	if err := p.lane.Deliver(pipeline.Progress{Records: taken, Now: keptNow}); err != nil {
		k.t.Fatal(err)
	}
	k.feedLabels(lane, from, from+taken)
	return taken
}

// feedLabels gives the labels of some of the lane's events, if the config has any.
func (k *kept) feedLabels(lane, from, to int) {
	k.t.Helper()
	if k.topics["l"] == nil {
		return
	}
	p, err := k.partition("l", lane)
	if err != nil {
		k.t.Fatal(err)
	}
	p.intake.Arrive(pipeline.Arrival{Log: [16]byte{1}, First: int64(from)})
	var messages []pipeline.Message
	for i := from; i < to; i++ {
		messages = append(messages, pipeline.Message{Value: fmt.Appendf(nil, `{"type":"label","id":"e%d-%d","time":%d,"model":"%s","label":"yes"}`,
			lane, i, keptNow.Add(time.Duration(i-600)*time.Second).Unix(), "ab"[i%2:i%2+1])})
	}
	p.intake.Take(messages, int64(to))
	if err := p.lane.DeliverLabels(pipeline.Progress{Records: len(messages), Now: keptNow}); err != nil {
		k.t.Fatal(err)
	}
}

func keptMessage(lane, i int) string {
	return fmt.Sprintf(`{"id":"e%d-%d","time":%d,"model":"%s","version":"%d","segments":{"country":"%s"},"features":{"amount":%d.5,"country":"c%d"},"prediction":{"score":0.%d,"label":"yes"}}`,
		lane, i, keptNow.Add(time.Duration(i-600)*time.Second).Unix(), "ab"[i%2:i%2+1], 1+i/400, []string{"DE", "FR", "XX"}[i%3], i*i%1000, i%5, i%10)
}

// feedBoth gives both lanes their events before end.
func (k *kept) feedBoth(end int) {
	k.t.Helper()
	for taken := 1; taken > 0; {
		taken = k.feedChunk(0, end) + k.feedChunk(1, end)
	}
}

// TestLearningGoesOn: a program that stops while it learns, or later, goes on as one that never stopped; what was learned
// lies beside the state as a profile.
func TestLearningGoesOn(t *testing.T) {
	fresh := newKept(t, t.TempDir(), learningConfig())
	fresh.feedBoth(600)
	want := fresh.says()
	if !strings.Contains(want, `"drift":`) || len(fresh.groups[0].References()) != 2 {
		t.Fatal("nothing was learned")
	}
	for _, stops := range [][]int{{60}, {110, 130, 170, 240, 290}, {30, 400}, {550}} {
		dir := t.TempDir()
		k := newKept(t, dir, learningConfig())
		for _, stop := range stops {
			k.feedBoth(stop)
			k.keeper.save()
			out := k.out.Bytes()
			k.feedBoth(stop + 20) // and is lost
			_ = k.keeper.close()
			k = newKept(t, dir, learningConfig())
			k.out.Write(out)
			k.results.length = int64(len(out))
		}
		k.feedBoth(600)
		if got := k.says(); got != want {
			t.Errorf("stopped at %v it says\n%s\nwant\n%s", stops, got, want)
		}
		k.keeper.save()
		for _, l := range k.groups[0].References() {
			data, err := os.ReadFile(filepath.Join(dir, "learned-"+l.Model+".profile.json"))
			if err != nil || !bytes.Equal(data, l.Data) {
				t.Errorf("the profile of %s: %v", l.Model, err)
			}
			r, err := LoadProfile(filepath.Join(dir, "learned-"+l.Model+".profile.json"))
			if err != nil || r.Fingerprint != l.Reference.Fingerprint {
				t.Errorf("the profile of %s cannot be read: %v", l.Model, err)
			}
		}
		if e := k.keeper.snapshot().Error; e != "" {
			t.Error(e)
		}
		_ = k.keeper.close()
	}
}

// TestLearningChanges: another length begins anew where the old one is learned already, other features while it is not;
// the windows remain.
func TestLearningChanges(t *testing.T) {
	for _, c := range []struct {
		name, old, new string
		at             int
		references     int
		resets         uint64
	}{
		{"nothing, learning", "", "", 60, 0, 0},
		{"nothing, learned", "", "", 500, 2, 0},
		{"a longer time, learning", "learn: 2m", "learn: 9m", 60, 0, 0},
		{"a longer time, learned", "learn: 2m", "learn: 9m", 500, 1, 4},
		{"other features, learning", "features: {amount: numeric}}", "features: {amount: numeric, extra: numeric}}", 60, 0, 1},
		{"a file", "{learn: 2m}", "testdata/state/a.profile.json", 500, 1, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			k := newKept(t, dir, learningConfig())
			k.feedBoth(c.at)
			k.keeper.save()
			_ = k.keeper.close()
			text := strings.Replace(learningConfig(), c.old, c.new, 1)
			if text == learningConfig() && c.old != "" {
				t.Fatal("the config is the same")
			}
			k = newKept(t, dir, text)
			defer k.keeper.close()
			if n := len(k.groups[0].References()); n != c.references {
				t.Errorf("%d references, want %d", n, c.references)
			}
			if n := k.keeper.snapshot().Resets[resetReference]; n != c.resets {
				t.Errorf("%d resets, want %d", n, c.resets)
			}
			for i := range 2 {
				if err := k.groups[0].Lane(i).Deliver(pipeline.Progress{CaughtUp: true, Now: keptNow}); err != nil {
					t.Fatal(err)
				}
			}
			if results, _ := k.groups[0].Show(keptNow); len(results) == 0 {
				t.Error("no windows were kept")
			}
			k.feedBoth(600)
			k.keeper.save()
			if e := k.keeper.snapshot().Error; e != "" {
				t.Error(e)
			}
		})
	}
}

// TestLearnedName: the name of a model becomes one of a file, whatever it is.
func TestLearnedName(t *testing.T) {
	for model, want := range map[string]string{
		"fraud": "learned-fraud.profile.json", "../a/b": "learned-..%2Fa%2Fb.profile.json", "ü": "learned-%C3%BC.profile.json",
	} {
		if got := learnedName(model); got != want {
			t.Errorf("%q: %s", model, got)
		}
	}
	if a, b := learnedName(strings.Repeat("ü", 100)), learnedName(strings.Repeat("ü", 101)); len(a) > 255 || a == b {
		t.Errorf("%s, %s", a, b)
	}
}

// TestLearningLive runs a config that learns on brokers: it says that it learns, and is ready meanwhile; it is stopped
// in the middle, goes on, and has in the end the windows and the reference of a replay of the same messages.
func TestLearningLive(t *testing.T) {
	testkafka.Each(t, func(t *testing.T, b testkafka.Broker) {
		topic, dir := b.CreateTopic(t, 2, keepForever), t.TempDir()
		text := func(b testkafka.Broker, topic string) string {
			return `kafka: {brokers: ["` + strings.Join(b.Bootstrap, `", "`) + `"], group: ` + topic + `, start: earliest}
windows: [1m]
state: {dir: "` + dir + `", save_interval: 1s}
models: [{name: a, topics: {predictions: ` + topic + `}, task: none, features: {amount: numeric, country: categorical}, reference: {learn: 4m}}]
`
		}
		var lanes [2][]string
		var records []*kgo.Record
		produce := func(from, to int) {
			records = records[:0]
			for i := from; i < to; i++ {
				for lane := range lanes {
					m := strings.Replace(keptMessage(lane, i), `"model":"b"`, `"model":"a"`, 1)
					lanes[lane] = append(lanes[lane], m)
					records = append(records, &kgo.Record{Topic: topic, Partition: int32(lane), Value: []byte(m), Timestamp: keptNow})
				}
			}
			testkafka.Produce(t, b.Client(t), records...)
		}
		learning := func(s *monitor.Snapshot) *monitor.LearningStatus { return s.Models[0].Learning }
		run := func(until string, f func(*monitor.Snapshot) bool) {
			r := startRun(t, parseConfig(t, text(b, topic)))
			r.await(t, until, time.Minute, f)
			r.cancel()
			if err := <-r.done; err != nil {
				t.Fatal(err)
			}
			r.done <- nil
		}
		produce(0, 150)
		run("learning", func(s *monitor.Snapshot) bool {
			l := learning(s)
			return s.NotReady == "" && s.Ledger.Accepted == 300 && !l.Done && l.Events == 300 && l.Until == keptNow.Add(-6*time.Minute).UnixNano() && s.State.Saves > 0
		})
		produce(150, 500)
		run("the reference", func(s *monitor.Snapshot) bool {
			return s.Ledger.Accepted == 1000 && learning(s).Done && len(s.Models[0].References) == 1 && s.State.Saves > 0 && withDrift(s.Results)
		})
		produce(500, 600)
		var inputs []string
		for _, lane := range lanes {
			inputs = append(inputs, writeLines(t, lane...))
		}
		var want bytes.Buffer
		learned, err := replayLearned(t, text(b, topic), inputs, &want)
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(dir, "learned-a.profile.json"))
		if err != nil || !bytes.Equal(data, learned) {
			t.Errorf("learned %d bytes, the replay %d: %v", len(data), len(learned), err)
		}
		if !bytes.Contains(want.Bytes(), []byte(`"drift":`)) {
			t.Error("the replay has no drift figures")
		}
		dir = t.TempDir()
		compareResults(t, want.Bytes(), runUntilEnd(t, strings.Replace(text(b, topic), "group: "+topic, "group: again"+topic, 1)))
	})
}

func withDrift(results []*monitor.Result) bool {
	for _, r := range results {
		for _, f := range r.Features {
			if len(f.Drift) > 0 {
				return true
			}
		}
	}
	return false
}

// replayLearned replays files and returns the reference of model a that this learns.
func replayLearned(t *testing.T, text string, inputs []string, out *bytes.Buffer) (learned []byte, err error) {
	t.Helper()
	c := parseConfig(t, text)
	_, err = Replay(t.Context(), c, ReplayOptions{Inputs: inputs, Results: out})
	if err != nil {
		return nil, err
	}
	groups, err := buildGroups(c)
	if err != nil {
		return nil, err
	}
	g := pipeline.NewGroup(groups[0].monitor, groups[0].decode, pipeline.NewSequencer(1, func(*monitor.Result, []byte) error { return nil }), 0, false)
	g.Grow(len(inputs))
	files, err := openLanes([]*pipeline.Group{g}, c, ReplayOptions{Inputs: inputs})
	if err != nil {
		return nil, err
	}
	if err := replayAll(context.Background(), []*pipeline.Group{g}, files); err != nil {
		return nil, err
	}
	for _, f := range files {
		f.close()
	}
	for _, l := range g.References() {
		learned = l.Data
	}
	return learned, nil
}

// TestReplayOfTwoTopics: where one file has the messages of two topics that both learn, and each waits for the other's, the
// replay goes on.
func TestReplayOfTwoTopics(t *testing.T) {
	text := `kafka: {brokers: ["localhost:1"]}
windows: [1m]
models:
  - {name: a, topics: {predictions: a}, task: none, features: {x: numeric}, reference: {learn: 2m}}
  - {name: b, topics: {predictions: b}, task: none, features: {x: numeric}, reference: {learn: 2m}}
`
	message := func(model string, minute int) string {
		return fmt.Sprintf(`{"model":%q,"time":%d,"features":{"x":%d}}`, model, keptNow.Unix()+int64(60*minute), minute)
	}
	var out bytes.Buffer
	inputs := []string{
		writeLines(t, message("a", 0), message("b", 0), message("a", 60), message("b", 1), message("b", 60)),
		writeLines(t, message("b", 0), message("a", 0), message("b", 60), message("a", 1), message("a", 60)),
	}
	l, err := Replay(t.Context(), parseConfig(t, text), ReplayOptions{Inputs: inputs, Results: &out})
	if err != nil || l != (event.Ledger{Consumed: 10, Accepted: 10}) {
		t.Errorf("%+v, %v", l, err)
	}
}
