package drift

import "math"

const (
	// minExpected is the count that a bin is expected to have at least, or it is tested together with others: with
	// fewer the statistics are no quadratic forms in normal variables (Cochran 1954).
	minExpected = 5
	// minRoots is the same for statistics of the roots of shares: an empty bin moves them twice as much as its quadratic form, and of those that expect
	// five values one in 150 is empty.
	minRoots = 10
	// maxTested is the number of bins that are tested at most.
	maxTested = 100
)

// pooled returns the bins as they are tested with windows of size n: those in which fewer values are expected than
// is said are put together, neighbour by neighbour, until enough are; and those that the reference does not know are left out, to be
// tested apart, if two others are left. It returns c itself if that changes nothing. Bins that are put together are taken to have each
// discount less in the reference than they have.
func (c *comparison) pooled(n, discount, expected float64) *comparison {
	least := c.leastTested(n, expected)
	ref, cur := make([]uint64, 0, len(c.ref.Bins)), make([]uint64, 0, len(c.ref.Bins))
	var group, few, unseen uint64 // what is not enough yet
	var members float64           // of group
	changed := false
	usual := func() uint64 {
		less := min(uint64(discount*members+0.5), group/2)
		members = 0
		return group - less
	}
	for i, r := range c.ref.Bins {
		x := c.cur.Bins[i]
		switch {
		case r == 0:
			unseen += x
		case float64(r) >= least:
			ref, cur = append(ref, r), append(cur, x)
		default:
			changed = true
			members++
			if group, few = group+r, few+x; float64(group) >= least {
				ref, cur = append(ref, usual()), append(cur, few)
				group, few = 0, 0
			}
		}
	}
	if !changed && unseen == 0 {
		return c
	}
	if last := len(ref) - 1; group > 0 && last >= 0 {
		ref[last], cur[last] = ref[last]+usual(), cur[last]+few
	} else if group > 0 {
		ref, cur = append(ref, usual()), append(cur, few)
	}
	apart := unseen > 0 && len(ref) > 1
	if unseen > 0 && !apart {
		ref, cur = append(ref, 0), append(cur, unseen)
	}
	tested := newComparison(Sample{Bins: ref, Calibration: c.ref.Calibration}, Sample{Bins: cur})
	tested.grouped, tested.apart, tested.memo = changed, apart, c.memo
	return tested
}

// discount returns by how much the numbers of rare categories in the reference exceed, on average, what is to be expected of them: those that are
// there are the ones that came, and what they have too many is what unseen ones will have (Good 1953; by numbers of those that are there once and twice, Ney and others 1994).
func (c *comparison) discount() float64 {
	var once, twice float64
	for _, r := range c.ref.Bins {
		switch r {
		case 1:
			once++
		case 2:
			twice++
		}
	}
	if once == 0 {
		return 0
	}
	return once / (once + 2*twice)
}

// leastTested returns the count in the reference of what is tested on its own with windows of size n in which it is expected so often.
func (c *comparison) leastTested(n, expected float64) float64 {
	least := max(1, expected*c.m/min(n, c.m))
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
	return manyOf(float64(unseen), c.n, share, max(1, grow))
}

// unseenShare of the level goes to the test of unseen values, the rest to the other bins.
const unseenShare = 0.25

// together returns the p-value of two tests that share the level.
func together(bins, unseen float64) float64 {
	if math.IsNaN(bins) {
		return unseen
	}
	return min(1, bins/(1-unseenShare), unseen/unseenShare)
}
