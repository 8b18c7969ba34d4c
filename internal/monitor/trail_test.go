package monitor

import (
	"math"
	"testing"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/window"
)

// TestTrailing: windows are compared with all versions of the hours in which they lay so long ago, in the bins of the
// reference and with both sizes; not before these hours are known whole, nor where messages of them were lost.
func TestTrailing(t *testing.T) {
	const hour, minute = 3600 * second, 60 * second
	schema := event.Schema{Models: []string{"m"}, Segments: []string{"s"}, Features: []event.Feature{{Name: "c", Type: event.Categorical}, {Name: "x"}}}
	config := ModelConfig{
		Name: "m", Features: []int{0, 1}, Segmentations: []Segmentation{{Name: "s", Values: []string{"odd"}}},
		Reference: coinReference(t, schema, "a", "b"), Verdicts: Verdicts{Statistics: []string{"psi"}, DecideBy: "psi", MinSamples: 1, Trailing: 2 * hour},
	}
	g := &Group{Schema: schema, Pane: 10 * second, Windows: []Window{{Name: "1m", Length: minute}, {Name: "1h", Length: hour}}}
	g.Models = []*Model{NewModel(config, &g.Schema)}
	shard, view := NewShard(g), NewView(g, 1)
	losses := &Losses{}
	view.Heed(losses, NewSince(g))
	first := window.Floor(base, hour) + 10*minute
	lost := Hole{window.Floor(base, hour) + 5*hour + minute, window.Floor(base, hour) + 5*hour + 2*minute}
	losses.Add(0, []Hole{lost})
	type row struct {
		at   int64
		b, s bool
	}
	var rows []row
	for i := range int64(9 * 360) {
		r := row{first + i*10*second, i*i%(5+i/400) == 0, i%2 == 1}
		rows = append(rows, r)
		ev := &event.Event{Time: r.at, Version: []byte{byte('1' + i/100%3)}, Features: []event.Value{{State: event.Valid, Text: []byte("a")}, {State: event.Valid, Number: 1}}, Segments: [][]byte{[]byte("even")}}
		if r.b {
			ev.Features[0].Text = []byte("b")
		}
		if r.s {
			ev.Segments[0] = []byte("odd")
		}
		if o, _ := shard.Apply(ev); o != OutcomeAccepted {
			t.Fatal("not accepted")
		}
	}
	counts := func(from, to int64, s bool, only func(int) bool) (n [2]float64) {
		for i, r := range rows {
			if r.at >= from && r.at < to && (!s || r.s) && only(i) {
				if r.b {
					n[1]++
				} else {
					n[0]++
				}
			}
		}
		return n
	}
	view.Deliver(0, shard.TakeSealed())
	compared, without := 0, 0
	view.Advance(window.Floor(rows[len(rows)-1].at, g.Pane), func(end int64, results []*Result) {
		for _, r := range results {
			start := end - r.Length
			from, to := window.Floor(start-2*hour, hour), window.Ceil(end-2*hour, hour)
			known := from >= first && (from >= lost.To || to <= lost.From)
			d := r.Features[0].Drift
			if (len(d) > 0) != known && r.Segment != "s=__other__" {
				t.Fatalf("%s window to %s of %q has drift figures: %v, want %v", r.Window, r.End, r.Segment, len(d) > 0, known)
			}
			if !known {
				without++
				continue
			}
			if r.Segment == "s=__other__" {
				continue
			}
			then := counts(from, to, r.Segment != "", func(int) bool { return true })
			now := counts(start, end, r.Segment != "", func(i int) bool { return string(byte('1'+i/100%3)) == r.Version })
			want := 0.0
			bins := 0.0
			for k := range then {
				if then[k]+now[k] > 0 {
					bins++
				}
			}
			for k := range then {
				if then[k]+now[k] > 0 {
					p, q := (then[k]+0.5)/(then[0]+then[1]+bins/2), (now[k]+0.5)/(now[0]+now[1]+bins/2)
					want += (q - p) * math.Log(q/p)
				}
			}
			if math.Abs(float64(d[0].Value)-want) > 1e-12 {
				t.Fatalf("%s window to %s of %q %q: psi %g, want %g", r.Window, r.End, r.Version, r.Segment, float64(d[0].Value), want)
			}
			compared++
		}
	})
	if compared < 100 || without < 100 {
		t.Errorf("%d comparisons, %d windows without", compared, without)
	}
	if n := int64(len(view.trail.panes)); n > g.trailing()/hour+1 {
		t.Errorf("%d hours are kept", n)
	}
}
