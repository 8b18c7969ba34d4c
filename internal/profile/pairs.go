package profile

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/sketch"
)

// pairs gathers the answers of a reference's rows and their labels, in any order, and pairs them by id: of several answers with
// an id the first counts, and of several labels. A row takes 24 bytes and what its task needs of the answer, a label as much.
type pairs struct {
	measured        Measured
	answers, labels answerLog
	alone           uint64 // rows with a label and without an id
}

// answerLog is what was said of ids, in order.
type answerLog struct {
	ids   []uint64 // hashes
	times []int64  // 0 is unknown
	ends  []int    // in bytes
	bytes []byte
}

func (l *answerLog) add(id uint64, at int64, bytes []byte) {
	l.bytes = bytes
	l.ids, l.times, l.ends = append(l.ids, id), append(l.times, at), append(l.ends, len(bytes))
}

func (l *answerLog) at(i int) []byte {
	start := 0
	if i > 0 {
		start = l.ends[i-1]
	}
	return l.bytes[start:l.ends[i]]
}

// firsts returns the first of each id, in the order of the ids.
func (l *answerLog) firsts() []int {
	order := make([]int, len(l.ids))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(l.ids[a], l.ids[b]), cmp.Compare(a, b)) })
	return slices.CompactFunc(order, func(a, b int) bool { return l.ids[a] == l.ids[b] })
}

// Measure makes Build tell how good the answers are. It is called before the first row.
func (b *Builder) Measure(m Measured) { b.pairs = &pairs{measured: m} }

// Answer notes what was answered in the row that was observed last, at a time that is 0 if it is not known. One without an id
// is of no use unless its row has its own label, which Label then gets with the same id that this returns.
func (b *Builder) Answer(id []byte, at int64, p *eval.Prediction, own bool) (hash uint64) {
	g := b.pairs
	switch {
	case len(id) > 0:
		hash = sketch.HashText(id)
	case own:
		g.alone++
		hash = sketch.HashText(binary.LittleEndian.AppendUint64([]byte("\xff\x00row"), g.alone)) // no text is like this
	default:
		return 0
	}
	g.answers.add(hash, at, g.measured.Spec.AppendPrediction(g.answers.bytes, p))
	return hash
}

// Label notes the label of an id, by its hash, at a time that is 0 if it is not known.
func (b *Builder) Label(id uint64, at int64, l *eval.Label) {
	g := b.pairs
	g.labels.add(id, at, g.measured.Spec.AppendLabel(g.labels.bytes, l))
}

// pair is an answer and its label, as places in their logs, and when the label came; if that is not known when the answer was.
type pair struct {
	answer, label int
	time          int64
}

// all returns the pairs in the order of the answers.
func (g *pairs) all() (out []pair) {
	answers, labels := g.answers.firsts(), g.labels.firsts()
	for _, a := range answers {
		for len(labels) > 0 && g.labels.ids[labels[0]] < g.answers.ids[a] {
			labels = labels[1:]
		}
		if len(labels) > 0 && g.labels.ids[labels[0]] == g.answers.ids[a] {
			out = append(out, pair{a, labels[0], cmp.Or(g.labels.times[labels[0]], g.answers.times[a])})
		}
	}
	slices.SortFunc(out, func(a, b pair) int { return cmp.Compare(a.answer, b.answer) })
	return out
}

// pairReader reads pairs, one at a time.
type pairReader struct {
	g *pairs
	p eval.Prediction
	l eval.Label
}

func (r *pairReader) read(p pair) bool {
	s := r.g.measured.Spec
	return s.ReadPrediction(r.g.answers.at(p.answer), &r.p) && s.ReadLabel(r.g.labels.at(p.label), &r.l)
}

func (r *pairReader) tally(of []pair) *eval.Tally {
	t := eval.NewTally(r.g.measured.Spec)
	for _, p := range of {
		if r.read(p) {
			t.Add(&r.p, &r.l)
		}
	}
	return t
}

// build returns the performance with how figures vary between windows of these lengths, ascending; nil if there is no figure.
func (g *pairs) build(lengths []int64) *Performance {
	all := g.all()
	m, r := g.measured, &pairReader{g: g}
	t := r.tally(all)
	if t.Count() == 0 {
		return nil
	}
	p := &Performance{
		Task: m.Task, Labelled: uint64(len(all)), Figures: t.Figures(nil), tally: t.AppendBinary(nil),
		encoding: m.Spec.Encoding(), fingerprint: m.Spec.Fingerprint(), Calibrator: r.calibrator(all),
	}
	if m.Spec.Task == eval.Binary {
		p.Positive = m.Positive
	}
	all = slices.DeleteFunc(all, func(p pair) bool { return p.time == 0 })
	slices.SortStableFunc(all, func(a, b pair) int { return cmp.Compare(a.time, b.time) })
	if len(all) == 0 {
		return p
	}
	for _, length := range lengths {
		p.Windows = append(p.Windows, r.windows(all, length))
	}
	return p
}

