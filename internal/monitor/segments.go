package monitor

import (
	"strconv"
	"strings"

	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/event"
)

// Fairness says which groups of a binary task are compared.
type Fairness struct {
	// Segment is the name of the segmentation whose values are the groups; empty: none are compared.
	Segment string
	// Privileged is the value that the others are compared with, besides each other; empty: none.
	Privileged string
}

// WorstSegment is the segment of a version with the worst deciding figure, among those with enough matched predictions. Values that
// have no series of their own are no segment together.
type WorstSegment struct {
	Segment string
	// Figure that decides, at the cut-off At if it has one, and its Value in the segment.
	Figure, At string
	Value      float64
	Matched    uint64
}

// FairnessResult compares the groups of a segmentation: the listed values that have answers with labels.
type FairnessResult struct {
	Segment, Privileged string
	Groups              []eval.Group
	Figures             []eval.Disparity
}

// compareSegments puts what the segments of a version say together into the result of all its traffic, which is the first. m is
// the model that they were counted for.
func (p *Performance) compareSegments(results []*Result, m *Model, v *version) {
	if p == nil || len(results) == 0 || results[0].Segment != "" {
		return
	}
	all := results[0].Performance
	all.Worst = p.worst(all.Figures, results[1:])
	all.Fairness = p.fairness(m, v)
}

// worst returns the worst segment by the figure that decides for all traffic; of equal ones the first. It is nil if there is none.
func (p *Performance) worst(all []eval.Figure, segments []*Result) *WorstSegment {
	deciding := p.Verdict.deciding(&p.Spec, all)
	if deciding == nil {
		return nil
	}
	measure := eval.MeasureOf(deciding.Name)
	if measure == nil {
		return nil
	}
	var worst *WorstSegment
	for _, r := range segments {
		_, value, _ := strings.Cut(r.Segment, "=")
		f := same(r.Performance.Figures, deciding)
		if f == nil || value == event.Other || r.Performance.Matched < p.Verdict.MinSamples {
			continue
		}
		if worst == nil || measure.Better == eval.Higher && f.Value < worst.Value || measure.Better == eval.Lower && f.Value > worst.Value {
			worst = &WorstSegment{r.Segment, f.Name, f.At, f.Value, r.Performance.Matched}
		}
	}
	return worst
}

// fairness compares the groups of a version; nil if fewer than two have answers with labels.
func (p *Performance) fairness(m *Model, v *version) *FairnessResult {
	r := &FairnessResult{Segment: p.Fairness.Segment, Privileged: p.Fairness.Privileged}
	for i, s := range m.Segmentations {
		if s.Name != r.Segment {
			continue
		}
		for j := m.offsets[i]; j < m.lookup[i][event.Other]; j++ {
			if v.series[j] == nil || v.series[j].labelled == nil {
				continue
			}
			n, ok := v.series[j].labelled.tally.Answers()
			if !ok || n == [2][2]uint64{} {
				continue
			}
			_, name, _ := strings.Cut(m.segments[j], "=")
			r.Groups = append(r.Groups, eval.Group{Name: name, TP: n[1][1], FP: n[0][1], FN: n[1][0], TN: n[0][0]})
		}
	}
	if len(r.Groups) < 2 {
		return nil
	}
	r.Figures = eval.Fairness(r.Groups, r.Privileged)
	return r
}

// appendJSON appends the segment as a member of an object that began at start; nothing if it is nil.
func (w *WorstSegment) appendJSON(b []byte, start int) []byte {
	if w == nil {
		return b
	}
	b = appendKeyText(append(appendComma(b, start), `"worst_segment":{`...), "segment", w.Segment)
	b = appendKeyText(append(b, ','), "figure", w.Figure)
	if w.At != "" {
		b = appendKeyText(append(b, ','), "at", w.At)
	}
	b = appendFigure(b, 0, "value", Figure(w.Value))
	return append(appendCount(b, "matched", w.Matched), '}')
}

// appendJSON appends the comparison as a member of an object that began at start; nothing if it is nil.
func (r *FairnessResult) appendJSON(b []byte, start int) []byte {
	if r == nil {
		return b
	}
	b = appendKeyText(append(appendComma(b, start), `"fairness":{`...), "segment", r.Segment)
	if r.Privileged != "" {
		b = appendKeyText(append(b, ','), "privileged", r.Privileged)
	}
	b = append(b, `,"groups":{`...)
	inner := len(b)
	for _, g := range r.Groups {
		b = append(appendText(appendComma(b, inner), g.Name), `:{"true_positive":`...)
		b = strconv.AppendUint(b, g.TP, 10)
		b = appendCount(b, "false_positive", g.FP)
		b = appendCount(b, "false_negative", g.FN)
		b = append(appendCount(b, "true_negative", g.TN), '}')
	}
	b = append(b, `},"figures":[`...)
	inner = len(b)
	for i := range r.Figures {
		b = appendDisparity(appendComma(b, inner), &r.Figures[i])
	}
	return append(b, ']', '}')
}

func appendDisparity(b []byte, d *eval.Disparity) []byte {
	b = appendKeyText(append(b, '{'), "figure", d.Name)
	if d.Group != "" {
		b = appendKeyText(append(b, ','), "group", d.Group)
	}
	if d.Against != "" {
		b = appendKeyText(append(b, ','), "against", d.Against)
	}
	b = appendFigure(b, 0, "value", Figure(d.Value))
	b = appendFigure(b, 0, "low", Figure(d.Low))
	b = appendFigure(b, 0, "high", Figure(d.High))
	b = appendCount(b, "count", d.Count)
	if d.FourFifths() {
		b = append(b, `,"adverse":`...)
		b = strconv.AppendBool(b, d.Adverse)
	}
	return append(b, '}')
}
