package eval

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
)

// Calibrator makes scores into probabilities, as it was fitted to scores with their labels. It never changes, and its JSON
// form is for profiles. The nil Calibrator takes scores for probabilities as they are.
type Calibrator struct {
	// Scores, rising, and the probability at each, not falling: between them it is interpolated, beyond them it is that at the end. They
	// are of an isotonic calibrator.
	Scores        []float64 `json:"scores,omitempty"`
	Probabilities []float64 `json:"probabilities,omitempty"`
	// Sigmoid has a and b of a calibrator by Platt: the probability at score s is 1/(1 + exp(-(a·s + b))).
	Sigmoid *[2]float64 `json:"sigmoid,omitempty"`
	// Classes are those of each class of a Multiclass model, the one for all others last: each of it against the rest.
	Classes []*Calibrator `json:"classes,omitempty"`
}

// At returns the probability at a score; NaN if the score is not finite, or, for the nil Calibrator, not within [0, 1].
func (c *Calibrator) At(score float64) float64 {
	switch {
	case c == nil && proper(score):
		return score
	case c == nil || !defined(score):
		return math.NaN()
	case c.Sigmoid != nil:
		return 1 / (1 + math.Exp(-(c.Sigmoid[0]*score + c.Sigmoid[1])))
	case len(c.Scores) == 0:
		return math.NaN()
	}
	return c.interpolate(score)
}

func (c *Calibrator) interpolate(score float64) float64 {
	i, found := slices.BinarySearch(c.Scores, score)
	switch last := len(c.Scores) - 1; {
	case found:
		return c.Probabilities[i]
	case i == 0:
		return c.Probabilities[0]
	case i > last:
		return c.Probabilities[last]
	}
	x0, x1, y0, y1 := c.Scores[i-1], c.Scores[i], c.Probabilities[i-1], c.Probabilities[i]
	if y0 == y1 {
		return y0
	}
	share := (score/2 - x0/2) / (x1/2 - x0/2) // halves do not overflow
	return min(y0+float64(share*(y1-y0)), y1) // not fused
}

// AtAll sets dst to the calibrated probabilities of classes that are given with those, so that they add up to 1. It reports whether they can be:
// there must be a calibrator, or none, for each, and a probability above 0.
func (c *Calibrator) AtAll(dst, probabilities []float64) ([]float64, bool) {
	dst = dst[:0]
	if c != nil && len(c.Classes) != len(probabilities) {
		return dst, false
	}
	sum := 0.0
	for i, p := range probabilities {
		of := c
		if c != nil {
			of = c.Classes[i]
		}
		p = of.At(p)
		dst = append(dst, p)
		sum += p
	}
	if !(sum > 0) {
		return dst, false
	}
	for i := range dst {
		dst[i] /= sum
	}
	return dst, true
}

// point is a score with how many pairs have it, and how many of them are positive.
type point struct{ score, n, positives float64 }

// points returns the pairs by their score, rising; scores that are not finite are left out.
func points(scores, labels []float64) []point {
	ps := make([]point, 0, len(scores))
	for i, s := range scores {
		if defined(s) && defined(labels[i]) {
			ps = append(ps, point{s + 0, 1, labels[i]})
		}
	}
	slices.SortFunc(ps, func(a, b point) int { return cmp.Compare(a.score, b.score) })
	merged := ps[:0]
	for _, p := range ps {
		if last := len(merged) - 1; last >= 0 && merged[last].score == p.score {
			merged[last].n++
			merged[last].positives += p.positives
		} else {
			merged = append(merged, p)
		}
	}
	return merged
}

// FitIsotonic returns the probabilities that rise with the score and are the nearest, by squares, to labels that are 0 or 1, by pooling
// adjacent violators (Ayer et al., 1955). Of scores with one probability in a row it keeps the first and the last. There are as many
// labels as scores; nil if there is none with a finite score.
func FitIsotonic(scores, labels []float64) *Calibrator {
	ps := points(scores, labels)
	if len(ps) == 0 {
		return nil
	}
	type pool struct {
		n, positives float64
		end          int // of its points
	}
	var pools []pool
	for i, p := range ps {
		pools = append(pools, pool{p.n, p.positives, i + 1})
		for k := len(pools) - 1; k > 0 && pools[k-1].positives*pools[k].n >= pools[k].positives*pools[k-1].n; k-- {
			pools[k-1] = pool{pools[k-1].n + pools[k].n, pools[k-1].positives + pools[k].positives, pools[k].end}
			pools = pools[:k]
		}
	}
	c := &Calibrator{}
	start := 0
	for _, p := range pools {
		c.knot(ps[start].score, p.positives/p.n)
		if p.end > start+1 {
			c.knot(ps[p.end-1].score, p.positives/p.n)
		}
		start = p.end
	}
	return c
}

func (c *Calibrator) knot(score, probability float64) {
	c.Scores, c.Probabilities = append(c.Scores, score), append(c.Probabilities, probability)
}

