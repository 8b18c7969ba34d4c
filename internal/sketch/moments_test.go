package sketch

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// exactMoments returns the mean and the sample standard deviation, rounded once, by
// arithmetic without rounding error.
func exactMoments(xs []float64) (mean, stdDev float64) {
	number := func(x float64) *big.Float { return new(big.Float).SetPrec(4500).SetFloat64(x) }
	sum, n := number(0), number(float64(len(xs)))
	for _, x := range xs {
		sum.Add(sum, number(x))
	}
	m := sum.Quo(sum, n)
	squares := number(0)
	for _, x := range xs {
		d := number(x)
		d.Sub(d, m)
		squares.Add(squares, d.Mul(d, d))
	}
	mean, _ = m.Float64()
	if len(xs) < 2 {
		return mean, math.NaN()
	}
	squares.Quo(squares, number(float64(len(xs)-1)))
	stdDev, _ = squares.SetPrec(200).Sqrt(squares).Float64()
	return mean, stdDev
}

// closeTo reports whether two figures agree to 1e-9, or to what squares underflow to.
func closeTo(got, want, scale float64) bool {
	return got == want || math.IsNaN(got) && math.IsNaN(want) || math.Abs(got-want) <= 1e-9*scale+1e-150
}

// TestMomentsOfAnyPartition folds values in chunks of any length, which are merged by a
// tree of any shape.
func TestMomentsOfAnyPartition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		xs := drawValues(t, "xs")
		m := partitioned(t, xs)
		if m.Count != uint64(len(xs)) {
			t.Fatalf("count %d of %d", m.Count, len(xs))
		}
		if len(xs) == 0 {
			return
		}
		mean, stdDev := exactMoments(xs)
		s := sorted(xs)
		low, high := s[0], s[len(s)-1]
		if m.Min != low || m.Max != high {
			t.Fatalf("range [%g, %g], want [%g, %g]", m.Min, m.Max, low, high)
		}
		if !closeTo(m.Mean, mean, max(math.Abs(low), math.Abs(high))) {
			t.Fatalf("mean %g, want %g", m.Mean, mean)
		}
		if got := m.StdDev(); !closeTo(got, stdDev, stdDev) {
			t.Fatalf("standard deviation %g, want %g", got, stdDev)
		}
		n := float64(len(xs))
		if want := stdDev * math.Sqrt((n-1)/n); len(xs) > 1 && !closeTo(m.PopulationStdDev(), want, want) {
			t.Fatalf("standard deviation of the population %g, want %g", m.PopulationStdDev(), want)
		}
		if want := stdDev * stdDev; want < 1e300 && !closeTo(m.Variance(), want, 3*want) {
			t.Fatalf("variance %g, want %g", m.Variance(), want)
		}
	})
}

func partitioned(t *rapid.T, xs []float64) (m Moments) {
	if len(xs) < 2 || rapid.Bool().Draw(t, "leaf") {
		m.AddAll(xs)
		return m
	}
	i := rapid.IntRange(0, len(xs)).Draw(t, "cut")
	m = partitioned(t, xs[:i])
	right := partitioned(t, xs[i:])
	m.Merge(&right)
	return m
}

func TestMoments(t *testing.T) {
	big := math.MaxFloat64
	for name, c := range map[string]struct {
		xs                   []float64
		mean, stdDev, varies float64
	}{
		"one value":         {[]float64{3}, 3, math.NaN(), math.NaN()},
		"equal values":      {[]float64{0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1}, 0.1, 0, 0},
		"integers":          {[]float64{2, 4, 4, 4, 5, 5, 7, 9}, 5, math.Sqrt(32. / 7), 32. / 7},
		"far from zero":     {[]float64{1e15 + 1, 1e15 + 2, 1e15 + 3}, 1e15 + 2, 1, 1},
		"neighbours":        {[]float64{1e16, 1e16 + 2}, 1e16 + 1, math.Sqrt2, 2},
		"largest and least": {[]float64{big, -big}, 0, math.Inf(1), math.Inf(1)},
		"huge":              {[]float64{1e308, -1e308, 0}, 0, 1e308, math.Inf(1)},
		"huge and equal":    {[]float64{big, big, big}, big, 0, 0},
	} {
		var whole, single Moments
		whole.AddAll(c.xs)
		for _, x := range c.xs {
			single.AddAll([]float64{x})
		}
		for way, m := range map[string]Moments{"at once": whole, "one by one": single} {
			if !closeTo(m.Mean, c.mean, math.Abs(c.xs[0])) || !closeTo(m.StdDev(), c.stdDev, c.stdDev) || !closeTo(m.Variance(), c.varies, c.varies) {
				t.Errorf("%s, %s: mean %g, standard deviation %g, variance %g", name, way, m.Mean, m.StdDev(), m.Variance())
			}
		}
	}
}

func TestMomentsOfNothing(t *testing.T) {
	var m Moments
	m.AddAll(nil)
	for name, v := range map[string]float64{"Variance": m.Variance(), "StdDev": m.StdDev(), "PopulationStdDev": m.PopulationStdDev()} {
		if !math.IsNaN(v) {
			t.Errorf("%s of nothing is %g", name, v)
		}
	}
}
