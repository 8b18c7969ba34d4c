package drift

import (
	"cmp"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/streammon/streammon/internal/sketch"
)

// valuesPair draws two samples of values and the bins of the first one: some edges of its values.
func valuesPair(t *rapid.T) (ref, cur Sample, edges []float64) {
	value := rapid.OneOf(rapid.Float64Range(-100, 100), rapid.Map(rapid.IntRange(-5, 5), func(i int) float64 { return float64(i) }))
	a := rapid.SliceOfN(value, 2, 60).Draw(t, "ref")
	b := rapid.SliceOfN(value, 1, 60).Draw(t, "cur")
	edges = slices.Clone(a[:rapid.IntRange(0, len(a)).Draw(t, "edges")])
	slices.Sort(edges)
	edges = slices.Compact(edges)
	return numericOf(t, a, a[0], edges), numericOf(t, b, a[0], edges), edges
}

// numericOf bins the values by the edges, which are those of the deciles, too.
func numericOf(t fataler, xs []float64, center float64, edges []float64) Sample {
	t.Helper()
	bins, err := sketch.NewBins(edges)
	if err != nil {
		t.Fatal(err)
	}
	s := expSample(center, xs)
	s.Fine = make([]uint64, bins.Len())
	for _, x := range xs {
		s.Fine[bins.Index(x)]++
	}
	var m sketch.Moments
	m.AddAll(xs)
	s.Bins, s.StdDev = s.Fine, m.StdDev()
	return s
}

type fataler interface {
	Helper()
	Fatal(...any)
}

// ofValue is what the parts of a statistic add up to, by its value.
func ofValue(name string, value float64, ref, cur Sample) float64 {
	c := newComparison(ref, cur)
	switch name {
	case "js":
		return value * value * 4 * math.Ln2
	case "hellinger":
		return 2 * value * value
	case "tvd":
		return 2 * value
	case "chi2":
		return value / (c.m * c.n)
	case "wasserstein":
		return value * ref.StdDev
	}
	return value
}

// TestLawPartsSum holds that the parts add up to the statistic, and that none takes away from it.
func TestLawPartsSum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ref, cur, edges := valuesPair(t)
		for _, s := range Catalogue {
			if s.parts == nil {
				continue
			}
			c := newComparison(ref, cur)
			value, sum := s.measure(c, c).value, 0.0
			for _, p := range s.parts(c, edges) {
				if !(p.Contribution >= 0) {
					t.Fatalf("%s: %+v", s.Name, p)
				}
				sum += p.Contribution
			}
			if math.IsNaN(value) {
				if e := Explain(ref, cur, edges, Options{DecideBy: s.Name}); len(e.Parts) > 0 {
					t.Fatalf("%s is undefined: %+v", s.Name, e)
				}
				continue
			}
			if want := ofValue(s.Short, value, ref, cur); !same(sum, want, 1e-9, 1e-12) {
				t.Fatalf("%s: parts add up to %v, not %v", s.Name, sum, want)
			}
		}
	})
}

// TestLawExplain holds how many parts there are, their order, shares and sums.
func TestLawExplain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ref, cur, edges := valuesPair(t)
		for _, s := range Catalogue {
			if s.parts == nil {
				continue
			}
			e := Explain(ref, cur, edges, Options{DecideBy: s.Short})
			value := s.measure(newComparison(ref, cur), newComparison(ref, cur)).value
			if e.Statistic != s.Name || len(e.Parts) > MaxParts || len(e.Parts) > len(ref.Bins) || (len(e.Parts) > 0) != (value > 1e-12) && value > 1e-12 {
				t.Fatalf("%s of %v: %+v", s.Name, value, e)
			}
			sum := 0.0
			for i, p := range e.Parts {
				sum += p.Contribution
				if i > 0 && cmp.Or(cmp.Compare(e.Parts[i-1].Contribution, p.Contribution), cmp.Compare(p.First, e.Parts[i-1].First)) <= 0 {
					t.Fatalf("%s: order: %+v", s.Name, e.Parts)
				}
				side := func(x Sample) float64 {
					counts := x.Bins
					if e.Fine {
						counts = x.Fine
					}
					return float64(total(counts[p.First:p.Last+1])) / float64(total(counts))
				}
				if !near(p.Reference, side(ref)) || !near(p.Current, side(cur)) || !(p.Contribution > 0) {
					t.Fatalf("%s: %+v, shares are %v and %v", s.Name, p, side(ref), side(cur))
				}
			}
			if sum > 1+1e-9 || len(e.Parts) > 0 && len(e.Parts) < MaxParts && sum < 1-1e-9 {
				t.Fatalf("%s: contributions add up to %v: %+v", s.Name, sum, e)
			}
		}
	})
}

