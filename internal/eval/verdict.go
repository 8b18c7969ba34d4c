package eval

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// The states of a verdict; the undefined state is empty.
const (
	OK      = "ok"
	Warning = "warning"
	Worse   = "worse"
)

// Direction is which values of a figure are the better ones.
type Direction int8

// The directions.
const (
	Neither Direction = iota // no verdict
	Higher
	Lower
)

// Criterion says when a figure is worse than that of the reference.
type Criterion struct {
	Better Direction
	// Level of significance, in (0, 0.5].
	Level float64
	// Floor is the smallest change for the worse that matters: absolute, or relative to the reference's value.
	Floor    float64
	Relative bool
	// Between is how much the figure varies from window to window while nothing changes, as a variance, beyond what the sizes of the
	// samples tell; 0 if that is unknown. Degrees are those of freedom of its estimate; 0: it is exact.
	Between, Degrees float64
	// Samples and ReferenceSamples are the numbers of pairs; below MinSamples there is no verdict.
	Samples, ReferenceSamples, MinSamples uint64
}

// Verdict says whether a figure is worse than that of the reference. NaN is undefined.
type Verdict struct {
	State string
	// PValue is the probability of at least this change for the worse while nothing changes.
	PValue float64
	// Threshold is the value at which, and beyond which, the state is Worse. It may be none that the figure can have.
	Threshold float64
	// Delta is the figure less that of the reference.
	Delta float64
}

// Compare tests, one-sided, whether a figure is worse than the reference's, by the normal distribution of their difference. Its variance
// is the sum of both squared standard errors and c.Between; as far as that is an estimate, Student's t takes the place of the normal, with
// the degrees of freedom of Satterthwaite. Worse is significant and at least the floor away, Warning significant and at
// least half of that. Without both standard errors there is only Delta.
//
// A sample may by chance show less variation than there is: none at all if all its answers are equal. So its standard error is
// taken for no less than what the reference has at this size, and the other way round, if both sizes are given.
func Compare(now, reference Figure, c Criterion) Verdict {
	v := Verdict{PValue: math.NaN(), Threshold: math.NaN(), Delta: now.Value - reference.Value}
	sign := 1.0 // of a change for the worse
	if c.Better == Higher {
		sign = -1
	}
	deviation := math.Sqrt(c.variance(now.StdErr, reference.StdErr))
	if c.Better == Neither || c.Samples < c.MinSamples || !defined(deviation) || !defined(v.Delta) {
		return v
	}
	floor := c.Floor
	if c.Relative {
		floor *= math.Abs(reference.Value)
	}
	critical, tail := c.law(deviation)
	critical *= deviation
	v.Threshold = reference.Value + sign*max(floor, critical)
	effect := sign * v.Delta
	v.PValue = tail(effect / deviation)
	if deviation == 0 {
		v.PValue = 1
		if effect > 0 {
			v.PValue = 0
		}
	}
	switch {
	case effect <= 0 || effect < critical || effect < floor/2:
		v.State = OK
	case effect < floor:
		v.State = Warning
	default:
		v.State = Worse
	}
	return v
}

// normalDegrees are the degrees of freedom from which on Student's t is taken for normal.
const normalDegrees = 1e4

// law returns what the difference exceeds with the probability Level, in standard deviations, and the probability that it exceeds a
// number of them.
func (c *Criterion) law(deviation float64) (critical float64, tail func(float64) float64) {
	if c.Between > 0 && c.Degrees > 0 {
		if degrees := c.Degrees * square(deviation*deviation/c.Between); degrees < normalDegrees {
			t := distuv.StudentsT{Sigma: 1, Nu: degrees}
			return -t.Quantile(c.Level), t.Survival
		}
	}
	return normalCritical(c.Level), normalTail
}

// variance returns that of the difference of two figures with these standard errors; NaN if one is unknown.
func (c *Criterion) variance(now, reference float64) float64 {
	a, b := now*now, reference*reference
	if c.Samples > 0 && c.ReferenceSamples > 0 {
		size := float64(c.Samples) / float64(c.ReferenceSamples)
		a, b = max(a, b/size), max(b, a*size)
	}
	return a + b + c.Between
}
