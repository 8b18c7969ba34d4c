package pipeline

import (
	"bytes"
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

// rig is a group of some lanes with predictions and labels, its final results, and a store
// of its snapshots.
type rig struct {
	lanes   int
	group   *Group
	parts   []Part
	results bytes.Buffer
	entries []Entry
}

func newRig(t *rapid.T, lanes int) *rig {
	r := &rig{lanes: lanes}
	r.start(t, nil)
	return r
}

// start makes the group anew, from a snapshot if there is one.
func (r *rig) start(t *rapid.T, s *encodedSnapshot) {
	sink := NewSequencer(1, func(x *monitor.Result, _ []byte) error {
		r.results.Write(append(x.AppendJSON(nil), '\n'))
		return nil
	})
	m := plainGroup()
	m.Deduplicate, m.MaxIDs = int64(time.Minute), 1000
	m.Windows = append(m.Windows, monitor.Window{Name: "1h", Length: int64(time.Hour)})
	r.group = NewGroup(m, decode.Options{Mapping: decode.Mapping{LabelTime: "label_time"}}, sink, 0, true)
	r.group.Journal()
	var states []PartState
	if s != nil {
		var err error
		if states, err = r.group.Restore(s.State, r.entries, func(model, feature string) { t.Fatalf("lost %s of %s", feature, model) }); err != nil {
			t.Fatal(err)
		}
	}
	r.group.Grow(r.lanes)
	r.parts = nil
	for i := range 2 * r.lanes {
		p := Part{Topic: []string{"p", "l"}[i/r.lanes], Index: i % r.lanes}
		var err error
		if p.Intake, err = NewIntake([]*Lane{r.group.Lane(p.Index)}, event.Kind(i/r.lanes), nil); err != nil {
			t.Fatal(err)
		}
		for _, state := range states {
			if state.Topic == p.Topic && state.Index == p.Index {
				if err := p.Intake.Restore(state); err != nil {
					t.Fatal(err)
				}
				if state.Offsets != p.Intake.offsets || state.Ledger != p.Intake.ledger {
					t.Fatalf("%+v is restored as %+v and %+v", state, p.Intake.offsets, p.Intake.ledger)
				}
			}
		}
		if p.Intake.offsets.Next < 0 {
			p.Intake.Arrive(Arrival{})
		}
		r.group.Read(p)
		r.parts = append(r.parts, p)
	}
}

// restart takes a snapshot and goes on from it, sometimes after the store has lost all entries. What a snapshot holds does not
// depend on whether it is taken twice.
func (r *rig) restart(t *rapid.T) {
	lost := rapid.IntRange(0, 3).Draw(t, "entries lost") == 0
	if lost {
		r.snapshot() // takes what nobody will see
		r.entries = nil
	}
	s := r.snapshotOf(lost)
	r.entries = append(r.entries, s.Entries...)
	for _, h := range s.Horizons {
		r.entries = slices.DeleteFunc(r.entries, func(e Entry) bool { return e.Kind == h.Kind && e.Start < h.Start })
	}
	slices.SortStableFunc(r.entries, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.View, b.View), cmp.Compare(a.Length, b.Length), cmp.Compare(a.Start, b.Start))
	})
	if again := r.snapshot(); !bytes.Equal(again.State, s.State) || len(again.Entries) > 0 {
		t.Fatalf("two snapshots in a row differ, or have %d entries twice", len(again.Entries))
	}
	r.start(t, &s)
}

func (r *rig) snapshot() encodedSnapshot { return r.snapshotOf(false) }

func (r *rig) snapshotOf(anew bool) encodedSnapshot {
	snapshots := TakeCut([]*Group{r.group}, nil, anew, func() {}).encode()
	return snapshots[0]
}

func (r *rig) deliver(t *rapid.T, lane, records int, now time.Time) {
	if err := r.group.Lane(lane).Deliver(Progress{Records: records, CaughtUp: true, Now: now}); err != nil {
		t.Fatal(err)
	}
}