// TestLawPartsPermute holds that where a bin stands does not matter to the sums over bins.
func TestLawPartsPermute(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ref, cur := pair(t)
		order := rapid.Permutation(indices(len(ref.Bins))).Draw(t, "order")
		moved := func(counts []uint64) Sample {
			out := make([]uint64, len(counts))
			for from, to := range order {
				out[to] = counts[from]
			}
			return Sample{Bins: out}
		}
		for _, s := range Catalogue[:6] {
			want := s.parts(newComparison(ref, cur), nil)
			got := s.parts(newComparison(moved(ref.Bins), moved(cur.Bins)), nil)
			for _, w := range want {
				at := slices.IndexFunc(got, func(p Part) bool { return p.First == order[w.First] })
				if at < 0 || got[at].Reference != w.Reference || got[at].Current != w.Current || got[at].Contribution != w.Contribution {
					t.Fatalf("%s: %+v is missing or another in %+v", s.Name, w, got)
				}
			}
			if len(got) != len(want) {
				t.Fatalf("%s: %d parts, then %d", s.Name, len(want), len(got))
			}
		}
	})
}

// TestExplainByHand has numbers that were worked out with a pencil.
func TestExplainByHand(t *testing.T) {
	// Shares 0.5, 0.3, 0.2 become 0.2, 0.3, 0.5; an unseen bin has nothing.
	ref, cur := Sample{Bins: []uint64{50, 30, 20, 0}}, Sample{Bins: []uint64{20, 30, 50, 0}}
	for name, want := range map[string][]Part{
		"tvd":  {{0, 0, 0.5, 0.2, 0.5}, {2, 2, 0.2, 0.5, 0.5}},
		"chi2": {{0, 0, 0.5, 0.2, 0.5}, {2, 2, 0.2, 0.5, 0.5}},
		// 0.5 ln(2.5) - 0.3 and 0.2 ln(0.4) + 0.3, smoothed: 50.5/101.5 and 20.5/101.5.
		"kl": {
			{2, 2, 0.2, 0.5, (50.5*math.Log(50.5/20.5) - 30) / (30 * math.Log(50.5/20.5))},
			{0, 0, 0.5, 0.2, (20.5*math.Log(20.5/50.5) + 30) / (30 * math.Log(50.5/20.5))},
		},
	} {
		checkParts(t, name, Explain(ref, cur, nil, Options{DecideBy: name}), want)
	}
	// Smoothed, 50.5, 30.5 and 20.5 of 101.5 become 20.5, 40.5 and 40.5: PSI's terms are 30 ln(50.5/20.5) and so on.
	cur = Sample{Bins: []uint64{20, 40, 40, 0}}
	a, b, c := 30*math.Log(50.5/20.5), 10*math.Log(40.5/30.5), 20*math.Log(40.5/20.5)
	checkParts(t, "psi", Explain(ref, cur, nil, Options{}), []Part{{0, 0, 0.5, 0.2, a / (a + b + c)}, {2, 2, 0.2, 0.4, c / (a + b + c)}, {1, 1, 0.3, 0.4, b / (a + b + c)}})
	// 1/4 of the values leave the first of three bins for the last one: Hellinger's terms are
	// (√0.25 - √0.5)² and (√0.5 - √0.25)², and no term for the middle.
	ref, cur = Sample{Bins: []uint64{2, 1, 1}}, Sample{Bins: []uint64{4, 4, 8}}
	checkParts(t, "hellinger", Explain(ref, cur, nil, Options{DecideBy: "hellinger"}), []Part{{0, 0, 0.5, 0.25, 0.5}, {2, 2, 0.25, 0.5, 0.5}})
	// Six bins that moved, of which the first with the least is left out.
	ref, cur = Sample{Bins: []uint64{10, 10, 10, 10, 10, 10}}, Sample{Bins: []uint64{11, 8, 14, 4, 13, 10}}
	checkParts(t, "tvd", Explain(ref, cur, nil, Options{DecideBy: "tvd"}), []Part{
		{3, 3, 1.0 / 6, 4.0 / 60, 6.0 / 16}, {2, 2, 1.0 / 6, 14.0 / 60, 4.0 / 16}, {4, 4, 1.0 / 6, 13.0 / 60, 3.0 / 16},
		{1, 1, 1.0 / 6, 8.0 / 60, 2.0 / 16}, {0, 0, 1.0 / 6, 11.0 / 60, 1.0 / 16},
	})
	// Nothing moved, nothing can be compared, no such statistic.
	for _, e := range []Explanation{
		Explain(ref, ref, nil, Options{}), Explain(ref, Sample{Bins: make([]uint64, 6)}, nil, Options{}), Explain(ref, cur, nil, Options{DecideBy: "none"}),
	} {
		if len(e.Parts) > 0 {
			t.Errorf("%+v", e)
		}
	}
}

