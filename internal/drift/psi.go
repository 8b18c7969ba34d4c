package drift

import "math"

// populationStability is the PSI, sum (q-p) ln(q/p) over smoothed shares: the
// symmetric Kullback-Leibler (Jeffreys) divergence in nats. To first order it is
// sum (q-p)²/p, so that PSI/(1/m + 1/n) is chi-square with B-1 degrees of freedom.
func populationStability(c *comparison) float64 {
	sum := 0.0
	for p, q := range c.smoothed {
		sum += (q - p) * math.Log(q/p)
	}
	return sum
}
