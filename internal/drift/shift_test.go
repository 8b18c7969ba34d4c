package drift

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

// TestShiftSquare compares it with the statistic of Mann and Whitney: a value above one counts one, in the same bin a half.
func TestShiftSquare(t *testing.T) {
	c := newComparison(both([]uint64{4, 0, 3, 3}), both([]uint64{1, 2, 3, 4}))
	wins := 1*2 + 2*4 + 3*(4+1.5) + 4*(7+1.5)
	variance := (1 - math.Pow(0.4, 3) - 2*math.Pow(0.3, 3)) / 12
	if got, want := c.shiftSquare(), math.Pow(wins/100-0.5, 2)/variance; math.Abs(got-want) > 1e-12 {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := newComparison(both([]uint64{0, 5}), both([]uint64{2, 3})).shiftSquare(); !math.IsNaN(got) {
		t.Errorf("%v where all values of the reference are in one bin", got)
	}
}

// independentReference has k windows of n independent values in ten bins.
func independentReference(rng *rand.Rand, k, n int) Sample {
	all, windows := make([]uint64, 10), make([][]uint64, k)
	for i := range windows {
		windows[i] = multinomial(rng, n, even(10))
		for b, x := range windows[i] {
			all[b] += x
		}
	}
	ref := both(all)
	c := NewCalibrator(ref, float64(n))
	for _, w := range windows {
		c.Add(both(w))
	}
	ref.Calibration = c.Calibration(1, k)
	return ref
}

// TestRealisedLevel: while nothing changes, about as many windows of independent values are significant as the level says: not
// many more, and not many fewer either, or changes are not seen.
func TestRealisedLevel(t *testing.T) {
	const references, per = 40, 200
	rng := rand.New(rand.NewPCG(9, 1))
	psi, shift, verdict := 0, 0, 0
	for range references {
		ref := independentReference(rng, 30, 500)
		for range per {
			a := Assess(ref, both(multinomial(rng, 500, even(10))), Options{Statistics: []string{"psi"}})
			for to, p := range map[*int]float64{&psi: a.decider.pvalue, &shift: a.shift, &verdict: a.PValue()} {
				if p <= 0.05 {
					*to++
				}
			}
		}
	}
	for name, hits := range map[string]int{"psi": psi, "shift": shift, "verdict": verdict} {
		if rate := float64(hits) / (references * per); rate < 0.035 || rate > 0.065 {
			t.Errorf("%s: %.4f of quiet windows at 0.05", name, rate)
		}
	}
}

// TestShiftIsFound: a small shift that PSI does not see is significant. Below the effect floor it is no drift all the same; and
// a calibration that says nothing of shifts leaves all to PSI.
func TestShiftIsFound(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 1))
	ref := independentReference(rng, 50, 2000)
	cur := make([]uint64, 10)
	for b := range cur {
		cur[b] = uint64(200 * (1 + 0.25*(float64(b)-4.5)/10))
	}
	psi := func(a *Assessment) float64 { return a.decider.pvalue }
	a := Assess(ref, both(cur), Options{Statistics: []string{"psi"}})
	if !(a.PValue() < 0.01 && psi(a) > 0.02) {
		t.Errorf("p-value %v, of PSI alone %v", a.PValue(), psi(a))
	}
	if _, state := a.Judge(nil, 0.01); state != OK {
		t.Errorf("%s of a trivial effect", state)
	}
	if outcomes, state := Assess(ref, both(cur), Options{Statistics: []string{"psi"}, Floor: 1e-4}).Judge(nil, 0.01); state != Drift || outcomes[0].Value < outcomes[0].Threshold {
		t.Errorf("with a floor of nearly nothing: %s, %+v", state, outcomes)
	}
	delete(ref.Calibration.Excess, shiftName)
	if a := Assess(ref, both(cur), Options{Statistics: []string{"psi"}}); a.PValue() != psi(a) {
		t.Errorf("p-value %v without shifts, of PSI %v", a.PValue(), psi(a))
	}
}

// TestSteadierThanIndependent: windows that vary less than those of independent values are taken for what they are, though not for less than half.
func TestSteadierThanIndependent(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 1))
	of := func(vary float64) *Calibration {
		ref := both([]uint64{40_000, 40_000})
		k := NewCalibrator(ref, 1000)
		for range 80 {
			x := distuv.Binomial{N: 1000, P: 0.5, Src: rng}.Rand()
			x = math.Round(500 + vary*(x-500))
			k.Add(both([]uint64{uint64(x), uint64(1000 - x)}))
		}
		return k.Calibration(1, 80)
	}
	if x := of(0.85).Excess["psi"] * 1000; x > -0.1 || x < -0.5 {
		t.Errorf("0.72 of the variance: excess %v", x)
	}
	steady := of(0)
	for name, x := range steady.Excess {
		if x*1000 < -0.5001 || steady.Trace*1000 < -0.5001 {
			t.Errorf("equal windows: excess of %s %v, trace %v", name, x*1000, steady.Trace*1000)
		}
	}
	ref := both([]uint64{40_000, 40_000})
	ref.Calibration = steady
	if p := Assess(ref, both([]uint64{540, 460}), Options{}).PValue(); !(p > 1e-6 && p < 0.01) {
		t.Errorf("p-value %v", p)
	}
}

// TestBend: mean and variance of the Hellinger and JS distances of few values are what they are said to be.
func TestBend(t *testing.T) {
	const draws = 20_000
	rng := rand.New(rand.NewPCG(12, 1))
	ref := times([]uint64{1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 1_000_000)
	for _, name := range []string{"hellinger", "js"} {
		s, _ := Lookup(name)
		var f scaledF
		sum, squares := 0.0, 0.0
		for range draws {
			c := newComparison(both(ref), both(multinomial(rng, 150, even(10))))
			f = s.null(c, independent).(scaledF)
			x := math.Pow(s.value(c), 2) / f.mean
			sum, squares = sum+x/draws, squares+x*x/draws
		}
		if variance := squares - sum*sum; math.Abs(sum-1) > 0.015 || math.Abs(variance*f.dof/2-1) > 0.07 {
			t.Errorf("%s: mean %v, variance %v of those that are stated", name, sum, variance*f.dof/2)
		}
	}
}

func TestDiscount(t *testing.T) {
	c := newComparison(both([]uint64{1, 1, 1, 1, 2, 2, 2, 50, 0}), both([]uint64{0, 0, 0, 0, 0, 0, 0, 50, 1}))
	if got := c.discount(); got != 0.4 {
		t.Errorf("got %v, want 4 of 4 + 2*3", got)
	}
	if got := newComparison(both([]uint64{2, 50}), both([]uint64{2, 50})).discount(); got != 0 {
		t.Errorf("%v where nothing is there once", got)
	}
	if got := c.pooled(30, 0.4, 5).ref.Bins; len(got) != 2 || got[0]+got[1] != 60-3 {
		t.Errorf("pooled %v, want 57 of 60", got)
	}
}

func TestKurtosis(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 1))
	of := func(next func(*rand.Rand) float64) float64 {
		s := drawValues(rng, 20_000, next)
		s.Prepare()
		return s.distribution.kurtosis
	}
	if k := of((*rand.Rand).NormFloat64); k > 0.2 {
		t.Errorf("%v of normal values", k)
	}
	if k := of((*rand.Rand).ExpFloat64); math.Abs(k-6) > 1.5 {
		t.Errorf("%v of exponential values, want 6", k)
	}
	if k := of(heavyTail); !(k > 100) || math.IsInf(k, 1) {
		t.Errorf("%v of heavy tails", k)
	}
}
