package eval

// Point of a curve.
type Point struct{ X, Y float64 }

// Reliability is a bin of probabilities: their number, their mean, and the share of them that came true.
type Reliability struct {
	N           uint64
	Mean, Share float64
}

// Curves are what can be drawn of scores. They do not change.
type Curves struct {
	// ROC has the true positive rate by the false positive rate, from (0, 0) to (1, 1), and PR the precision by the recall, which
	// rises. Both have about 64 points at most; they are nil without both classes. Ties are a straight line.
	ROC, PR []Point
	// Calibration has the bins of 15 of equal width that have scores, rising.
	Calibration []Reliability
}

// curvePoints is about how many points a curve has at most.
const curvePoints = 64

// Curves returns what can be drawn of Binary, and of Multiclass the calibration of the most probable class; nil of other tasks, and
// where there were no scores.
func (t *Tally) Curves() *Curves {
	switch o := t.part.(type) {
	case only[binaryPairs, *binaryPairs]:
		c := &Curves{Calibration: o.of.reliability.bins()}
		c.ROC, c.PR = o.of.scores.curve(1).drawn()
		if c.ROC == nil && c.Calibration == nil {
			return nil
		}
		return c
	case only[multiclassPairs, *multiclassPairs]:
		if bins := o.of.reliability.bins(); bins != nil {
			return &Curves{Calibration: bins}
		}
	}
	return nil
}

// bins returns those that have pairs.
func (r *reliability) bins() (out []Reliability) {
	for i := range r {
		if n := r[i].n; n > 0 {
			out = append(out, Reliability{n, r[i].sum / float64(n), float64(r[i].positives) / float64(n)})
		}
	}
	return out
}

// drawn returns both curves, from the highest score down: a point wherever either rate has gone on by a part of the whole.
func (c *curve) drawn() (roc, pr []Point) {
	if c.negatives == 0 || c.positives == 0 {
		return nil, nil
	}
	const least = 2. / curvePoints // of both rates together
	roc = append(roc, Point{0, 0})
	var negatives, positives float64
	last := Point{}
	for i := len(c.steps) - 1; i >= 0; i-- {
		negatives += c.steps[i].negatives
		positives += c.steps[i].positives
		p := Point{negatives / c.negatives, positives / c.positives}
		if i > 0 && p.X-last.X+p.Y-last.Y < least {
			continue
		}
		roc, last = append(roc, p), p
		if positives > 0 {
			pr = append(pr, Point{p.Y, positives / (positives + negatives)})
		}
	}
	return roc, pr
}
