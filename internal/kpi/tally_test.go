package kpi

import (
	"encoding/hex"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/streammon/streammon/internal/event"
)

// TestFigures adds some events of each outcome.
func TestFigures(t *testing.T) {
	set := fixedSet(t)
	run, err := set.Bind(&schema)
	if err != nil {
		t.Fatal(err)
	}
	tally := set.NewTally()
	if got := tally.Figures(nil); len(got) != 0 {
		t.Errorf("figures of no event: %v", got)
	}
	ev := sample() // without a tax, and not failed
	tally.Add(run.Eval(ev))
	want := []Figure{{"k0", 12.5}, {"k1", 12.5}, {"k2", 0}, {"k4", 1}}
	if diff := cmp.Diff(want, tally.Figures(nil)); diff != "" {
		t.Errorf("one event (-want +got)\n%s", diff)
	}
	ev.Failed, ev.Features[2], ev.Features[5], ev.Segments[1] = true, num(2), num(-12.5), []byte("FR")
	tally.Add(run.Eval(ev))
	ev.Features[5] = num(7.5)
	tally.Add(run.Eval(ev))
	want = []Figure{{"k0", 7.5}, {"k1", 12.5}, {"k2", 2}, {"k3", -0.8}, {"k4", 1. / 3}}
	if diff := cmp.Diff(want, tally.Figures(nil)); diff != "" {
		t.Errorf("three events (-want +got)\n%s", diff)
	}
	ev.Features[5] = num(5) // the sum of the amounts with a tax is 0 now
	tally.Add(run.Eval(ev))
	ev.Features[5] = num(1e300)
	tally.Add(run.Eval(ev))
	want = []Figure{{"k0", 12.5}, {"k1", 12.5}, {"k2", 4}, {"k4", 0.2}}
	if diff := cmp.Diff(want, tally.Figures(nil)); diff != "" {
		t.Errorf("five events (-want +got)\n%s", diff)
	}
	for name, want := range map[string]Counts{"k0": {4, 0, 1}, "k1": {5, 0, 0}, "k2": {5, 0, 0}, "k3": {3, 1, 1}, "k4": {5, 0, 0}} {
		if got, ok := tally.Counts(name); !ok || got != want {
			t.Errorf("%s rests on %+v, want %+v", name, got, want)
		}
	}
	if _, ok := tally.Counts("k5"); ok {
		t.Error("there are counts of a figure that is not there")
	}
}

// TestSumKeepsSmallValues adds values that a plain sum would lose beside large ones.
func TestSumKeepsSmallValues(t *testing.T) {
	e := compile(t, `sum(features.amount)`)
	run := evaluator(t, e)
	parts := []*Tally{run.set.NewTally(), run.set.NewTally()}
	ev := sample()
	for _, x := range []float64{1, 1e20, 1, -1e20} {
		ev.Features[5] = num(x)
		for _, p := range parts {
			p.Add(run.Eval(ev))
		}
	}
	parts[0].Merge(parts[1])
	if got := parts[0].Figures(nil)[0].Value; got != 4 {
		t.Errorf("the sum is %g, want 4", got)
	}
}

