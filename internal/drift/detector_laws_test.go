package drift

import (
	"bytes"
	"maps"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// pane is what a Detector takes.
type pane struct {
	sum float64
	n   uint64
}

// drawPanes draws panes of errors whose ratio changes at times, small and large ones.
func drawPanes(t *rapid.T) []pane {
	size := rapid.SampledFrom([]uint64{1, 10, 500, 1_000_000_000}).Draw(t, "size")
	var out []pane
	for range rapid.IntRange(1, 4).Draw(t, "regimes") {
		ratio := rapid.Float64Range(0, 1).Draw(t, "ratio")
		for range rapid.IntRange(0, 80).Draw(t, "panes") {
			n := rapid.Uint64Range(1, size).Draw(t, "n")
			noise := rapid.Float64Range(0, 1).Draw(t, "noise")
			sum := math.Round(float64(n) * (0.9*ratio + 0.1*noise))
			out = append(out, pane{sum, n})
		}
	}
	return out
}

// drawNothing draws a pane that says nothing.
func drawNothing(t *rapid.T, ratio bool) pane {
	nothing := []pane{{0, 0}, {5, 0}, {math.NaN(), 9}, {math.Inf(1), 9}, {math.Inf(-1), 9}, {1e101, 9}, {-1e101, 9}}
	if ratio {
		nothing = append(nothing, pane{10, 9}, pane{-1, 9}, pane{9.0000001, 9})
	}
	return rapid.SampledFrom(nothing).Draw(t, "nothing")
}

// variants are all detectors, as they are in Detectors and with quick options.
func variants() map[string]func() Detector {
	hddm := HDDMOptions{TwoSided: true}
	out := map[string]func() Detector{
		"adwin quick":        func() Detector { return NewADWIN(ADWINOptions{Delta: 0.5}) },
		"adwin clock":        func() Detector { return NewADWIN(ADWINOptions{Delta: 0.5, Clock: 7}) },
		"page_hinkley quick": func() Detector { return NewPageHinkley(PageHinkleyOptions{MinPanes: 3, Threshold: 2}) },
		"page_hinkley raw": func() Detector {
			return NewPageHinkley(PageHinkleyOptions{Raw: true, Delta: 0.01, Threshold: 1, Fading: 0.99, Direction: Down})
		},
		"ddm quick":    func() Detector { return NewDDM(DDMOptions{MinPanes: 3}) },
		"hddm_a quick": func() Detector { return NewHDDMA(HDDMOptions{Change: 0.1, Warning: 0.5}) },
		"hddm_w quick": func() Detector { return NewHDDMW(HDDMWOptions{HDDMOptions: hddm}) },
	}
	for _, k := range Detectors {
		out[k.Name] = func() Detector { return k.New(Ratio) }
		if k.Real {
			out[k.Name+" real"] = func() Detector { return k.New(Real) }
		}
	}
	return out
}

// takesRatios reports whether a detector refuses what is no ratio.
func takesRatios(d Detector) bool {
	switch d.(type) {
	case *ADWIN, *PageHinkley:
		return false
	}
	return true
}

// restored is a new detector with the state of d.
func restored(t interface{ Fatalf(string, ...any) }, d Detector, empty func() Detector) Detector {
	r, form := empty(), d.AppendBinary(nil)
	if rest, err := r.ReadBinary(append(form, 1, 2)); err != nil || !bytes.Equal(rest, []byte{1, 2}) {
		t.Fatalf("read %x: rest %x, %v", form, rest, err)
	}
	return r
}

// eachVariant holds each variant to a law.
func eachVariant(t *testing.T, law func(t *rapid.T, empty func() Detector)) {
	for name, empty := range variants() {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) { law(t, empty) })
		})
	}
}

// A detector that is saved and restored at any pane, or reset and begun anew, goes on as one that is not.
func TestLawRestoreChangesNothing(t *testing.T) {
	eachVariant(t, func(t *rapid.T, empty func() Detector) {
		a, b := empty(), empty()
		for _, p := range drawPanes(t) {
			b.Update(p.sum, p.n)
		}
		b.Reset()
		if !bytes.Equal(b.AppendBinary(nil), a.AppendBinary(nil)) {
			t.Fatalf("reset, it is not as new")
		}
		for i, p := range drawPanes(t) {
			if rapid.IntRange(0, 9).Draw(t, "junk") == 0 {
				p = drawNothing(t, false)
			}
			a.Update(p.sum, p.n)
			b = restored(t, b, empty)
			b.Update(p.sum, p.n)
			if a.State() != b.State() || restored(t, b, empty).State() != a.State() {
				t.Fatalf("pane %d: %v, and restored %v", i, a.State(), b.State())
			}
		}
		if !bytes.Equal(b.AppendBinary(nil), a.AppendBinary(nil)) {
			t.Fatalf("the forms differ")
		}
	})
}

