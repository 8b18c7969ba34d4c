package monitor

import (
	"fmt"
	"math"
	"testing"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/profile"
	"github.com/streammon/streammon/internal/window"
)

// coinReference has two categories of equal weight.
func coinReference(t *testing.T, schema event.Schema, names ...string) *profile.Reference {
	t.Helper()
	b := profile.NewBuilder(schema)
	for i := range 1000 {
		b.Observe(&event.Event{Features: []event.Value{{State: event.Valid, Text: []byte(names[i%len(names)])}, {State: event.Valid, Number: float64(i % 10)}}, Segments: [][]byte{nil}})
	}
	r, err := b.Build(profile.Provenance{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestAgainstVersion: with another version as what windows are compared with, drift is between the two versions' windows of the
// same time and segment, with the sizes of both; there is none where the other one has no window, too few values
// for a verdict, or another reference, nor for that version itself.
func TestAgainstVersion(t *testing.T) {
	schema := event.Schema{Models: []string{"m"}, Segments: []string{"s"}, Features: []event.Feature{{Name: "c", Type: event.Categorical}, {Name: "x"}}}
	g := &Group{Schema: schema, Pane: 10 * second, Lateness: 0, Windows: []Window{{Name: "1m", Length: 60 * second}}}
	config := ModelConfig{
		Name: "m", Features: []int{0, 1}, Segmentations: []Segmentation{{Name: "s", Values: []string{"few"}}},
		Reference: coinReference(t, schema, "a", "b"), Versions: map[string]*profile.Reference{"own": coinReference(t, schema, "a", "z")},
		Verdicts: Verdicts{Statistics: []string{"psi", "ks"}, DecideBy: "psi", MinSamples: 50, Against: "6"},
	}
	g.Models = []*Model{NewModel(config, &g.Schema)}
	shard, view := NewShard(g), NewView(g, 1)
	observe := func(at int64, version string, n int, category string, segment string) {
		for i := range n {
			ev := &event.Event{Time: at, Version: []byte(version), Features: []event.Value{{State: event.Valid, Text: []byte(category)}, {State: event.Valid, Number: float64(i % 10)}}, Segments: [][]byte{[]byte(segment)}}
			if o, _ := shard.Apply(ev); o != OutcomeAccepted {
				t.Fatal("not accepted")
			}
		}
	}
	observe(base, "6", 60, "a", "many")
	observe(base, "6", 40, "b", "few")
	observe(base, "7", 150, "a", "many")
	observe(base, "7", 350, "b", "few")
	observe(base, "own", 100, "a", "many")
	observe(base+120*second, "7", 100, "a", "many") // without the other one
	observe(base+240*second, "7", 1, "a", "")
	view.Deliver(0, shard.TakeSealed())
	var got []string
	view.Advance(window.Floor(base+240*second, g.Pane), func(end int64, results []*Result) {
		if end != base+60*second && end != base+180*second {
			return
		}
		for _, r := range results {
			for _, f := range r.Features {
				line := fmt.Sprintf("%d %s %q %s %s", (end-base)/second, r.Version, r.Segment, f.Name, f.State)
				for _, d := range f.Drift {
					line += fmt.Sprintf(" %s %.6f %v", d.Statistic, float64(d.Value), !d.Threshold.IsZero())
				}
				got = append(got, line)
			}
		}
	})
	// Smoothed by ½ in each bin that is not empty on both sides.
	psi := func(m, n [2]float64) (sum float64) {
		for i := range m {
			p, q := (m[i]+0.5)/(m[0]+m[1]+1), (n[i]+0.5)/(n[0]+n[1]+1)
			sum += (q - p) * math.Log(q/p)
		}
		return sum
	}
	want := []string{
		`60 6 "" c `, `60 6 "" x `, `60 6 "s=__other__" c `, `60 6 "s=__other__" x `, `60 6 "s=few" c `, `60 6 "s=few" x `,
		fmt.Sprintf(`60 7 "" c drift psi %.6f true`, psi([2]float64{60, 40}, [2]float64{150, 350})), `60 7 "" x ok psi 0.000000 true ks_statistic 0.000000 true`,
		`60 7 "s=__other__" c ok psi 0.000000 true`, `60 7 "s=__other__" x ok psi 0.000000 true ks_statistic 0.000000 true`,
		`60 7 "s=few" c  psi 0.000000 false`, `60 7 "s=few" x  psi 0.000000 false ks_statistic 0.000000 false`,
		`60 own "" c `, `60 own "" x `, `60 own "s=__other__" c `, `60 own "s=__other__" x `,
		`180 7 "" c `, `180 7 "" x `, `180 7 "s=__other__" c `, `180 7 "s=__other__" x `,
	}
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("line %d:\n%q\nwant\n%q", i, got, want)
		}
	}
}
