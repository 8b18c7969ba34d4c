package eval

import (
	"encoding/binary"
	"slices"
	"strconv"
	"unsafe"

	"github.com/streammon/streammon/internal/sketch"
)

// multiclassPairs are pairs of Multiclass.
//
// The answer of a pair is the service's own decision; if it gave none, the most probable class, the first one on
// ties; without probabilities the pair has no answer. Probabilities count if there is one of each class, each in [0, 1].
type multiclassPairs struct {
	spec        *Spec
	n           uint64
	improper    uint64      // with probabilities that do not count
	cells       []uint64    // of the confusion; nil while there is none
	top         []losses    // of each of Spec.K: 1 if the truth is among the k most probable, else 0
	loss, brier losses      // of pairs with probabilities
	reliability reliability // of the top label
	scores      []scores    // of each class against all others; nil while there is none
}

func newMulticlass(s *Spec) *multiclassPairs {
	return &multiclassPairs{spec: s, top: make([]losses, len(s.K))}
}

// mostProbable returns the class with the largest probability, the first one on ties; -1 if there is none.
func mostProbable(probabilities []float64) int {
	best := -1
	for i, p := range probabilities {
		if best < 0 || p > probabilities[best] {
			best = i
		}
	}
	return best
}

// probabilities returns those of a prediction that count, else nil.
func (s *Spec) probabilities(p *Prediction) []float64 {
	if len(p.Probabilities) != s.classes() {
		return nil
	}
	for _, x := range p.Probabilities {
		if !proper(x) {
			return nil
		}
	}
	return p.Probabilities
}

// answer returns the class that a prediction with these probabilities stands for; -1 if there is none.
func (s *Spec) answer(p *Prediction, probabilities []float64) int {
	if p.Class < 0 {
		return mostProbable(probabilities)
	}
	return s.class(p.Class)
}

func (t *multiclassPairs) add(p *Prediction, l *Label) {
	t.n++
	truth, probabilities := t.spec.class(l.Class), t.spec.probabilities(p)
	answer := t.spec.answer(p, probabilities)
	if answer >= 0 {
		t.table()[truth*t.spec.classes()+answer]++
	}
	if probabilities != nil {
		t.addProbabilities(probabilities, truth)
		return
	}
	if len(p.Probabilities) > 0 {
		t.improper++
	}
	if answer >= 0 && proper(p.Score) {
		t.reliability.add(p.Score, int(same(truth, answer)))
	}
}

// table returns the cells of the confusion.
func (t *multiclassPairs) table() []uint64 {
	if t.cells == nil {
		t.cells = make([]uint64, t.spec.classes()*t.spec.classes())
	}
	return t.cells
}

func (t *multiclassPairs) addProbabilities(probabilities []float64, truth int) {
	of := probabilities[truth]
	rank, squares := 0, 0.0
	if t.scores == nil {
		t.scores = make([]scores, t.spec.classes())
	}
	for i, p := range probabilities {
		if p > of || p == of && i < truth {
			rank++
		}
		if i == truth {
			squares += square(p - 1)
			t.scores[i].add(p, 0, 1)
		} else {
			squares += square(p)
			t.scores[i].add(p, 1, 0)
		}
	}
	for i, k := range t.spec.K {
		hit := 0.0
		if rank < k {
			hit = 1
		}
		t.top[i].add(hit)
	}
	t.loss.add(surprise(of))
	t.brier.add(squares)
	top := mostProbable(probabilities)
	t.reliability.add(probabilities[top], int(same(truth, top)))
}

func (t *multiclassPairs) merge(o *multiclassPairs) {
	t.n += o.n
	t.improper += o.improper
	if o.cells != nil {
		for i, n := range o.cells {
			t.table()[i] += n
		}
	}
	for i := range t.top {
		t.top[i].merge(&o.top[i])
	}
	t.loss.merge(&o.loss)
	t.brier.merge(&o.brier)
	t.reliability.merge(&o.reliability)
	t.scores = mergeScores(t.scores, o.scores)
}

// mergeScores adds the scores of each class.
func mergeScores(into, from []scores) []scores {
	if into == nil && from != nil {
		into = make([]scores, len(from))
	}
	for i := range from {
		into[i].merge(&from[i])
	}
	return into
}

// cloneScores returns independent copies.
func cloneScores(of []scores) []scores {
	c := slices.Clone(of)
	for i := range c {
		c[i] = of[i].clone()
	}
	return c
}

func scoresBytes(of []scores) (n int) {
	for i := range of {
		n += int(unsafe.Sizeof(of[i])) + of[i].bytes()
	}
	return n
}

func (t *multiclassPairs) clone() *multiclassPairs {
	c := *t
	c.cells, c.top, c.scores = slices.Clone(t.cells), slices.Clone(t.top), cloneScores(t.scores)
	return &c
}

