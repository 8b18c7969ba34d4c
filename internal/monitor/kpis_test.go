package monitor

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/kpi"
	"github.com/streammon/streammon/internal/sketch"
	"github.com/streammon/streammon/internal/window"
)

// figures compiles business figures of events with the schema, each written as "name: expression".
func figures(schema event.Schema, texts ...string) *kpi.Set {
	var exprs []*kpi.Expr
	for _, t := range texts {
		name, text, _ := strings.Cut(t, ": ")
		e, err := kpi.Compile(name, text, kpi.Vars{Features: schema.Features, Segments: schema.Segments})
		if err != nil {
			panic(err)
		}
		exprs = append(exprs, e)
	}
	return kpi.NewSet(exprs...)
}

// withKPIs gives the first model of a group business figures.
func withKPIs(g *Group, texts ...string) *Group {
	c := ConfigOf(g.Models[0])
	c.KPIs = figures(g.Schema, texts...)
	g.Models[0] = NewModel(c, &g.Schema)
	return g
}

// naiveKPI is what a figure should be: what an event adds to it, and whether it is counted or why not.
type naiveKPI struct {
	text     string
	quotient bool
	of       func(*event.Event) (above, below float64, o kpi.Outcome)
}

var naiveKPIs = []naiveKPI{
	{text: "all: count()", of: func(*event.Event) (float64, float64, kpi.Outcome) { return 1, 0, kpi.Counted }},
	{text: "total: sum(features.x) where !failed", of: func(ev *event.Event) (float64, float64, kpi.Outcome) {
		x := ev.Features[0]
		switch {
		case ev.Failed:
			return 0, 0, kpi.Counted
		case x.State != event.Valid:
			return 0, 0, kpi.Undefined
		}
		return x.Number, 0, kpi.Counted
	}},
	{text: `inverse: sum(1 / features.x) where segments.country == "DE"`, of: func(ev *event.Event) (float64, float64, kpi.Outcome) {
		x := ev.Features[0]
		switch {
		case ev.Segments[0] == nil:
			return 0, 0, kpi.Undefined
		case string(ev.Segments[0]) != "DE":
			return 0, 0, kpi.Counted
		case x.State != event.Valid:
			return 0, 0, kpi.Undefined
		case x.Number == 0:
			return 0, 0, kpi.Failed
		}
		return 1 / x.Number, 0, kpi.Counted
	}},
	{text: "failed_share: count(where failed) / count()", quotient: true, of: func(ev *event.Event) (float64, float64, kpi.Outcome) {
		if ev.Failed {
			return 1, 1, kpi.Counted
		}
		return 0, 1, kpi.Counted
	}},
}

// TestKPIsOfWindows compares the business figures of all final windows, and what they left out, with plain sums.
func TestKPIsOfWindows(t *testing.T) {
	var texts []string
	for _, k := range naiveKPIs {
		texts = append(texts, k.text)
	}
	rapid.Check(t, func(t *rapid.T) {
		g := withKPIs(testGroup(10*time.Second, 5*time.Minute, time.Hour), texts...)
		lanes := drawLanes(t)
		for _, events := range lanes {
			for _, ev := range events {
				ev.Features[0] = event.Value{State: rapid.SampledFrom([]event.State{event.Valid, event.Valid, event.Missing, event.Invalid}).Draw(t, "state")}
				if ev.Features[0].State == event.Valid {
					ev.Features[0].Number = float64(rapid.IntRange(-3, 9).Draw(t, "x"))
				}
				ev.Failed = rapid.IntRange(0, 4).Draw(t, "failed") == 0
			}
		}
		results, accepted := applyAll(g, lanes, rapid.IntRange(1, 50).Draw(t, "chunk"))
		for _, r := range results {
			got := map[string]float64{}
			for _, f := range r.KPIs {
				got[f.Name] = f.Value
			}
			for _, k := range naiveKPIs {
				above, below, counted := 0.0, 0.0, 0
				for _, ev := range slices.Concat(accepted...) {
					if ev.Time < r.Start.UnixNano() || ev.Time >= r.End.UnixNano() || string(ev.Version) != r.Version || !inSegment(ev, r.Segment) {
						continue
					}
					a, b, o := k.of(ev)
					if o == kpi.Counted {
						above, below, counted = above+a, below+b, counted+1
					}
				}
				name, _, _ := strings.Cut(k.text, ":")
				x, ok := got[name]
				switch {
				case ok != (counted > 0):
					t.Fatalf("%s of %d events is %g, there: %v", name, counted, x, ok)
				case k.quotient && counted > 0:
					above /= below
				}
				if ok && math.Abs(x-above) > 1e-9 {
					t.Fatalf("%s is %g, want %g", name, x, above)
				}
			}
		}
	})
}

func inSegment(ev *event.Event, segment string) bool {
	country := string(ev.Segments[0])
	if country != "DE" && country != "FR" {
		country = event.Other
	}
	return segment == "" || segment == "country="+country
}

