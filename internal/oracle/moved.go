package oracle

import (
	"cmp"
	"maps"
	"math"
	"slices"
)

// PSITerms are what each bin adds to the PSI, NaN for a bin that is empty on both sides.
func PSITerms(reference, current []uint64) []float64 {
	r, c := used(reference, current)
	bins := float64(len(r))
	terms := make([]float64, len(reference))
	for i := range reference {
		if reference[i]+current[i] == 0 {
			terms[i] = math.NaN()
			continue
		}
		p, q := (float64(reference[i])+0.5)/(total(r)+0.5*bins), (float64(current[i])+0.5)/(total(c)+0.5*bins)
		terms[i] = (q - p) * math.Log(q/p)
	}
	return terms
}

// MedianShift is how far the median is from the reference's, in standard deviations of the reference.
func (f *Figures) MedianShift(ref *Reference) float64 {
	return (Quantile(f.Values, 0.5) - Quantile(ref.Sorted, 0.5)) / positive(ref.StdDev)
}

// New are the categories that the reference does not list, the most frequent first.
func (f *Figures) New(ref *Reference) []string {
	var names []string
	for name := range f.Categories {
		if !slices.Contains(ref.Categories, name) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(f.Categories[b], f.Categories[a]), cmp.Compare(a, b))
	})
	return names
}

// Vanished are the reference's categories of which 5 values are to be expected and none is there, the most frequent first.
func (f *Figures) Vanished(ref *Reference) []string {
	expected := map[string]float64{}
	values := ref.UnseenCount
	for _, n := range ref.CategoryCounts {
		values += n
	}
	for i, name := range ref.Categories {
		if n := float64(ref.CategoryCounts[i]) * float64(f.Count); f.Categories[name] == 0 && n >= 5*float64(values) {
			expected[name] = n
		}
	}
	return slices.SortedFunc(maps.Keys(expected), func(a, b string) int {
		return cmp.Or(cmp.Compare(expected[b], expected[a]), cmp.Compare(a, b))
	})
}
