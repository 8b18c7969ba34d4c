package profile

import (
	"math"
	"slices"

	"github.com/streammon/streammon/internal/event"
)

// Rebin returns how many of cur's values would be in each of ref's fine bins. It is
// exact at edges that both have, and else within the exponential histogram's
// error between the neighbouring edges of cur. Both features are numeric.
func Rebin(ref, cur *Feature) []uint64 {
	if ref.Type != event.Numeric || cur.Type != event.Numeric {
		return nil
	}
	counts := make([]uint64, 0, ref.Bins.Len())
	var before uint64
	for _, e := range ref.Bins.Edges() {
		upTo := max(cur.countUpTo(e), before)
		counts = append(counts, upTo-before)
		before = upTo
	}
	return append(counts, cur.Count-before)
}

// countUpTo returns how many values are at most x.
func (f *Feature) countUpTo(x float64) uint64 {
	edges := f.Bins.Edges()
	i, exact := slices.BinarySearch(edges, x)
	var low uint64
	for _, n := range f.Counts[:i] {
		low += n
	}
	high := low + f.Counts[i]
	if exact {
		return high
	}
	var below float64
	f.Distances.Each(func(lower, upper float64, n uint64) {
		switch {
		case upper <= x:
			below += float64(n)
		case lower < x:
			below += float64(n) * (x - lower) / (upper - lower)
		}
	})
	return min(max(uint64(math.Round(below)), low), high)
}

// RebinCategories returns the counts of cur in ref's categories, then of all others.
func RebinCategories(ref, cur *Feature) []uint64 {
	counts := make([]uint64, len(ref.Categories)+1)
	other := cur.OtherCategories
	for i, c := range cur.Categories {
		if k, ok := ref.category[c]; ok {
			counts[k] += cur.CategoryCounts[i]
		} else {
			other += cur.CategoryCounts[i]
		}
	}
	counts[len(ref.Categories)] = other
	return counts
}