// TestKPIFailuresAreCounted: by figure and by why it leaves an event out.
func TestKPIFailuresAreCounted(t *testing.T) {
	s := NewShard(withKPIs(testGroup(time.Minute), "all: count()", "inverse: sum(1 / features.x)"))
	for i, x := range []float64{1, 0, 0, 2} {
		s.Apply(prediction(base+int64(i)*second, "1", x, ""))
	}
	without := prediction(base+4*second, "1", 0, "")
	without.Features[0].State = event.Missing
	s.Apply(without)
	want := []KPIStatus{{Name: "all"}, {Name: "inverse", Undefined: 1, Failed: 2}}
	if got := s.Models()[0].KPIs; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestChangedKPIBeginsAnew: the others of the model go on, and windows are not complete that begin before.
func TestChangedKPIBeginsAnew(t *testing.T) {
	old := withKPIs(testGroup(time.Minute), "kept: sum(features.x)", "changed: count()", "gone: count()")
	s := NewShard(old)
	s.Apply(prediction(base, "1", 3, "DE"))
	since := NewSince(old)
	stored, storedSince := s.AppendBinary(nil), since.AppendBinary(nil)

	g := withKPIs(testGroup(time.Minute), "new: count()", "changed: count(where features.x > 1)", "kept: sum(features.x)")
	restored, err := g.ReadShard(stored, noLoss(t))
	if err != nil {
		t.Fatal(err)
	}
	restored.Apply(prediction(base+second, "1", 4, "DE"))
	v := NewView(g, 1)
	v.Deliver(0, restored.CopyOpen(window.EndOfTime))
	var results []*Result
	v.Advance(window.EndOfTime, func(_ int64, rs []*Result) { results = append(results, rs...) })
	want := []kpi.Figure{{Name: "new", Value: 1}, {Name: "changed", Value: 1}, {Name: "kept", Value: 7}}
	if len(results) == 0 {
		t.Fatal("no results")
	}
	for _, r := range results {
		if !slices.Equal(r.KPIs, want) {
			t.Errorf("segment %q has %v, want %v", r.Segment, r.KPIs, want)
		}
	}
	if got := string(results[0].AppendJSON(nil)); !strings.Contains(got, `,"kpis":{"new":1,"changed":1,"kept":7}`) {
		t.Error(got)
	}

	next := NewSince(g)
	if err := next.Read(sketch.NewDecoder(storedSince)); err != nil {
		t.Fatal(err)
	}
	names, _ := next.Begin(base + 60*second)
	if want := []string{"m/kpi changed", "m/kpi new"}; !slices.Equal(names, want) {
		t.Errorf("new are %q, want %q", names, want)
	}
	if at := next.at(0, g.Models[0], 0); at != base+60*second {
		t.Errorf("complete from %d on", at)
	}
}

// TestStateWithoutKPIs: figures that a state knows nothing of begin in its open panes, and a model without figures forgets them.
func TestStateWithoutKPIs(t *testing.T) {
	plain, with := testGroup(time.Minute), withKPIs(testGroup(time.Minute), "all: count()")
	for i, groups := range [][2]*Group{{plain, with}, {with, plain}} {
		s := NewShard(groups[0])
		s.Apply(prediction(base, "1", 3, "DE"))
		restored, err := groups[1].ReadShard(s.AppendBinary(nil), noLoss(t))
		if err != nil {
			t.Fatal(err)
		}
		restored.Apply(prediction(base+second, "1", 3, "DE"))
		again, err := groups[1].ReadShard(restored.AppendBinary(nil), noLoss(t))
		if err != nil || !bytes.Equal(again.AppendBinary(nil), restored.AppendBinary(nil)) {
			t.Fatal(i, err)
		}
		v := NewView(groups[1], 1)
		v.Deliver(0, restored.CopyOpen(window.EndOfTime))
		v.Advance(window.EndOfTime, func(_ int64, rs []*Result) {
			if got := fmt.Sprint(rs[0].KPIs); got != []string{"[{all 1}]", "[]"}[i] {
				t.Errorf("figures %s", got)
			}
		})
	}
}

// BenchmarkFoldKPIs is what an event costs with so many business figures, of all traffic and two segmentations' series.
func BenchmarkFoldKPIs(b *testing.B) {
	texts := []string{
		"revenue: sum(features.x) where !failed", `german: count(where segments.country == "DE")`, "mean_x: mean(features.x)",
		"share: count(where features.x > 3) / count()", "all: count()",
	}
	for _, n := range []int{0, 1, 5} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			g := testGroup(time.Minute)
			if n > 0 {
				g = withKPIs(g, texts[:n]...)
			}
			s := NewShard(g)
			ev := prediction(base, "1", 4, "DE")
			for b.Loop() {
				s.Apply(ev)
			}
			b.ReportAllocs()
		})
	}
}
