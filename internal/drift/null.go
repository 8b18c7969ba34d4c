package drift

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// measurement is the value of a statistic and what is known of it while nothing
// changes. All of it may be undefined (NaN).
type measurement struct {
	value float64
	// mean is the expected value while nothing changes.
	mean float64
	// pvalue is the probability of at least this value while nothing changes.
	pvalue float64
	// critical is the value whose pvalue is alpha.
	critical float64
	// unit is the value that one unit of effect is worth: 1, but for chi-square.
	unit float64
}

var undefined = measurement{math.NaN(), math.NaN(), math.NaN(), math.NaN(), math.NaN()}

// divergence is a value that to first order is factor times chi-square with
// bins-1 degrees of freedom while nothing changes.
func (c comparison) divergence(value, factor float64) measurement {
	dof := float64(c.bins - 1)
	return measurement{value, factor * dof, chiSquareSurvival(dof, value/factor), factor * c.critical, 1}
}

// distance is a value whose square is a divergence.
func (c comparison) distance(value, factor float64) measurement {
	m := c.divergence(value*value, factor)
	return measurement{value, math.Sqrt(factor) * chiMean(float64(c.bins-1)), m.pvalue, math.Sqrt(m.critical), 1}
}

// chiSquareSurvival returns the probability that a chi-square variable exceeds
// x >= 0; undefined without a degree of freedom.
func chiSquareSurvival(dof, x float64) float64 {
	if dof <= 0 {
		return math.NaN()
	}
	return mathext.GammaIncRegComp(dof/2, x/2)
}

// chiSquareQuantile returns what a chi-square variable exceeds with probability
// alpha <= 0.5; undefined without a degree of freedom.
func chiSquareQuantile(dof, alpha float64) float64 {
	if dof <= 0 {
		return math.NaN()
	}
	h := 2 / (9 * dof) // Wilson and Hilferty 1931: the cube root is almost normal
	root := 1 - h - mathext.NormalQuantile(alpha)*math.Sqrt(h)
	x := dof * root * root * root
	norm, _ := math.Lgamma(dof / 2)
	for range 8 { // Newton's method on the logarithm of the survival function
		survival := chiSquareSurvival(dof, x)
		density := math.Exp((dof/2-1)*math.Log(x/2)-x/2-norm) / 2
		step := survival / density * math.Log(survival/alpha)
		x += step
		if math.Abs(step) <= 1e-7*x { // the next step would be its square
			break
		}
	}
	return x
}

// chiMean returns the mean of the square root of a chi-square variable.
func chiMean(dof float64) float64 {
	if dof <= 0 {
		return 0
	}
	a, _ := math.Lgamma((dof + 1) / 2)
	b, _ := math.Lgamma(dof / 2)
	return math.Sqrt2 * math.Exp(a-b)
}

// kolmogorovSurvival returns the probability that the supremum of the absolute
// Brownian bridge exceeds x (Kolmogorov 1933): 2 sum (-1)^(j-1) exp(-2 j² x²).
func kolmogorovSurvival(x float64) float64 {
	if x < 0.2 { // there it is 1 to 13 digits, and the sum is slow
		return 1
	}
	sum, sign := 0.0, 1.0
	for j := 1.0; j <= 20; j++ {
		sum += sign * math.Exp(-2*j*j*x*x)
		sign = -sign
	}
	return min(1, 2*sum)
}

// kolmogorovQuantile returns what the supremum exceeds with probability alpha <= 0.5.
func kolmogorovQuantile(alpha float64) float64 {
	e := alpha / 2 // exp(-2 x²)
	for range 20 {
		e2 := e * e
		e4 := e2 * e2
		e = alpha/2 + e4 - e4*e4*e + e4*e4*e4*e4
	}
	return math.Sqrt(-math.Log(e) / 2)
}

// meanAbs is the mean of the absolute value of a standard normal variable.
const meanAbs = math.Sqrt2 / (math.SqrtPi)

// covariance is that of the absolute values of two standard normal variables
// with correlation r, as a polynomial in r²: 2/π (sqrt(1-r²) + r asin r - 1) is the
// series 2/π (r²/2 + r⁴/24 + r⁶/80 + ...), and the third coefficient takes what is
// left, so that it is exact at |r| = 1 and never too small.
var covariance = [...]float64{1 / math.Pi, 1 / (12 * math.Pi), 1 - 2/math.Pi - 13/(12*math.Pi)}
