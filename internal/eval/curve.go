package eval

import "math"

// step is an entry of a scores, or of one with weights: what it has of each class, and between which scores.
type step struct{ low, high, negatives, positives float64 }

// curve is a scores in the order of the scores, rising, from which all figures of ranks come.
type curve struct {
	steps                []step
	negatives, positives float64
	binned               bool // the order within a step is not known; else its scores are equal
}

// curve returns the entries with each unit of mass counted as scale.
func (h *scores) curve(scale float64) *curve {
	c := &curve{steps: make([]step, 0, len(h.masses)), binned: h.binned}
	put := func(low, high float64, m mass) {
		s := step{low, high, scale * float64(m[0]), scale * float64(m[1])}
		c.steps = append(c.steps, s)
		c.negatives += s.negatives
		c.positives += s.positives
	}
	if h.binned {
		for i, m := range h.masses {
			if m == (mass{}) {
				continue
			}
			low, high := math.Inf(-1), math.Inf(1) // of scores that are no probability
			if within(i) {
				low, high = edges(i)
			}
			put(low, high, m)
		}
		return c
	}
	for _, i := range h.rising() {
		put(h.values[i], h.values[i], h.masses[i])
	}
	return c
}

// measuredArea is area with its standard error.
func (c *curve) measuredArea() Figure {
	f := c.area()
	f.StdErr = c.delong(f.Value)
	return f
}

// area returns the area under the ROC curve: the share of pairs of a positive and a negative of which the positive has the
// higher score, ties counting half. Low and High take all pairs within a bin for wrong and for right. NaN without both classes.
func (c *curve) area() Figure {
	var low, ties, below float64
	for _, s := range c.steps {
		low += s.positives * below
		ties += s.positives * s.negatives
		below += s.negatives
	}
	pairs := c.negatives * c.positives
	f := exactly("roc_auc", (low+ties/2)/pairs, math.NaN())
	if c.binned {
		f.Low, f.High = low/pairs, (low+ties)/pairs
	}
	return f
}

// each calls f for each step with the shares of negatives below it and of positives above it, ties counting half.
func (c *curve) each(f func(s step, below, above float64)) {
	below, above := 0.0, c.positives
	for _, s := range c.steps {
		above -= s.positives
		f(s, (below+s.negatives/2)/c.negatives, (above+s.positives/2)/c.positives)
		below += s.negatives
	}
}

// delong returns the standard error of an area by DeLong, DeLong and Clarke-Pearson, "Comparing the areas under two or
// more correlated receiver operating characteristic curves" (1988): from the variances of the share of negatives below a
// positive and of positives above a negative. NaN for fewer than two of a class.
func (c *curve) delong(area float64) float64 {
	if c.negatives < 2 || c.positives < 2 {
		return math.NaN()
	}
	var positives, negatives float64
	c.each(func(s step, below, above float64) {
		positives += s.positives * (below - area) * (below - area)
		negatives += s.negatives * (above - area) * (above - area)
	})
	return math.Sqrt(positives/(c.positives-1)/c.positives + negatives/(c.negatives-1)/c.negatives)
}

// precision returns the average precision, the area under the precision-recall curve as a sum of steps: the mean over all
// positives of the precision among the scores that are at least its own. Within a bin Value takes both classes for evenly mixed; Low puts
// all negatives first, High takes all positives for equal and before them. NaN without positives.
func (c *curve) precision() Figure {
	var value, low, high, negatives, positives float64 // the last two are of higher scores
	for i := len(c.steps) - 1; i >= 0; i-- {
		s := c.steps[i]
		n, p := s.negatives, s.positives
		switch {
		case p == 0:
		case c.binned:
			middle := positives + (p+1)/2
			value += p * middle / (middle + negatives + n/2)
			low += leastPrecision(positives, p, negatives+n)
			high += p * (positives + p) / (positives + p + negatives)
		default:
			value += p * (positives + p) / (positives + p + negatives + n)
		}
		negatives, positives = negatives+n, positives+p
	}
	f := exactly("pr_auc", value/c.positives, math.NaN())
	if c.binned {
		f.Low, f.High = low/c.positives, high/c.positives
	}
	return f
}

// leastPrecision returns at most the sum over j = 1..p of (before+j)/(before+j+negatives): with H the sum of the
// reciprocals, p - negatives·H, and H is at most an integral, since 1/x is convex.
func leastPrecision(before, p, negatives float64) float64 {
	from := before + negatives + 0.5
	return max(p-negatives*math.Log1p(p/from), 0)
}

// gain returns the share of all positives that are among the share top of all with the highest scores; equal scores are cut in
// proportion. Within a bin Value is so, too; Low and High put all negatives and all positives first. NaN without positives.
func (c *curve) gain(top float64) Figure {
	left := top * (c.negatives + c.positives)
	var value, low, high float64
	for i := len(c.steps) - 1; i >= 0 && left > 0; i-- {
		n, p := c.steps[i].negatives, c.steps[i].positives
		taken := min(left, n+p)
		value += p * (taken / (n + p))
		low += min(max(taken-n, 0), p)
		high += min(taken, p)
		left -= n + p
	}
	f := exactly("gain", value/c.positives, math.NaN())
	if c.binned {
		f.Low, f.High = low/c.positives, high/c.positives
	}
	return f
}

// calibration returns the calibration error over groups of about equal mass: scores are given to 15 groups by the share of all
// that lies below the middle of theirs, so that equal scores stay together and their order does not count; then as with
// equal width. Of a bin the middle stands for its scores, and Low and High go as far as its edges let them. Scores that are no probability
// are left out; NaN if there is no other.
func (c *curve) calibration() Figure {
	var total float64
	for _, s := range c.steps {
		if proper(s.low) && proper(s.high) {
			total += s.negatives + s.positives
		}
	}
	var gaps, slack [groups]float64
	below := 0.0
	for _, s := range c.steps {
		if !proper(s.low) || !proper(s.high) {
			continue
		}
		n := s.negatives + s.positives
		g := min(int(groups*(below+n/2)/total), groups-1)
		gaps[g] += s.positives - n*(s.low+s.high)/2
		slack[g] += n * (s.high - s.low) / 2
		below += n
	}
	var value, low, high float64
	for g, gap := range gaps {
		gap = math.Abs(gap)
		value += gap
		low += max(gap-slack[g], 0)
		high += gap + slack[g]
	}
	f := exactly("calibration_error_equal_mass", value/total, math.NaN())
	f.Low, f.High = low/total, high/total
	return f
}
