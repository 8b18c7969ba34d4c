package drift

import (
	"cmp"
	"iter"
	"math"
	"slices"
)

// MaxParts is the number of parts that an explanation has at most.
const MaxParts = 5

// Part is what some bins add to a statistic.
type Part struct {
	// First and Last are the bins, as indices of Sample.Bins, or of Sample.Fine if the
	// explanation is Fine.
	First, Last int
	// Reference and Current are the shares of the values that are in them.
	Reference, Current float64
	// Contribution is the share of the statistic that comes from them, from 0 to 1.
	Contribution float64
}

// Explanation says where a statistic comes from.
type Explanation struct {
	// Statistic is the Name of the one that decides.
	Statistic string
	// Fine reports that the parts are fine bins.
	Fine bool
	// Parts are at most MaxParts, the largest contribution first, ties by the bins;
	// those that contribute nothing are left out.
	Parts []Part
}

// Explain returns where the deciding statistic comes from. Edges are those of the fine bins
// of a numeric feature. There are no parts where the statistic is undefined or 0.
func Explain(ref, cur Sample, edges []float64, opt Options) Explanation {
	i := decider(opt.DecideBy, ref.numeric())
	if i < 0 {
		return Explanation{}
	}
	s := &Catalogue[i]
	if s.parts == nil {
		return Explanation{Statistic: s.Name}
	}
	parts := s.parts(newComparison(ref, cur), edges)
	parts = parts[:largest(parts)]
	return Explanation{s.Name, s.over != bins, slices.Clip(parts[:min(len(parts), MaxParts)])}
}

// largest makes shares of contributions, sorts them, and returns how many are above 0.
func largest(parts []Part) int {
	sum := 0.0
	for i := range parts {
		sum += parts[i].Contribution
	}
	if !(sum > 0) || math.IsInf(sum, 1) {
		return 0
	}
	for i := range parts {
		parts[i].Contribution /= sum
	}
	slices.SortFunc(parts, func(a, b Part) int {
		return cmp.Or(cmp.Compare(b.Contribution, a.Contribution), cmp.Compare(a.First, b.First))
	})
	n := len(parts)
	for n > 0 && parts[n-1].Contribution == 0 {
		n--
	}
	return n
}

// termsOf returns the parts of a statistic that is a sum over the bins: each bin's term.
func termsOf(c *comparison, shares iter.Seq2[float64, float64], term func(p, q float64) float64) []Part {
	if !c.overBins() {
		return nil
	}
	parts, bin := make([]Part, 0, c.bins), 0
	for p, q := range shares {
		for c.ref.Bins[bin]|c.cur.Bins[bin] == 0 {
			bin++
		}
		parts = append(parts, Part{bin, bin, float64(c.ref.Bins[bin]) / c.m, float64(c.cur.Bins[bin]) / c.n, term(p, q)})
		bin++
	}
	return parts
}

func psiParts(c *comparison, _ []float64) []Part {
	return termsOf(c, c.smoothed, func(p, q float64) float64 { return (q - p) * math.Log(q/p) })
}

// klParts adds p - q to each term q ln(q/p), which adds nothing to the sum, since both
// sides sum to 1, and leaves no term negative.
func klParts(c *comparison, _ []float64) []Part {
	return termsOf(c, c.smoothed, func(p, q float64) float64 { return max(0, q*math.Log(q/p)-(q-p)) })
}

// jsParts are those of the divergence, the square of the distance.
func jsParts(c *comparison, _ []float64) []Part {
	return termsOf(c, c.shares, func(p, q float64) float64 {
		d := (q - p) / (q + p)
		return max(0, (p+q)*(timesLog1p(d)+timesLog1p(-d)))
	})
}

// hellingerParts are those of the square of the distance.
func hellingerParts(c *comparison, _ []float64) []Part {
	return termsOf(c, c.shares, func(p, q float64) float64 {
		d := math.Sqrt(q) - math.Sqrt(p)
		return d * d
	})
}

