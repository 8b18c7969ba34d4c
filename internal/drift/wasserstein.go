package drift

import (
	"math"

	"github.com/streammon/streammon/internal/sketch"
	"gonum.org/v1/gonum/mathext"
)

// bucket is one non-empty bucket of an exponential histogram, its values taken as
// spread evenly.
type bucket struct{ lower, upper, count float64 }

// maxBuckets is the size up to which a histogram is compared without allocating.
const maxBuckets = 1 + 2*512

// wasserstein is the Wasserstein-1 (earth mover's) distance in units of the reference's
// standard deviation, at least 0 without upper bound: the area between the two
// distribution functions, each linear within the buckets of its histogram.
//
// Within a bucket of width w and share f the area between the line and the true
// distribution function is at most w f/2, so the distance (before it is divided)
// is off by at most half the mean bucket width of either side, together: 1.1 % of
// the mean distance from the histogram's center on either side.
func wasserstein(c *comparison) float64 {
	var memory [2][maxBuckets]bucket
	ref, m := appendBuckets(memory[0][:0], c.ref.Exp)
	cur, n := appendBuckets(memory[1][:0], c.cur.Exp)
	if m == 0 || n == 0 {
		return math.NaN()
	}
	value := earthMover(ref, m, cur, n) / c.ref.StdDev
	if math.IsInf(value, 0) { // values near the largest float
		return math.NaN()
	}
	return value
}

// wassersteinNull takes the distance as log-normal, with the mean and variance of the area under a
// Brownian bridge; where it is calibrated its square is a scaled F variable with these two moments.
func wassersteinNull(c *comparison, s spread) null {
	var memory [maxBuckets]bucket
	ref, m := appendBuckets(memory[:0], c.ref.Exp)
	mean, variance := bridgeMoments(ref, m)
	dev := math.Sqrt(1/m+1/float64(c.cur.Exp.Count())) / c.ref.StdDev
	mean, variance = mean*dev, variance*dev*dev
	if !(mean > 0) || math.IsInf(variance, 1) {
		return constant{}
	}
	spread := math.Log1p(variance / (mean * mean))
	if s.calibrated {
		within := wassersteinShare * 2 / math.Expm1(4*spread)
		return scaledF{mean: (mean*mean + variance) * s.grow, dof: s.dof(within), terms: within, nu: s.nu, root: true}
	}
	return logNormal{mean: mean, dev: math.Sqrt(spread), median: math.Log(mean) - spread/2}
}

// wassersteinShare of the degrees of freedom by the two moments give the square the tail of the true one, at 1 %
// for a uniform feature, or a thicker one.
const wassersteinShare = 0.8

// appendBuckets returns the buckets of h and its total count.
func appendBuckets(dst []bucket, h *sketch.ExpHistogram) ([]bucket, float64) {
	h.Each(func(lower, upper float64, count uint64) {
		dst = append(dst, bucket{lower, upper, float64(count)})
	})
	return dst, float64(h.Count())
}

// earthMover returns the area between the distribution functions of a and b, with
// m and n values: the distance of their quantile functions, which are linear
// between the cumulated shares at which either leaves a bucket.
func earthMover(a []bucket, m float64, b []bucket, n float64) float64 {
	area, i, j := 0.0, 0, 0
	restA, restB := a[0].count*n, b[0].count*m // in units of 1/(m n)
	for {
		mass := min(restA, restB)
		from := a[i].quantile(restA/n) - b[j].quantile(restB/m)
		restA, restB = restA-mass, restB-mass
		to := a[i].quantile(restA/n) - b[j].quantile(restB/m)
		area += mass * meanAbsLine(from, to)
		if restA <= 0 {
			if i++; i == len(a) {
				return area / (m * n)
			}
			restA = a[i].count * n
		}
		if restB <= 0 {
			if j++; j == len(b) {
				return area / (m * n)
			}
			restB = b[j].count * m
		}
	}
}

// quantile returns the value that rest of the bucket's values exceed.
func (b bucket) quantile(rest float64) float64 {
	return b.upper - (b.upper-b.lower)*(rest/b.count)
}

// meanAbsLine returns the mean of |y| where y goes linearly from one value to another.
func meanAbsLine(from, to float64) float64 {
	a, b := math.Abs(from), math.Abs(to)
	if (from < 0) == (to < 0) || a+b == 0 {
		return (a + b) / 2
	}
	return (a/(a+b)*a + b/(a+b)*b) / 2 // (a²+b²) / 2(a+b) without overflow
}

// bridgeMoments returns mean and variance of the integral of |B(F(x))| dx, B being a
// Brownian bridge and F the distribution function of the m values in the
// buckets: sqrt(1/m + 1/n) times that is the area between two samples of F, to
// first order. B at F < G has the squared correlation F(1-G) / (G(1-F)).
func bridgeMoments(buckets []bucket, m float64) (mean, variance float64) {
	var s bridgeSum
	below := 0.0
	for i, b := range buckets {
		s.add((below+b.count/2)/m, b.upper-b.lower)
		below += b.count
		if i+1 < len(buckets) {
			s.add(below/m, buckets[i+1].lower-b.upper)
		}
	}
	return s.mean, s.variance
}

// bridgeSum integrates over stretches in ascending order.
type bridgeSum struct {
	mean, variance float64
	odds           float64
	// earlier[k] is the sum of the earlier stretches' deviations times the
	// (k+1)th power of their squared correlation with the latest one.
	earlier [len(covariance)]float64
}

func (s *bridgeSum) add(f, width float64) {
	dev := width * math.Sqrt(f*(1-f))
	odds := f / (1 - f)
	s.mean += meanAbs * dev
	s.variance += (1 - 2/math.Pi) * dev * dev
	decay := s.odds / odds
	power := 1.0
	for k, coefficient := range covariance {
		power *= decay
		s.earlier[k] *= power
		s.variance += 2 * coefficient * dev * s.earlier[k]
		s.earlier[k] += dev
	}
	s.odds = odds
}

// logNormal is a null by the median and standard deviation of the logarithm. For a uniform feature
// the 5 % and 1 % points of the integral of |B| are 0.569 and 0.756; the true
// ones are 0.582 and 0.752 (Johnson and Killeen 1983).
type logNormal struct{ mean, dev, median float64 }

func (l logNormal) expected() float64 { return l.mean }

func (l logNormal) survival(x float64) float64 {
	return math.Erfc((math.Log(x)-l.median)/(l.dev*math.Sqrt2)) / 2
}

func (l logNormal) quantile(alpha float64) float64 {
	return math.Exp(l.median - l.dev*mathext.NormalQuantile(alpha))
}