// Panes that say nothing pass as time, and change nothing else.
func TestLawNothing(t *testing.T) {
	eachVariant(t, func(t *rapid.T, empty func() Detector) {
		plain, other := empty(), empty()
		var times []int // of the plain panes, on the other's clock
		for i, p := range drawPanes(t) {
			for rapid.IntRange(0, 3).Draw(t, "junk") == 0 {
				before, junk := other.State(), drawNothing(t, takesRatios(other))
				other.Update(junk.sum, junk.n)
				times = append(times, -1)
				if before.Level == Change {
					before = State{Level: OK}
				}
				if got := other.State(); got != before {
					t.Fatalf("%v made %v of %v", junk, got, before)
				}
			}
			plain.Update(p.sum, p.n)
			other.Update(p.sum, p.n)
			times = append(times, i)
			a, b := plain.State(), other.State()
			if a.Level != b.Level {
				t.Fatalf("pane %d: %v and %v", i, a, b)
			}
			if a.Level != Change {
				continue
			}
			// A change begins with the same pane, or with one that says nothing before it.
			at := len(times) - 1 - int(b.Began)
			for times[at] < 0 {
				at++
			}
			if times[at] != i-int(a.Began) {
				t.Fatalf("pane %d: began at %d, and at %d", i, i-int(a.Began), times[at])
			}
		}
	})
}

// Constant ratios are never more than OK, whatever the sizes of the panes.
func TestLawSilentOnConstants(t *testing.T) {
	eachVariant(t, func(t *rapid.T, empty func() Detector) {
		d := empty()
		ratio := rapid.OneOf(rapid.SampledFrom([]float64{0, 1, 0.1, 1e-9, 1 - 1e-12}), rapid.Float64Range(0, 1)).Draw(t, "ratio")
		for i := range rapid.IntRange(1, 500).Draw(t, "panes") {
			n := uint64(1 + i*i%977)
			d.Update(ratio*float64(n), n)
			if s := d.State(); s.Level != OK {
				t.Fatalf("pane %d: %v", i, s)
			}
		}
	})
}

// What has no unit is found in all units.
func TestLawUnits(t *testing.T) {
	for _, k := range Detectors {
		if !k.Real {
			continue
		}
		rapid.Check(t, func(t *rapid.T) {
			unit := math.Ldexp(1, rapid.IntRange(-100, 100).Draw(t, "unit"))
			a, b := k.New(Real), k.New(Real)
			for i, p := range drawPanes(t) {
				a.Update(p.sum, p.n)
				b.Update(p.sum*unit, p.n)
				if a.State() != b.State() {
					t.Fatalf("%s, pane %d: %v, and times %v %v", k.Name, i, a.State(), unit, b.State())
				}
			}
		})
	}
}

// A change is found at last, and estimated to have begun in a pane that was seen, after the last
// change.
func TestLawChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, k := range Detectors {
			d, since, found := k.New(Ratio), uint64(0), false
			low, high := rapid.Float64Range(0.05, 0.3).Draw(t, "low"), rapid.Float64Range(0.6, 0.9).Draw(t, "high")
			for i := range 400 {
				ratio := low
				if i >= 200 {
					ratio = high
				}
				n := rapid.Uint64Range(900, 1100).Draw(t, "n")
				d.Update(math.Round(ratio*float64(n)), n)
				since++
				if s := d.State(); s.Level == Change {
					found = found || i >= 200 && i < 230
					if s.Began >= since && k.Name != "adwin" {
						t.Fatalf("%s, pane %d: began %d panes ago, of %d", k.Name, i, s.Began, since)
					}
					since = 0
				}
			}
			if !found {
				t.Fatalf("%s: nothing found from %v to %v", k.Name, low, high)
			}
		}
	})
}

// Sums and sizes at their limits keep the state finite, so that it can be saved.
func TestExtremePanes(t *testing.T) {
	for name, empty := range variants() {
		d := empty()
		for i := range 20_000 {
			switch i % 4 {
			case 0:
				d.Update(maxSum, math.MaxUint64)
			case 1:
				d.Update(-maxSum, 1)
			case 2:
				d.Update(1e9, 1e9)
			case 3:
				d.Update(math.SmallestNonzeroFloat64, math.MaxUint64)
			}
		}
		restored(t, d, empty)
		if d.Bytes() > 8<<10 {
			t.Errorf("%s: %d bytes", name, d.Bytes())
		}
	}
}

// TestSkipIsEmptyPanes: to skip panes is to take as many without values.
func TestSkipIsEmptyPanes(t *testing.T) {
	all := variants()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(slices.Sorted(maps.Keys(all))).Draw(t, "detector")
		a, b := all[name](), all[name]()
		for _, p := range drawPanes(t) {
			empty := rapid.Uint64Range(0, 3).Draw(t, "empty")
			a.Skip(empty)
			for range empty {
				b.Update(0, 0)
			}
			if a.State() != b.State() || !bytes.Equal(a.AppendBinary(nil), b.AppendBinary(nil)) {
				t.Fatalf("%s: after %d that were skipped %v, after empty ones %v", name, empty, a.State(), b.State())
			}
			a.Update(p.sum, p.n)
			b.Update(p.sum, p.n)
		}
	})
}
