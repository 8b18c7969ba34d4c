package drift

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// null is the distribution of a statistic while nothing changes.
type null interface {
	// expected is the mean.
	expected() float64
	// survival is the probability of at least x >= 0.
	survival(x float64) float64
	// significant reports whether the survival of x >= 0 is at most alpha.
	significant(x, alpha float64) bool
	// quantile is what is exceeded with probability alpha <= 0.5.
	quantile(alpha float64) float64
}

// constant is the null of data that cannot vary, as with a single bin: the value is 0, and nothing else is known.
type constant struct{}

func (constant) expected() float64        { return 0 }
func (constant) survival(float64) float64 { return math.NaN() }
func (constant) quantile(float64) float64 { return math.NaN() }

func (constant) significant(_, _ float64) bool { return false }

// scaledF is the null of a quadratic form in normal variables, or of its root: mean times an F variable with dof
// and nu degrees of freedom (Satterthwaite 1946), nu being those with which the mean itself is known; infinite,
// it is a scaled chi-square variable. Where the form has more terms than dof, these differ, and the far tail is that of the
// largest: then it is of the form with these moments whose largest term is as large as can be.
type scaledF struct {
	mean, dof, nu float64
	terms         float64 // at most as many as dof: all are equal
	root          bool
	memo          *Memo // nil: none
}

func (f scaledF) expected() float64 {
	if f.root {
		return math.Sqrt(f.mean/f.dof) * chiMean(f.dof)
	}
	return f.mean
}

func (f scaledF) survival(x float64) float64 { return f.unit().survival(f.form(x)) }

func (f scaledF) significant(x, alpha float64) bool {
	return f.memo.tail(f.unit(), alpha).significant(f.form(x))
}

// unit returns the form over its mean.
func (f scaledF) unit() unitForm {
	if f.terms <= max(f.dof, 1) {
		return unitForm{f.dof, f.nu, 0}
	}
	return unitForm{f.dof, f.nu, f.terms}
}

// form returns the value of the form over its mean.
func (f scaledF) form(x float64) float64 {
	if f.root {
		x *= x
	}
	return x / f.mean
}

func (f scaledF) quantile(alpha float64) float64 {
	x := f.mean * f.memo.tail(f.unit(), alpha).quantile()
	if f.root {
		return math.Sqrt(x)
	}
	return x
}

// unitForm is a quadratic form of mean 1: an F variable, with the far tail of a larger term if there are more terms than dof; 0
// terms are equal ones.
type unitForm struct{ dof, nu, terms float64 }

// survival returns the probability of at least x.
func (f unitForm) survival(x float64) float64 {
	p := fSurvival(f.dof, f.nu, x)
	if f.terms > 0 && x > 1 {
		p = max(p, unevenOf(f).survival(x))
	}
	return p
}

// quantile returns what is exceeded with probability alpha.
func (f unitForm) quantile(alpha float64) float64 {
	x := fQuantile(f.dof, f.nu, alpha)
	if f.terms > 0 && x > 1 {
		x = max(x, unevenOf(f).quantile(alpha, x))
	}
	return x
}

// quadratic returns the null of statistics over bins that to first order are factor times
// sum (q-p)²/p, or the root of it. Each of its terms is known with the degrees of freedom of the spread.
func quadratic(factor float64, root bool, bend bend) func(*comparison, spread) null {
	return func(c *comparison, s spread) null {
		terms := float64(c.bins - 1)
		if terms < 1 {
			return constant{}
		}
		mean, variance := 1.0, 1.0
		if s.calibrated || !bend.smoothed { // without a calibration PSI and KL are those of textbooks
			mean, variance = bend.moments(c)
		}
		dof := max(1, s.dof(terms)*mean*mean/variance)
		return scaledF{mean: factor * terms * mean * c.scale * s.grow, dof: dof, terms: terms, nu: s.nu * dof, root: root, memo: s.memo}
	}
}

// bend says how a statistic over bins departs from the quadratic form: with d = (q-p)/p, it is a multiple of the sum of
// p (d² + cubic d³ + quartic d⁴). Half a count in each bin takes back what this adds to the mean.
type bend struct {
	cubic, quartic float64
	smoothed       bool
}

// moments returns the mean and the variance of a statistic of independent values, over those of the quadratic form, if they are
// larger: to second order in the number of values (Read and Cressie 1988, Goodness-of-Fit Statistics for Discrete Multivariate Data).
func (f bend) moments(c *comparison) (mean, variance float64) {
	if f == (bend{}) {
		return 1, 1
	}
	b, t := 0.0, 0.0
	for _, r := range c.ref.Bins {
		if r > 0 {
			b, t = b+1, t+c.m/float64(r)
		}
	}
	if b < 2 {
		return 1, 1
	}
	n := min(c.n, c.m)
	first := f.cubic*(2-3*b+t) + 3*f.quartic*(1-2*b+t)
	second := 2 - 2*b - b*b + t + 3*f.cubic*(8-12*b-2*b*b+6*t) + 3*f.cubic*f.cubic*(4-6*b-3*b*b+5*t) + 12*f.quartic*(2-4*b+2*t)
	mean, variance = 1+max(0, first/n/(b-1)), 1+max(0, second/n/(2*(b-1)))
	if f.smoothed {
		variance = max(1, variance/(mean*mean))
		mean = 1
	}
	return mean, variance
}

// fSurvival returns the probability that an F variable with dof and nu degrees of freedom exceeds x >= 0; an
// infinite nu makes it chi-square over its degrees of freedom.
func fSurvival(dof, nu, x float64) float64 {
	if math.IsInf(nu, 1) {
		return chiSquareSurvival(dof, dof*x)
	}
	if x <= 0 {
		return 1
	}
	return mathext.RegIncBeta(nu/2, dof/2, nu/(nu+dof*x))
}

// fQuantile returns what an F variable exceeds with probability alpha <= 0.5.
func fQuantile(dof, nu, alpha float64) float64 {
	if math.IsInf(nu, 1) {
		return chiSquareQuantile(dof, alpha) / dof
	}
	// The logarithm of the tail is a decreasing, concave function of log x: Newton's method converges from its left.
	a, _ := math.Lgamma(dof / 2)
	b, _ := math.Lgamma(nu / 2)
	ab, _ := math.Lgamma((dof + nu) / 2)
	norm := ab - a - b + dof/2*math.Log(dof/nu)
	x := 1.0
	for range 60 {
		tail := fSurvival(dof, nu, x)
		density := math.Exp(norm + dof/2*math.Log(x) - (dof+nu)/2*math.Log1p(dof*x/nu)) // times x
		step := tail / density * math.Log(tail/alpha)
		x *= math.Exp(max(-2, min(step, 2)))
		if math.Abs(step) <= 1e-9 {
			break
		}
	}
	return x
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
