package drift

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// halves is a sample with k of 1,000 values in the second of two bins.
func halves(k uint64) Sample { return Sample{Bins: []uint64{1000 - k, k}} }

func TestState(t *testing.T) {
	// Against 500 of 1,000, the PSI net of its mean of 0.002 is 0.034 for 595, 0.059
	// for 622 and 0.111 for 665, and its critical value is 0.013.
	for _, c := range []struct {
		name     string
		ref, cur Sample
		opt      Options
		want     string
	}{
		{"same", halves(500), halves(500), Options{}, OK},
		{"significant, too small an effect", halves(500), halves(595), Options{}, OK},
		{"half the floor", halves(500), halves(622), Options{}, Warning},
		{"the floor", halves(500), halves(665), Options{}, Drift},
		{"higher floor", halves(500), halves(665), Options{Floor: 0.2}, Warning},
		{"lower floor", halves(500), halves(595), Options{Floor: 0.03}, Drift},
		{"insignificant, large effect", halves(500), Sample{Bins: []uint64{2, 8}}, Options{}, OK},
		{"less strict", halves(500), Sample{Bins: []uint64{2, 8}}, Options{Alpha: 0.5}, Drift},
		{"enough values", halves(500), halves(665), Options{MinSamples: 1000}, Drift},
		{"too few values", halves(500), halves(665), Options{MinSamples: 1001}, ""},
		{"empty window", halves(500), Sample{Bins: []uint64{0, 0}}, Options{}, ""},
		{"empty reference", Sample{Bins: []uint64{0, 0}}, halves(500), Options{}, ""},
		{"no bins", Sample{}, Sample{}, Options{}, ""},
		{"other bins", halves(500), Sample{Bins: []uint64{300, 300, 300}}, Options{}, ""},
		{"one bin", Sample{Bins: []uint64{300, 0}}, Sample{Bins: []uint64{200, 0}}, Options{}, OK},
		{"one bin, by chi-square", Sample{Bins: []uint64{300, 0}}, Sample{Bins: []uint64{200, 0}}, Options{DecideBy: "chi2"}, ""},
		{"leaves its only bin", Sample{Bins: []uint64{300, 0}}, Sample{Bins: []uint64{0, 200}}, Options{}, Drift},
		{"by name", halves(500), halves(665), Options{DecideBy: "hellinger_distance"}, Drift},
		{"decides unshown", halves(500), halves(665), Options{DecideBy: "tvd", Statistics: []string{"js"}}, Drift},
		{"chi-square has an effect, too", halves(500), halves(595), Options{DecideBy: "chi2"}, OK},
		{"chi-square", halves(500), halves(665), Options{DecideBy: "chi2"}, Drift},
		{"ks of a categorical feature is psi", halves(500), halves(665), Options{DecideBy: "ks"}, Drift},
		{"unknown statistic", halves(500), halves(665), Options{DecideBy: "psy"}, ""},
	} {
		if _, got := Evaluate(c.ref, c.cur, c.opt); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// TestTooFewValuesHaveNoThreshold: where there can be no verdict there is no value from
// which on there would be drift.
func TestTooFewValuesHaveNoThreshold(t *testing.T) {
	for least, want := range map[uint64]bool{1000: true, 1001: false} {
		outcomes, _ := Evaluate(halves(500), halves(665), Options{MinSamples: least})
		for _, o := range outcomes {
			if o.Statistic == "missing_psi" {
				continue // nothing is missing
			}
			if math.IsNaN(o.Value) || math.IsNaN(o.PValue) || math.IsNaN(o.Threshold) == want {
				t.Errorf("of at least %d: %+v", least, o)
			}
		}
	}
}

func TestFloorIsOfTheDecidingStatisticOnly(t *testing.T) {
	plain, _ := Evaluate(halves(500), halves(600), Options{})
	raised, _ := Evaluate(halves(500), halves(600), Options{DecideBy: "tvd", Floor: 0.3})
	for i, o := range plain {
		if changed := !same(raised[i].Threshold, o.Threshold, 0, 0); changed != (o.Statistic == "total_variation") {
			t.Errorf("%s: threshold %v, then %v", o.Statistic, o.Threshold, raised[i].Threshold)
		}
	}
}

func TestStatisticsShown(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	numeric, categorical := numericSample(rng, 500, 0), halves(500)
	all := []string{"psi", "js_distance", "kl_divergence", "hellinger_distance", "total_variation", "chi_square", "ks_statistic", "wasserstein_normalized", "missing_psi"}
	for _, c := range []struct {
		sample Sample
		chosen []string
		want   []string
	}{
		{numeric, nil, all},
		{categorical, nil, append(slices.Clone(all[:6]), all[8])},
		{numeric, []string{"ks", "js_distance"}, []string{"js_distance", "ks_statistic"}},
		{categorical, []string{"ks", "js_distance"}, []string{"js_distance"}},
	} {
		outcomes, _ := Evaluate(c.sample, c.sample, Options{Statistics: c.chosen})
		var got []string
		for _, o := range outcomes {
			got = append(got, o.Statistic)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v: got %v, want %v", c.chosen, got, c.want)
		}
	}
}

func TestLookup(t *testing.T) {
	for _, s := range Catalogue {
		for _, name := range []string{s.Name, s.Short} {
			if got, ok := Lookup(name); !ok || got.Name != s.Name {
				t.Errorf("%s: got %v %v", name, got.Name, ok)
			}
		}
		if s.Help == "" || !s.Numeric || s.Floor <= 0 || s.value == nil || s.null == nil {
			t.Errorf("%s is incomplete: %+v", s.Name, s)
		}
	}
	if _, ok := Lookup("wasser"); ok {
		t.Error("found a statistic by half its name")
	}
}

// The state is what value and threshold say, and what is undefined is NaN, not infinite.
func TestLawStateFollowsThreshold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ref, cur := pair(t)
		for _, s := range Catalogue[:7] {
			outcomes, state := Evaluate(ref, cur, Options{DecideBy: s.Name, Statistics: []string{s.Name}})
			o := outcomes[0]
			for _, f := range []float64{o.Value, o.PValue, o.Threshold} {
				if math.IsInf(f, 0) {
					t.Fatalf("%+v", o)
				}
			}
			if (state == "") != math.IsNaN(o.Value) || (state == Drift) != (o.Value >= o.Threshold) {
				t.Fatalf("%+v is %q", o, state)
			}
			if state == Warning && o.PValue > DefaultAlpha*(1+1e-6) {
				t.Fatalf("%+v is not significant", o)
			}
		}
	})
}

