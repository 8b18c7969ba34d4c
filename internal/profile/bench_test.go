package profile

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/streammon/streammon/internal/event"
)

// BenchmarkMerge merges sealed panes of 1,000 events into one, a feature each time.
func BenchmarkMerge(b *testing.B) {
	for _, kind := range []event.Type{event.Numeric, event.Categorical} {
		b.Run(kind.String(), func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 2))
			w := NewWorkspace()
			layout := NewLayout([]FeatureSpec{{Feature: event.Feature{Name: "x", Type: kind}, Reference: benchmarkFeature(b, kind, r)}}, true)
			var panes []Set
			for range 30 {
				s := NewSet(layout)
				for range 1000 {
					s.Observe([]event.Value{benchmarkValue(r)}, w)
				}
				s.Seal(w)
				panes = append(panes, s)
			}
			sum := NewSet(layout)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				sum.Merge(&panes[i%len(panes)], w)
			}
		})
	}
}

func benchmarkValue(r *rand.Rand) event.Value {
	return event.Value{State: event.Valid, Number: r.NormFloat64(), Text: fmt.Appendf(nil, "value-%d", r.IntN(30))}
}

func benchmarkFeature(b *testing.B, kind event.Type, r *rand.Rand) *Feature {
	builder := NewBuilder(event.Schema{Models: []string{"m"}, Features: []event.Feature{{Name: "x", Type: kind}}})
	for range 5000 {
		builder.Observe(&event.Event{Features: []event.Value{benchmarkValue(r)}})
	}
	reference, err := builder.Build(Provenance{})
	if err != nil {
		b.Fatal(err)
	}
	return reference.Find("x")
}

// BenchmarkBuild builds a reference of a million rows of 30 days, with 20 numeric and 5 categorical features.
func BenchmarkBuild(b *testing.B) {
	const rows = 1_000_000
	schema := event.Schema{Models: []string{"m"}}
	for i := range 25 {
		schema.Features = append(schema.Features, event.Feature{Name: fmt.Sprint("f", i), Type: event.Type(i / 20)})
	}
	for name, lengths := range map[string][]int64{"plain": nil, "calibrated": {5 * minute, hour, 24 * hour}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				r := rand.New(rand.NewPCG(1, 2))
				builder := NewBuilder(schema)
				if lengths != nil {
					builder.Calibrate(lengths)
				}
				ev := event.Event{Features: make([]event.Value, 25)}
				for i := range rows {
					ev.Time = 1_795_000_000_000_000_000 + int64(i)*(720*hour/rows)
					for k := range ev.Features {
						ev.Features[k] = event.Value{State: event.Valid, Number: r.NormFloat64()}
						if k >= 20 {
							ev.Features[k].Text = fmt.Append(nil, r.IntN(20<<(k-20)))
						}
					}
					builder.Observe(&ev)
				}
				b.StartTimer()
				if _, err := builder.Build(Provenance{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
