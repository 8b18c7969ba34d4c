package profile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/sketch"
)

// golden is a case made by numpy and scipy; its source is in ../drift/testdata.
type golden struct {
	Name         string
	Reference    []*float64
	Current      []*float64
	Edges        []float64
	EdgeIsDecile []bool   `json:"edge_is_decile"`
	RefCounts    []uint64 `json:"ref_counts"`
	CurCounts    []uint64 `json:"cur_counts"`
	RefDeciles   []uint64 `json:"ref_decile_counts"`
	CurDeciles   []uint64 `json:"cur_decile_counts"`
	Expected     struct {
		OutOfRange float64       `json:"out_of_range_ratio"`
		Reference  goldenMoments `json:"reference_moments"`
		Current    goldenMoments `json:"current_moments"`
	}
}

type goldenMoments struct {
	Count, Missing uint64
	Mean, M2       *float64
	Min, Max       *float64
	StdSample      any `json:"std_sample"`
	Distinct       uint64
}

func values(xs []*float64) (out []event.Value) {
	for _, x := range xs {
		if x == nil {
			out = append(out, event.Value{})
		} else {
			out = append(out, event.Value{State: event.Valid, Number: *x})
		}
	}
	return out
}

func numericSchema() event.Schema {
	return event.Schema{Models: []string{"m"}, Features: []event.Feature{{Name: "x"}}}
}

