package eval

import (
	"encoding/binary"
	"math"
	"strconv"
	"unsafe"

	"github.com/streammon/streammon/internal/sketch"
)

// tops are the shares of the highest scores for which lift and gain are given.
var tops = [...]float64{0.01, 0.05, 0.1}

// table counts pairs by [truth][answer], 0 is negative and 1 positive.
type table [2][2]uint64

func (t *table) merge(o *table) {
	for i := range t {
		t[i][0] += o[i][0]
		t[i][1] += o[i][1]
	}
}

func (t *table) total() uint64 { return t[0][0] + t[0][1] + t[1][0] + t[1][1] }

func (t *table) confusion() confusion {
	return confusion{2, []uint64{t[0][0], t[0][1], t[1][0], t[1][1]}}
}

// binaryPairs are pairs of Binary.
//
// The answer of a pair is the service's own decision; if it gave none, whether its score reaches the threshold of
// the Spec; without one the pair has no answer, and only its score counts. A score that is not finite
// counts nowhere; one outside [0, 1] only where nothing but the order matters.
type binaryPairs struct {
	spec        *Spec
	n           uint64
	positives   uint64 // by their truth
	own         uint64 // with a decision of the service
	unscored    uint64 // without a finite score
	improper    uint64 // with a finite score outside [0, 1]
	decided     table
	atThreshold table // of pairs with a score
	loss, brier losses
	reliability reliability
	scores      scores
}

func newBinary(s *Spec) *binaryPairs { return &binaryPairs{spec: s} }

// decide returns the service's own decision, if there is one, and that by the threshold; -1 where there is none.
func (s *Spec) decide(p *Prediction) (own, byScore int) {
	own, byScore = -1, -1
	if p.Score >= s.Threshold {
		byScore = 1
	} else if p.Score < s.Threshold {
		byScore = 0
	}
	if p.Class == 0 || p.Class == 1 {
		own = p.Class
	}
	return own, byScore
}

func (t *binaryPairs) add(p *Prediction, l *Label) {
	truth := 0
	if l.Class > 0 {
		truth = 1
	}
	t.n++
	t.positives += uint64(truth)
	own, byScore := t.spec.decide(p)
	answer := own
	if own >= 0 {
		t.own++
	} else {
		answer = byScore
	}
	if answer >= 0 {
		t.decided[truth][answer]++
	}
	if byScore >= 0 {
		t.atThreshold[truth][byScore]++
	}
	t.score(p.Score, truth)
}

// score adds the score of a pair.
func (t *binaryPairs) score(p float64, truth int) {
	if !defined(p) {
		t.unscored++
		return
	}
	t.scores.add(p, uint64(1-truth), uint64(truth))
	if !proper(p) {
		t.improper++
		return
	}
	t.reliability.add(p, truth)
	of := p // what came true
	if truth == 0 {
		of = 1 - p
	}
	t.loss.add(surprise(of))
	t.brier.add(square(p - float64(truth)))
}

func (t *binaryPairs) merge(o *binaryPairs) {
	t.n += o.n
	t.positives += o.positives
	t.own += o.own
	t.unscored += o.unscored
	t.improper += o.improper
	t.decided.merge(&o.decided)
	t.atThreshold.merge(&o.atThreshold)
	t.loss.merge(&o.loss)
	t.brier.merge(&o.brier)
	t.reliability.merge(&o.reliability)
	t.scores.merge(&o.scores)
}

func (t *binaryPairs) clone() *binaryPairs {
	c := *t
	c.scores = t.scores.clone()
	return &c
}

func (t *binaryPairs) count() uint64 { return t.n }

func (t *binaryPairs) mispredicted() (wrong, compared uint64) {
	return t.decided[0][1] + t.decided[1][0], t.decided.total()
}

func (t *binaryPairs) bytes() int { return int(unsafe.Sizeof(*t)) + t.scores.bytes() }

func (t *binaryPairs) appendBinary(b []byte) []byte {
	for _, n := range [...]uint64{t.n, t.positives, t.own, t.unscored, t.improper} {
		b = binary.AppendUvarint(b, n)
	}
	for _, c := range [...]*table{&t.decided, &t.atThreshold} {
		for _, row := range c {
			b = appendMass(b, row)
		}
	}
	b = t.brier.appendBinary(t.loss.appendBinary(b))
	return t.scores.appendBinary(t.reliability.appendBinary(b))
}

