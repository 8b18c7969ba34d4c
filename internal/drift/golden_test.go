package drift

import (
	"encoding/json"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/streammon/streammon/internal/sketch"
)

// number reads a golden figure; null is NaN.
type number float64

func (n *number) UnmarshalJSON(b []byte) error {
	*n = number(math.NaN())
	if string(b) == "null" {
		return nil
	}
	var s string
	if json.Unmarshal(b, &s) != nil {
		s = string(b)
	}
	f, err := strconv.ParseFloat(s, 64)
	*n = number(f)
	return err
}

// goldenBins are the expected statistics over one set of bins.
type goldenBins struct {
	Bins      int    `json:"bins_used"`
	PSI       number `json:"psi"`
	KL        number `json:"kl_cur_ref"`
	JS        number `json:"js_distance"`
	Hellinger number `json:"hellinger"`
	TVD       number `json:"tvd"`
	Chi2      *struct{ Statistic, P number }
	PSINull   *struct {
		Scale, Expected, P number
		At5                number `json:"threshold_alpha_0.05"`
		At1                number `json:"threshold_alpha_0.01"`
	} `json:"psi_null"`
}

type goldenNumeric struct {
	Name               string
	Reference, Current []number
	RefCounts          []uint64 `json:"ref_counts"`
	CurCounts          []uint64 `json:"cur_counts"`
	RefDeciles         []uint64 `json:"ref_decile_counts"`
	CurDeciles         []uint64 `json:"cur_decile_counts"`
	Expected           struct {
		Fine, Decile goldenBins
		KS           struct {
			Statistic number
			OnFine    number `json:"statistic_on_fine_bins"`
			P         number `json:"p_asymptotic"`
		}
		Wasserstein struct {
			Raw     number
			OverStd number `json:"over_ref_std_sample"`
		}
		Moments struct {
			StdDev number `json:"std_sample"`
		} `json:"reference_moments"`
	}
}

type goldenCategorical struct {
	Name               string
	Reference, Current map[string]uint64
	RefCounts          []uint64 `json:"ref_counts"`
	CurCounts          []uint64 `json:"cur_counts"`
	Unseen             uint64   `json:"cur_unseen"`
	Expected           struct {
		Pooled goldenBins  `json:"pooled_unseen"`
		Union  *goldenBins `json:"union"`
	}
}