// TestRestoredGroupGoesOn: a group that is stopped and restored at any moment, also between
// taking in a batch and delivering it, gives the same final results and accounts, and
// shows the same, as one that never stopped.
func TestRestoredGroupGoesOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lanes := rapid.IntRange(1, 3).Draw(t, "lanes")
		plain, stopped := newRig(t, lanes), newRig(t, lanes)
		at, clock := noon, noon
		for step := range rapid.IntRange(1, 25).Draw(t, "steps") {
			k := rapid.IntRange(0, 2*lanes-1).Draw(t, "partition")
			lane := k % lanes
			var batch []Message
			for range rapid.IntRange(1, 4).Draw(t, "messages") {
				at = at.Add(rapid.SampledFrom([]time.Duration{0, time.Second, 20 * time.Second, 10 * time.Minute}).Draw(t, "gap"))
				batch = append(batch, drawMessage(t, at))
			}
			next := plain.parts[k].Intake.offsets.Next + int64(len(batch))
			clock = clock.Add(rapid.SampledFrom([]time.Duration{time.Second, 40 * time.Second}).Draw(t, "silence"))
			for _, r := range []*rig{plain, stopped} {
				for i := range lanes { // fetches that find nothing
					r.deliver(t, i, 0, clock)
				}
				r.shown(clock) // moves what is shown on
			}
			restart := rapid.IntRange(0, 5).Draw(t, "restart")
			for _, r := range []*rig{plain, stopped} {
				r.parts[k].Intake.Take(batch, next)
			}
			if restart == 0 {
				stopped.restart(t)
			}
			for _, r := range []*rig{plain, stopped} {
				r.deliver(t, lane, 1, clock)
			}
			if restart == 1 {
				stopped.restart(t)
			}
			if restart <= 1 {
				for i := range lanes { // what the clock knows of lanes is not stored
					plain.deliver(t, i, 1, clock)
					stopped.deliver(t, i, 1, clock)
					// Nor are the counters those of the process.
					plain.group.lanes[i].base = slices.Clone(plain.group.lanes[i].shard.Models())
					stopped.group.lanes[i].base = slices.Clone(stopped.group.lanes[i].shard.Models())
				}
				if a, b := plain.shown(clock), stopped.shown(clock); a != b {
					t.Fatalf("step %d shows:\n%s\nrestored:\n%s", step, a, b)
				}
			}
			if a, b := plain.account(), stopped.account(); a != b {
				t.Fatalf("step %d:\n%s\nrestored:\n%s", step, a, b)
			}
		}
		for i := range lanes {
			plain.deliver(t, i, 1, clock)
			stopped.deliver(t, i, 1, clock)
		}
		if a, b := plain.shown(clock), stopped.shown(clock); a != b {
			t.Fatalf("shown:\n%s\nrestored:\n%s", a, b)
		}
	})
}

func drawMessage(t *rapid.T, at time.Time) Message {
	time1 := at.Add(-time.Duration(rapid.IntRange(0, 60).Draw(t, "disorder")) * time.Second).Format(time.RFC3339)
	id := rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(t, "id")
	text := fmt.Sprintf(`{"id":%q,"time":%q,"version":"%d","features":{"x":%g}}`, id, time1, rapid.IntRange(0, 2).Draw(t, "version"), rapid.Float64Range(-9, 9).Draw(t, "x"))
	switch rapid.IntRange(0, 7).Draw(t, "form") {
	case 0:
		text = text[:len(text)-1]
	case 1:
		text = fmt.Sprintf(`{"type":"label","id":%q,"time":%q,"label":"x"}`, id, time1)
	case 2:
		text = fmt.Sprintf(`{"type":"prediction","id":%q,"time":%q,"label":"x","label_time":%q}`, id, time1, at.Add(time.Minute).Format(time.RFC3339))
	}
	return Message{Value: []byte(text)}
}

// account is what the rig has written and counted.
func (r *rig) account() string {
	out := r.results.String()
	for _, p := range r.parts {
		l := p.Intake.Ledger()
		out += fmt.Sprintf("%s/%d: %+v, %+v, balanced %v\n", p.Topic, p.Index, p.Intake.offsets, l, l.Balanced())
	}
	return out
}

func (r *rig) shown(now time.Time) string {
	results, models := r.group.Show(now)
	var b []byte
	for _, x := range results {
		b = append(x.AppendJSON(b), '\n')
	}
	return fmt.Sprintf("%s%+v", b, models)
}

// encodedSnapshot is a Snapshot as it is stored.
type encodedSnapshot struct {
	State    []byte
	Entries  []Entry
	Horizons []Horizon
}

func (c *Cut) encode() (out []encodedSnapshot) {
	snapshots, _ := c.Snapshots()
	for _, s := range snapshots {
		e := encodedSnapshot{State: s.State(nil), Horizons: s.Horizons}
		for _, f := range s.Entries {
			e.Entries = append(e.Entries, Entry{f.Kind, f.Start, f.Content(nil)})
		}
		out = append(out, e)
	}
	return out
}

// FuzzRestore reads damaged snapshots: an error, or a group that works.
func FuzzRestore(f *testing.F) {
	g := NewGroup(plainGroup(), decode.Options{}, nil, 0, true)
	g.Grow(2)
	in, err := NewIntake([]*Lane{g.Lane(0)}, event.Prediction, nil)
	if err != nil {
		f.Fatal(err)
	}
	add := func() {
		snapshots := TakeCut([]*Group{g}, nil, false, func() {}).encode()
		f.Add(snapshots[0].State)
	}
	add()
	g.Read(Part{"p", 0, in})
	in.Arrive(Arrival{})
	for i := range 20 {
		in.Take([]Message{{Value: fmt.Appendf(nil, `{"time":%d,"features":{"x":%d}}`, noon.Unix()+int64(i)*9, i)}}, int64(i+1))
	}
	add()
	f.Fuzz(func(t *testing.T, data []byte) {
		g := NewGroup(plainGroup(), decode.Options{}, nil, 0, true)
		states, err := g.Restore(data, nil, func(string, string) {})
		if err != nil {
			return
		}
		g.Grow(1)
		for _, s := range states {
			in, err := NewIntake([]*Lane{g.Lane(0)}, event.Prediction, nil)
			if err != nil {
				t.Fatal(err)
			}
			if in.Restore(s) == nil {
				in.Take([]Message{{Value: []byte(`{"time":1795341600,"features":{"x":1}}`)}}, 1)
			}
		}
		g.Show(noon)
	})
}
