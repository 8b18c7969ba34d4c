package drift

import "math"

// shiftName is that of shifts in calibrations.
const shiftName = "shift"

// shiftShare of the level of a deciding statistic over the bins of a numeric feature goes to the test of a shift: most changes move values up
// or down, for which a statistic that looks everywhere at once is blind for long.
const shiftShare = 0.8

// shiftSquare is the square of how much higher or lower the values are, in units of the variance of one value: of the mean of their ridits (Bross 1958), which are the
// shares of the reference in the bins below, and half of their own. It is the statistic of Mann and Whitney over bins, and undefined where all values are in one.
func (c *comparison) shiftSquare() float64 {
	below, shift, variance := 0.0, 0.0, 0.0
	for i, r := range c.ref.Bins {
		p := float64(r) / c.m
		ridit := below + p/2 - 0.5
		shift += ridit * float64(c.cur.Bins[i]) / c.n
		variance += p * ridit * ridit
		below += p
	}
	if !(variance > 1e-12) {
		return math.NaN()
	}
	return shift * shift / variance
}

// shifted returns the probability of such a shift while nothing changes; it is undefined where there are no values, and
// where a calibration says nothing of shifts.
func (c *comparison) shifted() float64 {
	if k := c.ref.Calibration; !c.overBins() || k != nil && k.Disjoint >= 3 && !k.has(shiftName) {
		return math.NaN()
	}
	square, s := c.shiftSquare(), c.spread(shiftName)
	if math.IsNaN(square) {
		return square
	}
	return fSurvival(1, s.nu, square/(c.scale*s.grow))
}

func (c *Calibration) has(statistic string) bool {
	_, ok := c.Excess[statistic]
	return ok
}
