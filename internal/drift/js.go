package drift

import "math"

// jensenShannon is the square root of the Jensen-Shannon divergence in bits, a metric
// in [0, 1] (Endres and Schindelin 2003). To first order the divergence is
// sum (q-p)²/p over 8 ln 2.
func jensenShannon(c *comparison) float64 {
	sum := 0.0
	for p, q := range c.shares {
		// p ln(p/mean) + q ln(q/mean), in a form that does not cancel.
		d := (q - p) / (q + p)
		sum += (p + q) * (timesLog1p(d) + timesLog1p(-d))
	}
	return math.Sqrt(max(0, min(sum/(4*math.Ln2), 1)))
}

// timesLog1p returns (1+x) ln(1+x), which is 0 at x = -1.
func timesLog1p(x float64) float64 {
	if x == -1 {
		return 0
	}
	return (1 + x) * math.Log1p(x)
}
