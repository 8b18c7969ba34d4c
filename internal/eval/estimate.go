package eval

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"unsafe"

	"github.com/streammon/streammon/internal/sketch"
)

// estimateVersion is the first byte of an estimate's binary form.
const estimateVersion = 1

// certain is the probability 1 in the scores of an estimate: probabilities are integers there, so that their sums do
// not depend on the order. Each is off by 2^-31 at most.
const certain = 1 << 30

// expected is what is known of a class without labels, of predictions that have an answer.
type expected struct {
	answers  uint64  // predictions with this answer
	hits     float64 // of these, the expected number that are right
	truths   float64 // the expected number of predictions of which it is the truth
	variance float64 // of hits, by chance
}

// Estimate says how good the answers of Binary and Multiclass probably are, from predictions without labels, as the method CBPE does
// (confidence-based performance estimation, of NannyML): a calibrated probability is the chance that a class is the truth, and the confusion that
// is expected by these chances gives the figures. It sees changes of the inputs, but no change of what is true
// for given inputs. The standard errors are how far, by chance, the figures of as many predictions with labels may be from these
// if all probabilities are right. It is not safe for concurrent use.
type Estimate struct {
	spec       *Spec
	calibrator *Calibrator
	n          uint64     // predictions with a probability
	unknown    uint64     // predictions without one
	classes    []expected // Binary: negative and positive
	scores     []scores   // with what is expected of each score; Binary: one, of positives
	scratch    []float64
}

// NewEstimate returns an empty estimate for a Spec of Binary or Multiclass, by a calibrator (nil: scores are probabilities).
func NewEstimate(s *Spec, c *Calibrator) *Estimate {
	e := &Estimate{spec: s, calibrator: c}
	switch s.Task {
	case Binary:
		e.classes, e.scores = make([]expected, 2), make([]scores, 1)
	case Multiclass:
		e.classes, e.scores = make([]expected, s.classes()), make([]scores, s.classes())
	default:
		panic("eval: an estimate of another task")
	}
	return e
}

// Add adds a prediction.
func (e *Estimate) Add(p *Prediction) {
	if e.spec.Task == Binary {
		e.addBinary(p)
	} else {
		e.addMulticlass(p)
	}
}

func (e *Estimate) addBinary(p *Prediction) {
	c := e.calibrator.At(p.Score)
	if !proper(c) {
		e.unknown++
		return
	}
	e.n++
	e.addScore(0, p.Score, c)
	answer, byScore := e.spec.decide(p)
	if answer < 0 {
		answer = byScore
	}
	if answer < 0 {
		return
	}
	e.classes[0].truths += 1 - c
	e.classes[1].truths += c
	if answer == 0 {
		c = 1 - c
	}
	e.answered(answer, c)
}

func (e *Estimate) addMulticlass(p *Prediction) {
	probabilities := e.spec.probabilities(p)
	calibrated, ok := e.calibrator.AtAll(e.scratch, probabilities)
	e.scratch = calibrated
	if !ok {
		e.unknown++
		return
	}
	e.n++
	for i, c := range calibrated {
		e.classes[i].truths += c
		e.addScore(i, probabilities[i], c)
	}
	answer := e.spec.answer(p, probabilities)
	e.answered(answer, calibrated[answer])
}

// addScore adds a score that is positive with probability c.
func (e *Estimate) addScore(class int, score, c float64) {
	positive := uint64(math.RoundToEven(c * certain))
	e.scores[class].add(score, certain-positive, positive)
}

// answered adds an answer that is right with probability c.
func (e *Estimate) answered(class int, c float64) {
	of := &e.classes[class]
	of.answers++
	of.hits += c
	of.variance += float64(c * (1 - c)) // not fused
}

// Merge adds what another estimate of the same Spec and calibrator has, which stays as it is.
func (e *Estimate) Merge(o *Estimate) {
	e.n += o.n
	e.unknown += o.unknown
	for i := range e.classes {
		c, of := &e.classes[i], &o.classes[i]
		c.answers += of.answers
		c.hits += of.hits
		c.truths += of.truths
		c.variance += of.variance
	}
	e.scores = mergeScores(e.scores, o.scores)
}

// Clone returns an independent copy.
func (e *Estimate) Clone() *Estimate {
	c := *e
	c.classes, c.scores, c.scratch = slices.Clone(e.classes), cloneScores(e.scores), nil
	return &c
}

// Count returns the number of predictions with a probability.
func (e *Estimate) Count() uint64 { return e.n }

// Bytes estimates the memory in use.
func (e *Estimate) Bytes() int {
	return int(unsafe.Sizeof(*e)) + 32*cap(e.classes) + scoresBytes(e.scores) + 8*cap(e.scratch)
}

// AppendBinary appends the binary form, by which ReadEstimate of the same Spec and calibrator makes it again.
func (e *Estimate) AppendBinary(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(append(b, estimateVersion), e.spec.Fingerprint())
	b = binary.LittleEndian.AppendUint64(b, e.calibrator.Fingerprint())
	b = binary.AppendUvarint(binary.AppendUvarint(b, e.n), e.unknown)
	for _, c := range e.classes {
		b = appendFloats(binary.AppendUvarint(b, c.answers), []float64{c.hits, c.truths, c.variance})
	}
	for i := range e.scores {
		b = e.scores[i].appendBinary(b)
	}
	return b
}