func variationParts(c *comparison, _ []float64) []Part {
	return termsOf(c, c.shares, func(p, q float64) float64 { return math.Abs(q - p) })
}

func chiSquareParts(c *comparison, _ []float64) []Part {
	return termsOf(c, c.shares, func(p, q float64) float64 { return (q - p) * (q - p) / (c.m*p + c.n*q) })
}

// ksParts is the stretch from the lowest value to the edge of the largest gap, the first one if
// there are several: its shares are the two distribution functions there.
func ksParts(c *comparison, _ []float64) []Part {
	ref, cur := c.ref.Fine, c.cur.Fine
	m, n := float64(total(ref)), float64(total(cur))
	if len(ref) != len(cur) || m == 0 || n == 0 {
		return nil
	}
	var r, s uint64
	var widest Part
	for i := range ref {
		r, s = r+ref[i], s+cur[i]
		p, q := float64(r)/m, float64(s)/n
		if gap := math.Abs(q - p); gap > widest.Contribution {
			widest = Part{0, i, p, q, gap}
		}
	}
	return []Part{widest}
}

// wassersteinParts are the fine bins, each with the area between the two distribution functions over it.
// A bin far from where the values moved to can have much of it: all that passed it by counts.
func wassersteinParts(c *comparison, edges []float64) []Part {
	ref, cur := c.ref.Fine, c.cur.Fine
	m, n := float64(total(ref)), float64(total(cur))
	if c.ref.Exp == nil || c.cur.Exp == nil || len(ref) != len(edges)+1 || len(cur) != len(ref) || m == 0 || n == 0 || !(c.ref.StdDev > 0) {
		return nil
	}
	parts := make([]Part, len(ref))
	for i := range parts {
		parts[i] = Part{i, i, float64(ref[i]) / m, float64(cur[i]) / n, 0}
	}
	f, g := newCurve(&c.ref), newCurve(&c.cur)
	points := merged(merged(f.points(), g.points()), edges)
	bin := 0
	for i := 1; i < len(points); i++ {
		from, to := points[i-1], points[i]
		if from == to {
			continue
		}
		for bin < len(edges) && edges[bin] <= from {
			bin++
		}
		f.advance(from)
		g.advance(from)
		parts[bin].Contribution += (to - from) * meanAbsLine(f.at(from)-g.at(from), f.at(to)-g.at(to))
	}
	return parts
}

// curve is the distribution function of a histogram, linear within its buckets.
type curve struct {
	buckets []bucket
	count   float64
	below   float64 // values in the buckets that were passed
	next    int
}

func newCurve(s *Sample) *curve {
	d := newDistribution(nil, s.Exp)
	return &curve{buckets: d.buckets, count: d.count}
}

// points are where the curve bends or steps.
func (c *curve) points() []float64 {
	points := make([]float64, 0, 2*len(c.buckets))
	for _, b := range c.buckets {
		points = append(points, b.lower, b.upper)
	}
	return points
}

// merged returns the numbers of two ascending lists as one.
func merged(a, b []float64) []float64 {
	out := make([]float64, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if b[0] < a[0] {
			a, b = b, a
		}
		out, a = append(out, a[0]), a[1:]
	}
	return append(append(out, a...), b...)
}

// advance passes the buckets that end at x or before.
func (c *curve) advance(x float64) {
	for c.next < len(c.buckets) && c.buckets[c.next].upper <= x {
		c.below += c.buckets[c.next].count
		c.next++
	}
}

// at returns the share of the values below x, which lies between where the curve has advanced to and its
// next point.
func (c *curve) at(x float64) float64 {
	below := c.below
	if c.next < len(c.buckets) {
		if b := c.buckets[c.next]; b.lower < x {
			below += b.count * ((x - b.lower) / (b.upper - b.lower))
		}
	}
	return below / c.count
}
