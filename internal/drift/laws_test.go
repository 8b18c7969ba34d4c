package drift

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// countsOf draws bins, among them empty ones, with at least one value.
func countsOf(bins int) *rapid.Generator[[]uint64] {
	count := rapid.OneOf(rapid.Just(uint64(0)), rapid.Uint64Range(0, 9), rapid.Uint64Range(0, 1_000_000))
	return rapid.SliceOfN(count, bins, bins).Filter(func(c []uint64) bool { return total(c) > 0 })
}

// pair draws two sides; fine bins are the bins.
func pair(t *rapid.T) (ref, cur Sample) {
	bins := rapid.IntRange(1, 20).Draw(t, "bins")
	return both(countsOf(bins).Draw(t, "ref")), both(countsOf(bins).Draw(t, "cur"))
}

func both(counts []uint64) Sample { return Sample{Bins: counts, Fine: counts} }

// overBins are the statistics over bins and KS, by Short.
func overBins(ref, cur Sample) map[string]measurement {
	out := map[string]measurement{}
	for _, s := range Catalogue[:7] {
		c := newComparison(ref, cur)
		out[s.Short] = s.measure(c, s.tested(c, c.n, c.discount()))
	}
	return out
}

func values(ref, cur Sample) map[string]float64 {
	out := map[string]float64{}
	for name, m := range overBins(ref, cur) {
		out[name] = m.value
	}
	return out
}

func near(a, b float64) bool { return same(a, b, 1e-9, 1e-9) }

func TestLawRanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for name, m := range overBins(pair(t)) {
			if math.IsNaN(m.value) {
				if name != "chi2" {
					t.Fatalf("%s is undefined", name)
				}
				continue
			}
			if m.value < 0 || math.IsInf(m.value, 0) || m.mean < 0 || math.IsInf(m.mean, 0) {
				t.Fatalf("%s: %+v", name, m)
			}
			if m.pvalue < 0 || m.pvalue > 1 || math.IsInf(m.critical(0.01), 0) {
				t.Fatalf("%s: %+v", name, m)
			}
			if !slices.Contains([]string{"psi", "kl", "chi2"}, name) && m.value > 1 {
				t.Fatalf("%s: %v is over 1", name, m.value)
			}
		}
	})
}

// Where the shares are equal but for the half counts, rounding must not make a
// divergence negative.
func TestLawNotNegativeByRounding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		counts := rapid.SliceOfN(rapid.Uint64Range(1, 1000), 2, 20).Draw(t, "counts")
		ref, cur := both(times(counts, 1_000_000_007)), both(times(counts, rapid.Uint64Range(1e9, 1e12).Draw(t, "k")))
		for name, m := range overBins(ref, cur) {
			if !(m.value >= 0 && m.pvalue >= 0 && m.pvalue <= 1) {
				t.Fatalf("%s: %+v", name, m)
			}
		}
	})
}

func TestLawCriticalValueHasAlpha(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for name, m := range overBins(pair(t)) {
			critical := m.critical(0.01)
			if clear := math.Abs(m.value-critical) > 1e-9*math.Abs(critical); clear && (m.pvalue < 0.01) != (m.value > critical) {
				t.Fatalf("%s: %+v", name, m)
			}
		}
	})
}

func TestLawSelfIsZero(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, _ := pair(t)
		for name, m := range overBins(s, s) {
			if !math.IsNaN(m.value) && m.value != 0 || m.pvalue < 1 {
				t.Fatalf("%s: %+v", name, m)
			}
		}
	})
}

func TestLawSymmetry(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ref, cur := pair(t)
		there, back := values(ref, cur), values(cur, ref)
		for _, name := range []string{"psi", "js", "hellinger", "tvd", "chi2", "ks"} {
			if !near(there[name], back[name]) {
				t.Fatalf("%s: %v and %v", name, there[name], back[name])
			}
		}
		if !near(there["psi"], there["kl"]+back["kl"]) {
			t.Fatalf("psi is %v, kl %v and %v", there["psi"], there["kl"], back["kl"])
		}
	})
}

