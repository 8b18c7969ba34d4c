package drift

import (
	"math"
	"slices"
	"testing"

	"github.com/streammon/streammon/internal/sketch"
	"pgregory.net/rapid"
)

// histogram draws buckets, some of them points, some with gaps between them.
func histogram(t *rapid.T, name string) ([]bucket, float64) {
	var out []bucket
	n, x := 0.0, rapid.Float64Range(-10, 10).Draw(t, name)
	for range rapid.IntRange(1, 8).Draw(t, name+" buckets") {
		width := rapid.OneOf(rapid.Just(0.0), rapid.Float64Range(0, 5)).Draw(t, "width")
		count := float64(rapid.IntRange(1, 50).Draw(t, "count"))
		out = append(out, bucket{x, x + width, count})
		n += count
		x += width + rapid.OneOf(rapid.Just(0.0), rapid.Float64Range(0, 5)).Draw(t, "gap")
	}
	return out, n
}

// cdf is the distribution function of the buckets, points at x included.
func cdf(buckets []bucket, n, x float64) float64 {
	sum := 0.0
	for _, b := range buckets {
		switch {
		case b.upper <= x:
			sum += b.count
		case b.lower < x:
			sum += b.count * (x - b.lower) / (b.upper - b.lower)
		}
	}
	return sum / n
}

// area integrates the difference of two distribution functions by the midpoint rule,
// with every bound of a bucket as a knot.
func area(a []bucket, m float64, b []bucket, n float64) float64 {
	const steps = 400
	var knots []float64
	for _, k := range append(slices.Clone(a), b...) {
		knots = append(knots, k.lower, k.upper)
	}
	slices.Sort(knots)
	sum := 0.0
	for i, from := range knots[:len(knots)-1] {
		h := (knots[i+1] - from) / steps
		for k := range steps {
			x := from + (float64(k)+0.5)*h
			sum += h * math.Abs(cdf(a, m, x)-cdf(b, n, x))
		}
	}
	return sum
}

func TestEarthMoverIsTheArea(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, m := histogram(t, "a")
		b, n := histogram(t, "b")
		got := earthMover(&distribution{buckets: a, count: m}, &distribution{buckets: b, count: n})
		if want := area(a, m, b, n); !same(got, want, 1e-4, 1e-4) {
			t.Fatalf("got %v, want %v", got, want)
		}
		if back := earthMover(&distribution{buckets: b, count: n}, &distribution{buckets: a, count: m}); !near(got, back) {
			t.Fatalf("there %v, back %v", got, back)
		}
	})
}

func TestEarthMoverOfAShift(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, m := histogram(t, "a")
		by, k := rapid.Float64Range(-100, 100).Draw(t, "by"), float64(rapid.IntRange(1, 9).Draw(t, "times"))
		b := slices.Clone(a)
		for i := range b {
			b[i] = bucket{a[i].lower + by, a[i].upper + by, a[i].count * k}
		}
		if got := earthMover(&distribution{buckets: a, count: m}, &distribution{buckets: b, count: m * k}); !near(got, math.Abs(by)) {
			t.Fatalf("got %v, want %v", got, math.Abs(by))
		}
	})
}

// sorted draws values and returns them in order.
func sortedValues(t *rapid.T, name string) []float64 {
	xs := rapid.SliceOfN(rapid.Float64Range(-1e6, 1e6), 1, 60).Draw(t, name)
	slices.Sort(xs)
	return xs
}

// The stated bound, against the distance of the values themselves.
func TestWassersteinWithinItsBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		xs, ys := sortedValues(t, "ref"), sortedValues(t, "cur")
		center := rapid.SampledFrom(xs).Draw(t, "center")
		ref, cur := expSample(center, xs), expSample(center, ys)
		ref.StdDev = 1
		got := wasserstein(newComparison(ref, cur))
		a, m := points(xs)
		b, n := points(ys)
		want, bound := area(a, m, b, n), halfWidth(ref.Exp)+halfWidth(cur.Exp)
		if math.Abs(got-want) > bound*(1+1e-9)+1e-3 {
			t.Fatalf("got %v, want %v within %v", got, want, bound)
		}
	})
}

func points(xs []float64) (out []bucket, n float64) {
	for _, x := range xs {
		out = append(out, bucket{x, x, 1})
	}
	return out, float64(len(xs))
}

func TestWassersteinUndefined(t *testing.T) {
	some := expSample(0, []float64{1, 2, 3})
	some.StdDev = 1
	with := func(stdDev float64) Sample { s := some; s.StdDev = stdDev; return s }
	far := expSample(0, []float64{math.MaxFloat64, -math.MaxFloat64})
	empty := sketch.NewExpHistogram(0)
	for name, c := range map[string]struct{ ref, cur Sample }{
		"no histogram in the reference": {Sample{StdDev: 1}, some},
		"no histogram in the window":    {some, Sample{}},
		"empty reference":               {Sample{Exp: &empty, StdDev: 1}, some},
		"empty window":                  {some, Sample{Exp: &empty}},
		"constant reference":            {with(0), some},
		"negative deviation":            {with(-1), some},
		"undefined deviation":           {with(math.NaN()), some},
		"infinite deviation":            {with(math.Inf(1)), some},
		"overflow":                      {with(math.SmallestNonzeroFloat64), far},
	} {
		if m := textbook("wasserstein", newComparison(c.ref, c.cur)); !math.IsNaN(m.value) || !math.IsNaN(m.pvalue) || !math.IsNaN(m.critical(0.01)) {
			t.Errorf("%s: %+v", name, m)
		}
	}
}

// A reference that is a single point has a distance, but nothing to test it by.
func TestWassersteinOfAPointHasNoPValue(t *testing.T) {
	point, cur := expSample(1, []float64{1, 1}), expSample(1, []float64{2, 3})
	point.StdDev = 1
	if m := textbook("wasserstein", newComparison(point, cur)); !(m.value > 0) || !math.IsNaN(m.pvalue) || !math.IsNaN(m.critical(0.01)) {
		t.Errorf("%+v", m)
	}
}

// For a uniform feature the mean is sqrt(π/32) and the mean square 7/60 (Shepp 1982);
// the covariance that is never too small makes the variance up to 1 % too large.
func TestBridgeMomentsOfAUniformFeature(t *testing.T) {
	const n = 1000
	var buckets []bucket
	for i := range n {
		buckets = append(buckets, bucket{float64(i) / n, float64(i+1) / n, 5})
	}
	mean, variance := bridgeMoments(buckets, 5*n)
	if want := math.Sqrt(math.Pi / 32); !same(mean, want, 1e-4, 0) {
		t.Errorf("mean: got %v, want %v", mean, want)
	}
	if want := 7.0/60 - math.Pi/32; variance < want || variance > 1.01*want {
		t.Errorf("variance: got %v, want %v to 1 %% above", variance, want)
	}
}
