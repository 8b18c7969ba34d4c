package drift

import "math"

// totalVariation is half the sum of |q-p|, the largest difference of probability
// of any set of bins, a metric in [0, 1].
func totalVariation(c *comparison) float64 {
	sum := 0.0
	for p, q := range c.shares {
		sum += math.Abs(q - p)
	}
	return min(sum/2, 1)
}

// variationNull is the null of total variation. The differences q-p are jointly
// normal, with the covariance of multinomial shares; that gives mean and
// variance of the sum of their absolute values, and its square is taken as a
// scaled chi-square (or F) variable with the same two moments. It is exact for two bins.
func variationNull(c *comparison, s spread) null {
	if c.bins < 2 {
		return constant{}
	}
	mean, variance := c.absoluteMoments()
	mean *= math.Sqrt(c.scale) / 2
	variance *= c.scale / 4
	square := mean*mean + variance
	within := chiDegrees(variance / square)
	return scaledF{mean: square * s.grow, dof: s.dof(within), terms: within, nu: s.nu, root: true, memo: s.memo}
}

// absoluteMoments returns mean and variance of the sum of |q-p| over the bins, for
// scale 1 and the pooled shares. Bins i and j have the correlation
// -sqrt(o_i o_j), o being the odds of a share.
func (c *comparison) absoluteMoments() (mean, variance float64) {
	var earlier [len(covariance)]float64
	for p, q := range c.shares {
		share := (p*c.m + q*c.n) / (c.m + c.n)
		odds := share / (1 - share)
		dev := math.Sqrt(share * (1 - share))
		mean += meanAbs * dev
		variance += (1 - 2/math.Pi) * dev * dev
		for k, coefficient := range covariance {
			dev *= odds
			variance += 2 * coefficient * dev * earlier[k]
			earlier[k] += dev
		}
	}
	return mean, variance
}

// chiDegrees returns the degrees of freedom at which the square root of a
// chi-square variable has this ratio of variance to mean square, at most 1-2/π: the
// ratio is 1/(2 dof) - 1/(8 dof²) to second order, which is solved.
func chiDegrees(ratio float64) float64 {
	return 0.5 / (1 - math.Sqrt(1-2*ratio))
}
