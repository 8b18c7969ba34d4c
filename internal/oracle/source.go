package oracle

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
)

// source makes the values of one feature.
type source struct {
	// number draws a value of a numeric feature, in which drift, in standard
	// deviations or so, has moved.
	number func(rng *rand.Rand, drift float64) float64
	// categories of a categorical feature, the common ones first; those from
	// known on are not in the reference.
	categories []string
	known      int
	// missing and invalid are the shares of such values.
	missing, invalid float64
}

// numbers are the shapes of numeric features.
var numbers = []func(rng *rand.Rand, drift float64) float64{
	func(rng *rand.Rand, drift float64) float64 { return 50 + 10*(rng.NormFloat64()+drift) },
	func(rng *rand.Rand, drift float64) float64 { return math.Exp(3 + rng.NormFloat64() + drift) },
	func(rng *rand.Rand, drift float64) float64 { return rng.NormFloat64()/1000 + drift/1000 },
	func(rng *rand.Rand, drift float64) float64 {
		return 1e6 + math.Round(100*(rng.NormFloat64()+drift))/100
	},
	func(rng *rand.Rand, drift float64) float64 {
		return math.Floor(6*rng.Float64()*rng.Float64()) + math.Round(drift)
	},
	func(_ *rand.Rand, drift float64) float64 { return 7 + math.Round(drift) },
	func(rng *rand.Rand, drift float64) float64 {
		return max(0, -10+30*rng.ExpFloat64()*rng.Float64()+10*drift)
	},
	func(rng *rand.Rand, drift float64) float64 { return math.Round(100*rng.Float64())/100 - 0.1*drift },
}

// alphabets are the values of categorical features.
var alphabets = [][]string{
	{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"},
	{"", "Ü", "日本", "😀 twice 😀", `quote " back \ slash /`, "tab\tline\n", "A", " a", "null"},
	{"0", "12", "true", "-3", "9007199254740993", "false", "7", "100"},
	{"yes", "no"},
}

// scoreSource makes scores in [0, 1].
func scoreSource(rng *rand.Rand, drift float64) float64 {
	return 1 / (1 + math.Exp(-(2*rng.NormFloat64() - 1 + drift)))
}

// newSource chooses what a feature looks like, and its reference.
func newSource(rng *rand.Rand, categorical bool) (source, *Reference) {
	s := source{missing: pick(rng, 0, 0.02, 0.3), invalid: pick(rng, 0, 0.02, 0.15)}
	rows := pick(rng, 20, 100, 150, 200)
	if !categorical {
		s.number = pick(rng, numbers...)
		return s, numericReference(rng, s, rows)
	}
	s.categories = slices.Clone(pick(rng, alphabets...))
	rng.Shuffle(len(s.categories), func(i, k int) {
		s.categories[i], s.categories[k] = s.categories[k], s.categories[i]
	})
	if s.known = len(s.categories); rng.IntN(2) == 0 {
		s.known = 1 + rng.IntN(len(s.categories))
	}
	return s, categoricalReference(rng, s, rows)
}

func numericReference(rng *rand.Rand, s source, rows int) *Reference {
	sample := make([]float64, rows)
	for i := range sample {
		sample[i] = s.number(rng, 0)
	}
	return referenceOf(sample)
}

// referenceOf takes every sixtieth of a sorted sample as an edge, and every sixth
// of these as the edge of a decile; equal edges are one.
func referenceOf(sample []float64) *Reference {
	ref := &Reference{Sorted: slices.Sorted(slices.Values(sample))}
	n := len(sample)
	for i := 1; i < 60; i++ {
		edge := ref.Sorted[(i*n+59)/60-1]
		if k := len(ref.Edges); k == 0 || ref.Edges[k-1] != edge {
			ref.Edges, ref.EdgeIsDecile = append(ref.Edges, edge), append(ref.EdgeIsDecile, false)
		}
		if i%6 == 0 {
			ref.EdgeIsDecile[len(ref.Edges)-1] = true
		}
	}
	ref.Counts = binned(ref.Sorted, ref.Edges)
	ref.Min, ref.Max, ref.Median = ref.Sorted[0], ref.Sorted[n-1], Quantile(ref.Sorted, 0.5)
	_, _, ref.StdDev = moments(ref.Sorted)
	return ref
}

func categoricalReference(rng *rand.Rand, s source, rows int) *Reference {
	counts := map[string]uint64{}
	for range rows {
		counts[s.category(rng, s.known)]++
	}
	ref := &Reference{Categories: slices.Sorted(maps.Keys(counts))}
	for _, category := range ref.Categories {
		ref.CategoryCounts = append(ref.CategoryCounts, counts[category])
	}
	if rng.IntN(4) == 0 {
		ref.UnseenCount = rng.Uint64N(20)
	}
	return ref
}

// category draws one of the first n categories, the first ones more often.
func (s source) category(rng *rand.Rand, n int) string {
	return s.categories[int(float64(n)*rng.Float64()*rng.Float64())]
}

// value renders a value of the feature; it is empty for one that is left out.
func (s source) value(w writer, drift float64) string {
	if w.chance(s.missing) {
		return pick(w.rng, "", "null")
	}
	if s.number == nil {
		return s.categoricalValue(w, drift)
	}
	switch {
	case w.chance(s.invalid):
		return pick(w.rng, `"12"`, `"n/a"`, `""`, `"NaN"`, `[]`, `[1]`, `{}`, `{"a":1}`, `1e999`, `-1E+400`)
	case w.chance(0.01):
		return pick(w.rng, "true", "false")
	case w.chance(0.005):
		return pick(w.rng, "1e9", "-12345678.5", "1E+3")
	}
	return w.number(s.number(w.rng, drift))
}

func (s source) categoricalValue(w writer, drift float64) string {
	switch {
	case w.chance(s.invalid):
		return pick(w.rng, "1.5", `[]`, `["a"]`, `{}`, `{"a":"b"}`, "1e999", "-0.25", "1e-3")
	case w.chance(0.01):
		return pick(w.rng, "true", "42", "-0")
	case w.chance(0.01):
		return w.quote(fmt.Sprint("new ", w.rng.IntN(30)))
	case drift > 0.5:
		return w.text(s.category(w.rng, len(s.categories)))
	}
	return w.text(s.category(w.rng, s.known))
}
