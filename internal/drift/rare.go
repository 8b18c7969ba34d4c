package drift

import "gonum.org/v1/gonum/mathext"

// rareNull is the null of how many values are missing where fewer than minExpected are expected to be, or to be there: their number
// is binomial, of as many independent values as the window is worth, and only more of them than expected tell something.
type rareNull struct {
	c    *comparison // the presence
	rare int         // its bin that is
	mean float64
	grow float64
}

// rareOf returns that of a presence, or nil if both of its bins are large enough.
func rareOf(c *comparison, s spread) null {
	least := c.leastTested(c.n)
	for i, r := range c.ref.Bins {
		if float64(r) < least {
			return rareNull{c, i, c.scale * s.grow, max(s.grow, 1)}
		}
	}
	return nil
}

func (r rareNull) expected() float64 { return r.mean }

// tail is the probability of at least count values in the rare bin. One more than the reference has is taken for its own number, to be safe.
func (r rareNull) tail(count uint64) float64 {
	share := min(1, float64(r.c.ref.Bins[r.rare]+1)/(r.c.m+1))
	k, n := float64(count)/r.grow, r.c.n/r.grow
	return mathext.RegIncBeta(max(k, 1), max(n-k, 0)+1, share)
}

// at is the statistic of a window with count values in the rare bin.
func (r rareNull) at(count uint64) float64 {
	bins := []uint64{0, 0}
	bins[r.rare], bins[1-r.rare] = count, uint64(r.c.n)-count
	return populationStability(newComparison(r.c.ref, Sample{Bins: bins}))
}

// usual is the number of values in the rare bin that is expected.
func (r rareNull) usual() uint64 { return uint64(float64(r.c.ref.Bins[r.rare]) / r.c.m * r.c.n) }

// survival is of a value that more values than usual give. It is 1 for the others, which are less than half of an effect.
func (r rareNull) survival(x float64) float64 {
	low, high := r.usual(), uint64(r.c.n)
	if r.at(high) < x {
		return 0
	}
	for low < high {
		if mid := low + (high-low)/2; r.at(mid) >= x {
			high = mid
		} else {
			low = mid + 1
		}
	}
	if high <= r.usual() {
		return 1
	}
	return r.tail(high)
}

func (r rareNull) significant(x, alpha float64) bool { return r.survival(x) <= alpha }

// quantile is the value of the fewest values that are so improbable, or more than that of all if none are.
func (r rareNull) quantile(alpha float64) float64 {
	low, high := r.usual(), uint64(r.c.n)
	if r.tail(high) > alpha {
		return 2 * r.at(high)
	}
	for low < high {
		if mid := low + (high-low)/2; r.tail(mid) <= alpha {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return r.at(high)
}
