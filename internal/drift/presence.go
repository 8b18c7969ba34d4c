package drift

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// presenceNull is the null of how many values are missing: their number is binomial where they are independent. It knows the side on
// which the window is, since the two have different tails.
type presenceNull struct {
	c    *comparison // the presence
	mean float64
	more bool    // values are missing than expected, or as many
	each float64 // values that are worth an independent one
	nu   float64 // degrees of freedom with which that is known
}

// moreShare of the level is for more missing values than expected, the rest for fewer, which hurt nobody.
const moreShare = 0.95

// presenceNullOf returns that of a presence.
func presenceNullOf(c *comparison, s spread) null {
	n := presenceNull{c: c, mean: c.scale * s.grow, each: c.n * c.scale * s.grow, nu: s.nu}
	n.more = float64(c.cur.Bins[1])*c.m >= float64(c.ref.Bins[1])*c.n
	return n
}

func (p presenceNull) expected() float64 { return p.mean }

// tail is the probability of so many missing values, or of more of them, or of fewer, over the share that the side has of the level. To be
// safe one more than the reference has is taken for its own number.
func (p presenceNull) tail(count uint64) float64 {
	if p.more {
		return min(1, p.uncertain(manyOf(float64(count), p.c.n, p.share(1), p.each))/moreShare)
	}
	return min(1, p.uncertain(fewOf(float64(count), p.c.n, p.share(0), p.each))/(1-moreShare))
}

// manyOf returns the probability that at least count of n values are of a kind that has the given share, if it takes each values to be worth an independent
// one: then values of a kind come together, in groups whose sizes have a heavier tail than those of a binomial variable of fewer values,
// and the number is taken as a negative binomial variable (Greenwood and Yule 1920).
func manyOf(count, n, share, each float64) float64 {
	if count < 1 {
		return 1
	}
	if e := each * (1 - share); e > 1.01 { // variance over mean
		return mathext.RegIncBeta(count, n*share/(e-1), (e-1)/e)
	}
	k := (count-0.5)/each + 0.5 // a value is less than one of those that are independent
	return mathext.RegIncBeta(k, max(n/each-k, 0)+1, share)
}

// fewOf returns the probability of at most count.
func fewOf(count, n, share, each float64) float64 {
	if share <= 0 {
		return 1
	}
	if e := each * (1 - share); e > 1.01 {
		return mathext.RegIncBeta(n*share/(e-1), count+1, 1/e)
	}
	k := (count+0.5)/each + 0.5
	return mathext.RegIncBeta(max(n/each-k, 0)+1, k, 1-share)
}

// share is that of the reference, if it had so many missing ones more.
func (p presenceNull) share(more float64) float64 {
	return min(1, (float64(p.c.ref.Bins[1])+more)/(p.c.m+more))
}

// uncertain returns a probability of one side of a normal variable as that of one whose scale was estimated.
func (p presenceNull) uncertain(tail float64) float64 {
	if math.IsInf(p.nu, 1) || tail <= 0 || tail >= 0.5 {
		return tail
	}
	z := mathext.NormalQuantile(tail)
	return fSurvival(1, p.nu, z*z) / 2
}

// at is the statistic of a window in which so many values are missing.
func (p presenceNull) at(count uint64) float64 {
	return populationStability(newComparison(p.c.ref, Sample{Bins: []uint64{uint64(p.c.n) - count, count}}))
}

// usual is the number of missing values that is expected.
func (p presenceNull) usual() uint64 { return uint64(float64(p.c.ref.Bins[1]) / p.c.m * p.c.n) }

// farthest is how far the number of missing ones can be from usual.
func (p presenceNull) farthest() uint64 {
	if p.more {
		return uint64(p.c.n) - p.usual()
	}
	return p.usual()
}

// count is that of a distance from usual.
func (p presenceNull) count(distance uint64) uint64 {
	if p.more {
		return p.usual() + distance
	}
	return p.usual() - distance
}

// nearest returns the least distance from usual at which what is true from somewhere on is true; it is so at the farthest.
func (p presenceNull) nearest(is func(count uint64) bool) uint64 {
	low, high := uint64(0), p.farthest()
	for low < high {
		if mid := low + (high-low)/2; is(p.count(mid)) {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return high
}

func (p presenceNull) survival(x float64) float64 {
	if p.at(p.count(p.farthest())) < x {
		return 0
	}
	d := p.nearest(func(count uint64) bool { return p.at(count) >= x })
	if d == 0 {
		return 1
	}
	return p.tail(p.count(d))
}

func (p presenceNull) significant(x, alpha float64) bool { return p.survival(x) <= alpha }

// quantile is the value of the number nearest to usual that is so improbable, or more than that of all if none is.
func (p presenceNull) quantile(alpha float64) float64 {
	if last := p.count(p.farthest()); p.tail(last) > alpha {
		return 2*p.at(last) + p.mean
	}
	return p.at(p.count(p.nearest(func(count uint64) bool { return p.tail(count) <= alpha })))
}

// missingSquare is the square of how much the share of missing values differs, in units of the variance of one value; it is undefined where none are missing, or all.
func (c *comparison) missingSquare() float64 {
	p := float64(c.ref.Bins[1]) / c.m
	d := float64(c.cur.Bins[1])/c.n - p
	if !(p > 0 && p < 1) {
		return math.NaN()
	}
	return d * d / (p * (1 - p))
}
