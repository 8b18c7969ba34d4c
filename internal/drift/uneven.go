package drift

import "math"

// uneven is a quadratic form in normal variables of mean 1: the square of one, times largest, and those of rest others,
// times other; each over an estimate of its scale with nu degrees of freedom.
type uneven struct{ largest, other, rest, nu float64 }

// unevenOf returns the form of f.terms terms that has the variance of a chi-square variable with f.dof degrees
// of freedom, over these, and the largest term that this leaves room for.
func unevenOf(f unitForm) uneven {
	rest := f.terms - 1
	largest := (1 + math.Sqrt(rest*(f.terms/f.dof-1))) / f.terms
	return uneven{min(largest, 1), max(0, 1-largest) / rest, rest, f.nu / f.dof}
}

// survival returns the probability of at least x > 1, by the saddlepoint of the form minus x times the estimate, a quadratic
// form itself (Kuonen 1999); it is within some percent of the truth however small.
func (u uneven) survival(x float64) float64 {
	a, b, r := u.largest, u.other, u.rest
	s := u.saddle(x, 0)
	if !(s > 0 && 2*a*s < 1) {
		return 0.5
	}
	// What is known of the scale of so large a value is what is known of the terms that make it up, by their shares in it.
	first, others := a/(1-2*a*s)/x, b/(1-2*b*s)/x
	nu := u.nu / (first*first + r*others*others)
	c := x / nu
	if s = u.saddle(x, c); !(s > 0 && 2*a*s < 1) {
		return 0.5
	}
	ka, kb, kc := 1-2*a*s, 1-2*b*s, 1+2*c*s
	cumulant := -(math.Log(ka) + r*math.Log(kb)) / 2
	second := 2 * (a*a/(ka*ka) + r*b*b/(kb*kb))
	if math.IsInf(nu, 1) {
		cumulant -= x * s
	} else {
		cumulant -= nu / 2 * math.Log(kc)
		second += 2 * x * c / (kc * kc)
	}
	w, v := math.Sqrt(max(0, -2*cumulant)), s*math.Sqrt(second)
	if w < 1e-3 {
		return 0.5
	}
	return math.Erfc((w+math.Log(v/w)/w)/math.Sqrt2) / 2
}

// saddle returns the zero of the derivative of the cumulant function, a/(1-2as) + rb/(1-2bs) - x/(1+2cs), which is one of a quadratic; c is x over the
// degrees of freedom of the estimate.
func (u uneven) saddle(x, c float64) float64 {
	a, b, r := u.largest, u.other, u.rest
	p := 4 * a * b * (c*(1+r) + x)
	q := 2 * (c*(a+r*b) - a*b*(1+r) + x*(a+b))
	k := x - a - r*b
	return 2 * k / (q + math.Sqrt(max(0, q*q-4*p*k)))
}

// quantile returns what is exceeded with probability alpha, or x > 1 if that is more. The logarithm of the tail is almost straight in
// that of x.
func (u uneven) quantile(alpha, x float64) float64 {
	y := math.Log(u.survival(x) / alpha)
	if y <= 0 {
		return x
	}
	step := 0.2 * x
	for range 40 {
		next := x + step
		z := math.Log(u.survival(next) / alpha)
		if z == y || z != z {
			break
		}
		x, y, step = next, z, -z*step/(z-y)
		step = max(-0.5*x, min(step, 2*x))
		if math.Abs(step) <= 1e-10*x {
			break
		}
	}
	return x
}
