package pipeline

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/streammon/streammon/internal/decode"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
)

// fataler is a test, or one round of a property.
type fataler interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// kept is a group that is stopped and goes on, perhaps with another config, and the final results of
// all its runs.
type kept struct {
	t       fataler
	group   *Group
	intakes []*Intake
	sink    *Sequencer
	results []*monitor.Result
	entries []Entry
	saved   *encodedSnapshot
}

// start makes the group, from what was saved if there is something; final says whether it makes results.
func (k *kept) start(m *monitor.Group, lanes int, final bool) {
	k.t.Helper()
	k.sink = nil
	if final {
		k.sink = NewSequencer(1, func(r *monitor.Result, _ []byte) error { k.results = append(k.results, r); return nil })
	}
	k.group = NewGroup(m, decode.Options{}, k.sink, 0, true)
	k.group.Journal()
	var parts []PartState
	if k.saved != nil {
		var err error
		if parts, err = k.group.Restore(k.saved.State, k.entries, func(string, string) {}); err != nil {
			k.t.Fatal(err)
		}
	}
	k.group.Grow(lanes)
	k.intakes = nil
	for i := range lanes {
		in, err := NewIntake([]*Lane{k.group.Lane(i)}, event.Prediction, nil)
		if err != nil {
			k.t.Fatal(err)
		}
		if n := slices.IndexFunc(parts, func(p PartState) bool { return p.Index == i }); n >= 0 {
			err = in.Restore(parts[n])
		}
		if err != nil {
			k.t.Fatal(err)
		}
		k.group.Read(Part{"p", i, in})
		k.intakes = append(k.intakes, in)
	}
}

// save notes what the group is, for start to go on from.
func (k *kept) save() {
	snapshots := TakeCut([]*Group{k.group}, k.sink, false, func() {}).encode()
	k.saved = &snapshots[0]
	k.entries = append(k.entries, k.saved.Entries...)
	for _, h := range k.saved.Horizons {
		k.entries = slices.DeleteFunc(k.entries, func(e Entry) bool { return e.Kind == h.Kind && e.Start < h.Start })
	}
	slices.SortStableFunc(k.entries, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.View, b.View), cmp.Compare(a.Length, b.Length), cmp.Compare(a.Start, b.Start))
	})
}

// take takes in messages of a lane, after a gap of lost ones, and delivers them.
func (k *kept) take(lane int, messages []Message, lost int, done bool) {
	k.t.Helper()
	in := k.intakes[lane]
	first := max(in.Offsets().Next, 0) + int64(lost)
	in.Arrive(Arrival{First: first, Gap: int64(lost)})
	in.Take(messages, first+int64(len(messages)))
	if err := k.group.Lane(lane).Deliver(Progress{Records: len(messages), Done: done, Now: noon}); err != nil {
		k.t.Fatal(err)
	}
}

// at returns an event of a model so many seconds after noon.
func at(model string, second int) Message {
	return Message{Value: fmt.Appendf(nil, `{"time":%d,"model":%q,"segments":{"s":"b"},"features":{"x":1}}`, noon.Unix()+int64(second), model)}
}

// flow returns an event a second.
func flow(model string, from, to int) (messages []Message) {
	for s := from; s < to; s++ {
		messages = append(messages, at(model, s))
	}
	return messages
}

// name tells windows apart.
func name(r *monitor.Result) string {
	return fmt.Sprintf("%s %q %s %s", r.Model, r.Segment, r.Window, r.End.Format(time.TimeOnly))
}

// trusted fails for each result that says that it is complete but is not that of a run in which nothing was lost, and
// for one that is there twice. It returns how many are complete.
func (k *kept) trusted(undisturbed []*monitor.Result) (complete int) {
	k.t.Helper()
	want := map[string]string{}
	for _, r := range undisturbed {
		want[name(r)] = string(r.AppendJSON(nil))
	}
	seen := map[string]bool{}
	for _, r := range k.results {
		if seen[name(r)] {
			k.t.Fatalf("%s is there twice", name(r))
		}
		seen[name(r)] = true
		if !r.Complete {
			continue
		}
		complete++
		if got := string(r.AppendJSON(nil)); got != want[name(r)] {
			k.t.Fatalf("%s says that it is complete:\n%s, want\n%s", name(r), got, want[name(r)])
		}
	}
	return complete
}

func lossGroup() *monitor.Group {
	m := plainGroup()
	m.Windows = []monitor.Window{{Name: "1m", Length: int64(time.Minute)}, {Name: "1h", Length: int64(time.Hour)}}
	return m
}