func TestStatesAreStrictlyOrdered(t *testing.T) {
	for _, s := range Catalogue[:6] {
		last := 0
		for k := uint64(500); k <= 1000; k += 5 {
			_, state := Evaluate(halves(500), halves(k), Options{DecideBy: s.Name})
			rank := slices.Index([]string{OK, Warning, Drift}, state)
			if rank < last {
				t.Errorf("%s: %q at %d after a worse one", s.Name, state, k)
			}
			last = rank
		}
		if last != 2 {
			t.Errorf("%s never drifts", s.Name)
		}
	}
}

func TestHugeCounts(t *testing.T) {
	const huge = math.MaxUint64 / 4
	ref, cur := both([]uint64{huge, huge, 0}), both([]uint64{huge, huge / 2, 1})
	for name, m := range overBins(ref, cur) {
		if sum := m.value + m.mean + m.critical(0.01); math.IsNaN(sum+m.pvalue) || math.IsInf(sum, 0) {
			t.Errorf("%s: %+v", name, m)
		}
	}
}

func TestManyBins(t *testing.T) {
	ref, cur := make([]uint64, 65_536), make([]uint64, 65_536)
	for i := range ref {
		ref[i], cur[i] = 100, uint64(50+i%2)
	}
	if outcomes, state := Evaluate(Sample{Bins: ref}, Sample{Bins: cur}, Options{}); state != OK || math.IsNaN(outcomes[0].PValue) {
		t.Errorf("got %q, %+v", state, outcomes[0])
	}
}

// TestSmallWindowsAreQuiet: where all bins are sparse there is still a test, and not the floor alone.
func TestSmallWindowsAreQuiet(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 3))
	ref := Sample{Bins: multinomial(rng, 50_000, even(10))}
	drifted := 0
	const windows = 2000
	for range windows {
		if _, state := Evaluate(ref, Sample{Bins: multinomial(rng, 49, even(10))}, Options{}); state != OK {
			drifted++
		}
	}
	if drifted > windows/50 {
		t.Errorf("%d of %d quiet windows are not ok", drifted, windows)
	}
}

// TestPooledBinsAreFew: the reference's bins are tested in at most a hundred groups, in which enough is expected.
func TestPooledBinsAreFew(t *testing.T) {
	for _, bins := range []int{1, 2, 7, 99, 1000} {
		for _, n := range []float64{5, 49, 1000, 1e6} {
			ref := slices.Repeat([]uint64{1000}, bins)
			c := newComparison(Sample{Bins: ref}, Sample{Bins: ref}).pooled(n, 0, minExpected)
			if len(c.ref.Bins) > maxTested || total(c.ref.Bins) != uint64(bins)*1000 || total(c.cur.Bins) != total(c.ref.Bins) {
				t.Errorf("%d bins, windows of %g: %d are tested", bins, n, len(c.ref.Bins))
			}
			for _, r := range c.ref.Bins {
				if len(c.ref.Bins) > 1 && float64(r)*min(n, c.m) < minExpected*c.m {
					t.Errorf("%d bins, windows of %g: one has %d of %g", bins, n, r, c.m)
				}
			}
		}
	}
}

// TestMissingValuesDecide: a feature that goes missing has moved, whatever the values that are left.
func TestMissingValuesDecide(t *testing.T) {
	absent := func(s Sample, n uint64) Sample { s.Absent = n; return s }
	few := Sample{Bins: []uint64{5, 5}}
	for _, c := range []struct {
		name     string
		ref, cur Sample
		want     string
	}{
		{"none at any time", halves(500), halves(500), OK},
		{"as many as before", absent(halves(500), 50), absent(halves(500), 52), OK},
		{"somewhat more", absent(halves(500), 10), absent(halves(500), 20), OK},
		{"many", absent(halves(500), 10), absent(halves(500), 100), Drift},
		{"where there was none", halves(500), absent(halves(500), 100), Drift},
		{"nearly all", absent(halves(500), 10), absent(few, 990), Drift},
		{"all", absent(halves(500), 10), Sample{Bins: []uint64{0, 0}, Absent: 1000}, Drift},
		{"none any more", absent(halves(500), 300), halves(500), Drift},
		{"the values move, too", absent(halves(500), 10), absent(halves(665), 11), Drift},
		{"too few to say", absent(halves(500), 10), absent(few, 100), ""},
	} {
		a := Assess(c.ref, c.cur, Options{MinSamples: 200})
		if _, got := a.Judge(nil, DefaultAlpha); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
		if significant := a.PValue() <= DefaultAlpha; significant != (c.want == Drift) {
			t.Errorf("%s: the p-value is %v", c.name, a.PValue())
		}
	}
}
