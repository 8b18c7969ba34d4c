package eval

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/streammon/streammon/internal/sketch"
)

// rankingNames are this package's names of the figures of the reference values.
var rankingNames = map[string]string{
	"ndcg_linear":       "ndcg",
	"average_precision": "mean_average_precision",
	"reciprocal_rank":   "mean_reciprocal_rank",
	"precision_k":       "precision_at_k",
	"recall":            "recall_at_k",
	"hit":               "hit_rate",
}

type rankingQuery struct {
	Items            []string
	Score, Relevance []float64
}

// pair returns the query as a list, the highest score first, and its relevant items.
func (q *rankingQuery) pair() pair {
	order := make([]int, len(q.Items))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case q.Score[a] > q.Score[b]:
			return -1
		case q.Score[a] < q.Score[b]:
			return 1
		}
		return 0
	})
	var x pair
	for _, i := range order {
		x.p.Items = append(x.p.Items, sketch.HashText([]byte(q.Items[i])))
	}
	for i, item := range q.Items {
		x.l.Items = append(x.l.Items, sketch.HashText([]byte(item)))
		x.l.Relevance = append(x.l.Relevance, q.Relevance[i])
	}
	return x
}

func TestRankingReference(t *testing.T) {
	type value map[string]*float64
	var file struct {
		K     []int
		Cases []struct {
			Name     string
			Catalog  []string
			Queries  []rankingQuery
			Expected map[string]struct {
				PerQuery []value `json:"per_query"`
				Mean     map[string]struct {
					Value   *float64 `json:"over_defined"`
					Defined uint64
				}
				Coverage float64
				Shown    float64 `json:"items_shown"`
			}
		}
	}
	readReference(t, "ranking.json", &file)
	if len(file.Cases) != 6 || len(file.K) != 4 {
		t.Fatalf("%d cases", len(file.Cases))
	}
	for _, c := range file.Cases {
		x := partTest[*ranking]{spec: Spec{Task: Ranking, K: file.K, Catalog: len(c.Catalog)}, empty: newRanking}
		var pairs []pair
		for i := range c.Queries {
			pairs = append(pairs, c.Queries[i].pair())
		}
		all := x.of(pairs...)
		figures := all.figures(&x.spec, nil)
		for i, k := range file.K {
			at, want := strconv.Itoa(k), c.Expected[strconv.Itoa(k)]
			for name, own := range rankingNames {
				what := fmt.Sprintf("%s: %s at %s", c.Name, own, at)
				mean, ok := want.Mean[name]
				if !ok || len(want.PerQuery) != len(pairs) {
					t.Fatalf("%s is not in the file", what)
				}
				agree(t, what, figureOf(figures, own, at), mean.Value, 1e-9)
				if got := all.cuts[i].ndcg.Count; name == "ndcg_linear" && got != mean.Defined {
					t.Errorf("%s: %d queries, want %d", what, got, mean.Defined)
				}
				var values []float64
				for j := range pairs {
					one := x.of(pairs[j]).figures(&x.spec, nil)
					agree(t, fmt.Sprintf("%s of query %d", what, j), figureOf(one, own, at), want.PerQuery[j][name], 1e-9)
					if v := want.PerQuery[j][name]; v != nil {
						values = append(values, *v)
					}
				}
				if f := figureOf(figures, own, at); f != nil && len(values) > 1 {
					stderr := deviation(values) / math.Sqrt(float64(len(values)))
					if math.Abs(f.StdErr-stderr) > 1e-9*stderr+1e-12 {
						t.Errorf("%s: ± %g, want %g", what, f.StdErr, stderr)
					}
				}
			}
			agree(t, c.Name+": coverage at "+at, figureOf(figures, "catalog_coverage", at), &want.Coverage, 1e-9)
			agree(t, c.Name+": items at "+at, figureOf(figures, "items_shown", at), &want.Shown, 0)
		}
		if got, want := figureOf(figures, "relevant_queries", "").Value, c.Expected["1"].Mean["ndcg_linear"].Defined; got != float64(want) {
			t.Errorf("%s: %g relevant queries, want %d", c.Name, got, want)
		}
	}
}