// FitPlatt returns the sigmoid of the score that makes labels that are 0 or 1 the most likely, as by Platt, "Probabilistic outputs for
// support vector machines" (1999), in the form of Lin, Lin and Weng (2007): labels are drawn a little from 0 and 1, as by one more of each
// class. There are as many labels as scores; nil if there is none with a finite score.
func FitPlatt(scores, labels []float64) *Calibrator {
	ps := points(scores, labels)
	if len(ps) == 0 {
		return nil
	}
	var n, positives float64
	for _, p := range ps {
		n += p.n
		positives += p.positives
	}
	f := platt{ps, 1 / (n - positives + 2), (positives + 1) / (positives + 2)}
	a, b := f.fit(math.Log((positives + 1) / (n - positives + 1)))
	return &Calibrator{Sigmoid: &[2]float64{a, b}}
}

// platt is the likelihood of a sigmoid, with what labels 0 and 1 count as.
type platt struct {
	points    []point
	low, high float64
}

// fit returns a and b by Newton's method with a line search, from a = 0.
func (f platt) fit(start float64) (a, b float64) {
	b = start
	loss := f.loss(a, b)
	for range 100 {
		da, db := f.direction(a, b)
		step := 1.0
		for ; step > 1e-10; step /= 2 {
			if l := f.loss(a+step*da, b+step*db); l < loss {
				a, b, loss = a+step*da, b+step*db, l
				break
			}
		}
		if step <= 1e-10 {
			break // no better one
		}
	}
	return a, b
}

// target returns the sum of the targets of a point.
func (f platt) target(p point) float64 { return p.positives*f.high + (p.n-p.positives)*f.low }

// loss returns minus the log likelihood.
func (f platt) loss(a, b float64) (sum float64) {
	for _, p := range f.points {
		z := a*p.score + b
		sum += p.n*(math.Max(z, 0)+math.Log1p(math.Exp(-math.Abs(z)))) - f.target(p)*z
	}
	return sum
}

// direction returns Newton's step.
func (f platt) direction(a, b float64) (da, db float64) {
	var ga, gb, haa, hab float64
	hbb := 1e-12
	haa = 1e-12
	for _, p := range f.points {
		q := 1 / (1 + math.Exp(-(a*p.score + b)))
		d, w := p.n*q-f.target(p), p.n*q*(1-q)
		ga += d * p.score
		gb += d
		haa += w * p.score * p.score
		hab += w * p.score
		hbb += w
	}
	det := haa*hbb - hab*hab
	return -(hbb*ga - hab*gb) / det, -(haa*gb - hab*ga) / det
}

var errCalibrator = errors.New("not a calibrator")

// UnmarshalJSON reads what MarshalJSON wrote, and nothing that is no calibrator.
func (c *Calibrator) UnmarshalJSON(b []byte) error {
	type plain Calibrator
	var p plain
	if err := json.Unmarshal(b, &p); err != nil {
		return err
	}
	r := Calibrator(p)
	if err := r.check(); err != nil {
		return fmt.Errorf("%w: %w", errCalibrator, err)
	}
	*c = r
	return nil
}

func (c *Calibrator) check() error {
	switch {
	case len(c.Scores) != len(c.Probabilities):
		return fmt.Errorf("%d scores with %d probabilities", len(c.Scores), len(c.Probabilities))
	case (len(c.Scores) > 0) == (c.Sigmoid != nil) && len(c.Classes) == 0, len(c.Classes) > 0 && (len(c.Scores) > 0 || c.Sigmoid != nil):
		return errors.New("want one of scores, sigmoid, classes")
	}
	for i, s := range c.Scores {
		if p := c.Probabilities[i]; !proper(p) || i > 0 && (s <= c.Scores[i-1] || p < c.Probabilities[i-1]) {
			return fmt.Errorf("score %d does not rise, or its probability falls or is none", i)
		}
	}
	for i, of := range c.Classes {
		if of != nil && len(of.Classes) > 0 {
			return fmt.Errorf("class %d has classes", i)
		}
	}
	return nil
}

// Fingerprint identifies the calibrator: estimates by others do not merge with its own. It is 0 for nil.
func (c *Calibrator) Fingerprint() uint64 {
	if c == nil {
		return 0
	}
	h := fnv.New64a()
	h.Write(c.form(nil))
	return h.Sum64() | 1
}

// form appends all that makes the calibrator what it is.
func (c *Calibrator) form(b []byte) []byte {
	if c == nil {
		return append(b, 0)
	}
	b = append(b, 1, byte(len(c.Classes)))
	b = appendFloats(appendFloats(b, c.Scores), c.Probabilities)
	if c.Sigmoid != nil {
		b = appendFloats(append(b, 2), c.Sigmoid[:])
	}
	for _, of := range c.Classes {
		b = of.form(b)
	}
	return b
}