func readGolden[T any](t *testing.T, name string) T {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var v T
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func same(got, want, relative, absolute float64) bool {
	return math.IsNaN(got) && math.IsNaN(want) || got == want || math.Abs(got-want) <= max(absolute, relative*math.Abs(want))
}

func checkValue(t *testing.T, what string, got float64, want number) {
	t.Helper()
	if !same(got, float64(want), 1e-9, 1e-12) {
		t.Errorf("%s: got %.17g, want %.17g", what, got, want)
	}
}

func checkP(t *testing.T, what string, got float64, want number) {
	t.Helper()
	if !same(got, float64(want), 1e-6, 1e-12) {
		t.Errorf("%s: p: got %.17g, want %.17g", what, got, want)
	}
}

// textbook is a statistic with all bins tested one by one, as the textbook has it.
func textbook(name string, c *comparison) measurement {
	s, _ := Lookup(name)
	return s.measure(c, c)
}

func valueOf(f func(*comparison) float64, c *comparison) float64 {
	if !c.overBins() {
		return math.NaN()
	}
	return f(c)
}

func (g *goldenBins) check(t *testing.T, ref, cur []uint64) {
	t.Helper()
	c := newComparison(Sample{Bins: ref}, Sample{Bins: cur})
	if c.bins != g.Bins {
		t.Errorf("bins: got %d, want %d", c.bins, g.Bins)
	}
	checkValue(t, "psi", valueOf(populationStability, c), g.PSI)
	checkValue(t, "kl", valueOf(kullbackLeibler, c), g.KL)
	checkValue(t, "js", valueOf(jensenShannon, c), g.JS)
	checkValue(t, "hellinger", valueOf(hellinger, c), g.Hellinger)
	checkValue(t, "tvd", valueOf(totalVariation, c), g.TVD)
	g.checkChi2(t, textbook("chi2", c))
	g.checkNull(t, ref, cur)
}

func (g *goldenBins) checkChi2(t *testing.T, m measurement) {
	t.Helper()
	if g.Chi2 == nil {
		checkValue(t, "chi2", m.value, number(math.NaN()))
		checkP(t, "chi2", m.pvalue, number(math.NaN()))
		return
	}
	checkValue(t, "chi2", m.value, g.Chi2.Statistic)
	checkP(t, "chi2", m.pvalue, g.Chi2.P)
}

func (g *goldenBins) checkNull(t *testing.T, ref, cur []uint64) {
	t.Helper()
	psi := textbook("psi", newComparison(Sample{Bins: ref}, Sample{Bins: cur}))
	if g.PSINull == nil {
		checkP(t, "psi", psi.pvalue, number(math.NaN()))
		return
	}
	checkP(t, "psi", psi.pvalue, g.PSINull.P)
	checkValue(t, "psi mean", psi.mean, g.PSINull.Expected)
	checkValue(t, "psi at 0.05", psi.critical(0.05), g.PSINull.At5)
	checkValue(t, "psi at 0.01", psi.critical(0.01), g.PSINull.At1)
}

func TestGoldenNumeric(t *testing.T) {
	for _, g := range readGolden[struct{ Cases []goldenNumeric }](t, "drift_numeric.json").Cases {
		t.Run(g.Name, func(t *testing.T) {
			g.Expected.Fine.check(t, g.RefCounts, g.CurCounts)
			g.Expected.Decile.check(t, g.RefDeciles, g.CurDeciles)
			c := newComparison(Sample{Fine: g.RefCounts}, Sample{Fine: g.CurCounts})
			checkValue(t, "ks", kolmogorovSmirnov(c), g.Expected.KS.OnFine)
			g.checkKSBound(t)
			g.checkWasserstein(t)
		})
	}
}

// checkKSBound holds the stated distance to the statistic of the values.
func (g *goldenNumeric) checkKSBound(t *testing.T) {
	widest := 0.0
	for i, r := range g.RefCounts {
		widest = max(widest, float64(r)/float64(total(g.RefCounts)), float64(g.CurCounts[i])/float64(total(g.CurCounts)))
	}
	low, raw := float64(g.Expected.KS.OnFine), float64(g.Expected.KS.Statistic)
	if raw < low-1e-12 || raw > low+widest {
		t.Errorf("ks of the values %v is not in [%v, %v]", raw, low, low+widest)
	}
}

func (g *goldenNumeric) checkWasserstein(t *testing.T) {
	ref, cur := present(g.Reference), present(g.Current)
	slices.Sort(ref)
	center := ref[len(ref)/2]
	r, s := expSample(center, ref), expSample(center, cur)
	r.StdDev = float64(g.Expected.Moments.StdDev)
	got := textbook("wasserstein", newComparison(r, s))
	if r.StdDev == 0 {
		checkValue(t, "wasserstein", got.value, number(math.NaN()))
		return
	}
	bound := (halfWidth(r.Exp) + halfWidth(s.Exp)) / r.StdDev
	if want := float64(g.Expected.Wasserstein.OverStd); !(math.Abs(got.value-want) <= bound) {
		t.Errorf("wasserstein: got %v, want %v within %v", got.value, want, bound)
	}
}

// halfWidth is the mean of half the width of the bucket a value is in: the stated bound.
func halfWidth(h *sketch.ExpHistogram) float64 {
	sum := 0.0
	h.Each(func(lower, upper float64, count uint64) { sum += float64(count) * (upper - lower) / 2 })
	return sum / float64(h.Count())
}

func present(xs []number) []float64 {
	var out []float64
	for _, x := range xs {
		if !math.IsNaN(float64(x)) {
			out = append(out, float64(x))
		}
	}
	return out
}

func expSample(center float64, xs []float64) Sample {
	h := sketch.NewExpHistogram(center)
	h.AddAll(xs)
	return Sample{Exp: &h}
}

func TestGoldenCategorical(t *testing.T) {
	for _, g := range readGolden[struct{ Cases []goldenCategorical }](t, "drift_categorical.json").Cases {
		t.Run(g.Name, func(t *testing.T) {
			g.Expected.Pooled.check(t, append(g.RefCounts, 0), append(g.CurCounts, g.Unseen))
			if g.Expected.Union != nil {
				ref, cur := unionCounts(g.Reference, g.Current)
				g.Expected.Union.check(t, ref, cur)
			}
		})
	}
}

func unionCounts(a, b map[string]uint64) (ref, cur []uint64) {
	all := maps.Clone(a)
	maps.Copy(all, b)
	for k := range all {
		ref, cur = append(ref, a[k]), append(cur, b[k])
	}
	return ref, cur
}

type goldenTails struct {
	Chi2 []struct {
		DOF int
		At5 float64 `json:"isf_0.05"`
		At1 float64 `json:"isf_0.01"`
		At0 float64 `json:"isf_0.001"`
		SF  []struct{ X, P float64 }
	}
	Kolmogorov []struct{ X, SF float64 } `json:"kolmogorov_limit"`
}

func TestGoldenTails(t *testing.T) {
	g := readGolden[goldenTails](t, "significance.json")
	for _, c := range g.Chi2 {
		dof := float64(c.DOF)
		for _, p := range c.SF {
			checkP(t, "chi-square", chiSquareSurvival(dof, p.X), number(p.P))
		}
		checkValue(t, "chi-square quantile", chiSquareQuantile(dof, 0.05), number(c.At5))
		checkValue(t, "chi-square quantile", chiSquareQuantile(dof, 0.01), number(c.At1))
		checkValue(t, "chi-square quantile", chiSquareQuantile(dof, 0.001), number(c.At0))
	}
	for _, p := range g.Kolmogorov {
		checkP(t, "Kolmogorov", kolmogorovSurvival(p.X), number(p.SF))
	}
}
