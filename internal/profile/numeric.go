package profile

import (
	"slices"

	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/sketch"
)

// Numeric is what a numeric feature looked like. The exported fields are
// complete once it is sealed.
type Numeric struct {
	Missing, Invalid uint64
	// OutOfRange counts the values outside the reference's minimum and maximum.
	OutOfRange uint64
	Moments    sketch.Moments
	// Bins are exact counts in the reference's bins; empty without a reference.
	Bins sketch.Histogram
	// Distances from the reference's median, or from 0 without a reference.
	Distances sketch.ExpHistogram
	// Quantiles and Distinct are kept in detailed layouts only.
	Quantiles sketch.Quantiles
	Distinct  sketch.Distinct

	spec     *FeatureSpec
	detailed bool
	mixed    bool   // merged from series with other bins
	apart    uint64 // of the missing and invalid, those that belong to panes of another reference
	column   []float64
}

func newNumeric(spec *FeatureSpec, detailed bool) Numeric {
	n := Numeric{spec: spec, detailed: detailed}
	if r := spec.Reference; r != nil {
		n.Bins = sketch.NewHistogram(r.Bins)
		n.Distances = sketch.NewExpHistogram(r.Median)
	} else {
		n.Distances = sketch.NewExpHistogram(0)
	}
	return n
}

// Comparable reports whether the bins can be compared with the reference.
func (n *Numeric) Comparable() bool { return n.spec.Reference != nil && !n.mixed }

func (n *Numeric) observe(v *event.Value, w *Workspace) {
	switch v.State {
	case event.Missing:
		n.Missing++
	case event.Invalid:
		n.Invalid++
	default:
		if n.column == nil {
			n.column = w.column()
		}
		n.column = append(n.column, v.Number)
		if len(n.column) == ColumnLength {
			n.fold(w)
			n.column = n.column[:0]
		}
	}
}

// fold adds the column to the sketches; the column is sorted by it.
func (n *Numeric) fold(w *Workspace) {
	xs := n.column
	w.Sketch.Sort(xs)
	n.Moments.AddAll(xs)
	if r := n.spec.Reference; r != nil {
		n.Bins.AddSorted(xs)
		n.OutOfRange += outside(xs, r.Min, r.Max)
	}
	n.Distances.AddAll(xs)
	if n.detailed {
		n.Quantiles.AddSorted(xs, w.Sketch)
		for _, x := range xs {
			n.Distinct.Add(sketch.HashNumber(x))
		}
	}
}

// outside counts the values of the ascending xs that are not in [low, high].
func outside(xs []float64, low, high float64) uint64 {
	below, _ := slices.BinarySearch(xs, low)
	above := len(xs)
	for above > below && xs[above-1] > high {
		above--
	}
	return uint64(below + len(xs) - above)
}

func (n *Numeric) seal(w *Workspace) {
	if len(n.column) > 0 {
		n.fold(w)
	}
	w.release(n.column)
	n.column = nil
}

// Compared returns how many values are in the reference's bins: fewer than there are if some
// were counted in another's, 0 if none can be compared.
func (n *Numeric) Compared() uint64 {
	if !n.Comparable() {
		return 0
	}
	return n.Bins.Total()
}

// Absent returns how many values are missing or invalid, of those that belong to Compared.
func (n *Numeric) Absent() uint64 { return n.Missing + n.Invalid - n.apart }

// adopt makes the reference that of spec; what was counted by another one is forgotten.
func (n *Numeric) adopt(spec *FeatureSpec) {
	if n.spec.Reference != spec.Reference {
		fresh := newNumeric(spec, n.detailed)
		n.Bins, n.Distances, n.OutOfRange, n.mixed = fresh.Bins, fresh.Distances, 0, false
		n.apart = n.Missing + n.Invalid
	}
	n.spec = spec
}

// merge adds o; older is set if another reference of o is an older one.
func (n *Numeric) merge(o *Numeric, older bool, w *Workspace) {
	n.Missing += o.Missing
	n.Invalid += o.Invalid
	n.Moments.Merge(&o.Moments)
	if n.detailed {
		n.Quantiles.Merge(&o.Quantiles, w.Sketch)
		n.Distinct.Merge(&o.Distinct)
	}
	same := n.spec.Reference == o.spec.Reference
	if !same && older {
		n.apart += o.Missing + o.Invalid
		return
	}
	n.apart += o.apart
	n.OutOfRange += o.OutOfRange
	if n.mixed = n.mixed || o.mixed || !same; n.mixed {
		return
	}
	if n.spec.Reference != nil {
		mustMerge(n.Bins.Merge(&o.Bins))
	}
	mustMerge(n.Distances.Merge(&o.Distances))
}

// mustMerge panics on an error that can only come from a mistake in this package:
// sketches of one reference have one shape.
func mustMerge(err error) {
	if err != nil {
		panic(err)
	}
}

func (n *Numeric) clone() Numeric {
	c := *n
	if b := n.Bins.Bins(); b != nil {
		c.Bins = sketch.NewHistogram(b)
		mustMerge(c.Bins.Merge(&n.Bins))
	}
	c.Distances = n.Distances.Clone()
	c.Quantiles = n.Quantiles.Clone()
	c.Distinct = n.Distinct.Clone()
	c.column = slices.Clone(n.column)
	return c
}
