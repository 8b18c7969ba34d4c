package pipeline

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/streammon/streammon/internal/decode"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
	"github.com/streammon/streammon/internal/oracle"
	"github.com/streammon/streammon/internal/profile"
	"github.com/streammon/streammon/internal/window"
)

// learningGroup has two models that learn their references for different times, and one that has none.
func learningGroup() *monitor.Group {
	g := &monitor.Group{
		Pane: int64(10 * time.Second), Lateness: int64(20 * time.Second), MaxFuture: int64(time.Hour),
		Windows: []monitor.Window{{Name: "1m", Length: int64(time.Minute)}, {Name: "1h", Length: int64(time.Hour)}},
		Schema: event.Schema{
			Models: []string{"a", "b", "n"}, Segments: []string{"s"},
			Features: []event.Feature{{Name: "x"}, {Name: "c", Type: event.Categorical}},
		},
	}
	verdicts := monitor.Verdicts{DecideBy: "psi", MinSamples: 2}
	for i, name := range g.Schema.Models {
		c := monitor.ModelConfig{Name: name, Features: []int{0, 1}, Verdicts: verdicts, Learn: monitor.Learning{Length: int64(i+1) * int64(3*time.Minute), Topic: "p"}}
		switch name {
		case "a":
			c.Segmentations = []monitor.Segmentation{{Name: "s", Source: 0}}
		case "b":
			c.Verdicts.Against = "1"
		case "n":
			c.Learn = monitor.Learning{}
		}
		g.Models = append(g.Models, monitor.NewModel(c, &g.Schema))
	}
	return g
}

// TestLearningCrashes is TestCrashes while references are learned: whatever happens, each member has in the end the
// references that the naive program makes of the messages, and the final windows of a run that was never disturbed, to the byte. 200
// sequences, 10,000 with STREAMMON_FAULTS=long.
func TestLearningCrashes(t *testing.T) {
	rounds := 2 // of the 100 that rapid makes
	switch {
	case os.Getenv("STREAMMON_FAULTS") == "long":
		rounds = 100
	case testing.Short():
		rounds = 1
	}
	crashes, learned, held := 0, 0, 0
	for range rounds {
		rapid.Check(t, func(t *rapid.T) {
			lanes := drawLanes(t)
			plain := newMember(t, learningGroup(), lanes)
			for at := 0; !plain.finished(); at++ {
				plain.read(t, at%len(lanes), 3)
			}
			compareLearned(t, plain, lanes)
			learned += len(plain.group.References())
			members := []*member{newMember(t, learningGroup(), lanes), newMember(t, learningGroup(), lanes)}
			for steps := 0; slices.ContainsFunc(members, func(m *member) bool { return !m.finished() }); steps++ {
				if steps > 100_000 {
					t.Fatal("the lanes wait for each other for ever")
				}
				m := members[rapid.IntRange(0, 1).Draw(t, "member")]
				if lane := m.step(t, 8, &crashes); lane >= 0 && m.group.lanes[lane].isHeld() {
					held++
				}
			}
			for i, m := range members {
				compareLearned(t, m, lanes)
				compareJSON(t, i, m.json(), plain.json())
			}
		})
	}
	t.Logf("%d crashes, %d references, %d times a lane had to wait", crashes, learned, held)
	if learned == 0 || held == 0 {
		t.Error("nothing was learned, or no lane had to wait")
	}
}

func (m *member) json() (lines []string) {
	for _, r := range m.results {
		lines = append(lines, string(r.AppendJSON(nil)))
	}
	return lines
}

func compareJSON(t *rapid.T, member int, got, want []string) {
	for k := range min(len(got), len(want)) {
		if got[k] != want[k] {
			t.Fatalf("member %d, window %d:\n%s\nundisturbed:\n%s", member, k, got[k], want[k])
		}
	}
	if len(got) != len(want) {
		t.Fatalf("member %d: %d windows, undisturbed %d", member, len(got), len(want))
	}
}

