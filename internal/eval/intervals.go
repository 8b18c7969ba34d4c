package eval

import "math"

// normalTail returns the probability of a standard normal value of at least z.
func normalTail(z float64) float64 { return math.Erfc(z/math.Sqrt2) / 2 }

// normalCritical returns the value that a standard normal one exceeds with probability p.
func normalCritical(p float64) float64 { return math.Sqrt2 * math.Erfcinv(2*p) }

// portion is a count of successes among n.
type portion struct{ x, n uint64 }

func (s portion) value() float64 { return float64(s.x) / float64(s.n) }

// span is a figure with its confidence interval.
type span struct{ value, low, high float64 }

// wilson returns the share with the score interval of Wilson ("Probable inference, the law of succession, and statistical
// inference", JASA 1927); NaN for n = 0.
func (s portion) wilson(z float64) span {
	n, p := float64(s.n), s.value()
	middle := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return span{p, min(max(middle-half, 0), p), max(min(middle+half, 1), p)} // rounding may leave p out
}

// minus returns a − b, each independent of the other, with the interval by squaring and adding what the two intervals reach:
// for shares with Wilson's it is method 10 of Newcombe ("Interval estimation for the difference between independent proportions", Statistics in
// Medicine 1998), and in general that of Zou and Donner ("Construction of confidence limits about effect measures", same journal 2008).
func (a span) minus(b span) span {
	d := a.value - b.value
	return span{d, d - math.Hypot(a.value-a.low, b.high-b.value), d + math.Hypot(a.high-a.value, b.value-b.low)}
}

// plus is minus for the sum.
func (a span) plus(b span) span { return a.minus(span{-b.value, -b.high, -b.low}) }

// times returns the span times a positive factor.
func (a span) times(f float64) span { return span{a.value * f, a.low * f, a.high * f} }

// over returns the quotient a/b with the interval of its logarithm (Katz et al., "Obtaining confidence intervals for the risk
// ratio in cohort studies", Biometrics 1978), for which a count of 0 or of all is taken half a success nearer to the
// middle. NaN if b has no success.
func (a portion) over(b portion, z float64) span {
	if b.x == 0 || a.n == 0 {
		return span{math.NaN(), math.NaN(), math.NaN()}
	}
	inner := func(s portion) (x, n float64) {
		n = float64(s.n)
		return min(max(float64(s.x), 0.5), n-0.5), n
	}
	x, n := inner(a)
	y, m := inner(b)
	ratio, middle := a.value()/b.value(), x/n/(y/m)
	factor := math.Exp(z * math.Sqrt(1/x-1/n+1/y-1/m))
	return span{ratio, min(middle/factor, ratio), max(middle*factor, ratio)}
}
