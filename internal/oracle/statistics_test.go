package oracle

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/streammon/streammon/internal/event"
)

// golden are values made by numpy and scipy.
type golden struct {
	Numeric []struct {
		Name               string
		Reference, Current []*float64
		Edges              []float64
		EdgeIsDecile       []bool   `json:"edge_is_decile"`
		RefCounts          []uint64 `json:"ref_counts"`
		CurCounts          []uint64 `json:"cur_counts"`
		RefDeciles         []uint64 `json:"ref_decile_counts"`
		CurDeciles         []uint64 `json:"cur_decile_counts"`
		Expected           struct {
			Fine, Decile   goldenStatistics
			OutOfRange     float64  `json:"out_of_range_ratio"`
			KS             float64  `json:"ks_on_fine_bins"`
			Wasserstein    *float64 `json:"wasserstein_over_std"`
			ReferenceStd   float64  `json:"reference_std"`
			CurrentMoments struct {
				Count, Missing, Distinct uint64
				Mean, M2, Min, Max       float64
				Std                      float64 `json:"std_sample"`
				Quantiles                map[string]float64
			} `json:"current"`
		}
	}
	Categorical []struct {
		Name      string
		Current   map[string]uint64
		Bins      []string
		RefCounts []uint64 `json:"ref_counts"`
		CurCounts []uint64 `json:"cur_counts"`
		Unseen    uint64   `json:"cur_unseen"`
		Expected  goldenStatistics
	}
}

type goldenStatistics struct {
	PSI       float64
	KL        float64 `json:"kl_cur_ref"`
	JS        float64 `json:"js_distance"`
	Hellinger float64
	TVD       float64
	Chi2      *float64
}