func build(t testing.TB, s event.Schema, rows [][]event.Value) *Reference {
	t.Helper()
	b := NewBuilder(s)
	for _, row := range rows {
		b.Observe(&event.Event{Features: row})
	}
	r, err := b.Build(Provenance{Inputs: []string{"test"}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestGoldenBinsAndMoments compares bins, counts and moments with numpy's.
func TestGoldenBinsAndMoments(t *testing.T) {
	data, err := os.ReadFile("../drift/testdata/drift_numeric.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases []golden }
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, g := range file.Cases {
		if len(g.Edges) == 0 || g.Expected.Reference.Count == 0 {
			continue
		}
		checked++
		t.Run(g.Name, func(t *testing.T) { checkGolden(t, &g) })
	}
	if checked < 10 {
		t.Errorf("only %d cases", checked)
	}
}

func checkGolden(t *testing.T, g *golden) {
	var rows [][]event.Value
	for _, v := range values(g.Reference) {
		rows = append(rows, []event.Value{v})
	}
	r := build(t, numericSchema(), rows)
	f := r.Find("x")
	if !slices.Equal(f.Bins.Edges(), g.Edges) || !slices.Equal(f.DecileEdge, g.EdgeIsDecile) || !slices.Equal(f.Counts, g.RefCounts) || !slices.Equal(f.Deciles(), g.RefDeciles) {
		t.Errorf("bins differ:\n%v %v\n%v\n%v", f.Bins.Edges(), f.DecileEdge, f.Counts, f.Deciles())
	}
	s := NewSet(NewLayout([]FeatureSpec{{Feature: event.Feature{Name: "x"}, Reference: f}}, true))
	w := NewWorkspace()
	for _, v := range values(g.Current) {
		s.Observe([]event.Value{v}, w)
	}
	s.Seal(w)
	n := s.Numeric(&s.Layout().Features[0])
	if n.Moments.Count == 0 {
		return
	}
	if got := n.Bins.Counts(); !slices.Equal(got, g.CurCounts) || !slices.Equal(f.AppendDeciles(nil, got), g.CurDeciles) {
		t.Errorf("current counts %v", got)
	}
	if got := float64(n.OutOfRange) / float64(n.Moments.Count); math.Abs(got-g.Expected.OutOfRange) > 1e-12 {
		t.Errorf("out of range %g, want %g", got, g.Expected.OutOfRange)
	}
	tolerance := 1e-9
	if strings.Contains(g.Name, "huge_offset") {
		tolerance = 1e-6
	}
	for _, c := range []struct {
		m    *sketch.Moments
		want *goldenMoments
	}{{&f.Moments, &g.Expected.Reference}, {&n.Moments, &g.Expected.Current}} {
		if c.m.Count != c.want.Count {
			t.Errorf("count %d, want %d", c.m.Count, c.want.Count)
		}
		if !close(c.m.Mean, *c.want.Mean, tolerance) || c.m.Min != *c.want.Min || c.m.Max != *c.want.Max {
			t.Errorf("mean %g, min %g, max %g, want %g, %g, %g", c.m.Mean, c.m.Min, c.m.Max, *c.want.Mean, *c.want.Min, *c.want.Max)
		}
		if want, ok := c.want.StdSample.(float64); ok && !close(c.m.StdDev(), want, tolerance) {
			t.Errorf("stddev %.17g, want %.17g", c.m.StdDev(), want)
		}
	}
	if f.Missing != g.Expected.Reference.Missing || n.Missing != g.Expected.Current.Missing {
		t.Errorf("missing %d and %d", f.Missing, n.Missing)
	}
}

func close(got, want, tolerance float64) bool {
	return math.Abs(got-want) <= tolerance*math.Abs(want)+1e-12
}

// mixedSchema has a feature of each type.
func mixedSchema() event.Schema {
	return event.Schema{Models: []string{"m"}, Segments: []string{"country"}, Features: []event.Feature{{Name: "x"}, {Name: "c", Type: event.Categorical}}}
}

func drawRow(t *rapid.T) []event.Value {
	row := make([]event.Value, 2)
	for i := range row {
		row[i].State = rapid.SampledFrom([]event.State{event.Valid, event.Valid, event.Valid, event.Missing, event.Invalid}).Draw(t, "state")
	}
	row[0].Number = rapid.OneOf(rapid.Float64Range(-1e3, 1e3), rapid.SampledFrom([]float64{0, 1, 2})).Draw(t, "x")
	row[1].Text = []byte(rapid.SampledFrom([]string{"", "a", "b", "c", "d"}).Draw(t, "c"))
	return row
}

// TestAnyPartitioningGivesTheSame spreads rows over panes in any way, merges them in any
// order, and compares with one pane: counts and bins exactly, moments to 1e-9.
func TestAnyPartitioningGivesTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfN(rapid.Custom(drawRow), 1, 200).Draw(t, "rows")
		reference := buildRapid(t, append(rows, []event.Value{{State: event.Valid, Number: 7}, {State: event.Valid, Text: []byte("a")}}))
		layout := testLayout(reference, true)
		w := NewWorkspace()
		whole := NewSet(layout)
		parts := make([]Set, rapid.IntRange(1, 5).Draw(t, "parts"))
		for i := range parts {
			parts[i] = NewSet(layout)
		}
		for _, row := range rows {
			whole.Observe(row, w)
			parts[rapid.IntRange(0, len(parts)-1).Draw(t, "part")].Observe(row, w)
		}
		whole.Seal(w)
		for i := range parts {
			parts[i].Seal(w)
		}
		for len(parts) > 1 {
			i := rapid.IntRange(0, len(parts)-2).Draw(t, "merge")
			sum := parts[i].Clone()
			before := fmt.Sprintf("%+v", parts[i+1])
			sum.Merge(&parts[i+1], w)
			if after := fmt.Sprintf("%+v", parts[i+1]); after != before {
				t.Fatal("a merge changed its source")
			}
			parts = append(append(parts[:i:i], sum), parts[i+2:]...)
		}
		compareSets(t, &whole, &parts[0])
	})
}

func buildRapid(t *rapid.T, rows [][]event.Value) *Reference {
	b := NewBuilder(mixedSchema())
	for i, row := range rows {
		b.Observe(&event.Event{Features: row, Segments: [][]byte{[]byte(fmt.Sprint("s", i%3))}})
	}
	r, err := b.Build(Provenance{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func testLayout(r *Reference, detailed bool) *Layout {
	return NewLayout([]FeatureSpec{
		{Feature: event.Feature{Name: "c", Type: event.Categorical}, Source: 1, Reference: r.Find("c")},
		{Feature: event.Feature{Name: "x"}, Source: 0, Reference: r.Find("x")},
	}, detailed)
}

func compareSets(t *rapid.T, a, b *Set) {
	ca, cb := a.Categorical(&a.layout.Features[0]), b.Categorical(&b.layout.Features[0])
	if ca.Count != cb.Count || ca.Missing != cb.Missing || ca.Invalid != cb.Invalid || ca.Unseen != cb.Unseen ||
		!slices.Equal(ca.AppendCounts(nil), cb.AppendCounts(nil)) || ca.Distinct.Estimate() != cb.Distinct.Estimate() {
		t.Fatalf("categorical:\n%+v\n%+v", ca, cb)
	}
	na, nb := a.Numeric(&a.layout.Features[1]), b.Numeric(&b.layout.Features[1])
	if na.Missing != nb.Missing || na.Invalid != nb.Invalid || na.OutOfRange != nb.OutOfRange || na.Moments.Count != nb.Moments.Count ||
		!slices.Equal(na.Bins.Counts(), nb.Bins.Counts()) || !bytes.Equal(na.Distances.AppendBinary(nil), nb.Distances.AppendBinary(nil)) || na.Distinct.Estimate() != nb.Distinct.Estimate() {
		t.Fatalf("numeric:\n%+v\n%+v", na, nb)
	}
	// Squares of deviations underflow below 1e-150.
	near := 1e-9*max(math.Abs(na.Moments.Min), math.Abs(na.Moments.Max)) + 1e-150
	if math.Abs(na.Moments.Mean-nb.Moments.Mean) > near || na.Moments.Count > 1 && math.Abs(na.Moments.StdDev()-nb.Moments.StdDev()) > near {
		t.Fatalf("moments:\n%+v\n%+v", na.Moments, nb.Moments)
	}
}

// TestCloneOfAnOpenSet checks that sealing a copy leaves the set open and unchanged.
func TestCloneOfAnOpenSet(t *testing.T) {
	r := build(t, mixedSchema(), [][]event.Value{{{State: event.Valid, Number: 1}, {State: event.Valid, Text: []byte("a")}}})
	w := NewWorkspace()
	a, b := NewSet(testLayout(r, true)), NewSet(testLayout(r, true))
	for i := range 5000 {
		row := []event.Value{{State: event.Valid, Number: float64(i * 7919 % 5000)}, {State: event.Valid, Text: []byte{byte(i)}}}
		a.Observe(row, w)
		b.Observe(row, w)
		if i%777 == 0 {
			c := a.Clone()
			c.Seal(w)
			if got := c.numeric[0].Moments.Count; got != uint64(i+1) {
				t.Fatalf("the copy has %d values of %d", got, i+1)
			}
		}
	}
	a.Seal(w)
	b.Seal(w)
	if x, y := a.numeric[0].Quantiles.AppendBinary(nil), b.numeric[0].Quantiles.AppendBinary(nil); !bytes.Equal(x, y) {
		t.Error("looking at copies changed the digest")
	}
}

// TestReferenceRoundTrip writes and reads profiles, and refuses changed ones.
func TestReferenceRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfN(rapid.Custom(drawRow), 0, 100).Draw(t, "rows")
		r := buildRapid(t, append(rows, []event.Value{{State: event.Valid, Number: 7}, {State: event.Valid, Text: []byte("a")}}))
		data, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		again, err := back.Encode()
		if err != nil || !bytes.Equal(data, again) || back.Fingerprint != r.Fingerprint || back.Find("x").Median != r.Find("x").Median {
			t.Fatalf("%v: the copy differs:\n%s\n%s", err, data, again)
		}
		changed := bytes.Replace(data, []byte(`"rows": `), []byte(`"rows": 1`), 1)
		if _, err := Decode(changed); err == nil || !strings.Contains(err.Error(), "changed or damaged") {
			t.Fatalf("a changed profile is read: %v", err)
		}
	})
}

func TestBuildRefuses(t *testing.T) {
	if _, err := NewBuilder(mixedSchema()).Build(Provenance{}); err == nil {
		t.Error("a profile of nothing was built")
	}
	b := NewBuilder(mixedSchema())
	b.Observe(&event.Event{Features: []event.Value{{State: event.Valid, Number: 1}, {}}, Segments: [][]byte{nil}})
	if _, err := b.Build(Provenance{}); err == nil || !strings.Contains(err.Error(), `"c"`) {
		t.Errorf("a feature without values was built: %v", err)
	}
	b.Observe(&event.Event{Failed: true, Features: []event.Value{{}, {State: event.Valid, Text: []byte("a")}}})
	if b.Rows() != 1 {
		t.Error("a failed request is a row")
	}
}

// TestManyCategories checks that what is not listed is one bin, and nothing is lost.
func TestManyCategories(t *testing.T) {
	b := NewBuilder(mixedSchema())
	for i := range 3000 {
		b.Observe(&event.Event{Features: []event.Value{{State: event.Valid}, {State: event.Valid, Text: fmt.Append(nil, i%1500)}}, Segments: [][]byte{fmt.Append(nil, i%100)}})
	}
	r, err := b.Build(Provenance{})
	if err != nil {
		t.Fatal(err)
	}
	f := r.Find("c")
	if len(f.Categories) != MaxCategories || f.OtherCategories != 1000 || sum(f.AppendCategoryCounts(nil)) != 3000 {
		t.Errorf("%d categories, %d others", len(f.Categories), f.OtherCategories)
	}
	if len(r.SegmentValues("country")) != MaxSegmentValues {
		t.Errorf("%d segment values", len(r.SegmentValues("country")))
	}
}

// TestManySegmentValues checks that a segmentation of many values gives no series to any: it may be of persons.
func TestManySegmentValues(t *testing.T) {
	for distinct, want := range map[int]int{20: 20, 200: MaxSegmentValues, 201: 0, 5000: 0} {
		b := NewBuilder(mixedSchema())
		for i := range 10_000 {
			value := i % distinct
			if i%7 == 0 {
				value = 7 // one has them often
			}
			b.Observe(&event.Event{Features: []event.Value{{State: event.Valid}, {State: event.Valid, Text: []byte("c")}}, Segments: [][]byte{fmt.Append(nil, value)}})
		}
		r, err := b.Build(Provenance{})
		if err != nil {
			t.Fatal(err)
		}
		if got := len(r.SegmentValues("country")); got != want {
			t.Errorf("%d of %d segment values, want %d", got, distinct, want)
		}
	}
}

// TestRebin checks that a profile in its own bins is itself, and that in other bins
// nothing is lost and edges that both have are exact.
func TestRebin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) []event.Value {
			var out []event.Value
			for _, x := range rapid.SliceOfN(rapid.IntRange(-50, 50), 1, 300).Draw(t, name) {
				out = append(out, event.Value{State: event.Valid, Number: float64(x)})
			}
			return out
		}
		make1 := func(column []event.Value) *Feature {
			b := NewBuilder(numericSchema())
			for _, v := range column {
				b.Observe(&event.Event{Features: []event.Value{v}})
			}
			r, err := b.Build(Provenance{})
			if err != nil {
				t.Fatal(err)
			}
			return r.Find("x")
		}
		column := draw("b")
		a, b := make1(draw("a")), make1(column)
		if got := Rebin(b, b); !slices.Equal(got, b.Counts) {
			t.Fatalf("in its own bins %v, want %v", got, b.Counts)
		}
		got := Rebin(a, b)
		if sum(got) != b.Count || len(got) != a.Bins.Len() {
			t.Fatalf("%v of %d values in %d bins", got, b.Count, a.Bins.Len())
		}
		var before uint64
		for i, e := range a.Bins.Edges() {
			before += got[i]
			if !slices.Contains(b.Bins.Edges(), e) {
				continue
			}
			want := uint64(0)
			for _, v := range column {
				if v.Number <= e {
					want++
				}
			}
			if before != want {
				t.Fatalf("up to %g: %d, want %d", e, before, want)
			}
		}
	})
}

