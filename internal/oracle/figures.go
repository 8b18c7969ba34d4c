package oracle

import (
	"math"
	"slices"
	"sort"

	"github.com/streammon/streammon/internal/event"
)

// summarize returns the figures of at least one event, without a place in time.
func summarize(m Model, events []*entry) Window {
	w := Window{Events: uint64(len(events))}
	var answered []*entry
	for _, e := range events {
		if !math.IsNaN(e.latency) {
			w.Latencies = append(w.Latencies, e.latency)
		}
		if e.failed {
			w.Errors++
		} else {
			answered = append(answered, e)
		}
	}
	slices.Sort(w.Latencies)
	w.ErrorRatio = float64(w.Errors) / float64(w.Events)
	for i, f := range m.Features {
		readings := make([]reading, len(answered))
		for k, e := range answered {
			readings[k] = e.values[i]
		}
		w.Features = append(w.Features, figures(f, readings))
	}
	return w
}

func figures(f Feature, readings []reading) Figures {
	out := Figures{Name: f.Name, Categorical: f.Categorical, Drift: undefined()}
	var valid []reading
	for _, r := range readings {
		switch r.state {
		case event.Missing:
			out.Missing++
		case event.Invalid:
			out.Invalid++
		default:
			valid = append(valid, r)
		}
	}
	out.Count = uint64(len(valid))
	if f.Categorical {
		out.fillCategorical(valid, f.Reference)
	} else {
		out.fillNumeric(valid, f.Reference)
	}
	return out
}

func (f *Figures) fillNumeric(valid []reading, ref *Reference) {
	for _, r := range valid {
		f.Values = append(f.Values, r.number)
	}
	slices.Sort(f.Values)
	f.Distinct = uint64(len(slices.Compact(slices.Clone(f.Values))))
	f.Mean, f.M2, f.StdDev = moments(f.Values)
	f.Min, f.Max = Quantile(f.Values, 0), Quantile(f.Values, 1)
	if ref == nil {
		return
	}
	f.Fine = binned(f.Values, ref.Edges)
	for _, x := range f.Values {
		if x < ref.Min || x > ref.Max {
			f.OutOfRange++
		}
	}
	f.Bins, f.ReferenceBins = deciles(f.Fine, ref.EdgeIsDecile), deciles(ref.Counts, ref.EdgeIsDecile)
	f.Drift = compare(f.ReferenceBins, f.Bins)
	f.Drift.KS = kolmogorovSmirnov(ref.Counts, f.Fine)
	f.Drift.Wasserstein = wasserstein(ref.Sorted, f.Values) / positive(ref.StdDev)
}

func (f *Figures) fillCategorical(valid []reading, ref *Reference) {
	f.Mean, f.M2, f.StdDev = moments(nil)
	f.Min, f.Max = math.NaN(), math.NaN()
	f.Categories = map[string]uint64{}
	for _, r := range valid {
		f.Categories[r.text]++
	}
	f.Distinct = uint64(len(f.Categories))
	if ref == nil {
		return
	}
	f.Unseen = f.Count
	for _, category := range ref.Categories {
		f.Bins = append(f.Bins, f.Categories[category])
		f.Unseen -= f.Categories[category]
	}
	f.Bins = append(f.Bins, f.Unseen)
	f.ReferenceBins = append(slices.Clone(ref.CategoryCounts), ref.UnseenCount)
	f.Drift = compare(f.ReferenceBins, f.Bins)
}

// moments returns the mean, the sum of squared distances from it and the sample
// standard deviation, in two passes.
func moments(values []float64) (mean, m2, stddev float64) {
	const large, shrink = 1e150, 0x1p-540 // whose squares, and sums, would overflow; what makes them small
	switch {
	case len(values) == 0:
		return math.NaN(), math.NaN(), math.NaN()
	case max(slices.Max(values), -slices.Min(values)) > large:
		small := make([]float64, len(values))
		for i, x := range values {
			small[i] = x * shrink
		}
		mean, m2, stddev = moments(small)
		return mean / shrink, m2 / shrink / shrink, stddev / shrink
	}
	n := float64(len(values))
	mean = sum(values) / n
	off, squares := make([]float64, len(values)), make([]float64, len(values))
	for i, x := range values {
		off[i], squares[i] = x-mean, (x-mean)*(x-mean)
	}
	// The rounding of the mean moves the sum of squares by off²/n.
	rest := sum(off)
	m2 = max(0, sum(squares)-rest*rest/n)
	if len(values) < 2 {
		return mean, m2, math.NaN()
	}
	return mean, m2, math.Sqrt(m2 / (n - 1))
}

// sum adds with Neumaier's compensation: its error is about one rounding of the
// result, plus terms of second order.
func sum(values []float64) float64 {
	var total, lost float64
	for _, x := range values {
		next := total + x
		if math.Abs(total) >= math.Abs(x) {
			lost += (total - next) + x
		} else {
			lost += (x - next) + total
		}
		total = next
	}
	return total + lost
}

// binned counts the values between the edges; a value equal to an edge is below it.
func binned(values, edges []float64) []uint64 {
	counts := make([]uint64, len(edges)+1)
	for _, x := range values {
		counts[sort.SearchFloat64s(edges, x)]++
	}
	return counts
}

// deciles adds up the fine bins between edges that bound a decile.
func deciles(fine []uint64, edgeIsDecile []bool) []uint64 {
	out := []uint64{0}
	for i, n := range fine {
		out[len(out)-1] += n
		if i < len(edgeIsDecile) && edgeIsDecile[i] {
			out = append(out, 0)
		}
	}
	return out
}

// positive returns x, or NaN if it is not positive.
func positive(x float64) float64 {
	if x > 0 {
		return x
	}
	return math.NaN()
}