// ReadEstimate reads an estimate by this calibrator that a Spec which counts the same has written, and nothing behind it.
func (s *Spec) ReadEstimate(b []byte, c *Calibrator) (*Estimate, error) {
	if s.Task != Binary && s.Task != Multiclass {
		return nil, errors.New("read estimate: of another task")
	}
	e := NewEstimate(s, c)
	d := sketch.NewDecoder(b)
	d.Begin(estimateVersion)
	if !s.Adds(d.Uint64()) || d.Uint64() != c.Fingerprint() {
		d.Fail(ErrSpec)
	}
	e.n, e.unknown = d.Count(), d.Count()
	for i := range e.classes {
		of := &e.classes[i]
		of.answers, of.hits, of.truths, of.variance = d.Count(), d.Float(), d.Float(), d.Float()
		if of.hits < 0 || of.truths < 0 || of.variance < 0 {
			d.Fail(errDamaged)
		}
	}
	for i := range e.scores {
		if d.Err() == nil {
			e.scores[i].readBinary(d)
		}
	}
	if d.Err() == nil && !e.consistent() {
		d.Fail(errDamaged)
	}
	return e, all(d, "estimate")
}

// consistent reports whether the numbers agree with each other.
func (e *Estimate) consistent() bool {
	answers := uint64(0)
	for _, c := range e.classes {
		if c.answers > e.n {
			return false
		}
		answers += c.answers
	}
	for i := range e.scores {
		if e.scores[i].total() != e.n*certain {
			return false
		}
	}
	return answers <= e.n
}

// Figures appends all figures that are defined, in a fixed order.
func (e *Estimate) Figures(dst []Figure) []Figure {
	if e.spec.Task == Binary {
		return put(e.binary(dst), e.scores[0].curve(1./certain).expectedArea())
	}
	return put(e.multiclass(dst), oneAgainstRest(curves(e.scores, 1./certain), (*curve).expectedArea))
}

// binary appends the figures of the expected confusion. With T the positives among the predictions that are answered
// with positive and F those among the others, which are sums of independent events of variances V₁ and V₀, the standard
// errors are those of functions of T and F by the delta method.
func (e *Estimate) binary(dst []Figure) []Figure {
	no, yes := e.classes[0], e.classes[1]
	tn, tp := no.hits, yes.hits
	fn, fp := float64(no.answers)-tn, float64(yes.answers)-tp
	root := func(byT, byF float64) float64 { return math.Sqrt(square(byT)*yes.variance + square(byF)*no.variance) }
	n := tn + tp + fn + fp
	dst = put(dst, exactly("estimated_accuracy", (tp+tn)/n, root(1/n, 1/n)))
	dst = put(dst, exactly("estimated_precision", tp/(tp+fp), root(1/(tp+fp), 0)))
	p := tp + fn
	dst = put(dst, exactly("estimated_recall", tp/p, root(fn/p/p, tp/p/p)))
	p = tn + fp
	dst = put(dst, exactly("estimated_specificity", tn/p, root(tn/p/p, fp/p/p)))
	p = 2*tp + fp + fn
	return put(dst, exactly("estimated_f1", 2*tp/p, root(2*(fp+tp+fn)/p/p, 2*tp/p/p)))
}

// multiclass appends the figures of the expected confusion, averaged over classes as those with labels are ("macro"). Of recall and F1, of
// which parts depend on each other, the standard errors are not known.
func (e *Estimate) multiclass(dst []Figure) []Figure {
	var precision, recall, f1, hits, variance, spread float64
	total, classes := uint64(0), len(e.spec.Classes)
	for i, c := range e.classes {
		answers := float64(c.answers)
		hits += c.hits
		variance += c.variance
		total += c.answers
		precision += over(c.hits, answers)
		spread += over(c.variance, square(answers))
		recall += over(c.hits, c.truths)
		f1 += over(2*c.hits, answers+c.truths)
		if i == len(e.spec.Classes) && answers+c.truths > 0 {
			classes++
		}
	}
	if total == 0 {
		return dst
	}
	n, k := float64(total), float64(classes)
	dst = put(dst, exactly("estimated_accuracy", hits/n, math.Sqrt(variance)/n))
	dst = put(dst, exactly("estimated_precision", precision/k, math.Sqrt(spread)/k).labelled("average", "macro"))
	dst = put(dst, exactly("estimated_recall", recall/k, math.NaN()).labelled("average", "macro"))
	return put(dst, exactly("estimated_f1", f1/k, math.NaN()).labelled("average", "macro"))
}

// expectedArea returns the area under the ROC curve that is expected of a curve of probabilities. Its standard error is that of the area as a function of independent
// labels, by the delta method; within a bin all probabilities are taken for equal, which is the most that it can be.
func (c *curve) expectedArea() Figure {
	f := c.area()
	f.Name = "estimated_roc_auc"
	variance := 0.0
	c.each(func(s step, below, above float64) {
		n := s.negatives + s.positives
		by := (below-f.Value)/c.positives - (above-f.Value)/c.negatives
		variance += s.positives * s.negatives / n * by * by
	})
	f.StdErr = math.Sqrt(variance)
	return f
}
