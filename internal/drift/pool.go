package drift

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

const (
	// minExpected is the count that a bin is expected to have at least, or it is tested together with others: with
	// fewer the statistics are no quadratic forms in normal variables (Cochran 1954).
	minExpected = 5
	// maxTested is the number of bins that are tested at most.
	maxTested = 100
)

// pooled returns the bins as they are tested with windows of size n: those in which fewer than minExpected values
// are expected are put together, neighbour by neighbour, until enough are; and those that the reference does not know are left out, to be
// tested apart, if two others are left. It returns c itself if that changes nothing.
func (c *comparison) pooled(n float64) *comparison {
	least := c.leastTested(n)
	ref, cur := make([]uint64, 0, len(c.ref.Bins)), make([]uint64, 0, len(c.ref.Bins))
	var group, few, unseen uint64 // what is not enough yet
	changed := false
	for i, r := range c.ref.Bins {
		x := c.cur.Bins[i]
		switch {
		case r == 0:
			unseen += x
		case float64(r) >= least:
			ref, cur = append(ref, r), append(cur, x)
		default:
			changed = true
			if group, few = group+r, few+x; float64(group) >= least {
				ref, cur = append(ref, group), append(cur, few)
				group, few = 0, 0
			}
		}
	}
	if !changed && unseen == 0 {
		return c
	}
	if last := len(ref) - 1; group > 0 && last >= 0 {
		ref[last], cur[last] = ref[last]+group, cur[last]+few
	} else if group > 0 {
		ref, cur = append(ref, group), append(cur, few)
	}
	apart := unseen > 0 && len(ref) > 1
	if unseen > 0 && !apart {
		ref, cur = append(ref, 0), append(cur, unseen)
	}
	tested := newComparison(Sample{Bins: ref, Calibration: c.ref.Calibration}, Sample{Bins: cur})
	tested.apart, tested.memo = apart, c.memo
	return tested
}

// leastTested returns the count in the reference of what is tested on its own with windows of size n.
func (c *comparison) leastTested(n float64) float64 {
	least := max(1, minExpected*c.m/min(n, c.m))
	if len(c.ref.Bins) > maxTested {
		least = max(least, c.m/maxTested)
	}
	return least
}

// unseen returns the probability of at least so many values in bins that the reference does not know. The share of unknown values is about that of the values that the
// reference has once (Good 1953), and one more to be safe.
func (c *comparison) unseen(grow float64) (pvalue float64) {
	var once, unseen uint64
	for i, r := range c.ref.Bins {
		switch r {
		case 0:
			unseen += c.cur.Bins[i]
		case 1:
			once++
		}
	}
	share := min(1, float64(once+1)/(c.m+1))
	k, n := float64(unseen)/grow, c.n/grow // as many independent ones
	return mathext.RegIncBeta(max(k, 1), max(n-k, 0)+1, share)
}

// unseenShare of the level goes to the test of unseen values, the rest to the other bins.
const unseenShare = 0.1

// together returns the p-value of two tests that share the level.
func together(bins, unseen float64) float64 {
	if math.IsNaN(bins) {
		return unseen
	}
	return min(1, bins/(1-unseenShare), unseen/unseenShare)
}
