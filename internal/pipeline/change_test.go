package pipeline

import (
	"slices"
	"testing"
	"time"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/monitor"
)

// TestAnotherLateness: what a lane has sealed stays so when more lateness is allowed, and panes that are closed by
// less are not lost.
func TestAnotherLateness(t *testing.T) {
	group := func(lateness time.Duration) *monitor.Group {
		m := lossGroup()
		m.Lateness = int64(lateness)
		return m
	}
	for _, c := range []struct {
		name          string
		before, after time.Duration
	}{{"more", 0, time.Minute}, {"less", time.Minute, 0}} {
		t.Run(c.name, func(t *testing.T) {
			run := func(after time.Duration) *kept {
				k := &kept{t: t}
				k.start(group(c.before), 2, true)
				k.take(0, flow("m", 0, 300), 0, false)
				k.take(1, flow("m", 0, 200), 0, false)
				k.save()
				k.start(group(after), 2, true)
				late := flow("m", 300, 301)
				if c.before == 0 {
					late = []Message{at("m", 285), at("m", 275), at("m", 265)} // their panes are sealed
				}
				k.take(0, slices.Concat(late, flow("m", 301, 800)), 0, false)
				k.take(1, flow("m", 200, 800), 0, false)
				for lane := range 2 {
					k.take(lane, nil, 0, true)
				}
				return k
			}
			want, got := run(c.before), run(c.after)
			if n := got.trusted(want.results); n < 60 || len(got.results) != len(want.results) {
				t.Errorf("%d of %d windows are complete, want %d", n, len(got.results), len(want.results))
			}
			if a, b := want.intakes[0].Ledger(), got.intakes[0].Ledger(); a != b {
				t.Errorf("ledger %+v, want %+v", b, a)
			}
		})
	}
}

// TestResultsBeginLater: where results begin, or begin again, with a state that was saved without them, complete windows
// are those of a run that made them always.
func TestResultsBeginLater(t *testing.T) {
	for _, runs := range [][]bool{{false, true}, {true, false, true}, {true, false, true, true}, {false, true, false, true, true}} {
		k, want := &kept{t: t}, &kept{t: t}
		want.start(lossGroup(), 2, true)
		read := [2]int{}
		for i, final := range runs {
			if i > 0 {
				k.save()
			}
			k.start(lossGroup(), 2, final)
			for lane, to := range [2]int{300*i + 700, 300*i + 400} { // one is ahead
				for _, r := range []*kept{k, want} {
					r.take(lane, flow("m", read[lane], to), 0, false)
				}
				read[lane] = to
			}
		}
		for lane := range 2 {
			for _, r := range []*kept{k, want} {
				r.take(lane, flow("m", read[lane], 3000), 0, true)
			}
		}
		if n := k.trusted(want.results); n < 50 {
			t.Errorf("runs %v: %d of %d windows are complete", runs, n, len(k.results))
		}
	}
}

// changed returns lossGroup with other models, features and segments.
func changed(models []string, feature string, values ...string) *monitor.Group {
	m := lossGroup()
	m.Schema.Models, m.Schema.Features, m.Schema.Segments, m.Models = models, []event.Feature{{Name: feature}}, []string{"s"}, nil
	for _, name := range models {
		c := monitor.ModelConfig{Name: name, Features: []int{0}}
		if len(values) > 0 {
			c.Segmentations = []monitor.Segmentation{{Name: "s", Values: values}}
		}
		m.Models = append(m.Models, monitor.NewModel(c, &m.Schema))
	}
	return m
}

// TestWhatIsNewIsNotComplete: what a config had not for a while - a model, a feature, a segment - has no complete window
// that begins before it came, though its panes of a time before are kept; all else is as if nothing had changed.
func TestWhatIsNewIsNotComplete(t *testing.T) {
	for _, c := range []struct {
		name        string
		full, other *monitor.Group
		kept        string // the model that has all its windows
	}{
		{"a model", changed([]string{"m", "n"}, "x"), changed([]string{"m"}, "x"), "m"},
		{"all models", changed([]string{"m", "n"}, "x"), changed([]string{"o"}, "x"), ""},
		{"a feature", changed([]string{"m", "n"}, "x"), changed([]string{"m", "n"}, "y"), ""},
		{"a segment", changed([]string{"m", "n"}, "x", "a", "b"), changed([]string{"m", "n"}, "x", "a"), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			both := func(from, to int) []Message {
				var out []Message
				for s := from; s < to; s++ {
					out = append(out, at("m", s), at("n", s+s%2*9)) // n is a little ahead
				}
				return out
			}
			k, want := &kept{t: t}, &kept{t: t}
			want.start(c.full, 2, true)
			for i, g := range []*monitor.Group{c.full, c.other, c.full, c.full} {
				if i > 0 {
					k.save()
				}
				k.start(g, 2, true)
				for lane := range 2 {
					for _, r := range []*kept{k, want} {
						r.take(lane, both(400*i, 400*(i+1)), 0, i == 3)
					}
				}
			}
			all := func(rs []*monitor.Result, model string) (n int) {
				for _, r := range rs {
					if r.Model == model && r.Complete {
						n++
					}
				}
				return n
			}
			if c.name != "a model" { // those of the other config are of its own
				k.results = slices.DeleteFunc(k.results, func(r *monitor.Result) bool {
					return r.Start.Sub(noon) >= 400*time.Second && r.End.Sub(noon) <= 770*time.Second
				})
			}
			if n := k.trusted(want.results); n < 100 {
				t.Errorf("%d of %d windows are complete", n, len(k.results))
			}
			if c.kept != "" && all(k.results, c.kept) != all(want.results, c.kept) {
				t.Errorf("%d windows of %s are complete, want %d", all(k.results, c.kept), c.kept, all(want.results, c.kept))
			}
		})
	}
}