// FuzzDecode feeds foreign bytes to the reader of profiles.
func FuzzDecode(f *testing.F) {
	r := build(f, mixedSchema(), [][]event.Value{{{State: event.Valid, Number: 1}, {State: event.Valid, Text: []byte("a")}}})
	data, err := r.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"format":"streammon profile","version":1,"features":[{"name":"x","type":"numeric","distinct":"AQA=","numeric":{"edges":[1,1]}}]}`))
	f.Add([]byte(`{"format":"streammon profile","version":2}`))
	f.Add([]byte(`[]`))
	f.Add(goldenFile(f, 1))
	f.Add(goldenFile(f, 2))
	f.Fuzz(func(t *testing.T, data []byte) {
		// What the fingerprint would stop is to be survived, too.
		var file referenceFile
		if json.Unmarshal(data, &file) == nil {
			data = file.sealed(t)
		}
		r, err := Decode(data)
		if err != nil {
			return
		}
		for i := range r.Features {
			f := &r.Features[i]
			for _, length := range []int64{0, minute, hour, math.MaxInt64} {
				own := f.Sample(length)
				drift.Evaluate(own, own, drift.Options{})
			}
		}
		s := NewSet(testLayout(r, true))
		w := NewWorkspace()
		s.Observe([]event.Value{{State: event.Valid, Number: 3}, {State: event.Valid, Text: []byte("b")}}, w)
		s.Seal(w)
	})
}