// TestExplainDistancesByHand: 0, 1, 2, 3 become 0, 1, 5, 5.
func TestExplainDistancesByHand(t *testing.T) {
	edges := []float64{0, 1, 2, 3}
	ref, cur := numericOf(t, []float64{0, 1, 2, 3}, 1, edges), numericOf(t, []float64{0, 1, 5, 5}, 1, edges)
	e := Explain(ref, cur, edges, Options{DecideBy: "ks"})
	checkParts(t, "ks", e, []Part{{0, 3, 1, 0.5, 1}}) // the gaps are 0, 0, 1/4, 1/2
	if !e.Fine {
		t.Error("ks: not of fine bins")
	}
	// Areas: 1/4 over (2, 3], 1/2 over (3, 5], so 1/4 and 1 of 5/4; within half a bucket (1.1 %) each.
	e = Explain(ref, cur, edges, Options{DecideBy: "wasserstein"})
	if len(e.Parts) < 2 || !e.Fine {
		t.Fatalf("wasserstein: %+v", e)
	}
	first, second := e.Parts[0], e.Parts[1]
	if first.First != 4 || first.Reference != 0 || first.Current != 0.5 || !same(first.Contribution, 0.8, 0, 0.03) ||
		second.First != 3 || second.Reference != 0.25 || second.Current != 0 || !same(second.Contribution, 0.2, 0, 0.03) {
		t.Errorf("wasserstein: %+v", e.Parts)
	}
}

func checkParts(t *testing.T, name string, e Explanation, want []Part) {
	t.Helper()
	ok := len(e.Parts) == len(want)
	for i := 0; ok && i < len(want); i++ {
		g, w := e.Parts[i], want[i]
		ok = g.First == w.First && g.Last == w.Last && near(g.Reference, w.Reference) && near(g.Current, w.Current) && near(g.Contribution, w.Contribution)
	}
	if !ok {
		t.Errorf("%s: %+v, want %+v", name, e.Parts, want)
	}
}

func BenchmarkExplain(b *testing.B) {
	ref, cur, edges := benchSamples(b)
	for _, s := range Catalogue {
		b.Run(s.Short, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Explain(ref, cur, edges, Options{DecideBy: s.Short})
			}
		})
	}
}

// benchSamples are two normal samples, a standard deviation apart, in 60 bins.
func benchSamples(b *testing.B) (ref, cur Sample, edges []float64) {
	var xs, ys []float64
	for i := 1; i < 10_000; i++ {
		x := math.Erfinv(2*float64(i)/10_000-1) * math.Sqrt2
		xs, ys = append(xs, x), append(ys, x+1)
		if i%167 == 0 {
			edges = append(edges, x)
		}
	}
	return numericOf(b, xs, 0, edges), numericOf(b, ys, 0, edges), edges
}
