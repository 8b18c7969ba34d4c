package drift

// chiSquare is Pearson's statistic of the table of two rows and B columns,
// without Yates' correction; undefined for a single bin. It grows with the number of
// values, so its effect is the value times 1/m + 1/n, which to first order is the
// PSI and has the same floor.
func chiSquare(c comparison) measurement {
	if !c.defined() || c.bins < 2 {
		return undefined
	}
	sum := 0.0
	for p, q := range c.shares {
		sum += (q - p) * (q - p) / (c.m*p + c.n*q)
	}
	m := c.divergence(c.m*c.n*sum, 1)
	m.unit = 1 / c.scale
	return m
}
