package drift

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// kolmogorovSmirnov is the largest difference of the two distribution functions
// at the edges of the fine bins, in [0, 1]: exact for data with few distinct values,
// and else at most the largest share of a fine bin (on either side) below the statistic
// of the values.
func kolmogorovSmirnov(c comparison) measurement {
	ref, cur := c.ref.Fine, c.cur.Fine
	m, n := float64(total(ref)), float64(total(cur))
	if len(ref) != len(cur) || m == 0 || n == 0 {
		return undefined
	}
	var r, s uint64
	var g grid
	largest := 0.0
	for i := range ref {
		r, s = r+ref[i], s+cur[i]
		largest = max(largest, math.Abs(float64(s)/n-float64(r)/m))
		if both := ref[i] + cur[i]; both > 0 {
			g.add(float64(both)/(m+n), float64(r+s)/(m+n))
		}
	}
	return g.measurement(largest, math.Sqrt(1/m+1/n), c.alpha)
}

// grid is the null of KS: the maximum of the absolute Brownian bridge over the
// edges, in units of sqrt(1/m + 1/n). It is the limiting Kolmogorov distribution, at
// the value raised by what is expected to be missed between edges: a path
// seen at steps of h has its maximum 0.5826 sqrt(h) too low (Siegmund 1979).
// That holds for many even bins; for others the p-value is kept between that of the
// edge that varies most and the sum over all edges, were they all like it. So it
// is exact for two bins, and too large (conservative) where one bin of many has
// most of the values.
type grid struct {
	bins     int
	inverses float64 // sum of 1/share, for the harmonic mean: small steps count most
	dev      float64 // the standard deviation at the edge that varies most
	devs     float64 // the sum over all edges
}

// add takes a bin by its share of all values and the share up to its upper edge.
func (g *grid) add(share, upTo float64) {
	dev := math.Sqrt(upTo * (1 - upTo))
	g.bins++
	g.inverses += 1 / share
	g.dev = max(g.dev, dev)
	g.devs += dev
}

func (g *grid) measurement(value, scale, alpha float64) measurement {
	if g.bins < 2 {
		return measurement{value, 0, math.NaN(), math.NaN(), 1}
	}
	edges := float64(g.bins - 1)
	missed := 0.5826 * math.Sqrt(float64(g.bins)/g.inverses)
	x := value / scale
	one := math.Erfc(x / g.dev / math.Sqrt2)
	return measurement{
		value:    value,
		mean:     scale * min(kolmogorovMean-missed, meanAbs*g.devs),
		pvalue:   max(one, min(kolmogorovSurvival(x+missed), edges*one)),
		critical: scale * max(g.exceeded(alpha), min(kolmogorovQuantile(alpha)-missed, g.exceeded(alpha/edges))),
		unit:     1,
	}
}

// exceeded returns what the absolute bridge exceeds with probability alpha at the
// edge that varies most.
func (g *grid) exceeded(alpha float64) float64 { return -g.dev * mathext.NormalQuantile(alpha/2) }

// kolmogorovMean is the mean of the limiting Kolmogorov distribution, sqrt(π/2) ln 2.
const kolmogorovMean = 0.8687311606361591
