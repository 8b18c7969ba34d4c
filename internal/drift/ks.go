package drift

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// kolmogorovSmirnov is the largest difference of the two distribution functions
// at the edges of the fine bins, in [0, 1]: exact for data with few distinct values,
// and else at most the largest share of a fine bin (on either side) below the statistic
// of the values.
func kolmogorovSmirnov(c *comparison) float64 {
	largest := 0.0
	for _, gap := range c.gaps {
		largest = max(largest, gap)
	}
	return largest
}

// gaps yields the shares of both sides together in each fine bin that is not empty, up to its upper
// edge, and the difference of the distribution functions there.
func (c *comparison) gaps(yield func(b fineBin, gap float64) bool) {
	m, n := float64(total(c.ref.Fine)), float64(total(c.cur.Fine))
	var r, s uint64
	for i, x := range c.ref.Fine {
		y := c.cur.Fine[i]
		r, s = r+x, s+y
		if x|y != 0 && !yield(fineBin{float64(x+y) / (m + n), float64(r+s) / (m + n)}, math.Abs(float64(s)/n-float64(r)/m)) {
			return
		}
	}
}

// fineBin has the share of all values in a bin, and up to its upper edge.
type fineBin struct{ share, upTo float64 }

// kolmogorovNull is the null of KS; where it is calibrated its square is taken as a scaled F variable, with the
// mean square and, for many even bins, the degrees of freedom of the Kolmogorov distribution.
func kolmogorovNull(c *comparison, s spread) null {
	m, n := float64(total(c.ref.Fine)), float64(total(c.cur.Fine))
	if s.calibrated {
		return scaledF{mean: kolmogorovSquare * (1/m + 1/n) * s.grow, dof: s.dof(kolmogorovDegrees), terms: kolmogorovDegrees, nu: s.nu, root: true, memo: s.memo}
	}
	g := grid{scale: math.Sqrt(1/m + 1/n)}
	for b := range c.gaps {
		g.add(b)
	}
	if g.bins < 2 {
		return constant{}
	}
	return g
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
	scale    float64 // sqrt(1/m + 1/n)
	bins     int
	inverses float64 // sum of 1/share, for the harmonic mean: small steps count most
	dev      float64 // the standard deviation at the edge that varies most
	devs     float64 // the sum over all edges
}

func (g *grid) add(b fineBin) {
	dev := math.Sqrt(b.upTo * max(0, 1-b.upTo))
	g.bins++
	g.inverses += 1 / b.share
	g.dev = max(g.dev, dev)
	g.devs += dev
}

func (g grid) edges() float64  { return float64(g.bins - 1) }
func (g grid) missed() float64 { return 0.5826 * math.Sqrt(float64(g.bins)/g.inverses) }

func (g grid) expected() float64 {
	return g.scale * min(kolmogorovMean-g.missed(), meanAbs*g.devs)
}

func (g grid) survival(value float64) float64 {
	x := value / g.scale
	one := math.Erfc(x / g.dev / math.Sqrt2)
	return max(one, min(kolmogorovSurvival(x+g.missed()), g.edges()*one))
}

func (g grid) significant(x, alpha float64) bool { return g.survival(x) <= alpha }

func (g grid) quantile(alpha float64) float64 {
	return g.scale * max(g.exceeded(alpha), min(kolmogorovQuantile(alpha)-g.missed(), g.exceeded(alpha/g.edges())))
}

// exceeded returns what the absolute bridge exceeds with probability alpha at the
// edge that varies most.
func (g grid) exceeded(alpha float64) float64 { return -g.dev * mathext.NormalQuantile(alpha/2) }

// kolmogorovMean is the mean of the limiting Kolmogorov distribution, sqrt(π/2) ln 2.
const kolmogorovMean = 0.8687311606361591

const (
	// kolmogorovSquare is the mean square of the limiting Kolmogorov distribution, π²/12.
	kolmogorovSquare = math.Pi * math.Pi / 12
	// kolmogorovDegrees are those of a chi-square distribution with which the square has a tail that is at most as
	// thick as the true one: 2 / ((7π⁴/720) / (π²/12)² − 1) = 5 would have its variance.
	kolmogorovDegrees = 4
)
