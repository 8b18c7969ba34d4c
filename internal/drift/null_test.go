package drift

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

// quietDraws is the number of simulated windows without drift, and quietMargin
// four standard errors of the share of them below 0.05.
const quietDraws = 4000

var quietMargin = 4 * math.Sqrt(0.05*0.95/quietDraws)

// sizes are pairs of reference and window.
var sizes = [][2]int{{100_000, 200}, {5_000, 500}, {1_000, 1_000}, {20_000, 5_000}}

// quiet is what a statistic does while nothing changes.
type quiet struct {
	at5, at1 float64 // share of p-values below 0.05 and 0.01
	mean     float64 // mean value over the mean that the null states
}

func simulate(name string, draw func(rng *rand.Rand) (ref, cur Sample)) quiet {
	var q quiet
	var value, mean float64
	rng := rand.New(rand.NewPCG(7, 11))
	for range quietDraws {
		ref, cur := draw(rng)
		m := textbook(name, newComparison(ref, cur))
		if m.pvalue < 0.05 {
			q.at5 += 1.0 / quietDraws
		}
		if m.value >= m.critical(0.01) {
			q.at1 += 1.0 / quietDraws
		}
		value, mean = value+m.value, mean+m.mean
	}
	q.mean = value / mean
	return q
}

// multinomial draws n values over bins with these shares.
func multinomial(rng *rand.Rand, n int, shares []float64) []uint64 {
	out := make([]uint64, len(shares))
	left, rest := 1.0, float64(n)
	for i, p := range shares[:len(shares)-1] {
		if rest == 0 {
			break
		}
		k := distuv.Binomial{N: rest, P: min(1, p/left), Src: rng}.Rand()
		out[i] = uint64(k)
		rest, left = rest-k, left-p
	}
	out[len(out)-1] += uint64(rest)
	return out
}

func drawBins(size [2]int, shares []float64) func(*rand.Rand) (ref, cur Sample) {
	return func(rng *rand.Rand) (ref, cur Sample) {
		r, c := multinomial(rng, size[0], shares), multinomial(rng, size[1], shares)
		return Sample{Bins: r, Fine: r}, Sample{Bins: c, Fine: c}
	}
}

func even(bins int) []float64 { return slices.Repeat([]float64{1 / float64(bins)}, bins) }

// stated is what the documentation promises of a null: the range of the share of
// p-values below 0.05, quietMargin aside, and of the mean.
type stated struct{ low, high, mean float64 }

func (q quiet) check(t *testing.T, s stated) {
	t.Helper()
	if q.at5 < s.low-quietMargin || q.at5 > s.high+quietMargin {
		t.Errorf("%.4f of p-values below 0.05, stated %v to %v", q.at5, s.low, s.high)
	}
	if q.at1 > 2*s.high/5 {
		t.Errorf("%.4f of values at the critical value of 0.01, stated at most %v", q.at1, 2*s.high/5)
	}
	if math.Abs(q.mean-1) > s.mean {
		t.Errorf("mean is %.4f of the stated one, stated within %v", q.mean, s.mean)
	}
}

// Over ten or fewer bins with at least 20 values each all nulls hold, but that half a
// count a bin makes PSI and KL smaller in a small window.
func TestNullBins(t *testing.T) {
	smoothed := map[string]stated{"psi": {0.04, 0.05, 0.06}, "kl": {0.035, 0.05, 0.08}}
	for _, shares := range [][]float64{even(10), even(2), {0.4, 0.2, 0.15, 0.15, 0.1}} {
		for _, size := range sizes {
			for _, s := range Catalogue[:6] {
				want, ok := smoothed[s.Short]
				if !ok || size[1] > 200 {
					want = stated{0.05, 0.05, 0.04}
				}
				simulate(s.Short, drawBins(size, shares)).check(t, want)
			}
		}
	}
}

// Total variation holds even over sixty bins with three values each.
func TestNullTotalVariationSparse(t *testing.T) {
	simulate("tvd", drawBins([2]int{100_000, 200}, even(60))).check(t, stated{0.05, 0.05, 0.02})
}

func TestNullKolmogorov(t *testing.T) {
	for _, size := range sizes {
		for _, bins := range []int{2, 4, 10, 60} {
			simulate("ks", drawBins(size, even(bins))).check(t, stated{0.05, 0.05, 0.04})
		}
		simulate("ks", drawBins(size, []float64{0.95, 0.05})).check(t, stated{0.05, 0.05, 0.04})
		mostlyZero := append([]float64{0.6}, slices.Repeat([]float64{0.4 / 24}, 24)...)
		simulate("ks", drawBins(size, mostlyZero)).check(t, stated{0.02, 0.05, 0.25})
	}
}

func TestNullWasserstein(t *testing.T) {
	for _, next := range []func(*rand.Rand) float64{
		(*rand.Rand).NormFloat64,
		(*rand.Rand).ExpFloat64,
		func(rng *rand.Rand) float64 { return float64(rng.IntN(2)) },
		func(rng *rand.Rand) float64 { return math.Exp(rng.NormFloat64()) },
	} {
		simulate("wasserstein", func(rng *rand.Rand) (ref, cur Sample) {
			ref, cur = drawValues(rng, 2000, next), drawValues(rng, 200, next)
			ref.StdDev = 1
			return ref, cur
		}).check(t, stated{0.05, 0.06, 0.04})
	}
}

func drawValues(rng *rand.Rand, n int, next func(*rand.Rand) float64) Sample {
	xs := make([]float64, n)
	for i := range xs {
		xs[i] = next(rng)
	}
	return expSample(0.5, xs)
}

func TestQuantileInvertsSurvival(t *testing.T) {
	for _, alpha := range []float64{0.5, 0.1, 0.01, 1e-4, 1e-8, 1e-15, 1e-100} {
		for _, dof := range []float64{1, 1.0475, 2, 3.7, 9, 59, 200, 1999, 65_535} {
			checkP(t, "chi-square", chiSquareSurvival(dof, chiSquareQuantile(dof, alpha)), number(alpha))
		}
		checkP(t, "Kolmogorov", kolmogorovSurvival(kolmogorovQuantile(alpha)), number(alpha))
	}
}

// The two halves of the Kolmogorov sum meet at the other form of the distribution,
// 1 - sqrt(2π)/x sum exp(-(2j-1)² π² / 8x²).
func TestKolmogorovForms(t *testing.T) {
	for x := 0.01; x < 3; x += 0.01 {
		sum := 0.0
		for j := 1.0; j < 40; j += 2 {
			sum += math.Exp(-j * j * math.Pi * math.Pi / (8 * x * x))
		}
		if want := 1 - math.Sqrt(2*math.Pi)/x*sum; !same(kolmogorovSurvival(x), want, 0, 1e-13) {
			t.Errorf("at %v: got %v, want %v", x, kolmogorovSurvival(x), want)
		}
	}
}

func TestCovarianceOfAbsoluteValues(t *testing.T) {
	for r := 0.0; r <= 1; r += 1.0 / 64 {
		want := 2 / math.Pi * (math.Sqrt(1-r*r) + r*math.Asin(r) - 1)
		got := r * r * (covariance[0] + r*r*(covariance[1]+r*r*covariance[2]))
		if got < want-1e-15 || got > want+0.007 {
			t.Errorf("at %v: got %v, want %v to 0.007 above", r, got, want)
		}
	}
}
