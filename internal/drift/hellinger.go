package drift

import "math"

// hellinger is the Hellinger distance sqrt(sum (sqrt q - sqrt p)² / 2), a metric in
// [0, 1]. To first order its square is sum (q-p)²/p over 8.
func hellinger(c *comparison) float64 {
	sum := 0.0
	for p, q := range c.shares {
		d := math.Sqrt(q) - math.Sqrt(p)
		sum += d * d
	}
	return math.Sqrt(min(sum/2, 1))
}