// learnable is an accepted prediction of a model as the naive program has it.
type learnable struct {
	Time     int64
	Model    string
	Features struct {
		X float64
		C string
	}
	Segments struct{ S string }
}

// naiveAccepted are the accepted predictions of a lane, and the largest time.
func naiveAccepted(lane []oracle.Message, g *monitor.Group) (out []learnable, largest int64) {
	largest = window.NoTime
	for _, m := range lane {
		var p learnable
		if json.Unmarshal(m.Value, &p) != nil || !slices.Contains(g.Schema.Models, p.Model) {
			continue
		}
		p.Time *= int64(time.Second)
		if largest != window.NoTime && largest-g.Lateness >= window.Floor(p.Time, g.Pane)+g.Pane {
			continue // late
		}
		largest = max(largest, p.Time)
		out = append(out, p)
	}
	return out, largest
}

// naiveReference is what is to be learned, nil if the log does not reach far enough.
func naiveReference(t *rapid.T, lanes [][]oracle.Message, g *monitor.Group, model string, length int64) []byte {
	first, reached := int64(window.EndOfTime), int64(window.NoTime)
	var all []learnable
	for _, lane := range lanes {
		some, largest := naiveAccepted(lane, g)
		if largest != window.NoTime {
			reached = max(reached, largest-g.Lateness)
		}
		for _, p := range some {
			if p.Model == model {
				first = min(first, window.Floor(p.Time, g.Pane))
				all = append(all, p)
			}
		}
	}
	if first == window.EndOfTime || reached < first+length {
		return nil
	}
	schema := event.Schema{Models: []string{model}, Features: g.Schema.Features}
	if model == "a" {
		schema.Segments = g.Schema.Segments
	}
	b := profile.NewBuilder(schema)
	var lengths []int64
	for _, w := range g.Windows {
		lengths = append(lengths, w.Length)
	}
	b.Calibrate(lengths)
	slices.SortStableFunc(all, func(a, b learnable) int { return cmp.Compare(a.Time, b.Time) })
	for _, p := range all {
		if p.Time >= first+length {
			continue
		}
		ev := &event.Event{Time: p.Time, Features: []event.Value{{State: event.Valid, Number: p.Features.X}, {State: event.Valid, Text: []byte(p.Features.C)}}}
		if model == "a" {
			ev.Segments = [][]byte{[]byte(p.Segments.S)}
		}
		b.Observe(ev)
	}
	r, err := b.Build(profile.Provenance{Inputs: []string{fmt.Sprintf("the first %s of topic p", time.Duration(length))}})
	if err != nil {
		t.Fatal(err)
	}
	data, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// compareLearned compares a member's references with the naive ones.
func compareLearned(t *rapid.T, m *member, lanes [][]oracle.Message) {
	got := map[string]Learned{}
	for _, l := range m.group.References() {
		got[l.Model] = l
	}
	for i, model := range []string{"a", "b"} {
		want := naiveReference(t, lanes, m.monitor, model, int64(i+1)*int64(3*time.Minute))
		l, ok := got[model]
		if ok != (want != nil) {
			t.Fatalf("%s has a reference: %v, want %v", model, ok, want != nil)
		}
		if ok && !bytes.Equal(l.Data, want) {
			t.Fatalf("%s learned\n%s\nwant\n%s", model, l.Data, want)
		}
		if ok && (l.Until != l.First+int64(i+1)*int64(3*time.Minute) || l.Since < l.Until) {
			t.Fatalf("%s: first %d, until %d, since %d", model, l.First, l.Until, l.Since)
		}
	}
}

// TestLearnedWindows: windows have no drift figures before the reference is in force, and then of what came since, with
// its own number of values; segments have the values of the reference from then on.
func TestLearnedWindows(t *testing.T) {
	var lane []oracle.Message
	for i := range 1200 {
		at := noon.Add(time.Duration(i) * time.Second)
		lane = append(lane, oracle.Message{RecordTime: at.UnixNano(), Value: fmt.Appendf(nil,
			`{"time":%d,"model":"a","version":"1","segments":{"s":"%d"},"features":{"x":%d,"c":"c%d"}}`, at.Unix(), i%2, i%50, i%3)})
	}
	var results []*monitor.Result
	sink := NewSequencer(1, func(r *monitor.Result, _ []byte) error { results = append(results, r); return nil })
	g := NewGroup(learningGroup(), decode.Options{}, sink, 0, true)
	var told []Learned
	g.Learned = func(l Learned) { told = append(told, l) }
	g.Grow(1)
	in, err := NewIntake([]*Lane{g.Lane(0)}, event.Prediction, nil)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(lane); {
		var batch []Message
		for _, m := range lane[at:min(at+7, len(lane))] {
			batch = append(batch, Message{m.Value, m.RecordTime})
		}
		at += in.Take(batch, 0)
		if err := g.Lane(0).Deliver(Progress{Records: 1, Done: at == len(lane), Now: noon}); err != nil {
			t.Fatal(err)
		}
		if at == 0 {
			continue // it waited until it was known that there is no other lane
		}
		_, models := g.Show(noon)
		l := models[0].Learning
		if l == nil || l.Done != (len(told) > 0) || l.Until != noon.Add(3*time.Minute).UnixNano() || models[2].Learning != nil {
			t.Fatalf("after %d events: %+v", at, l)
		}
	}
	since := noon.Add(4*time.Minute + 20*time.Second) // learning, lateness, a minute
	if len(told) != 1 || told[0].Reference.Rows != 180 || told[0].Since != since.UnixNano() {
		t.Fatalf("learned %+v", told)
	}
	segments := map[string]bool{}
	for _, r := range results {
		after := min(max(r.End.Sub(since), 0), r.End.Sub(r.Start))
		in := min(r.End.Sub(r.Start), r.End.Sub(noon))
		segments[fmt.Sprint(r.Segment, r.Start.Before(since))] = true
		if r.Segment != "" || r.End.After(noon.Add(1200*time.Second)) {
			continue
		}
		for _, f := range r.Features {
			if f.HasReference != (after > 0) || len(f.Drift) > 0 != (after > 0) {
				t.Fatalf("%s to %s: %s has a reference: %v", r.Window, r.End, f.Name, f.HasReference)
			}
			if after > 0 && f.Count-f.Unmatched != uint64(after/time.Second) || f.Count != uint64(in/time.Second) {
				t.Fatalf("%s to %s: %d of %d values of %s are compared, want %s", r.Window, r.End, f.Count-f.Unmatched, f.Count, f.Name, after)
			}
		}
	}
	for segment, want := range map[string]bool{"s=0true": true, "s=0false": true, "s=1false": true, "s=__other__true": true, "s=__other__false": false} {
		if segments[segment] != want {
			t.Errorf("%s is there: %v", segment, segments[segment])
		}
	}
}

// TestIdleLaneDoesNotHoldLearning: a partition that is empty, or was read to its end and is silent, is not waited for; one
// that is being read is.
func TestIdleLaneDoesNotHoldLearning(t *testing.T) {
	g := NewGroup(learningGroup(), decode.Options{}, nil, 0, true)
	g.Grow(3)
	var intakes []*Intake
	for i := range 3 {
		in, err := NewIntake([]*Lane{g.Lane(i)}, event.Prediction, nil)
		if err != nil {
			t.Fatal(err)
		}
		intakes = append(intakes, in)
	}
	now := noon
	message := func(after time.Duration) []Message {
		return []Message{{Value: fmt.Appendf(nil, `{"time":%d,"model":"a","features":{"x":1,"c":"c"}}`, noon.Add(after).Unix())}}
	}
	deliver := func(lane, records int, caughtUp bool) {
		if err := g.Lane(lane).Deliver(Progress{Records: records, CaughtUp: caughtUp, Now: now}); err != nil {
			t.Fatal(err)
		}
	}
	if intakes[0].Take(message(0), 0) != 0 {
		t.Fatal("a message was taken before anything is known of the other lanes")
	}
	deliver(1, 0, true) // it is empty
	deliver(2, 0, false)
	if intakes[0].Take(message(0), 0) != 0 {
		t.Fatal("a message was taken though another lane may have older ones")
	}
	deliver(0, 0, false)
	if intakes[2].Take(message(0), 0) != 1 {
		t.Fatal("a message was not taken though it is known what the other lane waits with")
	}
	deliver(2, 1, true)
	if intakes[0].Take(message(time.Second), 0) != 1 {
		t.Fatal("a message was not taken though all have begun")
	}
	deliver(0, 1, true)
	if intakes[0].Take(message(time.Hour), 0) != 0 {
		t.Fatal("a message was taken for whose time the reference is not known")
	}
	deliver(0, 0, false)
	if len(g.References()) != 0 {
		t.Fatal("a lane that is being read was not waited for")
	}
	for range 4 { // the empty ones are fetched from
		now = now.Add(10 * time.Second)
		deliver(1, 0, true)
		deliver(2, 0, true)
	}
	g.Show(now)
	if intakes[0].Take(message(time.Hour), 0) != 1 || len(g.References()) != 1 {
		t.Error("a silent lane holds learning up")
	}
	if r := g.References()[0]; r.Reference.Rows != 2 {
		t.Errorf("%d rows", r.Reference.Rows)
	}
}

// TestHeldLaneHoldsNobodyUp: where lanes that are far ahead wait for slower ones, a lane that waits with a message is not
// slow: its message tells how far it is.
func TestHeldLaneHoldsNobodyUp(t *testing.T) {
	var results []*monitor.Result
	sink := NewSequencer(1, func(r *monitor.Result, _ []byte) error { results = append(results, r); return nil })
	g := NewGroup(learningGroup(), decode.Options{}, sink, 0, true)
	g.Grow(2)
	g.paneSize = 1 << 40 // so that few may wait
	var intakes []*Intake
	for i := range 2 {
		in, err := NewIntake([]*Lane{g.Lane(i)}, event.Prediction, nil)
		if err != nil {
			t.Fatal(err)
		}
		intakes = append(intakes, in)
	}
	take := func(lane int, after time.Duration) int {
		m := Message{Value: fmt.Appendf(nil, `{"time":%d,"model":"a","features":{"x":1,"c":"c"}}`, noon.Add(after).Unix())}
		taken := intakes[lane].Take([]Message{m}, 0)
		if err := g.Lane(lane).Deliver(Progress{Records: taken, Now: noon}); err != nil {
			t.Fatal(err)
		}
		return taken
	}
	take(0, 0) // waits to hear of the other
	if take(1, 0) != 1 || take(0, 0) != 1 || take(0, time.Hour) != 0 {
		t.Fatal("the lanes do not begin")
	}
	for after := time.Duration(0); after < 3*time.Minute; after += 10 * time.Second {
		if take(1, after) != 1 {
			t.Fatalf("the lane behind waits at %s", after)
		}
		waited := false
		g.Lane(1).Wait(func() bool { waited = true; return true })
		if waited {
			t.Fatalf("the lane behind waits for the other at %s", after)
		}
	}
	if len(results) == 0 || results[len(results)-1].End.Before(noon.Add(2*time.Minute)) {
		t.Error("no windows are final while a lane waits")
	}
	if take(1, 4*time.Minute) != 1 || len(g.References()) != 1 {
		t.Error("nothing was learned")
	}
	if take(0, time.Hour) != 0 { // the lane behind may still begin another model
		t.Error("a message was taken for whose time a reference is not known")
	}
}
