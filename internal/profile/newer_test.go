package profile

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/streammon/streammon/internal/event"
)

// TestNewestReferenceRemains merges sets of several references in any order: all values are counted once, and what
// is counted by a reference is that of the newest one alone, with its own number of values.
func TestNewestReferenceRemains(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		layouts := make([]*Layout, rapid.IntRange(2, 3).Draw(t, "references"))
		for i := range layouts {
			layouts[i] = testLayout(&Reference{}, true)
			if i > 0 || rapid.Bool().Draw(t, "from the first on") {
				rows := rapid.SliceOfN(rapid.Custom(drawRow), 1, 50).Draw(t, "reference")
				layouts[i] = testLayout(buildRapid(t, append(rows, []event.Value{{State: event.Valid, Number: float64(i)}, {State: event.Valid, Text: []byte("a")}})), true)
			}
			layouts[i].Order = i
		}
		w := NewWorkspace()
		newest := 0
		parts := make([]Set, rapid.IntRange(1, 6).Draw(t, "parts"))
		orders := make([]int, len(parts))
		for i := range parts {
			orders[i] = rapid.IntRange(0, len(layouts)-1).Draw(t, "order")
			newest = max(newest, orders[i])
			parts[i] = NewSet(layouts[orders[i]])
		}
		all, own := NewSet(layouts[newest]), NewSet(layouts[newest])
		for _, row := range rapid.SliceOfN(rapid.Custom(drawRow), 0, 100).Draw(t, "rows") {
			i := rapid.IntRange(0, len(parts)-1).Draw(t, "part")
			parts[i].Observe(row, w)
			all.Observe(row, w)
			if orders[i] == newest {
				own.Observe(row, w)
			}
		}
		for i := range parts {
			parts[i].Seal(w)
		}
		all.Seal(w)
		own.Seal(w)
		for len(parts) > 1 {
			i := rapid.IntRange(0, len(parts)-2).Draw(t, "merge")
			sum := parts[i].Clone()
			sum.Merge(&parts[i+1], w)
			parts = append(append(parts[:i:i], sum), parts[i+2:]...)
		}
		got, stored := &parts[0], NewSet(layouts[len(layouts)-1])
		if _, err := stored.ReadBinary(got.AppendBinary(nil), nil, func(string) {}); err != nil {
			t.Fatal(err)
		}
		n, nAll, nOwn := &got.numeric[0], &all.numeric[0], &own.numeric[0]
		if n.Moments.Count != nAll.Moments.Count || n.Missing != nAll.Missing || n.Invalid != nAll.Invalid || n.Distinct.Estimate() != nAll.Distinct.Estimate() {
			t.Fatalf("numeric: %+v, want %+v", n.Moments, nAll.Moments)
		}
		if !slices.Equal(n.Bins.Counts(), nOwn.Bins.Counts()) || n.OutOfRange != nOwn.OutOfRange || n.Comparable() != nOwn.Comparable() || n.Comparable() && n.Compared() != nOwn.Moments.Count {
			t.Fatalf("compared are %d in %v, want %d in %v", n.Compared(), n.Bins.Counts(), nOwn.Moments.Count, nOwn.Bins.Counts())
		}
		if n.Comparable() && n.Absent() != nOwn.Absent() || n.Comparable() && nOwn.Absent() != nOwn.Missing+nOwn.Invalid {
			t.Fatalf("absent beside them are %d, want %d", n.Absent(), nOwn.Absent())
		}
		c, cAll, cOwn := &got.categorical[0], &all.categorical[0], &own.categorical[0]
		if c.Count != cAll.Count || c.Missing != cAll.Missing || c.Distinct.Estimate() != cAll.Distinct.Estimate() {
			t.Fatalf("categorical: %d, want %d", c.Count, cAll.Count)
		}
		if c.Comparable() != cOwn.Comparable() || c.Comparable() && (!slices.Equal(c.AppendCounts(nil), cOwn.AppendCounts(nil)) || c.Compared() != cOwn.Count) {
			t.Fatalf("compared are %d, want %d", c.Compared(), cOwn.Count)
		}
		if c.Comparable() && c.Absent() != cOwn.Missing+cOwn.Invalid {
			t.Fatalf("absent beside them are %d, want %d", c.Absent(), cOwn.Missing+cOwn.Invalid)
		}
		if newest == len(layouts)-1 && (n.Comparable() && stored.numeric[0].Absent() != n.Absent() || c.Comparable() && stored.categorical[0].Absent() != c.Absent()) {
			t.Fatalf("%d and %d absent, restored %d and %d", n.Absent(), c.Absent(), stored.numeric[0].Absent(), stored.categorical[0].Absent())
		}
	})
}

// TestMixedSeries: two series with references of their own are not comparable as one, whichever is newer.
func TestMixedSeries(t *testing.T) {
	row := func(x float64, c string) []event.Value {
		return []event.Value{{State: event.Valid, Number: x}, {State: event.Valid, Text: []byte(c)}}
	}
	w := NewWorkspace()
	for order := range 3 {
		a := NewSet(testLayout(build(t, mixedSchema(), [][]event.Value{row(1, "a")}), true))
		b := NewSet(testLayout(build(t, mixedSchema(), [][]event.Value{row(2, "b")}), true))
		a.layout.Order, b.layout.Order = 1, order
		for _, s := range []*Set{&a, &b} {
			s.Observe(row(1, "a"), w)
			s.Seal(w)
		}
		a.Mix(&b, w)
		if n, c := &a.numeric[0], &a.categorical[0]; n.Comparable() || c.Comparable() || n.Compared() != 0 || c.Compared() != 0 || n.Moments.Count != 2 || c.Count != 2 {
			t.Errorf("order %d: comparable %v and %v, %d and %d values", order, n.Comparable(), c.Comparable(), n.Moments.Count, c.Count)
		}
	}
}

// TestForgottenBins: what is read into other bins has no absent values beside them, or all that comes next would seem to
// go missing.
func TestForgottenBins(t *testing.T) {
	w := NewWorkspace()
	row := []event.Value{{State: event.Missing}, {State: event.Invalid}}
	old := NewSet(testLayout(build(t, mixedSchema(), [][]event.Value{{{State: event.Valid, Number: 1}, {State: event.Valid, Text: []byte("a")}}}), true))
	next := NewSet(testLayout(build(t, mixedSchema(), [][]event.Value{{{State: event.Valid, Number: 2}, {State: event.Valid, Text: []byte("b")}}}), true))
	old.Observe(row, w)
	lost := 0
	if _, err := next.ReadBinary(old.AppendBinary(nil), nil, func(string) { lost++ }); err != nil || lost != 2 {
		t.Fatalf("%v, %d lost", err, lost)
	}
	next.Observe(row, w)
	if n, c := &next.numeric[0], &next.categorical[0]; n.Missing != 2 || n.Absent() != 1 || c.Invalid != 2 || c.Absent() != 1 {
		t.Errorf("%d of %d, %d of %d", n.Absent(), n.Missing, c.Absent(), c.Invalid)
	}
}