func readGolden(t *testing.T) (g golden) {
	text, err := os.ReadFile("testdata/drift.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

// equal compares to 1e-9, or 1e-12 near 0; nil stands for undefined.
func equal(t *testing.T, name string, got float64, want *float64) {
	t.Helper()
	if want == nil {
		if !math.IsNaN(got) {
			t.Errorf("%s is %v, want undefined", name, got)
		}
		return
	}
	if !(math.Abs(got-*want) <= max(1e-9*math.Abs(*want), 1e-12)) {
		t.Errorf("%s is %v, want %v", name, got, *want)
	}
}

func (g goldenStatistics) check(t *testing.T, got Statistics) {
	t.Helper()
	equal(t, "PSI", got.PSI, &g.PSI)
	equal(t, "KL", got.KL, &g.KL)
	equal(t, "JS", got.JS, &g.JS)
	equal(t, "Hellinger", got.Hellinger, &g.Hellinger)
	equal(t, "TVD", got.TVD, &g.TVD)
	equal(t, "chi-square", got.ChiSquare, g.Chi2)
}

func TestNumericGolden(t *testing.T) {
	for _, c := range readGolden(t).Numeric {
		t.Run(c.Name, func(t *testing.T) {
			var sample []float64
			for _, x := range c.Reference {
				if x != nil {
					sample = append(sample, *x)
				}
			}
			ref := referenceOf(sample)
			if !slices.Equal(ref.Edges, c.Edges) || !slices.Equal(ref.EdgeIsDecile, c.EdgeIsDecile) || !slices.Equal(ref.Counts, c.RefCounts) {
				t.Errorf("reference bins %v %v %v", ref.Edges, ref.EdgeIsDecile, ref.Counts)
			}
			equal(t, "reference deviation", ref.StdDev, &c.Expected.ReferenceStd)
			var readings []reading
			for _, x := range c.Current {
				if x == nil {
					readings = append(readings, reading{})
				} else {
					readings = append(readings, reading{state: event.Valid, number: *x})
				}
			}
			got, want := figures(Feature{Reference: ref}, readings), c.Expected.CurrentMoments
			if got.Count != want.Count || got.Missing != want.Missing || got.Distinct != want.Distinct {
				t.Errorf("count %d, missing %d, distinct %d, want %+v", got.Count, got.Missing, got.Distinct, want)
			}
			if !slices.Equal(got.Fine, c.CurCounts) || !slices.Equal(got.Bins, c.CurDeciles) || !slices.Equal(got.ReferenceBins, c.RefDeciles) {
				t.Errorf("bins %v, deciles %v and %v", got.Fine, got.Bins, got.ReferenceBins)
			}
			c.Expected.Decile.check(t, got.Drift)
			c.Expected.Fine.check(t, compare(ref.Counts, got.Fine))
			equal(t, "KS", got.Drift.KS, &c.Expected.KS)
			equal(t, "Wasserstein", got.Drift.Wasserstein, c.Expected.Wasserstein)
			equal(t, "out of range", float64(got.OutOfRange)/float64(got.Count), &c.Expected.OutOfRange)
			equal(t, "mean", got.Mean, &want.Mean)
			equal(t, "M2", got.M2, &want.M2)
			equal(t, "deviation", got.StdDev, &want.Std)
			equal(t, "min", got.Min, &want.Min)
			equal(t, "max", got.Max, &want.Max)
			for name, x := range want.Quantiles {
				var q float64
				if err := json.Unmarshal([]byte(name), &q); err != nil {
					t.Fatal(err)
				}
				equal(t, "quantile "+name, Quantile(got.Values, q), &x)
			}
		})
	}
}

func TestCategoricalGolden(t *testing.T) {
	for _, c := range readGolden(t).Categorical {
		t.Run(c.Name, func(t *testing.T) {
			var readings []reading
			for category, n := range c.Current {
				for range n {
					readings = append(readings, reading{state: event.Valid, text: category})
				}
			}
			got := figures(Feature{Categorical: true, Reference: &Reference{Categories: c.Bins, CategoryCounts: c.RefCounts}}, readings)
			if got.Unseen != c.Unseen || !slices.Equal(got.Bins, append(c.CurCounts, c.Unseen)) || got.Distinct != uint64(len(c.Current)) {
				t.Errorf("bins %v, unseen %d, distinct %d", got.Bins, got.Unseen, got.Distinct)
			}
			c.Expected.check(t, got.Drift)
		})
	}
}

func TestUndefined(t *testing.T) {
	ref := referenceOf([]float64{1, 2, 3})
	none := figures(Feature{Reference: ref}, []reading{{}, {state: event.Invalid}})
	one := figures(Feature{Reference: ref}, []reading{{state: event.Valid, number: 2}})
	for name, x := range map[string]float64{
		"mean": none.Mean, "M2": none.M2, "deviation": none.StdDev, "min": none.Min, "max": none.Max,
		"PSI": none.Drift.PSI, "JS": none.Drift.JS, "KL": none.Drift.KL, "Hellinger": none.Drift.Hellinger, "TVD": none.Drift.TVD,
		"chi-square": none.Drift.ChiSquare, "KS": none.Drift.KS, "Wasserstein": none.Drift.Wasserstein,
		"deviation of one value": one.StdDev, "quantile of nothing": Quantile(nil, 0.5),
		"Wasserstein from nothing": wasserstein(nil, []float64{1}),
	} {
		if !math.IsNaN(x) {
			t.Errorf("%s is %v", name, x)
		}
	}
	if one.Mean != 2 || one.M2 != 0 || math.IsNaN(one.Drift.PSI) {
		t.Errorf("one value has mean %v, M2 %v, PSI %v", one.Mean, one.M2, one.Drift.PSI)
	}
}

func TestSumsAreCompensated(t *testing.T) {
	if got := sum([]float64{1, 1e100, 1, -1e100}); got != 2 {
		t.Errorf("sum is %v, want 2", got)
	}
	mean, m2, _ := moments([]float64{1e9 + 1, 1e9 + 2, 1e9 + 3, 1e9 + 6})
	if mean != 1e9+3 || m2 != 14 {
		t.Errorf("mean %v, M2 %v", mean, m2)
	}
}

// TestHugeMoments is of values whose sums and squares overflow.
func TestHugeMoments(t *testing.T) {
	mean, m2, stddev := moments([]float64{-1e308, -1e308, -1e308, 1e308, 1e308, 3})
	if want := -1e308 / 6; math.Abs(mean-want) > 1e-15*1e308 || !math.IsInf(m2, 1) || math.Abs(stddev-math.Sqrt((5-1.0/6)/5)*1e308) > 1e-14*1e308 {
		t.Errorf("mean %g, %g, standard deviation %g", mean, m2, stddev)
	}
}
