package drift

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

// batchTest is a test of textbooks: on raw values, and as a statistic of counts whose large values are significant.
type batchTest struct {
	name  string
	raw   looks
	count func(ref, cur batchCount) float64
}

// mannWhitney is the test of Mann and Whitney (1947) of values without ties, by the normal approximation.
var mannWhitney = batchTest{"Mann-Whitney", func(r *counted, w *slidingWindow) bool {
	return mannWhitneyP(r.sorted, w.all()) <= 0.01
}, func(ref, cur batchCount) float64 {
	m, n := totals(ref), totals(cur)
	u, below := 0.0, 0.0
	for i, x := range ref[:len(ref)-1] {
		u += cur[i] * (below + x/2)
		below += x
	}
	return math.Abs(u/(m*n) - 0.5)
}}

func mannWhitneyP(sorted, xs []float64) float64 {
	u, m, n := 0.0, float64(len(sorted)), float64(len(xs))
	for _, x := range xs {
		i, _ := slices.BinarySearch(sorted, x)
		u += float64(i)
	}
	z := (u - m*n/2) / math.Sqrt(m*n*(m+n+1)/12)
	return math.Erfc(math.Abs(z) / math.Sqrt2)
}

// kolmogorov is the two-sample test of Kolmogorov and Smirnov, by the limiting distribution.
var kolmogorov = batchTest{"Kolmogorov-Smirnov", func(r *counted, w *slidingWindow) bool {
	return kolmogorovP(r.sorted, w.all()) <= 0.01
}, func(ref, cur batchCount) float64 {
	m, n := totals(ref), totals(cur)
	f, g, d := 0.0, 0.0, 0.0
	for i := range ref[:len(ref)-1] {
		f, g = f+ref[i]/m, g+cur[i]/n
		d = max(d, math.Abs(f-g))
	}
	return d
}}

func kolmogorovP(sorted, xs []float64) float64 {
	m, n, d := float64(len(sorted)), float64(len(xs)), 0.0
	xs = slices.Sorted(slices.Values(xs))
	for i, x := range xs {
		j, _ := slices.BinarySearch(sorted, x)
		d = max(d, float64(i+1)/n-float64(j)/m, float64(j)/m-float64(i)/n)
	}
	x, p, sign := d*math.Sqrt(m*n/(m+n)), 0.0, 2.0
	if x < 0.3 {
		return 1
	}
	for j := 1.0; j < 50; j++ {
		p += sign * math.Exp(-2*j*j*x*x)
		sign = -sign
	}
	return p
}

// chiSquareTest is Pearson's test of the two rows of counts of categories.
var chiSquareTest = batchTest{"chi-square", func(r *counted, w *slidingWindow) bool {
	return chiSquareP(r.all(), w.sum, len(w.sum)-1) <= 0.01
}, func(ref, cur batchCount) float64 { x, _ := homogeneity(ref, cur, len(cur)-1); return x }}

// missingTest is Pearson's test of whether values are missing.
var missingTest = batchTest{"chi-square", func(r *counted, w *slidingWindow) bool {
	return chiSquareP(presenceOf(r.all()), presenceOf(w.sum), 2) <= 0.01
}, func(ref, cur batchCount) float64 {
	x, _ := homogeneity(presenceOf(ref), presenceOf(cur), 2)
	return x
}}

func presenceOf(c batchCount) batchCount { return batchCount{totals(c), c[len(c)-1]} }

// homogeneity is Pearson's statistic of the first bins of two rows, and its degrees of freedom.
func homogeneity(a, b batchCount, bins int) (x, dof float64) {
	m, n := 0.0, 0.0
	for i := range bins {
		m, n = m+a[i], n+b[i]
	}
	for i := range bins {
		if both := a[i] + b[i]; both > 0 {
			e, f := both*m/(m+n), both*n/(m+n)
			x += (a[i]-e)*(a[i]-e)/e + (b[i]-f)*(b[i]-f)/f
			dof++
		}
	}
	return x, dof - 1
}

func chiSquareP(a, b batchCount, bins int) float64 {
	x, dof := homogeneity(a, b, bins)
	if dof < 1 {
		return 1
	}
	return distuv.ChiSquared{K: dof}.Survival(x)
}

