package drift

import (
	"math"
	"math/rand/v2"
	"testing"
)

// twoTermTail is the probability that largest times a chi-square variable with one degree of freedom and other times one
// with rest exceed x, by integration.
func twoTermTail(u uneven, x float64) float64 {
	const steps = 4000
	edge := math.Sqrt(x / u.largest)
	sum := 0.0
	for i := range steps {
		z := edge * (float64(i) + 0.5) / steps
		sum += math.Exp(-z*z/2) * chiSquareSurvival(u.rest, (x-u.largest*z*z)/u.other)
	}
	return sum*edge/steps*2/math.Sqrt(2*math.Pi) + math.Erfc(edge/math.Sqrt2)
}

// TestUneven compares the tail with the exact one, where the scale is known.
func TestUneven(t *testing.T) {
	for _, dof := range []float64{1.5, 3, 5.3, 8.9} {
		u := unevenOf(unitForm{dof: dof, terms: 9, nu: math.Inf(1)})
		if mean, square := u.largest+u.rest*u.other, u.largest*u.largest+u.rest*u.other*u.other; math.Abs(mean-1) > 1e-9 || math.Abs(square-1/dof) > 1e-9 {
			t.Errorf("%g degrees of freedom: mean %v, square %v", dof, mean, square)
		}
		for _, x := range []float64{2, 4, 8, 12} {
			want := twoTermTail(u, x)
			if got := u.survival(x); math.Abs(got/want-1) > 0.1 {
				t.Errorf("%g degrees of freedom: %g is exceeded with %v, want %v", dof, x, got, want)
			}
			if want < 0.1 {
				if got := u.quantile(u.survival(x), 1.1); math.Abs(got-x) > 1e-6 {
					t.Errorf("%g degrees of freedom: quantile %v, want %v", dof, got, x)
				}
			}
		}
	}
	// Where the tail is 0 in floating point, so is no quantile.
	u := unevenOf(unitForm{dof: 3, terms: 9, nu: math.Inf(1)})
	if p := u.survival(1e6); p != 0 {
		t.Errorf("%v of a million", p)
	}
	if x := u.quantile(1e-300, 20); !(x > 100 && x < 1e4) {
		t.Errorf("quantile %v", x)
	}
	// The farther out, the fewer terms make up a value, and the less is known of them: the tail falls all the same.
	for _, dof := range []float64{1.2, 3, 8.9} {
		u := unevenOf(unitForm{dof: dof, terms: 9, nu: 19 * dof})
		for x, before := 1.5, 1.0; x < 200; x *= 1.01 {
			p := u.survival(x)
			if !(p < before) || p < fSurvival(1, 1000, 9*x) {
				t.Fatalf("%g degrees of freedom: %v at %g, %v before", dof, p, x, before)
			}
			before = p
		}
	}
	// With a single term it is an F variable, with equal ones too.
	for _, u := range []uneven{{1, 0, 8, 27}, {1. / 9, 1. / 9, 8, 27}} {
		dof := 1.0
		if u.other > 0 {
			dof = 9
		}
		for _, x := range []float64{2, 5, 20} {
			if got, want := u.survival(x), fSurvival(dof, 27*dof, x); math.Abs(got/want-1) > 0.1 {
				t.Errorf("%v: %g is exceeded with %v, want %v", u, x, got, want)
			}
		}
	}
}

// TestFarTailOfDependentValues: the p-values of the bins of an autoregressive process are true far out, where the
// slowest part of it decides alone. Its Hermite polynomials of order j have the design effect (1+r)/(1-r), r = 0.9^j.
func TestFarTailOfDependentValues(t *testing.T) {
	const draws, level = 2_000_000, 2e-5
	var weights [9]float64
	sum, squares := 0.0, 0.0
	for j := range weights {
		r := math.Pow(0.9, float64(j+1))
		weights[j] = (1 + r) / (1 - r)
		sum, squares = sum+weights[j], squares+weights[j]*weights[j]
	}
	f := scaledF{mean: sum, dof: sum * sum / squares, terms: 9, nu: math.Inf(1)}
	critical, rng, hits := f.quantile(level), rand.New(rand.NewPCG(17, 1)), 0
	for range draws {
		x := 0.0
		for _, w := range weights {
			z := rng.NormFloat64()
			x += w * z * z
		}
		if x >= critical {
			hits++
		}
	}
	// The largest term is taken for a little larger than it is.
	if want := draws * level; float64(hits) > want+4*math.Sqrt(want) || float64(hits) < want/4 {
		t.Errorf("%d of %d forms exceed the critical value, want %g", hits, draws, want)
	}
}
