package drift

import (
	"cmp"
	"math"
	"slices"
)

// Holm returns the level at which each of a family of tests is significant, if there is to be a false alarm in the
// whole family with a probability of at most alpha, however the tests depend on each other (Holm 1979): a test
// is significant iff its p-value is at most its level. Undefined p-values (NaN) are no members
// of the family, and get the level of the least significant one.
func Holm(pvalues []float64, alpha float64) []float64 {
	order := ranked(pvalues)
	levels := make([]float64, len(pvalues))
	level, stopped := alpha/float64(max(len(order), 1)), false
	for i, k := range order {
		if !stopped {
			level = alpha / float64(len(order)-i)
			stopped = pvalues[k] > level
		}
		levels[k] = level
	}
	for i, p := range pvalues {
		if math.IsNaN(p) {
			levels[i] = level
		}
	}
	return levels
}

// BenjaminiHochberg returns the q-value of each test: the smallest false discovery rate at which it is a discovery
// (Benjamini and Hochberg 1995). That of an undefined p-value is undefined.
func BenjaminiHochberg(pvalues []float64) []float64 {
	order := ranked(pvalues)
	q := slices.Clone(pvalues)
	least := 1.0
	for i := len(order) - 1; i >= 0; i-- {
		k := order[i]
		least = min(least, pvalues[k]*float64(len(order))/float64(i+1))
		q[k] = least
	}
	return q
}

// ranked returns the indices of the defined p-values, the smallest first.
func ranked(pvalues []float64) []int {
	var order []int
	for i, p := range pvalues {
		if !math.IsNaN(p) {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(pvalues[a], pvalues[b]) })
	return order
}
