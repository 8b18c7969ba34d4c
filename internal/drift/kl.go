package drift

import "math"

// kullbackLeibler is D(window || reference) = sum q ln(q/p) over smoothed shares, in
// nats. To first order it is half the PSI.
func kullbackLeibler(c *comparison) float64 {
	sum := 0.0
	for p, q := range c.smoothed {
		sum += q * math.Log(q/p)
	}
	return max(0, sum) // rounding may give -1e-17
}