// minIsotonic is the number of labels from which on a calibrator is isotonic: with fewer that follows chance, and a sigmoid does better.
const minIsotonic = 1000

// calibrator fits one to the scores; nil if that tells nothing.
func (r *pairReader) calibrator(all []pair) *eval.Calibrator {
	s := r.g.measured.Spec
	switch s.Task {
	case eval.Binary:
		var scores, labels []float64
		for _, p := range all {
			if r.read(p) {
				scores, labels = append(scores, r.p.Score), append(labels, float64(r.l.Class))
			}
		}
		return fit(scores, labels)
	case eval.Multiclass:
		c := &eval.Calibrator{Classes: make([]*eval.Calibrator, len(s.Classes)+1)}
		some := false
		for i := range c.Classes {
			var scores, labels []float64
			for _, p := range all {
				if r.read(p) && i < len(r.p.Probabilities) {
					truth := 0.0
					if r.l.Class == i {
						truth = 1
					}
					scores, labels = append(scores, r.p.Probabilities[i]), append(labels, truth)
				}
			}
			c.Classes[i] = fit(scores, labels)
			some = some || c.Classes[i] != nil
		}
		if some {
			return c
		}
	}
	return nil
}

// fit returns nil unless there are scores of both classes.
func fit(scores, labels []float64) *eval.Calibrator {
	n := [2]int{}
	for i, s := range scores {
		if !math.IsNaN(s) && !math.IsInf(s, 0) {
			n[int(labels[i])]++
		}
	}
	switch {
	case n[0] == 0 || n[1] == 0:
		return nil
	case n[0]+n[1] < minIsotonic:
		return eval.FitPlatt(scores, labels)
	}
	return eval.FitIsotonic(scores, labels)
}

// windows cuts disjoint windows out of the pairs, which are in order of time. As those of features none lies over a gap.
func (r *pairReader) windows(all []pair, length int64) FigureWindows {
	times := make([]int64, len(all))
	for i, p := range all {
		times[i] = p.time
	}
	out := FigureWindows{Length: length}
	var sums []figureSum
	stretches, fit := stretchesOf(times, length)
	every := max(1, (fit+maxWindows-1)/maxWindows)
	for _, s := range stretches {
		row := s.low
		for i := int64(0); ; i++ {
			k := picked(i, every)
			if k >= s.fit {
				break
			}
			start := times[s.low] + k*length
			for row < s.high && times[row] < start {
				row++
			}
			low := row
			for row < s.high && times[row] < start+length {
				row++
			}
			if row-low < drift.MinWindow {
				continue
			}
			out.Disjoint++
			for _, f := range r.tally(all[low:row]).Figures(nil) {
				sums = addFigure(sums, f)
			}
		}
	}
	for _, s := range sums {
		if v := s.variation(); !math.IsInf(v.Variance+v.Sampling, 0) {
			out.Figures = append(out.Figures, v)
		}
	}
	return out
}

// figureSum is what windows say of a figure.
type figureSum struct {
	of       eval.Figure
	moments  sketch.Moments
	sampling float64 // the sum of the squared standard errors
}

// addFigure adds a figure of one window to those that can be compared, in the order in which they are first seen.
func addFigure(sums []figureSum, f eval.Figure) []figureSum {
	if math.IsNaN(f.StdErr) || eval.MeasureOf(f.Name) == nil {
		return sums
	}
	i := slices.IndexFunc(sums, func(s figureSum) bool { return s.of.Name == f.Name && s.of.Label == f.Label && s.of.At == f.At })
	if i < 0 {
		i = len(sums)
		sums = append(sums, figureSum{of: f})
	}
	sums[i].moments.AddAll([]float64{f.Value})
	sums[i].sampling += f.StdErr * f.StdErr
	return sums
}

func (s *figureSum) variation() FigureVariation {
	v := FigureVariation{Name: s.of.Name, Label: s.of.Label, At: s.of.At, Windows: int(s.moments.Count), Sampling: s.sampling / float64(s.moments.Count)}
	if s.moments.Count > 1 {
		v.Variance = s.moments.Variance()
	}
	return v
}
