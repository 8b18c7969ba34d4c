package sketch

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// summary is what all sketches have in common.
type summary[S any] interface {
	*S
	AppendBinary(b []byte) []byte
	ReadBinary(b []byte) ([]byte, error)
	Reset()
	Bytes() int
}

// law is a sketch to hold to the laws: how to make an empty one, to add values in
// order and to merge.
type law[S any, P summary[S]] struct {
	empty func() S
	add   func(P, []float64)
	merge func(into, from P)
}

func (l law[S, P]) of(values ...[]float64) P {
	s := l.empty()
	for _, xs := range values {
		l.add(&s, xs)
	}
	return &s
}

func (l law[S, P]) merged(parts ...P) P {
	s := l.empty()
	for _, p := range parts {
		l.merge(&s, p)
	}
	return &s
}

func form[S any, P summary[S]](s P) []byte { return s.AppendBinary(nil) }

func equal[S any, P summary[S]](t *rapid.T, what string, got, want P) {
	t.Helper()
	if g, w := form[S](got), form[S](want); !bytes.Equal(g, w) {
		t.Fatalf("%s:\n got %x\nwant %x", what, g, w)
	}
}

// exact holds a sketch to the laws of one whose state is a function of the multiset of
// values alone.
func (l law[S, P]) exact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		xs, ys, zs := drawValues(t, "xs"), drawValues(t, "ys"), drawValues(t, "zs")
		x, y, z := l.of(xs), l.of(ys), l.of(zs)
		whole := l.of(slices.Concat(zs, xs, ys))
		equal[S](t, "split and merged", l.merged(x, y, z), whole)
		equal[S](t, "commuted", l.merged(z, y, x), whole)
		equal[S](t, "associated", l.merged(x, l.merged(y, z)), whole)
	})
}

// any holds a sketch to the laws of all.
func (l law[S, P]) any(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		xs, ys := drawValues(t, "xs"), drawValues(t, "ys")
		x, y := l.of(xs), l.of(ys)
		before := form[S](y)
		both := l.merged(x, y)
		equal[S](t, "deterministic", l.merged(l.of(xs), l.of(ys)), both)
		l.add(both, xs)
		if !bytes.Equal(form[S](y), before) {
			t.Fatalf("merging or adding to the result changed what was merged")
		}
		empty := l.empty()
		equal[S](t, "merged with nothing", l.merged(x, &empty), x)
		equal[S](t, "nothing merged with", l.merged(&empty, x), x)
		both.Reset()
		equal[S](t, "reset", both, &empty)
		l.roundTrip(t, x)
		l.roundTrip(t, l.merged(y, l.of(xs)))
	})
}

// roundTrip reads what s appends; s is added to in the end.
func (l law[S, P]) roundTrip(t *rapid.T, s P) {
	b := form[S](s)
	r := l.empty()
	rest, err := P(&r).ReadBinary(append(slices.Clone(b), "rest"...))
	if err != nil || string(rest) != "rest" {
		t.Fatalf("read %x: rest %q, %v", b, rest, err)
	}
	equal[S](t, "round trip", P(&r), s)
	l.add(&r, []float64{1, 2})
	l.add(s, []float64{1, 2})
	equal[S](t, "round trip, then added to", P(&r), s)
}

// drawValues returns values of one of several kinds, so that ties, wide ranges,
// offsets and extremes all come up; sometimes none, sometimes hundreds.
func drawValues(t *rapid.T, label string) []float64 {
	kinds := []*rapid.Generator[float64]{
		rapid.Map(rapid.IntRange(-3, 3), func(i int) float64 { return float64(i) }),
		rapid.Float64Range(-100, 100),
		rapid.Float64Range(1e9, 1e9+1),
		rapid.Custom(func(t *rapid.T) float64 {
			return math.Ldexp(rapid.Float64Range(-2, 2).Draw(t, "mantissa"), rapid.IntRange(-60, 60).Draw(t, "exponent"))
		}),
		rapid.Float64Range(-math.MaxFloat64, math.MaxFloat64),
		rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 5e-324, -5e-324, 1e308, -1e308, math.MaxFloat64, -math.MaxFloat64}),
	}
	kind := kinds[rapid.IntRange(0, len(kinds)-1).Draw(t, label+" kind")]
	n := rapid.SampledFrom([]int{0, 1, 2, 4, 50, 70, 300}).Draw(t, label+" length")
	return rapid.SliceOfN(kind, n, n).Draw(t, label)
}

func sorted(xs []float64) []float64 {
	s := slices.Clone(xs)
	slices.Sort(s)
	return s
}

func momentsLaw() law[Moments, *Moments] {
	return law[Moments, *Moments]{
		func() Moments { return Moments{} },
		func(m *Moments, xs []float64) { m.AddAll(xs) },
		func(m, o *Moments) { m.Merge(o) },
	}
}

func histogramLaw() law[Histogram, *Histogram] {
	bins, err := NewBins([]float64{-1e9, -2, 0, 0.5, 1, 2, 1e9, 1e9 + 0.5})
	if err != nil {
		panic(err)
	}
	return law[Histogram, *Histogram]{
		func() Histogram { return NewHistogram(bins) },
		func(h *Histogram, xs []float64) { h.AddSorted(sorted(xs)) },
		func(h, o *Histogram) { must(h.Merge(o)) },
	}
}

func expLaw() law[ExpHistogram, *ExpHistogram] {
	return law[ExpHistogram, *ExpHistogram]{
		func() ExpHistogram { return NewExpHistogram(0.75) },
		func(h *ExpHistogram, xs []float64) { h.AddAll(xs) },
		func(h, o *ExpHistogram) { must(h.Merge(o)) },
	}
}

func quantilesLaw() law[Quantiles, *Quantiles] {
	w := NewWorkspace()
	return law[Quantiles, *Quantiles]{
		func() Quantiles { return Quantiles{} },
		func(q *Quantiles, xs []float64) { q.AddSorted(sorted(xs), w) },
		func(q, o *Quantiles) { q.Merge(o, w) },
	}
}

func distinctLaw() law[Distinct, *Distinct] {
	return law[Distinct, *Distinct]{
		func() Distinct { return Distinct{} },
		func(d *Distinct, xs []float64) {
			for _, x := range xs {
				d.Add(HashNumber(x))
			}
		},
		func(d, o *Distinct) { d.Merge(o) },
	}
}

// topKLaw adds each value as a key of one byte, k counters being enough or not.
func topKLaw(k int) law[TopK, *TopK] {
	return law[TopK, *TopK]{
		func() TopK { return NewTopK(k) },
		func(s *TopK, xs []float64) {
			for _, x := range xs {
				s.Add([]byte{byte(math.Float64bits(x) >> 44)}, 1)
			}
		},
		func(s, o *TopK) { s.Merge(o) },
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func TestLaws(t *testing.T) {
	t.Run("Moments", momentsLaw().any)
	t.Run("Histogram", histogramLaw().any)
	t.Run("ExpHistogram", expLaw().any)
	t.Run("Quantiles", quantilesLaw().any)
	t.Run("Distinct", distinctLaw().any)
	t.Run("TopK", topKLaw(5).any)
}

func TestExactLaws(t *testing.T) {
	t.Run("Histogram", histogramLaw().exact)
	t.Run("ExpHistogram", expLaw().exact)
	t.Run("Distinct", distinctLaw().exact)
	t.Run("TopK that holds all keys", topKLaw(256).exact)
}