// TestCompleteWindowsHaveNoHole: whatever stretches of the lanes' logs are lost, and whenever the group is stopped
// and goes on, a final window that says that it is complete is that of a run that has lost nothing.
func TestCompleteWindowsHaveNoHole(t *testing.T) {
	complete, incomplete := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		lanes := rapid.IntRange(1, 3).Draw(t, "lanes")
		plain, disturbed := &kept{t: t}, &kept{t: t}
		plain.start(lossGroup(), lanes, true)
		disturbed.start(lossGroup(), lanes, true)
		for lane := range lanes {
			for _, k := range []*kept{plain, disturbed} {
				k.take(lane, flow("m", 0, 120), 0, false)
			}
		}
		at1 := make([]int, lanes)
		lost := make([]int, lanes)
		for range rapid.IntRange(1, 20).Draw(t, "batches") {
			lane := rapid.IntRange(0, lanes-1).Draw(t, "lane")
			var batch []Message
			for range rapid.IntRange(1, 6).Draw(t, "messages") {
				at1[lane] += rapid.SampledFrom([]int{1, 5, 15, 60, 600}).Draw(t, "step")
				batch = append(batch, at("m", 120+at1[lane]-rapid.IntRange(0, 20).Draw(t, "disorder")))
			}
			plain.take(lane, batch, 0, false)
			if rapid.IntRange(0, 5).Draw(t, "lost") == 0 {
				lost[lane] += len(batch)
			} else {
				disturbed.take(lane, batch, lost[lane], false)
				lost[lane] = 0
			}
			if rapid.IntRange(0, 5).Draw(t, "restart") == 0 {
				disturbed.save()
				disturbed.start(lossGroup(), lanes, true)
			}
		}
		for lane := range lanes {
			plain.take(lane, nil, 0, true)
			disturbed.take(lane, nil, lost[lane], true)
		}
		n := disturbed.trusted(plain.results)
		complete += n
		incomplete += len(disturbed.results) - n
	})
	if complete == 0 || incomplete == 0 {
		t.Errorf("%d windows are complete, %d are not", complete, incomplete)
	}
}

// TestWindowsWithinAHole: while one lane has lost minutes, the windows of the others' events are not
// complete, neither final nor shown, until they begin after it.
func TestWindowsWithinAHole(t *testing.T) {
	m := lossGroup()
	m.Lateness, m.Windows, m.MaxFuture = 0, m.Windows[:1], int64(time.Hour)
	k := &kept{t: t}
	k.start(m, 2, true)
	k.take(0, flow("m", 0, 400), 0, false)
	k.take(1, flow("m", 0, 400), 0, false)
	k.save()
	k.start(m, 2, true)
	k.take(0, flow("m", 400, 701), 0, false)
	k.take(1, flow("m", 700, 711), 300, false)
	shown, _ := k.group.Show(noon)
	if len(shown) != 1 || shown[0].Complete {
		t.Errorf("shown: %+v", shown)
	}
	k.take(0, flow("m", 701, 1000), 0, true)
	k.take(1, flow("m", 711, 1000), 0, true)
	for _, r := range k.results {
		begin, end := int(r.Start.Sub(noon).Seconds()), int(r.End.Sub(noon).Seconds())
		if want := begin >= 0 && (end <= 390 || begin >= 710); r.Complete != want {
			t.Errorf("%s with %d events is complete: %v, want %v", name(r), r.Events, r.Complete, want)
		}
	}
}

// TestLaneWithoutPartition: a lane whose partition is there no more holds nobody back, neither the final results nor
// what is shown, also after a restart, and what it has counts.
func TestLaneWithoutPartition(t *testing.T) {
	k := &kept{t: t}
	k.start(lossGroup(), 3, true)
	for lane := range 3 {
		k.take(lane, flow("m", 0, 300), 0, false)
	}
	for round := range 2 {
		k.save()
		k.start(lossGroup(), 3, true)
		if ended, err := k.group.Lane(2).End(noon); err != nil || !ended {
			t.Fatalf("ended %v, %v", ended, err)
		}
		if ended, _ := k.group.Lane(2).End(noon); ended {
			t.Error("it ended twice")
		}
		for lane := range 2 {
			k.take(lane, flow("m", 300+200*round, 500+200*round), 0, false)
		}
		if !k.group.lanes[2].idle(noon.Add(time.Hour)) {
			t.Error("the lane is waited for")
		}
	}
	last := k.results[len(k.results)-1]
	if want := noon.Add(660 * time.Second); !last.End.Equal(want) || last.Window == "1m" && (last.Events != 120 || !last.Complete) {
		t.Errorf("the last result is %s with %d events, complete %v", name(last), last.Events, last.Complete)
	}
	for _, r := range k.results {
		begin, end := int(r.Start.Sub(noon).Seconds()), int(r.End.Sub(noon).Seconds())
		if r.Window == "1m" && begin >= 0 && end <= 300 && r.Events != 180 || end > 270 && begin < 300 && r.Complete {
			t.Errorf("%s has %d events, complete %v", name(r), r.Events, r.Complete)
		}
	}
	// It comes back: what it brings is counted, and waited for.
	n := len(k.results)
	k.take(2, flow("m", 600, 700), 0, false)
	k.take(0, flow("m", 700, 900), 0, false)
	k.take(1, flow("m", 700, 900), 0, false)
	if len(k.results) != n {
		t.Error("results do not wait for a lane that came back")
	}
	k.take(2, flow("m", 700, 900), 0, false)
	if last := k.results[len(k.results)-1]; last.Window == "1m" && last.Events != 180 {
		t.Errorf("%s has %d events", name(last), last.Events)
	}
}
