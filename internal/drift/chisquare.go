package drift

import "math"

// chiSquare is Pearson's statistic of the table of two rows and B columns,
// without Yates' correction; undefined for a single bin. It grows with the number of
// values, so its effect is the value times 1/m + 1/n, which to first order is the
// PSI and has the same floor.
func chiSquare(c *comparison) float64 {
	if c.bins < 2 {
		return math.NaN()
	}
	sum := 0.0
	for p, q := range c.shares {
		sum += (q - p) * (q - p) / (c.m*p + c.n*q)
	}
	return c.m * c.n * sum
}

// chiSquareNull is that of the effect, in units of the statistic.
func chiSquareNull(c *comparison, s spread) null { return quadratic(1/c.scale, false, bend{})(c, s) }