func (t *binaryPairs) readBinary(d *sketch.Decoder) {
	for _, n := range [...]*uint64{&t.n, &t.positives, &t.own, &t.unscored, &t.improper} {
		*n = d.Count()
	}
	for _, c := range [...]*table{&t.decided, &t.atThreshold} {
		for i := range c {
			c[i][0], c[i][1] = d.Count(), d.Count()
		}
	}
	t.loss.readBinary(d)
	t.brier.readBinary(d)
	t.reliability.readBinary(d)
	t.scores.readBinary(d)
	if d.Err() == nil && !t.consistent() {
		d.Fail(errDamaged)
	}
}

// consistent reports whether the numbers agree with each other.
func (t *binaryPairs) consistent() bool {
	judged, positives := t.reliability.total()
	decided := t.decided.total()
	return t.unscored <= t.n && t.improper <= t.n && t.n == t.unscored+t.improper+t.loss.n && t.loss.n == t.brier.n && t.loss.n == judged &&
		t.scores.total() == t.n-t.unscored && positives <= t.positives && t.positives <= t.n && t.own <= decided && decided <= t.n && t.atThreshold.total() <= t.n
}

func (t *binaryPairs) figures(s *Spec, dst []Figure) []Figure {
	dst = decisions(&t.decided, s, "", "", dst)
	if t.own > 0 {
		dst = decisions(&t.atThreshold, s, "decision", "threshold", dst)
	}
	c := t.scores.curve(1)
	dst = put(dst, proportion("positive_ratio", t.positives, t.n))
	dst = put(dst, c.measuredArea())
	dst = put(dst, c.precision())
	for _, top := range tops {
		at := strconv.FormatFloat(top, 'g', -1, 64)
		gain := c.gain(top).labelled("top", at)
		dst = put(dst, gain)
		gain.Name = "lift"
		gain.Value, gain.Low, gain.High = gain.Value/top, gain.Low/top, gain.High/top
		dst = put(dst, gain)
	}
	dst = put(dst, t.loss.figure("log_loss"))
	dst = put(dst, t.brier.figure("brier_score"))
	reliability, resolution := t.reliability.parts()
	dst = put(dst, exactly("brier_reliability", reliability, math.NaN()))
	dst = put(dst, exactly("brier_resolution", resolution, math.NaN()))
	dst = put(dst, t.reliability.calibration())
	return put(dst, c.calibration())
}

// decisions appends the figures of a table under a label.
func decisions(t *table, s *Spec, label, at string, dst []Figure) []Figure {
	first := len(dst)
	tn, fp, fn, tp := t[0][0], t[0][1], t[1][0], t[1][1]
	c := t.confusion()
	m := c.margins()
	for i, name := range [...]string{"true_negatives", "false_positives", "false_negatives", "true_positives"} {
		if m.n > 0 {
			dst = put(dst, exactly(name, float64(t[i/2][i%2]), math.NaN()))
		}
	}
	dst = c.overall(m, 2, dst)
	dst = put(dst, proportion("precision", tp, tp+fp))
	dst = put(dst, proportion("recall", tp, tp+fn))
	dst = put(dst, proportion("specificity", tn, tn+fp))
	dst = put(dst, t.measure("f1", 1))
	if s.Beta > 0 && s.Beta != 1 {
		dst = put(dst, t.measure("fbeta", s.Beta))
	}
	dst = put(dst, proportion("predicted_positive_ratio", tp+fp, m.n))
	if s.Cost != nil {
		dst = put(dst, c.cost(m, s.Cost))
	}
	for i := range dst[first:] {
		dst[first+i] = dst[first+i].labelled(label, at)
	}
	return dst
}

// measure returns the F-measure, (1+β²)tp / ((1+β²)tp + β²fn + fp), with its error by the delta method.
func (t *table) measure(name string, beta float64) Figure {
	b := beta * beta
	fp, fn, tp := float64(t[0][1]), float64(t[1][0]), float64(t[1][1])
	hits := (1 + b) * tp
	all := hits + b*fn + fp
	value := hits / all
	variance := tp*square((1+b)*(1-value)/all) + fn*square(value*b/all) + fp*square(value/all)
	return exactly(name, value, math.Sqrt(variance))
}

// cost returns the mean cost of an answer.
func (c confusion) cost(m margins, costs *[2][2]float64) Figure {
	var sum float64
	for i, n := range c.cells {
		sum += float64(n) * costs[i/2][i%2]
	}
	return exactly("cost", sum/float64(m.n), c.delta(m.n, func(i, j int) float64 { return costs[i][j] }))
}