// totals returns the number of values that are not missing.
func totals(c batchCount) float64 {
	sum := 0.0
	for _, x := range c[:len(c)-1] {
		sum += x
	}
	return sum
}

// all returns the counts of the reference.
func (r *counted) all() batchCount {
	if r.whole == nil {
		r.whole = make(batchCount, len(r.blocks[0]))
		for _, b := range r.blocks {
			r.whole.add(b, 1)
		}
	}
	return r.whole
}

// deals is the null by permutation: statistics of windows of blocks that are dealt from the reference at random, ascending.
func (b *batchTest) deals(r *counted, rng *rand.Rand) []float64 {
	const deals = 1000
	out := make([]float64, deals)
	order := rng.Perm(len(r.blocks))
	for i := range out {
		cur := make(batchCount, len(r.blocks[0]))
		for j := range powerSlides / blockPanes {
			k := j + rng.IntN(len(order)-j)
			order[j], order[k] = order[k], order[j]
			cur.add(r.blocks[order[j]], 1)
		}
		out[i] = b.count(r.all(), cur)
	}
	slices.Sort(out)
	return out
}

// permuted makes the tests by permutation of blocks, at a level at which as many quiet windows are significant as are by the verdict, and own ones
// at one at which as many are as by the part of it that looks for the change.
func (c *change) permuted(tests, own []looks, references []*counted, streams []*latent, quiet int) {
	nulls := make([][]float64, len(tests))
	hits, ownHits := 0, 0
	var pvalues []float64
	for i, r := range references {
		nulls[i] = c.test.deals(r, rand.New(rand.NewPCG(verdictSeed+1, uint64(i))))
		for range quiet {
			var w slidingWindow
			w.push(r, c.draw(streams[i], powerWindow, 0))
			a := verdictAt(r, &w)
			if a.PValue() <= 0.01 {
				hits++
			}
			if c.own(a) <= 0.01 {
				ownHits++
			}
			pvalues = append(pvalues, exceeded(nulls[i], c.test.count(r.all(), w.sum)))
		}
	}
	slices.Sort(pvalues)
	for i := range tests {
		below := func(level float64) looks {
			return func(r *counted, w *slidingWindow) bool {
				return exceeded(nulls[i], c.test.count(r.all(), w.sum)) < level
			}
		}
		tests[i], own[i] = below(pvalues[hits]), below(pvalues[ownHits])
	}
}

// exceeded is the p-value by a null in ascending order. What exceeds all goes on as the far tail does, so that p-values differ.
func exceeded(null []float64, x float64) float64 {
	i, _ := slices.BinarySearch(null, x)
	n := float64(len(null))
	if last := null[len(null)-1]; i == len(null) && last > 0 {
		return last / x / (n + 1)
	}
	return (n - float64(i) + 1) / (n + 1)
}

// TestBatchTests checks the formulas by values that can be computed by hand.
func TestBatchTests(t *testing.T) {
	// Four below all of six: U = 0 of 24, z = -12/sqrt(22).
	if got, want := mannWhitneyP([]float64{5, 6, 7, 8, 9, 10}, []float64{1, 2, 3, 4}), math.Erfc(12/math.Sqrt(22)/math.Sqrt2); math.Abs(got-want) > 1e-12 {
		t.Errorf("Mann-Whitney: %v, want %v", got, want)
	}
	// The distance of 1..100 and 51..150 is a half, 3.5355 in the units of the limit: 2 exp(-25).
	low, high := make([]float64, 100), make([]float64, 100)
	for i := range low {
		low[i], high[i] = float64(i+1), float64(i+51)
	}
	if got, want := kolmogorovP(low, high), 2*math.Exp(-25); math.Abs(got/want-1) > 1e-6 {
		t.Errorf("Kolmogorov-Smirnov: %v, want %v", got, want)
	}
	// 10 and 20 of 30 against 20 and 10: 4 times 5²/15.
	if x, dof := homogeneity(batchCount{10, 20}, batchCount{20, 10}, 2); math.Abs(x-20./3) > 1e-12 || dof != 1 {
		t.Errorf("chi-square %v with %v degrees of freedom", x, dof)
	}
}
