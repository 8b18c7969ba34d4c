package drift

import (
	"math"

	"github.com/streammon/streammon/internal/sketch"
)

// Sample is one side of a comparison. It is only read.
type Sample struct {
	// Bins are what all statistics but KS and Wasserstein compare: the counts of a
	// numeric feature in the deciles of its reference, or of a categorical feature
	// in the reference's categories and one bin of unseen values.
	Bins []uint64
	// Fine are the counts of a numeric feature in the fine bins (up to 60) of its
	// reference, for KS; nil for a categorical feature.
	Fine []uint64
	// Exp is the exponential histogram of a numeric feature, for Wasserstein; nil
	// for a categorical feature.
	Exp *sketch.ExpHistogram
	// StdDev is the sample standard deviation of a numeric feature; the reference's
	// is the unit of Wasserstein.
	StdDev float64
	// Absent is the number of values that are missing or invalid.
	Absent uint64
	// Calibration of a reference says how it varies from window to window; nil makes all values independent.
	Calibration *Calibration
	// Windows is of how many windows a reference is that is not what the calibration comes from; 0 means it is. Then
	// it must have enough values for a verdict, too.
	Windows int

	distribution *distribution // set by Prepare
}

// comparison is a pair of samples with what the statistics need of it.
type comparison struct {
	ref, cur Sample
	// m and n are the sizes of reference and window, by their Bins.
	m, n float64
	// bins is the number of Bins not empty on both sides; 0 if they differ in number.
	bins int
	// scale is 1/m + 1/n, the variance of q-p in units of p(1-p) if values are independent.
	scale float64
	// grouped: bins were put together. Apart: the values that the reference does not know were left out.
	grouped, apart bool
	// memo of quantiles; nil outside of an assessment.
	memo *Memo
}

func newComparison(ref, cur Sample) *comparison {
	c := &comparison{ref: ref, cur: cur}
	if len(ref.Bins) == len(cur.Bins) {
		for i, r := range ref.Bins {
			if r|cur.Bins[i] != 0 {
				c.bins++
			}
		}
	}
	c.m, c.n = float64(total(ref.Bins)), float64(total(cur.Bins))
	c.scale = 1/c.m + 1/c.n
	return c
}

// presence compares how many values are valid and how many are not.
func (c *comparison) presence() *comparison {
	counts := func(s *Sample) Sample {
		return Sample{Bins: []uint64{total(s.Bins), s.Absent}, Calibration: s.Calibration, Windows: s.Windows}
	}
	p := newComparison(counts(&c.ref), counts(&c.cur))
	p.memo = c.memo
	return p
}

// overBins, overFine and overDistances report whether there is something to compare.
func (c *comparison) overBins() bool { return c.bins > 0 && c.m > 0 && c.n > 0 }

func (c *comparison) overFine() bool {
	return len(c.ref.Fine) == len(c.cur.Fine) && total(c.ref.Fine) > 0 && total(c.cur.Fine) > 0
}

func (c *comparison) overDistances() bool {
	return c.ref.Exp != nil && c.cur.Exp != nil && c.ref.Exp.Count() > 0 && c.cur.Exp.Count() > 0 &&
		c.ref.StdDev > 0 && !math.IsInf(c.ref.StdDev, 1)
}

// shares yields the shares of reference and window in every bin.
func (c *comparison) shares(yield func(p, q float64) bool) {
	for i, r := range c.ref.Bins {
		if s := c.cur.Bins[i]; r|s != 0 && !yield(float64(r)/c.m, float64(s)/c.n) {
			return
		}
	}
}

// smoothed is shares with half a count added to every bin of each side.
func (c *comparison) smoothed(yield func(p, q float64) bool) {
	extra := 0.5 * float64(c.bins)
	for i, r := range c.ref.Bins {
		s := c.cur.Bins[i]
		if r|s != 0 && !yield((float64(r)+0.5)/(c.m+extra), (float64(s)+0.5)/(c.n+extra)) {
			return
		}
	}
}

func total(counts []uint64) uint64 {
	var sum uint64
	for _, c := range counts {
		sum += c
	}
	return sum
}
