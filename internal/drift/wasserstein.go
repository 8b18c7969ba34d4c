package drift

import (
	"math"
	"slices"

	"github.com/streammon/streammon/internal/sketch"
	"gonum.org/v1/gonum/mathext"
)

// bucket is one non-empty bucket of an exponential histogram, its values taken as
// spread evenly.
type bucket struct{ lower, upper, count float64 }

// maxBuckets is the size up to which a histogram is compared without allocating.
const maxBuckets = 1 + 2*512

// distribution is what Wasserstein needs of one side.
type distribution struct {
	buckets []bucket
	count   float64
	// mean and variance are bridgeMoments.
	mean, variance float64
	// kurtosis of the values, above that of a normal variable, or 0.
	kurtosis float64
}

// PreparedBytes is the most that Prepare keeps of a sample.
const PreparedBytes = 28 << 10

// Prepare works out once what every comparison with a reference needs of it. The sample must not change afterwards; its
// copies are as good.
func (s *Sample) Prepare() {
	if s.Exp != nil && s.Exp.Count() > 0 {
		d := newDistribution(nil, s.Exp)
		d.buckets = slices.Clone(d.buckets) // as it grew it has more room than it needs
		d.mean, d.variance = bridgeMoments(d.buckets, d.count)
		d.kurtosis = kurtosis(d.buckets, d.count)
		s.distribution = &d
	}
}

// newDistribution returns that of a histogram without the moments, in memory that dst may have.
func newDistribution(dst []bucket, h *sketch.ExpHistogram) distribution {
	h.Each(func(lower, upper float64, count uint64) {
		dst = append(dst, bucket{lower, upper, float64(count)})
	})
	return distribution{buckets: dst, count: float64(h.Count())}
}

// wasserstein is the Wasserstein-1 (earth mover's) distance in units of the reference's
// standard deviation, at least 0 without upper bound: the area between the two
// distribution functions, each linear within the buckets of its histogram.
//
// Within a bucket of width w and share f the area between the line and the true
// distribution function is at most w f/2, so the distance (before it is divided)
// is off by at most half the mean bucket width of either side, together: 1.1 % of
// the mean distance from the histogram's center on either side.
func wasserstein(c *comparison) float64 {
	if c.ref.distribution == nil {
		c.ref.Prepare()
	}
	var memory [maxBuckets]bucket
	cur := newDistribution(memory[:0], c.cur.Exp)
	if c.ref.distribution == nil || cur.count == 0 {
		return math.NaN()
	}
	value := earthMover(c.ref.distribution, &cur) / c.ref.StdDev
	if math.IsInf(value, 0) { // values near the largest float
		return math.NaN()
	}
	return value
}

// wassersteinNull takes the distance as log-normal, with the mean and variance of the area under a
// Brownian bridge; where it is calibrated its square is a scaled F variable with these two moments.
func wassersteinNull(c *comparison, s spread) null {
	if c.ref.distribution == nil {
		c.ref.Prepare()
	}
	dev := math.Sqrt(1/c.ref.distribution.count+1/float64(c.cur.Exp.Count())) / c.ref.StdDev
	mean, variance := c.ref.distribution.mean*dev, c.ref.distribution.variance*dev*dev
	if !(mean > 0) || math.IsInf(variance, 1) {
		return constant{}
	}
	spread := math.Log1p(variance / (mean * mean))
	if s.calibrated {
		within := wassersteinShare * 2 / math.Expm1(4*spread)
		// The square of a mean of n values has a variance of 2 + kurtosis/n over its own square.
		dof := 1 / (1/s.dof(within) + c.ref.distribution.kurtosis/(2*float64(c.cur.Exp.Count())))
		return scaledF{mean: (mean*mean + variance) * s.grow, dof: dof, terms: within, nu: s.nu * min(1, dof), root: true, memo: s.memo}
	}
	return logNormal{mean: mean, dev: math.Sqrt(spread), median: math.Log(mean) - spread/2}
}

// kurtosis returns that of the values in the buckets above a normal variable's, 0 if it is less, or is not known.
func kurtosis(buckets []bucket, count float64) float64 {
	mean := 0.0
	for _, b := range buckets {
		mean += (b.lower + b.upper) / 2 * (b.count / count)
	}
	second, fourth := 0.0, 0.0
	for _, b := range buckets {
		d := (b.lower+b.upper)/2 - mean
		second += d * d * (b.count / count)
		fourth += d * d * d * d * (b.count / count)
	}
	k := fourth/(second*second) - 3
	if !(k > 0) || math.IsInf(k, 1) {
		return 0
	}
	return k
}

// wassersteinShare of the degrees of freedom by the two moments give the square the tail of the true one, at 1 %
// for a uniform feature, or a thicker one.
const wassersteinShare = 0.8

// earthMover returns the area between the distribution functions of two sides: the distance of
// their quantile functions, which are linear between the cumulated shares at which either leaves a bucket.
func earthMover(a, b *distribution) float64 {
	sum, m, n := 0.0, a.count, b.count
	f, g := enter(a, n), enter(b, m) // in units of 1/(m n)
	for {
		mass, from := min(f.rest, g.rest), f.at-g.at
		f.advance(mass)
		g.advance(mass)
		sum += mass * meanAbsLine(from, f.at-g.at)
		if !f.next() || !g.next() {
			return sum / (m * n)
		}
	}
}

// walk goes along a quantile function.
type walk struct {
	buckets []bucket // those that were not left yet
	unit    float64  // of rest: so much is one value
	rest    float64  // of the first bucket
	at      float64  // the value there
}

func enter(a *distribution, unit float64) walk {
	w := walk{buckets: a.buckets, unit: unit}
	w.begin()
	return w
}

// begin is at the lower end of the first bucket.
func (w *walk) begin() {
	b := &w.buckets[0]
	w.rest = b.count * w.unit
	w.at = b.quantile(w.rest / w.unit)
}

// advance goes on by a mass that is no more than the rest.
func (w *walk) advance(mass float64) {
	b := &w.buckets[0]
	if w.rest -= mass; w.rest > 0 {
		w.at = b.quantile(w.rest / w.unit)
	} else {
		w.at = b.upper
	}
}

// next leaves the bucket if it is used up, and reports whether there is one to be in.
func (w *walk) next() bool {
	if w.rest > 0 {
		return true
	}
	if w.buckets = w.buckets[1:]; len(w.buckets) == 0 {
		return false
	}
	w.begin()
	return true
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

func (l logNormal) significant(x, alpha float64) bool { return l.survival(x) <= alpha }

func (l logNormal) quantile(alpha float64) float64 {
	return math.Exp(l.median - l.dev*mathext.NormalQuantile(alpha))
}