// TestSetsChange reads the tally of a set by another one.
func TestSetsChange(t *testing.T) {
	compileAs := func(name, text string, v Vars) *Expr {
		e, err := Compile(name, text, v)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	other := Vars{Features: slices.Clone(vars.Features)}
	other.Features[0].Type = event.Categorical
	kept, gone := compileAs("kept", `sum(features.amount)`, vars), compileAs("gone", `count()`, vars)
	changed, retyped := compileAs("changed", `count(where failed)`, vars), compileAs("retyped", `count(where has(features.amount))`, vars)
	old := NewSet(kept, gone, changed, retyped)
	run, err := old.Bind(&schema)
	if err != nil {
		t.Fatal(err)
	}
	tally := old.NewTally()
	tally.Add(run.Eval(sample()))
	next := NewSet(compileAs("retyped", `count(where has(features.amount))`, other), compileAs("changed", `count()`, vars), compileAs("new", `count()`, vars), kept)
	read, rest, err := next.ReadTally(tally.AppendBinary(nil))
	if err != nil || len(rest) != 0 {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Figure{{"kept", 12.5}}, read.Figures(nil)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestGolden reads the bytes that version 1 wrote, and writes the same.
func TestGolden(t *testing.T) {
	const file = "testdata/tally-1.hex"
	set := fixedSet(t)
	run, err := set.Bind(&schema)
	if err != nil {
		t.Fatal(err)
	}
	tally := set.NewTally()
	for i := range 20 {
		ev := sample()
		ev.Failed, ev.Features[5].Number = i%3 == 0, float64(i)*1.1
		if i%4 == 0 {
			ev.Features[2] = num(0.3)
		}
		if i%7 == 0 {
			ev.Segments[1] = nil
		}
		tally.Add(run.Eval(ev))
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; it would be\n%x", err, tally.AppendBinary(nil))
	}
	old, err := hex.DecodeString(strings.TrimSpace(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	read, _, err := set.ReadTally(old)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(tally.Figures(nil), read.Figures(nil)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := hex.EncodeToString(tally.AppendBinary(nil)); got != hex.EncodeToString(old) {
		t.Errorf("what is written now is\n%s", got)
	}
}

// TestDamaged reads forms that no tally has.
func TestDamaged(t *testing.T) {
	set := fixedSet(t)
	one := NewSet(set.exprs[0]).NewTally()
	one.parts[0].Judged, one.parts[0].numerator.value = 1, maxValue
	form := one.AppendBinary(nil)
	if _, _, err := set.ReadTally(form); err != nil {
		t.Fatalf("a tally of one figure: %v", err)
	}
	one.parts[0].numerator.value = 3 * maxValue
	large := one.AppendBinary(nil)
	one.parts[0].numerator.value = math.Inf(1)
	infinite := one.AppendBinary(nil)
	twice := append(append([]byte{1, 2}, form[2:]...), form[2:]...)
	for _, c := range []struct {
		form []byte
		want string
	}{
		{nil, "read tally of figures: cut short"},
		{append([]byte{2}, form[1:]...), "read tally of figures: version 2, want 1"},
		{form[:len(form)-1], "read tally of figures: cut short"},
		{[]byte{1, 255, 255, 255, 255, 15}, "read tally of figures: cut short"},
		{twice, `read tally of figures: figure "k0" twice`},
		{large, "read tally of figures: a sum that cannot be"},
		{infinite, "read tally of figures: a number that is not finite"},
	} {
		if _, _, err := set.ReadTally(c.form); err == nil || err.Error() != c.want {
			t.Errorf("%x gave %v, want %s", c.form, err, c.want)
		}
	}
}

// TestAllocations: what needs no arithmetic allocates nothing for an event, but for its numbers.
func TestAllocations(t *testing.T) {
	for text, want := range map[string]float64{
		`count()`: 0, `count(where prediction.label == "approve")`: 0, `sum(features.amount)`: 1, `sum(features.amount) where prediction.label == "approve"`: 1,
	} {
		run := evaluator(t, compile(t, text))
		tally, ev := run.set.NewTally(), sample()
		if got := testing.AllocsPerRun(1000, func() { tally.Add(run.Eval(ev)) }); got != want {
			t.Errorf("%s: %g allocations an event, want %g", text, got, want)
		}
	}
}

func FuzzReadTally(f *testing.F) {
	set := fixedSet(f)
	run, err := set.Bind(&schema)
	if err != nil {
		f.Fatal(err)
	}
	tally := set.NewTally()
	f.Add(tally.AppendBinary(nil))
	tally.Add(run.Eval(sample()))
	form := tally.AppendBinary(nil)
	f.Add(form)
	f.Add(form[:len(form)/2])
	f.Add([]byte{1, 0})
	f.Add([]byte{2, 0})
	f.Add([]byte{1, 255, 255, 255, 255, 15})
	f.Fuzz(func(t *testing.T, b []byte) {
		read, rest, err := set.ReadTally(b)
		if err != nil {
			return
		}
		again, left, err := set.ReadTally(read.AppendBinary(nil))
		if err != nil || len(left) != 0 || len(rest) > len(b) {
			t.Fatalf("%x cannot be read again: %v", b, err)
		}
		if diff := cmp.Diff(read.Figures(nil), again.Figures(nil)); diff != "" {
			t.Fatal(diff)
		}
	})
}