// TestRankingEdges has what the reference values do not.
func TestRankingEdges(t *testing.T) {
	x := partTest[*ranking]{spec: Spec{Task: Ranking, K: []int{2}}, empty: newRanking}
	list := func(items ...uint64) Prediction { return Prediction{Items: items} }
	for name, c := range map[string]struct {
		p                       Prediction
		l                       Label
		ndcg, precision, recall float64
	}{
		"a relevant item that was not recommended": {list(1, 2), Label{Items: []uint64{1, 9}}, 1 / (1 + 1/math.Log2(3)), 0.5, 0.5},
		"an item twice":                   {list(1, 1), Label{Items: []uint64{1, 2}}, 1 / (1 + 1/math.Log2(3)), 0.5, 0.5},
		"nothing recommended":             {list(), Label{Items: []uint64{1}}, math.NaN(), math.NaN(), math.NaN()}, // it is no answer
		"nothing relevant":                {list(1), Label{}, math.NaN(), 0, math.NaN()},
		"a relevance that does not count": {list(1, 2), Label{Items: []uint64{1, 2}, Relevance: []float64{math.Inf(1), 3}}, 1 / math.Log2(3), 0.5, 1},
		"huge relevance":                  {list(1, 2), Label{Items: []uint64{1, 2}, Relevance: []float64{1e308, 1e308}}, 1, 1, 1},
		"less relevance than items":       {list(1, 2), Label{Items: []uint64{1, 2}, Relevance: []float64{2}}, 1, 0.5, 1},
	} {
		figures := x.of(pair{c.p, c.l}).figures(&x.spec, nil)
		for own, want := range map[string]float64{"ndcg": c.ndcg, "precision_at_k": c.precision, "recall_at_k": c.recall} {
			f := figureOf(figures, own, "2")
			if math.IsNaN(want) != (f == nil) || f != nil && math.Abs(f.Value-want) > 1e-12 {
				t.Errorf("%s: %s is %+v, want %g", name, own, f, want)
			}
		}
	}
	if f := x.of().figures(&x.spec, nil); len(f) > 0 {
		t.Errorf("figures of nothing: %v", f)
	}
}

// TestRankingSearch: many relevant items are found in another way than few.
func TestRankingSearch(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	x := partTest[*ranking]{spec: Spec{Task: Ranking, K: []int{5, 40}}, empty: newRanking}
	for range 50 {
		var few, many pair
		for i := range uint64(40) {
			few.p.Items = append(few.p.Items, i)
			few.l.Items = append(few.l.Items, uint64(r.IntN(2000))<<8|i)
			few.l.Relevance = append(few.l.Relevance, float64(r.IntN(4)))
		}
		few.l.Items = few.l.Items[:longSearch]
		for i := range few.l.Items {
			few.l.Items[i] &= uint64(0xff) | uint64(r.IntN(2))<<8
		}
		few.l.Relevance = few.l.Relevance[:longSearch]
		many = few
		many.l.Items = append(slices.Clone(few.l.Items), 1<<40)
		many.l.Relevance = append(slices.Clone(few.l.Relevance), 0)
		nearFigures(t, x.of(many).figures(&x.spec, nil), x.of(few).figures(&x.spec, nil))
	}
}

// meetings counts, pair by pair of different queries, how often one's items are the other's.
func meetings(queries []pair, a, b func(*pair) []uint64) (same, all float64) {
	for i := range queries {
		for j := range queries {
			if i == j {
				continue
			}
			for _, x := range a(&queries[i]) {
				for _, y := range b(&queries[j]) {
					all++
					if x == y {
						same++
					}
				}
			}
		}
	}
	return same, all
}

func shownOf(q *pair) []uint64    { return q.p.Items }
func relevantOf(q *pair) []uint64 { return q.l.Items }

