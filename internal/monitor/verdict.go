package monitor

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/streammon/streammon/internal/drift"
	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/profile"
)

// PerformanceVerdict says when answers are worse than those of the reference.
type PerformanceVerdict struct {
	// DecideBy is the name of the figure that gives the state; empty: that of eval.Spec.Deciding.
	DecideBy string
	// Floor is the smallest change that matters; 0: that of the figure.
	Floor float64
	// MinSamples is the number of pairs below which there is no state.
	MinSamples uint64
}

// PerformanceReference is how good the answers of a reference were, by the spec of the model. It never changes.
type PerformanceReference struct {
	*profile.Performance
	// Figures of so many Pairs; none if it was built for another spec.
	Figures []eval.Figure
	Pairs   uint64
	// Curves of these pairs; nil if there are none.
	Curves *eval.Curves
	// Scores calibrates scores; nil if the reference cannot.
	Scores *eval.Calibrator
}

// Refer takes over what a reference says of the answers of a version; empty: of all versions without one of their own. There may be no
// reference, or none that tells.
func (p *Performance) Refer(version string, r *profile.Reference, task string) {
	if r == nil {
		return
	}
	if p.References == nil {
		p.References = map[string]*PerformanceReference{}
	}
	m := profile.Measured{Task: task, Positive: p.Spec.Positive, Spec: &p.Spec}
	of := &PerformanceReference{Performance: r.Performance, Scores: r.Performance.Calibrates(m)}
	of.Figures, of.Pairs = r.Performance.Of(m)
	of.Curves = r.Performance.Curves(m)
	p.References[version] = of
}

// reference returns what a version is compared with, nil if there is nothing.
func (p *Performance) reference(version string) *PerformanceReference {
	if r, ok := p.References[version]; ok {
		return r
	}
	return p.References[""]
}

// estimator returns the calibrator by which the answers of a version are estimated, nil being that scores are probabilities; false if
// they are not.
func (p *Performance) estimator(version string) (*eval.Calibrator, bool) {
	switch {
	case p == nil:
		return nil, false
	case p.Estimated:
		return p.Calibrator, true
	}
	if r := p.reference(version); r != nil && r.Scores != nil {
		return r.Scores, true
	}
	return nil, false
}

// estimates reports whether the answers of some version are estimated.
func (p *Performance) estimates() bool {
	if p == nil || p.Estimated {
		return p != nil
	}
	for _, r := range p.References {
		if r.Scores != nil {
			return true
		}
	}
	return false
}

// Answer fills in what a prediction says.
func (p *Performance) Answer(ev *event.Event, out *eval.Prediction) {
	p.prepare()
	p.answer(ev, out)
}

// Truth fills in what a label says, of its own event or of a row that carries it, and returns whether it says what the task needs.
func (p *Performance) Truth(ev *event.Event, out *eval.Label) bool {
	p.prepare()
	return p.truth(ev, out)
}

// verdict returns how answers are judged.
func (p *Performance) verdict() PerformanceVerdict {
	if p == nil {
		return PerformanceVerdict{}
	}
	return p.Verdict
}

// judgedAs returns what measures as p does, and is judged as o, with its references.
func (p *Performance) judgedAs(o *Performance) *Performance {
	if p == nil || o == nil {
		return p
	}
	next := *p
	next.References, next.Verdict = o.References, o.Verdict
	return &next
}

// judged reports whether the answers of some version have a reference.
func (p *Performance) judged() bool {
	if p != nil {
		for _, r := range p.References {
			if len(r.Figures) > 0 {
				return true
			}
		}
	}
	return false
}

// deciding returns the figure that decides, nil if it is not there. Of several of a name it is the one without a label, else that at the
// largest cut-off, else the mean over classes that are all alike.
func (v *PerformanceVerdict) deciding(s *eval.Spec, figures []eval.Figure) *eval.Figure {
	if v.DecideBy == "" {
		return s.Deciding(figures)
	}
	var best *eval.Figure
	for i := range figures {
		f := &figures[i]
		if f.Name == v.DecideBy && (best == nil || preferred(f, best) > 0) {
			best = f
		}
	}
	return best
}

func preferred(a, b *eval.Figure) int {
	rank := func(f *eval.Figure) int {
		return max(slices.Index([]string{thresholdDecision, "average", "k", ""}, f.Label), 0)
	}
	cutoff := func(f *eval.Figure) int { k, _ := strconv.Atoi(f.At); return k }
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(cutoff(a), cutoff(b)))
}

// same returns the figure of the name and label of f, nil if it is not there.
func same(figures []eval.Figure, f *eval.Figure) *eval.Figure {
	i := slices.IndexFunc(figures, func(o eval.Figure) bool { return o.Name == f.Name && o.Label == f.Label && o.At == f.At })
	if i < 0 {
		return nil
	}
	return &figures[i]
}

// The states of holds, which know those of drift, and of performance.
var (
	asDrift = map[string]string{eval.OK: StateOK, eval.Warning: StateWarning, eval.Worse: StateDrift}
	asWorse = map[string]string{StateOK: eval.OK, StateWarning: eval.Warning, StateDrift: eval.Worse}
)

// compare says whether the answers in r, of a version of model m that is judged as model now is, are worse than those of its
// reference: those of all traffic, since it does not tell segments apart. A state is held as that of a feature.
func (v *View) compare(r *Result, m, now *Model, w Window, end int64, l look) {
	p, ref := r.Performance, m.config.Performance.reference(r.Version)
	if ref == nil || len(ref.Figures) == 0 {
		return
	}
	p.Reference, p.ReferenceCurves, p.Needs = ref.Figures, ref.Curves, now.config.Performance.Verdict.MinSamples
	judge := &now.config.Performance.Verdict
	then := judge.deciding(&m.config.Performance.Spec, ref.Figures)
	if then == nil {
		return
	}
	p.DecidedBy, p.DecidedAt = then.Name, then.At
	measure, figure := eval.MeasureOf(then.Name), same(p.Figures, then)
	if measure == nil || figure == nil {
		return
	}
	variation := ref.Variation(then, w.Length)
	c := measure.Criterion(v.level(&now.Verdicts, w))
	if judge.Floor > 0 {
		c.Floor = judge.Floor
	}
	c.Samples, c.ReferenceSamples, c.MinSamples = p.Matched, ref.Pairs, judge.MinSamples
	c.Between, c.Degrees = variation.Between, variation.Degrees
	out := eval.Compare(*figure, *then, c)
	p.Threshold, p.PValue, p.Calibration = Figure(out.Threshold), Figure(out.PValue), variation.Caveat
	if out.State == eval.Worse && variation.Caveat == drift.Insufficient {
		out.State = eval.Warning
	}
	k := holdKey{r.Length, r.Model, r.Version, r.Segment, performancePart}
	state := asDrift[out.State]
	p.State = asWorse[v.holds[k].state(state, end, r.Length)]
	if l != shown {
		v.holds.note(k, state, end)
	}
}
