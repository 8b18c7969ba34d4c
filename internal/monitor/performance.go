package monitor

import (
	"math"
	"slices"

	"github.com/streammon/streammon/internal/eval"
	"github.com/streammon/streammon/internal/event"
	"github.com/streammon/streammon/internal/sketch"
)

// Performance says how a model's answers are compared with their labels, and estimated without.
type Performance struct {
	Spec eval.Spec
	// Joined: labels come. Without, answers are estimated at most.
	Joined bool
	// Timeout is how long after a prediction its label may be, in nanoseconds.
	Timeout int64
	// MaxPending is how many predictions a lane keeps that may still get a label, or another one; 0 is any number.
	MaxPending int
	// Score, Decision and Value are the features that stand for the model's answer, as indices in the schema; -1: none.
	Score, Decision, Value int
	// Estimated: answers of all versions are estimated without labels, by probabilities that Calibrator makes of scores; if it is nil
	// scores are probabilities. Else those are estimated whose reference calibrates scores.
	Estimated  bool
	Calibrator *eval.Calibrator
	// References are what answers are compared with, by version; empty is that of versions without one of their own.
	References map[string]*PerformanceReference
	Verdict    PerformanceVerdict
	Fairness   Fairness

	classes map[string]int
}

// prepare makes what reading needs.
func (p *Performance) prepare() {
	if p.classes != nil {
		return // it may be in use
	}
	p.classes = make(map[string]int, len(p.Spec.Classes))
	for i, c := range p.Spec.Classes {
		p.classes[c] = i
	}
}

// class returns the class of that name, as eval.Prediction has it.
func (p *Performance) class(name []byte) int {
	if p.Spec.Task == eval.Binary {
		if string(name) == p.Spec.Positive {
			return 1
		}
		return 0
	}
	if i, ok := p.classes[string(name)]; ok {
		return i
	}
	return len(p.Spec.Classes)
}

// answer fills in what the model answered.
func (p *Performance) answer(ev *event.Event, out *eval.Prediction) {
	out.Score, out.Value, out.Lower, out.Upper = number(ev, p.Score), number(ev, p.Value), finite(&ev.Lower), finite(&ev.Upper)
	out.Class = -1
	if p.Decision >= 0 && ev.Features[p.Decision].State == event.Valid {
		out.Class = p.class(ev.Features[p.Decision].Text)
	}
	out.Probabilities, out.Items = out.Probabilities[:0], out.Items[:0]
	switch p.Spec.Task {
	case eval.Multiclass:
		p.probabilities(ev, out)
	case eval.Ranking:
		for _, item := range ev.Items {
			out.Items = append(out.Items, sketch.HashText(item))
		}
	}
}

// probabilities sorts the scores of classes by the spec's: of those that it does not name the sum is the last.
func (p *Performance) probabilities(ev *event.Event, out *eval.Prediction) {
	if ev.ScoresState != event.Valid || len(ev.Scores) == 0 {
		return
	}
	n := len(p.Spec.Classes)
	for range n + 1 {
		out.Probabilities = append(out.Probabilities, 0)
	}
	for i := range ev.Scores {
		s := &ev.Scores[i]
		out.Probabilities[p.class(s.Class)] += s.P
	}
}

// number returns the value of a numeric feature, NaN if there is none.
func number(ev *event.Event, feature int) float64 {
	if feature < 0 {
		return math.NaN()
	}
	return finite(&ev.Features[feature])
}

func finite(v *event.Value) float64 {
	if v.State != event.Valid {
		return math.NaN()
	}
	return v.Number
}

// truth fills in what a label says, and returns whether it says what the task needs.
func (p *Performance) truth(ev *event.Event, out *eval.Label) bool {
	t := &ev.Truth
	*out = eval.Label{Items: out.Items[:0], Relevance: out.Relevance[:0]}
	switch p.Spec.Task {
	case eval.Regression:
		out.Value = t.Number
		return t.HasNumber
	case eval.Ranking:
		p.relevant(t.Items, out)
		return t.ItemsState == event.Valid
	default:
		out.Class = p.class(t.Text)
		return t.HasText
	}
}

// relevant fills in what is relevant. What is not says nothing, nor does a list (of equal relevance) that names an item again.
func (p *Performance) relevant(items []event.Item, out *eval.Label) {
	graded := false
	for i := range items {
		if r := items[i].Relevance; r > 0 {
			out.Items = append(out.Items, sketch.HashText(items[i].Name))
			out.Relevance = append(out.Relevance, r)
			graded = graded || r != 1
		}
	}
	if !graded {
		slices.Sort(out.Items)
		out.Items = slices.Compact(out.Items)
		out.Relevance = out.Relevance[:len(out.Items)]
	}
}

// Labels returns the group that counts, on label time, the answers of the models whose labels come; nil if there is no such model. Its
// panes have the same series, and none of the features. After KeepLabels it is the same at each call.
func (g *Group) Labels() *Group {
	if g.labels != nil {
		return g.labels
	}
	return g.labelled()
}

// KeepLabels makes Labels, of the group and of those that succeed it; it comes before others use the group.
func (g *Group) KeepLabels() { g.labels = g.Labels() }

func (g *Group) labelled() *Group {
	l := *g
	l.before, l.labels, l.Models, l.Deduplicate, l.onLabels = nil, nil, nil, 0, true
	some := false
	for _, m := range g.Models {
		some = some || m.config.Performance.joined()
		l.Models = append(l.Models, m.labels)
	}
	if !some {
		return nil
	}
	return &l
}

// joined reports whether labels come.
func (p *Performance) joined() bool { return p != nil && p.Joined }

// newEstimate returns an empty estimate of the answers of a version; nil if none is made.
func (m *Model) newEstimate(version string) *eval.Estimate {
	p := m.config.Performance
	if c, ok := p.estimator(version); ok && m.labels != nil {
		return eval.NewEstimate(&p.Spec, c)
	}
	return nil
}