func (t *multiclassPairs) count() uint64 { return t.n }

func (t *multiclassPairs) mispredicted() (wrong, compared uint64) {
	for i, c := range t.cells {
		compared += c
		if k := t.spec.classes(); i/k != i%k {
			wrong += c
		}
	}
	return wrong, compared
}

func (t *multiclassPairs) bytes() int {
	return int(unsafe.Sizeof(*t)) + 8*cap(t.cells) + 24*cap(t.top) + scoresBytes(t.scores)
}

func (t *multiclassPairs) appendBinary(b []byte) []byte {
	b = binary.AppendUvarint(binary.AppendUvarint(b, t.n), t.improper)
	b = binary.AppendUvarint(b, uint64(len(t.cells)))
	for _, n := range t.cells {
		b = binary.AppendUvarint(b, n)
	}
	for i := range t.top {
		b = t.top[i].appendBinary(b)
	}
	b = t.reliability.appendBinary(t.brier.appendBinary(t.loss.appendBinary(b)))
	return appendScores(b, t.scores)
}

func appendScores(b []byte, of []scores) []byte {
	b = binary.AppendUvarint(b, uint64(len(of)))
	for i := range of {
		b = of[i].appendBinary(b)
	}
	return b
}

// readScores reads the scores of that many classes, or of none.
func readScores(d *sketch.Decoder, classes int) []scores {
	n := d.Length(2)
	if n == 0 {
		return nil
	}
	if n != classes {
		d.Fail(errDamaged)
		return nil
	}
	read := make([]scores, n)
	for i := range read {
		if d.Err() == nil {
			read[i].readBinary(d)
		}
	}
	return read
}

func (t *multiclassPairs) readBinary(d *sketch.Decoder) {
	t.n, t.improper = d.Count(), d.Count()
	if n := d.Length(1); n == t.spec.classes()*t.spec.classes() {
		for i := range t.table() {
			t.cells[i] = d.Count()
		}
	} else if n != 0 {
		d.Fail(errDamaged)
	}
	for i := range t.top {
		t.top[i].readBinary(d)
	}
	t.loss.readBinary(d)
	t.brier.readBinary(d)
	t.reliability.readBinary(d)
	t.scores = readScores(d, t.spec.classes())
	if d.Err() == nil && !t.consistent() {
		d.Fail(errDamaged)
	}
}

// consistent reports whether the numbers agree with each other.
func (t *multiclassPairs) consistent() bool {
	judged, _ := t.reliability.total()
	answered := uint64(0)
	for _, n := range t.cells {
		answered += n
	}
	for i := range t.top {
		if t.top[i].n != t.loss.n {
			return false
		}
	}
	for i := range t.scores {
		if t.scores[i].total() != t.loss.n {
			return false
		}
	}
	return t.improper <= t.n && t.loss.n <= t.n && answered <= t.n && judged <= t.n && t.loss.n <= judged && t.loss.n == t.brier.n &&
		(t.loss.n > 0) == (t.scores != nil)
}

func (t *multiclassPairs) figures(s *Spec, dst []Figure) []Figure {
	if t.cells != nil {
		c := confusion{s.classes(), t.cells}
		m := c.margins()
		dst = c.overall(m, 1, dst)
		dst = c.averages(m, len(s.Classes), dst)
	}
	for i, k := range s.K {
		dst = put(dst, t.top[i].figure("topk_accuracy").labelled("k", strconv.Itoa(k)))
	}
	dst = put(dst, oneAgainstRest(curves(t.scores, 1), (*curve).measuredArea))
	dst = put(dst, t.loss.figure("log_loss"))
	dst = put(dst, t.brier.figure("brier_score"))
	return put(dst, t.reliability.calibration())
}

// curves returns the curve of each class, with each unit of mass counted as scale.
func curves(of []scores, scale float64) []*curve {
	cs := make([]*curve, len(of))
	for i := range of {
		cs[i] = of[i].curve(scale)
	}
	return cs
}

// oneAgainstRest returns the mean of the areas under curves of each class against all others, where they are defined. Its standard error is
// the mean of theirs: that of areas that err together, which is the most it can be.
func oneAgainstRest(of []*curve, area func(*curve) Figure) Figure {
	var mean Figure
	n := 0.0
	for _, c := range of {
		f := area(c)
		if !defined(f.Value) {
			continue
		}
		mean.Name = f.Name
		mean.Value += f.Value
		mean.Low += f.Low
		mean.High += f.High
		mean.StdErr += f.StdErr
		n++
	}
	mean.Value, mean.Low, mean.High, mean.StdErr = mean.Value/n, mean.Low/n, mean.High/n, mean.StdErr/n
	return mean
}
