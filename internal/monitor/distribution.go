package monitor

import (
	"slices"

	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/profile"
)

// Distribution is how the values of a feature are spread, in a window and in what it is compared with, for pictures: results
// do not write it.
type Distribution struct {
	// Edges between the bins of a numeric feature, rising: a value x is in the first bin with x ≤ its edge, and beyond all edges
	// in the last. At most ten bins, of about equal shares of the reference. It must not be changed.
	Edges []float64
	// Categories are those that the bins of a categorical feature stand for, the most frequent first, on either side. After them come all other
	// categories of the reference, and all that it does not have; both are always there.
	Categories []string
	// Reference and Current have the counts of the bins.
	Reference, Current []uint64
	// Band has quantiles of the reference; of numeric features over all traffic only.
	Band Quantiles
}

// maxShownCategories is how many categories a distribution names.
const maxShownCategories = 12

var bandQuantiles = named(0.05, 0.25, 0.5, 0.75, 0.95)

// distribution compares a feature that has a reference with what it was.
func (v *Verdicts) distribution(spec *profile.FeatureSpec, then, now drift.Sample, detailed bool) *Distribution {
	if spec.Type == event.Categorical {
		return categories(spec.Reference.Categories, then.Bins, now.Bins, v.namesKnown(spec))
	}
	d := &Distribution{Edges: decileEdges(spec.Reference), Reference: slices.Clone(then.Bins), Current: slices.Clone(now.Bins)}
	if detailed && then.Exp != nil {
		for _, q := range bandQuantiles {
			d.Band = append(d.Band, Quantile{q.name, Figure(then.Exp.Quantile(q.p))})
		}
	}
	return d
}

// namesKnown reports whether the categories of the reference may be named.
func (v *Verdicts) namesKnown(spec *profile.FeatureSpec) bool {
	show, ref := v.Features[spec.Name].Show, spec.Reference
	return show == ShowAll || show != ShowNone && ref.OtherCategories == 0 && len(ref.Categories) <= profile.MaxSegmentDistinct
}

// categories returns the distribution over categories; each side has one more count, of what the reference does not list.
func categories(names []string, then, now []uint64, named bool) *Distribution {
	d := &Distribution{Categories: []string{}}
	total := func(counts []uint64) (n uint64) {
		for _, c := range counts {
			n += c
		}
		return max(n, 1)
	}
	before, current := float64(total(then)), float64(total(now))
	weight := func(i int) float64 { return max(float64(then[i])/before, float64(now[i])/current) }
	var top []int // of the largest weights, falling; ties in order of the names
	for i := range names {
		if !named {
			break
		}
		at := len(top)
		for at > 0 && weight(i) > weight(top[at-1]) {
			at--
		}
		if at < maxShownCategories {
			top = slices.Insert(top[:min(len(top), maxShownCategories-1)], at, i)
		}
	}
	rest := [2]uint64{}
	for i := range names {
		rest[0], rest[1] = rest[0]+then[i], rest[1]+now[i]
	}
	for _, i := range top {
		d.Categories = append(d.Categories, shortName(names[i]))
		d.Reference, d.Current = append(d.Reference, then[i]), append(d.Current, now[i])
		rest[0], rest[1] = rest[0]-then[i], rest[1]-now[i]
	}
	n := len(names)
	d.Reference, d.Current = append(d.Reference, rest[0], then[n]), append(d.Current, rest[1], now[n])
	return d
}