// drawQueries returns lists of ten items of a catalog, and two relevant items each, by popularity that falls as 1/rank, or is equal.
func drawQueries(r *rand.Rand, n, catalog int, zipf bool) []pair {
	draw := func() uint64 {
		i := r.IntN(catalog)
		if zipf {
			i = int(math.Exp(r.Float64()*math.Log(float64(catalog)))) - 1
		}
		return sketch.HashNumber(float64(i))
	}
	set := func(size int) (items []uint64) {
		for len(items) < size {
			if x := draw(); !slices.Contains(items, x) {
				items = append(items, x)
			}
		}
		return items
	}
	queries := make([]pair, n)
	for i := range queries {
		queries[i].p.Items, queries[i].l.Items = set(10), set(2)
	}
	return queries
}

// TestItemFigures counts pairs one by one: with few items the figures are exact, with many within their bounds.
func TestItemFigures(t *testing.T) {
	for _, c := range []struct {
		name             string
		queries, catalog int
		zipf, exact      bool
	}{
		{"few items", 150, 60, false, true},
		{"few items, some popular", 150, 500, true, true},
		{"many items", 250, 2000, false, false},
		{"many items, some popular", 300, 20_000, true, false},
	} {
		outside, looks := 0, 0
		for seed := range uint64(5) {
			queries := drawQueries(rand.New(rand.NewPCG(seed, 1)), c.queries, c.catalog, c.zipf)
			x := partTest[*ranking]{spec: Spec{Task: Ranking, K: []int{10}, Catalog: c.catalog}, empty: newRanking}
			r := x.of(queries...)
			if exact := r.items.bins == nil; exact != c.exact {
				t.Fatalf("%s: exact is %t", c.name, exact)
			}
			same, all := meetings(queries, shownOf, shownOf)
			mixed, mixedAll := meetings(queries, shownOf, relevantOf)
			wanted, wantedAll := meetings(queries, relevantOf, relevantOf)
			figures := r.figures(&x.spec, nil)
			for name, want := range map[string]float64{
				"effective_items": all / same,
				"diversity":       min(all/same/float64(c.catalog), 1),
				"novelty":         -math.Log2(mixed / mixedAll),
				"popularity_bias": mixed / mixedAll / (wanted / wantedAll),
			} {
				f := figureOf(figures, name, "")
				if f == nil {
					if c.exact || c.zipf {
						t.Errorf("%s: %s is left out", c.name, name)
					}
					continue
				}
				looks++
				if c.exact && (math.Abs(f.Value-want) > 1e-9*want || f.Low != f.Value || f.High != f.Value) {
					t.Errorf("%s: %s is %+v, want %g", c.name, name, f, want)
				}
				if want < f.Low-1e-9 || want > f.High+1e-9 {
					outside++
				}
			}
		}
		if outside > 0 {
			t.Errorf("%s: %d of %d figures are outside of their bounds", c.name, outside, looks)
		}
	}
}

// TestItemsShownOfMany: the number of items is within its bounds, and never beyond the catalog's as a share.
func TestItemsShownOfMany(t *testing.T) {
	x := partTest[*ranking]{spec: Spec{Task: Ranking, K: []int{10, 20}, Catalog: 5000}, empty: newRanking}
	var pairs []pair
	for i := range 250 {
		var q pair
		for j := range 20 {
			q.p.Items = append(q.p.Items, sketch.HashNumber(float64(20*i+j)))
		}
		pairs = append(pairs, q)
	}
	figures := x.of(pairs...).figures(&x.spec, nil)
	for at, want := range map[string]float64{"10": 2500, "20": 5000} {
		f := figureOf(figures, "items_shown", at)
		if !(f.Low < want && want < f.High) || f.High > 1.2*f.Low {
			t.Errorf("%+v, want %g", f, want)
		}
		if f := figureOf(figures, "catalog_coverage", at); !(f.Low < want/5000 && want/5000 <= f.High && f.High <= 1) {
			t.Errorf("%+v, want %g", f, want/5000)
		}
	}
}
