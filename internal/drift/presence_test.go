package drift

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

// TestManyAndFew compares the tails of counts with sums over binomial and over negative binomial probabilities.
func TestManyAndFew(t *testing.T) {
	probability := func(n, share, each float64) func(k float64) float64 {
		if each == 1 {
			return distuv.Binomial{N: n, P: share}.Prob
		}
		e := each * (1 - share)
		r := n * share / (e - 1)
		return func(k float64) float64 {
			a, _ := math.Lgamma(k + r)
			b, _ := math.Lgamma(r)
			c, _ := math.Lgamma(k + 1)
			return math.Exp(a - b - c + r*math.Log(1/e) + k*math.Log(1-1/e))
		}
	}
	for _, c := range []struct{ n, share, each float64 }{{50, 0.05, 1}, {1000, 0.05, 1}, {1000, 0.9, 1}, {1000, 0.05, 6}, {200, 0.01, 30}} {
		p, below := probability(c.n, c.share, c.each), 0.0
		for k := 0.0; k <= 3*c.n*c.share && k <= c.n; k++ {
			if got, want := manyOf(k, c.n, c.share, c.each), 1-below; math.Abs(got-want) > 1e-9 {
				t.Errorf("%v: %g or more with %v, want %v", c, k, got, want)
			}
			below += p(k)
			if got := fewOf(k, c.n, c.share, c.each); math.Abs(got-below) > 1e-9 {
				t.Errorf("%v: %g or fewer with %v, want %v", c, k, got, below)
			}
		}
	}
}

// TestMissingInGroups: values that are missing in groups are no more often significant than the level says, far out, too, where
// a binomial variable of fewer values would be much too sure.
func TestMissingInGroups(t *testing.T) {
	const windows, size = 400_000, 600
	rng := rand.New(rand.NewPCG(8, 1))
	draw := func() float64 { // groups of ten on average, as many as make a share of 0.05
		sum := 0.0
		for range int(distuv.Poisson{Lambda: 3, Src: rng}.Rand()) {
			sum += 1 + math.Floor(math.Log(1-rng.Float64())/math.Log(0.9))
		}
		return sum
	}
	counts, mean, square := make([]float64, windows), 0.0, 0.0
	for i := range counts {
		counts[i] = draw()
		mean += counts[i] / windows
		square += counts[i] * counts[i] / windows
	}
	share := mean / size
	each := (square - mean*mean) / (size * share * (1 - share))
	for _, level := range []float64{1e-2, 1e-3, 1e-4} {
		hits := 0
		for _, k := range counts {
			if manyOf(k, size, share, each) <= level {
				hits++
			}
		}
		want := level * windows
		if float64(hits) > want+4*math.Sqrt(want) || float64(hits) < want/20 {
			t.Errorf("%d of %d windows are significant at %g", hits, windows, level)
		}
	}
}

// TestFewerMissing: that far fewer values are missing is found, too.
func TestFewerMissing(t *testing.T) {
	ref := Sample{Bins: []uint64{20_000, 20_000}, Absent: 10_000}
	a := Assess(ref, Sample{Bins: []uint64{480, 480}, Absent: 40}, Options{})
	if p := a.PValue(); !(p < 1e-6) {
		t.Errorf("p-value %v of a fifth of the missing values", p)
	}
	if _, state := a.Judge(nil, 1e-4); state != Drift {
		t.Errorf("state %s", state)
	}
	if p := Assess(ref, Sample{Bins: []uint64{402, 402}, Absent: 196}, Options{}).PValue(); !(p > 0.2) {
		t.Errorf("p-value %v of about as many", p)
	}
}

// TestRareMissing: a reference with few missing values. A feature has a p-value all the same, noise is no drift, and
// many missing values are.
func TestRareMissing(t *testing.T) {
	ref := Sample{Bins: []uint64{5000, 5000, 5000, 5000}, Absent: 60}
	moved := Sample{Bins: []uint64{10, 100, 290, 600}, Absent: 3}
	if p := Assess(ref, moved, Options{}).PValue(); !(p < 1e-9) {
		t.Errorf("p-value %v of a feature that has moved", p)
	}
	still := Sample{Bins: []uint64{250, 250, 250, 250}, Absent: 3}
	if p := Assess(ref, still, Options{}).PValue(); !(p > 0.5) {
		t.Errorf("p-value %v of a feature that has not moved", p)
	}
	lost := still
	lost.Absent = 100
	a := Assess(ref, lost, Options{})
	if _, state := a.Judge(nil, 1e-6); state != Drift || !(a.PValue() < 1e-9) {
		t.Errorf("100 missing values: %s, p-value %v", state, a.PValue())
	}
	// At 50 values a window, 2.5 of them missing, an effect of the floor is noise.
	rng := rand.New(rand.NewPCG(5, 1))
	ref = Sample{Bins: []uint64{11875, 11875, 11875, 11875}, Absent: 2500}
	const windows = 4000
	hits, drifts := 0, 0
	for range windows {
		c := multinomial(rng, 50, []float64{0.95 / 4, 0.95 / 4, 0.95 / 4, 0.95 / 4, 0.05})
		a := Assess(ref, Sample{Bins: c[:4], Absent: c[4]}, Options{DecideBy: Missing})
		if a.PValue() <= 0.01 {
			hits++
		}
		if _, state := a.Judge(nil, 0.01); state != OK {
			drifts++
		}
	}
	if most := int(0.01*windows + 4*math.Sqrt(0.01*windows)); hits > most || drifts > most {
		t.Errorf("%d windows of %d are significant, %d have drifted or nearly so", hits, windows, drifts)
	}
}