func TestLawSharesDecide(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ref, cur := pair(t)
		before := values(ref, cur)
		scaled := values(both(times(ref.Bins, rapid.Uint64Range(1, 99).Draw(t, "a"))), both(times(cur.Bins, rapid.Uint64Range(1, 99).Draw(t, "b"))))
		for _, name := range []string{"js", "hellinger", "tvd", "ks"} {
			if !near(before[name], scaled[name]) {
				t.Fatalf("%s: %v, scaled %v", name, before[name], scaled[name])
			}
		}
	})
}

func times(counts []uint64, k uint64) []uint64 {
	out := slices.Clone(counts)
	for i := range out {
		out[i] *= k
	}
	return out
}

func TestLawOrderOfBinsIsFree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ref, cur := pair(t)
		before := values(ref, cur)
		order := rapid.Permutation(indices(len(ref.Bins))).Draw(t, "order")
		var r, c []uint64
		for _, i := range order {
			r, c = append(r, ref.Bins[i]), append(c, cur.Bins[i])
		}
		for name, v := range values(both(r), both(c)) {
			if name != "ks" && !near(v, before[name]) {
				t.Fatalf("%s: %v, reordered %v", name, before[name], v)
			}
		}
	})
}

func indices(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

func TestLawEmptyBinsAreDropped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ref, cur := pair(t)
		before := overBins(ref, cur)
		at := rapid.IntRange(0, len(ref.Bins)).Draw(t, "at")
		after := overBins(both(slices.Insert(slices.Clone(ref.Bins), at, 0)), both(slices.Insert(slices.Clone(cur.Bins), at, 0)))
		for name, m := range after {
			if b := before[name]; !same(m.value, b.value, 0, 0) || !same(m.pvalue, b.pvalue, 0, 0) || !same(m.critical(0.01), b.critical(0.01), 0, 0) {
				t.Fatalf("%s: %+v, with an empty bin %+v", name, b, m)
			}
		}
	})
}

// Merging bins loses information: no f-divergence may grow by it, nor KS.
func TestLawMergingBinsNeverIncreases(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bins := rapid.IntRange(3, 20).Draw(t, "bins")
		ref, cur := countsOf(bins).Draw(t, "ref"), countsOf(bins).Draw(t, "cur")
		before := values(both(ref), both(cur))
		at := rapid.IntRange(0, bins-2).Draw(t, "at")
		after := values(both(joined(ref, at)), both(joined(cur, at)))
		for _, name := range []string{"js", "hellinger", "tvd", "chi2", "ks"} {
			if after[name] > before[name]*(1+1e-9)+1e-9 {
				t.Fatalf("%s: %v, merged %v", name, before[name], after[name])
			}
		}
	})
}

func joined(counts []uint64, at int) []uint64 {
	out := slices.Delete(slices.Clone(counts), at, at+1)
	out[at] += counts[at]
	return out
}

func TestLawInequalities(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := values(pair(t))
		h, tv, js := v["hellinger"], v["tvd"], v["js"]
		const slack = 1e-9
		if h*h > tv+slack || tv > math.Sqrt2*h+slack { // Le Cam
			t.Fatalf("hellinger %v, tvd %v", h, tv)
		}
		if v["ks"] > tv+slack || js*js > tv+slack { // Lin 1991
			t.Fatalf("ks %v, js %v, tvd %v", v["ks"], js, tv)
		}
	})
}

func TestLawTriangle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bins := rapid.IntRange(1, 12).Draw(t, "bins")
		a, b, c := both(countsOf(bins).Draw(t, "a")), both(countsOf(bins).Draw(t, "b")), both(countsOf(bins).Draw(t, "c"))
		ab, bc, ac := values(a, b), values(b, c), values(a, c)
		for _, name := range []string{"js", "hellinger", "tvd", "ks"} {
			if ac[name] > ab[name]+bc[name]+1e-9 {
				t.Fatalf("%s: %v > %v + %v", name, ac[name], ab[name], bc[name])
			}
		}
	})
}
